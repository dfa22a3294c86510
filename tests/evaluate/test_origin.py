"""The page says what the network is and what was done to the clips, and claims nothing that did not happen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.contract.network import Model
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.preprocess.said import images_words
from p2pfl_me.evaluate.card import card_markdown, run_card
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.items import clips_digest
from p2pfl_me.learning.origin import network_words
from p2pfl_me.networks.layout import Group, Layout
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.style import house_style
from tests.evaluate.test_absent import three_labs

SHA = "ab" * 32


def weights_file(path: Path, **metadata: str) -> Path:
    save_file({"x": np.zeros(1, np.float32)}, path, metadata or None)
    return path


def contract(model: str, seed: int = 1) -> Contract:
    text = f"version: 1\nname: t\nseed: {seed}\ntopology: {{kind: ring}}\npeers: {{loopback: {{count: 4}}}}\n"
    return contract_from_yaml(f"{text}model: {model}\n")


LAYOUT = Layout((("x", (1,)),), (Group.LAST_LAYER,)).digest().hex()
OWN = f"{{backbone: {{kind: own, called: net, tensors: [[x, [1], last_layer]], sha256: {LAYOUT}MORE}}}}"
FILE = f"{{weights: {{source: file, sha256: {SHA}}}}}"


def networks(folder: Path) -> dict[str, tuple[str, Path | None, str]]:
    """Model section, file, and the words that must stand on every page."""
    known = weights_file(folder / "known.safetensors", trained_on="4,000 images of\n\n3 classes")
    unknown = weights_file(folder / "unknown.safetensors", method="labels")
    return {
        "seed": ("{}", None, "vgg16, frozen layers: random, drawn from seeds 1, 2, never trained."),
        "imagenet": ("{weights: {source: imagenet}}", None, "trained on ImageNet-1k"),
        "file": (FILE, known, f"file, sha256 {SHA}, trained on 4,000 images of 3 classes."),
        "unknown file": (FILE, unknown, f"file, sha256 {SHA}, of unknown origin"),
        "no file at hand": (FILE, None, "of unknown origin"),
        "own code": (OWN.replace("MORE", ""), None, "net, the user's own code: begun from what the code builds"),
        "own frozen": (OWN.replace("MORE", f", frozen_sha256: {SHA}"), None, f"frozen layers of sha256 {SHA}: begun"),
        "whole": ("{backbone: mlp}", None, "trained whole from a model drawn from seeds 1, 2"),
    }


CASES = ("seed", "imagenet", "file", "unknown file", "no file at hand", "whole", "own code", "own frozen")


@pytest.mark.few(1)
@pytest.mark.parametrize("case", CASES)
def test_page_and_card_say_what_the_network_is(tmp_path: Path, case: str) -> None:
    model, weights, words = networks(tmp_path)[case]
    results = three_labs(tmp_path)
    section = contract(model).model
    asked = replace(results.design.request, weights=weights)
    whole = section.model_copy(update={"classes": results.classes})
    own = results.design.contract.model_copy(update={"model": whole})
    results = replace(results, design=replace(results.design, request=asked, contract=own))
    with house_style():
        page = render_markdown(compose(results)).replace("\\", "")
    card = run_card(results)
    assert words in page and words in card["network"] and words in card_markdown(card)
    assert ("drawn frozen layers" in page) == (case == "seed")
    unknown = case in {"unknown file", "no file at hand", "own code", "own frozen"}
    assert ("of unknown origin" in page) == unknown == ("of unknown origin" in card["network"])
    known = "does not say what it was trained on: whether it has seen the held-out subjects is not known" in page
    assert known == (unknown or case == "file"), "the design's record is what is asked, and here is none"


def test_a_file_of_another_kind_or_a_damaged_one_is_of_unknown_origin(tmp_path: Path) -> None:
    (tmp_path / "torn.safetensors").write_bytes(b"\x08")
    for path in (tmp_path / "torn.safetensors", tmp_path / "keras.h5", tmp_path / "gone.safetensors"):
        assert "of unknown origin" in network_words(contract(FILE), path)


def clips_on_disk(folder: Path) -> dict[str, Clip]:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    frames = folder / "frames"
    frames.mkdir()
    for number in range(1, 4):
        cv2.imwrite(str(frames / f"img{number}.png"), image + number)
    cv2.imwrite(str(folder / "flow.png"), image)
    vectors = folder / "v.safetensors"
    vectors.write_bytes(b"vectors")
    return {
        "frames": Clip(frames, "A", "A/1", "one", "joy", 1, 2, 3),
        "picture": Clip(folder / "flow.png", "A", "A/2", "two", "joy"),
        "vectors": Clip(vectors, "A", "A/3", "three", "joy"),
    }


def test_preprocessing_that_did_not_happen_is_not_claimed(tmp_path: Path) -> None:
    clips = clips_on_disk(tmp_path)
    flow, aligned = (Model.model_validate(values) for values in ({"input": "flow"}, {"preprocess": {"align": "face"}}))
    ready = images_words([clips["picture"]], recipe_of(flow))
    assert ready.startswith("1 ready picture of motion as given, only brought to") and "not applied" in ready
    assert not any(word in ready for word in ("dis", "median", "apex"))
    of_frames = images_words([clips["frames"]], recipe_of(flow))
    assert of_frames == f"1 clip of frames: {recipe_of(flow)}" and "dis" in of_frames
    assert "aligned by the face" in images_words([clips["picture"]], recipe_of(aligned))
    vectors = images_words([clips["vectors"]] * 2, recipe_of(flow))
    assert vectors == "2 clips as feature vectors as given: no image and no frozen layer was used"
    mixed = images_words(list(clips.values()), recipe_of(flow))
    assert [part[:6] for part in mixed.split("; ")] == ["1 clip", "1 read", "1 clip"]


def test_the_clips_digest_is_of_the_clips_alone(tmp_path: Path) -> None:
    clips = clips_on_disk(tmp_path)
    every = list(clips.values())
    first = clips_digest(every)
    assert clips_digest(reversed(every)) == first and len(first) == len(hashlib.sha256().hexdigest())
    assert clips_digest([replace(each, line=7, split="test") for each in every]) == first, "where it stood is no matter"
    for change in ({"label": "fear"}, {"subject": "A/9"}, {"onset": 2}, {"clip": "x"}, {"dataset": "B"}):
        assert clips_digest([replace(every[0], **change), *every[1:]]) != first, change  # type: ignore[arg-type]
    assert clips_digest(every[1:]) != first
    cv2.imwrite(str(tmp_path / "flow.png"), np.zeros((8, 8, 3), np.uint8))
    assert clips_digest(every) != first


RING = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


def test_of_feature_vectors_no_frozen_layer_of_ours_is_claimed() -> None:
    words = network_words(contract_from_yaml(RING), of_vectors=True)
    assert words == "vgg16, its trained layers alone, on feature vectors as given: what made them is not known here."
    assert "random, drawn from seed" in network_words(contract_from_yaml(RING))
