"""A run refuses the same images under two subjects or labels, before anything is trained, and nothing that is sound."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from p2pfl_me.data.source import prepare
from p2pfl_me.errors import DataError
from tests.data.make import contract, good, picture, row, rows, save

Table = list[dict[str, object]]
RULE = contract("model: {classes: [negative, positive, surprise]}\n")


def _film(folder: Path, name: str, seed: int) -> None:
    for number in range(1, 6):
        save(folder / name / f"img{number}.png", picture(seed + number))


def _the_same_row_of_somebody_else(folder: Path, table: Table) -> None:
    table.append(table[0] | {"subject": "other"})


def _a_copied_picture(folder: Path, table: Table) -> None:
    shutil.copy(folder / "0-0.png", folder / "copy.png")
    table.append(row("copy.png", "other", "negative"))


def _a_copied_film_with_another_apex(folder: Path, table: Table) -> None:
    _film(folder, "film", 900)
    shutil.copytree(folder / "film", folder / "again")
    table[:0] = [row("film", "00", "negative", onset=1, apex=3, offset=5)]
    table.append(row("again", "other", "negative", onset=1, apex=4, offset=5))


@pytest.mark.parametrize("plant", [_the_same_row_of_somebody_else, _a_copied_picture, _a_copied_film_with_another_apex])
def test_the_same_images_of_two_subjects_are_refused(tmp_path: Path, plant: Callable[[Path, Table], None]) -> None:
    table = good(tmp_path)
    plant(tmp_path, table)
    columns = (*row("x"), "onset", "apex", "offset")
    rows(tmp_path / "manifest.csv", table, columns=columns)
    with pytest.raises(DataError, match=rf"line {len(table) + 1}: the same pixels as line 2, with another subject"):
        prepare(RULE, tmp_path, tmp_path / "cache")


def test_the_same_images_with_two_labels_are_refused(tmp_path: Path) -> None:
    table = good(tmp_path)
    table.insert(0, table[0] | {"label": "surprise", "clip": "again"})
    rows(tmp_path / "manifest.csv", table)
    with pytest.raises(DataError, match="line 3: the same pixels as line 2, with another label"):
        prepare(RULE, tmp_path, tmp_path / "cache")


def test_copies_of_one_subject_and_label_pass_and_so_do_clips_that_share_their_first_frame(tmp_path: Path) -> None:
    table = [*good(tmp_path), row("0-0.png", "00", "negative", clip="again")]
    for name, seed in (("film", 900), ("other", 950)):
        _film(tmp_path, name, seed)
        save(tmp_path / name / "img1.png", picture(1))
    table += [row("film", "01", "positive"), row("other", "02", "negative")]
    rows(tmp_path / "manifest.csv", table)
    assert len(prepare(RULE, tmp_path, tmp_path / "cache").clips) == 15


def test_what_cannot_be_read_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    table = good(tmp_path)
    for name in ("0-0.png", "1-1.png"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "empty").mkdir()
    table += [row("empty", "01"), row("empty", "02")]
    rows(tmp_path / "manifest.csv", table)
    assert len(prepare(RULE, tmp_path, tmp_path / "cache").clips) == 14


def test_the_same_feature_vector_of_two_subjects_is_refused(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(24, 16)).astype(np.float32)
    features[23] = features[0]
    tensors = {"features": features, "labels": np.arange(24) % 3, "subjects": np.arange(24) // 3}
    save_file(tensors, tmp_path / "v.safetensors", {"classes": '["negative", "positive", "surprise"]'})
    with pytest.raises(DataError, match="line 24: the same feature vector as line 1, with another subject and label"):
        prepare(RULE, tmp_path / "v.safetensors", tmp_path)
