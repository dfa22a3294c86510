"""A mirrored face moves the other way; small shifts; few shots are the same ones wherever they are counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.contract.preprocess import Scale
from p2pfl_me.data.augment import ORIGINAL, Variant, turn_of, variants_of, vary
from p2pfl_me.data.few_shot import few_shot
from p2pfl_me.data.manifest import Manifest
from p2pfl_me.data.preprocess.flow import STILL, FlowRecipe, flow_image
from p2pfl_me.data.source import deal
from tests.data.make import CLASSES, clips, contract, picture

Image = npt.NDArray[np.uint8]


def _moving_faces() -> tuple[Image, Image]:
    """A picture with soft structure, and the same with its left upper part drawn to the right and down."""
    onset = cv2.GaussianBlur(picture(3, 96), (0, 0), 3)
    onset = np.asarray(cv2.normalize(onset, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    bump = np.exp(-((x - 30) ** 2 + (y - 40) ** 2) / 200)
    apex = cv2.remap(onset, x - 1.2 * bump, y - 0.5 * bump, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return onset, np.asarray(apex, dtype=np.uint8)


@pytest.mark.parametrize("scale", list(Scale))
def test_the_mirrored_flow_is_the_flow_of_the_mirrored_face(scale: Scale) -> None:
    onset, apex = _moving_faces()
    recipe = FlowRecipe(scale=scale)
    turn = turn_of(contract(f"model: {{input: flow, preprocess: {{scale: {scale.value}}}}}").model)
    flow = flow_image(onset, apex, recipe, 64)
    mirrored = vary(flow, Variant(mirror=True), turn)
    expected = flow_image(onset[:, ::-1].copy(), apex[:, ::-1].copy(), recipe, 64)
    wrong = flow[:, ::-1]

    def apart(one: Image, two: Image) -> float:
        return float(np.abs(one.astype(int) - two.astype(int)).mean())

    assert apart(mirrored, expected) < 0.25 * apart(wrong, expected), "u turns its sign"
    np.testing.assert_array_equal(vary(mirrored, Variant(mirror=True), turn), flow)


def test_a_mirrored_picture_and_what_is_masked() -> None:
    onset, _ = _moving_faces()
    assert turn_of(contract().model) is None
    np.testing.assert_array_equal(vary(onset, Variant(mirror=True), None), onset[:, ::-1])
    masked = onset.copy()
    masked[:20] = STILL
    assert (vary(masked, Variant(mirror=True), 255)[:20] == STILL).all()


def test_a_shift_moves_and_repeats_the_edge() -> None:
    image = picture(1, 64)
    moved = vary(image, Variant(right=2, down=-3), None)
    np.testing.assert_array_equal(moved[:-3, 2:], image[3:, :-2])
    np.testing.assert_array_equal(moved[:-3, 0], image[3:, 0])
    assert moved.flags.c_contiguous
    np.testing.assert_array_equal(vary(image, ORIGINAL, 248), image)


def test_the_variants_are_the_contracts() -> None:
    assert variants_of(contract()) == (ORIGINAL,)
    assert variants_of(contract("training: {augment: mirror}")) == (ORIGINAL, Variant(mirror=True))
    both = variants_of(contract("training: {augment: {mirror: true, shifts: 4, pixels: 1}}"))
    assert both[0] == ORIGINAL and len(set(both)) == 10
    assert all(max(abs(each.right), abs(each.down)) <= 1 for each in both)
    assert variants_of(contract("training: {augment: {shifts: 3}}")) != variants_of(
        contract("seed: 2\ntraining: {augment: {shifts: 3}}")
    )


def test_few_shots_are_so_many_of_each_class_a_peer_and_the_same_ones_twice() -> None:
    split = ["test", "train", "train", "train", "train", "validation"]
    table = clips({f"lab/{subject}": 9 for subject in range(6)})
    manifest = Manifest(table[0].path, tuple(replace(c, split=split[int(c.subject.split("/")[1])]) for c in table))
    shards = deal(contract("training: {few_shot: 2}"), manifest, 2)
    whole = deal(contract(), manifest, 2)
    for peer, shard in enumerate(shards):
        few = [clip for clip in shard if clip.split == "train"]
        assert Counter(clip.label for clip in few) == dict.fromkeys(CLASSES, 2)
        assert set(shard) <= set(whole[peer])
        assert [c for c in shard if c.split != "train"] == [c for c in whole[peer] if c.split != "train"]
        assert few_shot(shard, 2, 1) == shard, "applied again it changes nothing"
    assert deal(contract("seed: 5\ntraining: {few_shot: 2}"), manifest, 2) != shards
    assert few_shot(table, None, 1) == table
