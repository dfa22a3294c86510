"""Files of feature vectors are manifests of their own, mapped and not copied, and refused when they don't fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.manifest import Fault, write_manifest
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.source import deal, prepare
from p2pfl_me.data.vectors import vector_row, vectors_bank, vectors_manifest
from p2pfl_me.errors import DataError
from tests.data.make import CLASSES, contract


def save(path: Path, *, dataset: str | None = None, classes: tuple[str, ...] = CLASSES, **change: object) -> Path:
    random = np.random.default_rng(0)
    tensors: dict[str, object] = {
        "features": random.normal(size=(24, 16)).astype(np.float32),
        "labels": np.arange(24) % 3,
        "subjects": np.arange(24) // 3,
    }
    tensors |= change
    metadata = {"classes": json.dumps(classes)} | ({"dataset": dataset} if dataset else {})
    save_file({name: value for name, value in tensors.items() if value is not None}, path, metadata)
    return path


def test_rows_are_clips_of_subjects(tmp_path: Path) -> None:
    clips = vectors_manifest(save(tmp_path / "v.safetensors", dataset="lab-7"), CLASSES).clips
    assert len(clips) == 24 and clips[5].label == "surprise" and clips[5].subject == "lab-7/1" and clips[5].clip == "5"
    assert clips[5].split is None
    split = vectors_manifest(save(tmp_path / "v.safetensors", split=np.arange(24) // 8), CLASSES).clips
    assert [split[row].split for row in (0, 8, 16)] == ["train", "validation", "test"]


def test_the_bank_is_mapped_and_holds_the_rows(tmp_path: Path) -> None:
    bank = vectors_bank(save(tmp_path / "v.safetensors"))
    assert isinstance(bank, np.memmap) and bank.shape == (24, 16)
    assert np.array_equal(bank, np.random.default_rng(0).normal(size=(24, 16)).astype(np.float32))


def test_they_are_split_dealt_and_written_like_clips(tmp_path: Path) -> None:
    rule = contract("model: {classes: [negative, positive, surprise]}\n")
    rows = np.random.default_rng(0).random((24, rule.model.input_width), np.float32)
    path = save(tmp_path / "v.safetensors", features=rows)
    manifest = prepare(rule, path, tmp_path)
    shards = deal(rule, manifest)
    assert sum(map(len, shards)) == 18 and len(manifest.part("test")) == 6
    write_manifest(tmp_path / "peer-0.csv", shards[0])
    assert [clip.clip for clip in read_clips(tmp_path / "peer-0.csv", CLASSES).clips] == [c.clip for c in shards[0]]
    assert check_manifest(tmp_path / "peer-0.csv", CLASSES).problems == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ("a", "b", "c")}, "made for the classes a, b, c"),
        ({"labels": np.arange(24)}, "don't fit together"),
        ({"subjects": np.arange(23)}, "don't fit together"),
        ({"labels": np.zeros(24, np.float32)}, "whole numbers"),
        ({"labels": None}, "not a file of feature vectors"),
        ({"split": np.full(24, 3)}, "don't fit together"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = save(tmp_path / "v.safetensors", **change)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=said):
        vectors_manifest(path, CLASSES)


@pytest.mark.parametrize("data", [b"", b"text that is no tensor file", b"\xff" * 64])
def test_any_other_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.safetensors").write_bytes(data)
    for read in (lambda path: vectors_manifest(path, CLASSES), vectors_bank):
        with pytest.raises(DataError):
            read(tmp_path / "v.safetensors")


def test_check_finds_values_that_are_no_numbers_and_rows_that_stand_twice(tmp_path: Path) -> None:
    features = np.random.default_rng(1).normal(size=(24, 16)).astype(np.float32)
    features[3, 2], features[9] = np.nan, features[8]
    report = check_manifest(save(tmp_path / "v.safetensors", features=features), CLASSES)
    assert [(problem.line, problem.kind) for problem in report.problems] == [
        (4, Fault.UNREADABLE),
        (10, Fault.DUPLICATE),
    ]


@pytest.mark.parametrize("named", ["²", "24", "-1", "x", "9" * 5000])
def test_a_row_that_is_none_is_a_problem_of_its_line_and_a_run_refuses_it(tmp_path: Path, named: str) -> None:
    path = save(tmp_path / "v.safetensors")
    clips = vectors_manifest(path, CLASSES).clips
    write_manifest(tmp_path / "m.csv", [replace(clips[0], clip=named), *clips[1:]])
    (problem,) = check_manifest(tmp_path / "m.csv", CLASSES).problems
    assert (problem.line, problem.kind) == (2, Fault.MISSING) and "it has 0 to 23" in problem.text
    with pytest.raises(DataError, match="has no row"):
        vector_row(replace(clips[0], clip=named), vectors_bank(path))
