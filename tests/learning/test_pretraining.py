"""Block 5 learns from a folder, with labels or by rotations, and the file becomes a contract's backbone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.main import cli
from p2pfl_me.data.folder import read_folder
from p2pfl_me.errors import DataError, WeightsError
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.pretraining import _parts, pretrain
from tests.data.make import picture, save
from tests.learning.runs import contract


def _folder(folder: Path, each: int) -> Path:
    """Dark pictures and pictures with a light upper half: two classes, and which way is up can be seen."""
    for index in range(each):
        dark = picture(index, 64) // 3
        light = picture(100 + index, 64) // 3
        light[:32] += 150
        save(folder / "dark" / f"{index}.png", dark)
        save(folder / "light" / f"{index}.png", light)
    return folder


@pytest.mark.thorough
def test_the_command_writes_a_backbone_that_a_contract_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    out = tmp_path / "weights.safetensors"
    folder = _folder(tmp_path / "images", 10)
    command = ["pretrain", str(folder), "-o", str(out), "--epochs", "8", "--device", "cpu"]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert "20 images, 2 classes" in done.output and digest in done.output
    assert "accuracy 1.000 where chance is 0.500" in done.output, "the held out two are told apart"
    agreed = contract(f"model.weights={{source: file, sha256: '{digest}'}}")
    found = load_backbone(agreed, cache=tmp_path, weights=out)
    seeded = load_backbone(contract(), cache=tmp_path)
    same = {name for name, value in seeded.tensors.items() if (found.tensors[name] == value).all()}
    assert set(seeded.tensors) - same == {f"{index}.{kind}" for index in (24, 26, 28) for kind in ("weight", "bias")}


@pytest.mark.parametrize(("name", "says"), [("old.safetensors", "is there already"), ("new.pth", "as .safetensors")])
def test_a_name_that_will_not_do_is_refused_before_any_training(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "old.safetensors").write_bytes(b"whose digest a contract names")
    with pytest.raises(WeightsError, match=rf"{name}: .*{says}"):
        CliRunner().invoke(cli, ["pretrain", "no folder", "-o", str(tmp_path / name)], catch_exceptions=False)
    assert (tmp_path / "old.safetensors").read_bytes() == b"whose digest a contract names"


@pytest.mark.thorough
@pytest.mark.parametrize(("epochs", "accuracy"), [(2, 0.0), pytest.param(25, 0.75, marks=pytest.mark.thorough)])
def test_without_labels_it_learns_which_way_is_up(tmp_path: Path, epochs: int, accuracy: float) -> None:
    found = read_folder(_folder(tmp_path, 8) / "light", 64, labelled=False)
    assert found.classes == () and found.images.shape == (8, 64, 64, 3)
    told: list[tuple[int, float, float]] = []
    trained = pretrain(
        found.images,
        found.labels,
        (),
        epochs=epochs,
        seed=1,
        cache=tmp_path,
        device="cpu",
        told=lambda *each: told.append(each),
    )
    assert trained.method == "rotations" and trained.chance == 0.25
    assert [epoch for epoch, _, _ in told] == list(range(1, epochs + 1)) and told[-1][1] < told[0][1]
    assert trained.accuracy == told[-1][2] >= accuracy


def test_an_image_is_held_out_in_all_its_turns() -> None:
    parts = _parts(np.zeros((80, 4), np.float32), np.repeat(np.arange(4), 20), 20, seed=1)
    assert parts.validation is not None
    held = parts.validation.rows % 20
    assert len(held) == 8 and len(set(held)) == 2
    assert not set(held) & set(parts.train.rows % 20)


def test_folders_that_teach_nothing_are_named(tmp_path: Path) -> None:
    _folder(tmp_path / "images", 1)
    (tmp_path / "empty").mkdir()
    for folder, labelled, says in [
        (tmp_path / "none", True, "not a folder"),
        (tmp_path / "empty", False, "fewer than two images"),
        (tmp_path / "images" / "dark", True, "has 0 sub-folders"),
    ]:
        with pytest.raises(DataError, match=says):
            read_folder(folder, 64, labelled=labelled)


def test_one_class_is_no_two_and_one_image_no_other(tmp_path: Path) -> None:
    for number, name in enumerate(("Happy", "happy", "sad")):
        save(tmp_path / "case" / name / "a.png", picture(number))
    with pytest.raises(DataError, match="labels 'Happy' and 'happy' may be one class"):
        read_folder(tmp_path / "case", 64, labelled=True)
    for name in ("a", "b"):
        for number in range(3):
            save(tmp_path / "two" / name / f"{number}.png", picture(number + 10 * (name == "b")))
    save(tmp_path / "two" / "a" / "again.bmp", picture(1))
    found = read_folder(tmp_path / "two", 64, labelled=True)
    assert found.copies == 1 and len(found.images) == len(found.labels) == len(found.paths) == 6
    save(tmp_path / "two" / "b" / "again.png", picture(1))
    with pytest.raises(DataError, match=r"is the image of .*1\.png, under another class"):
        read_folder(tmp_path / "two", 64, labelled=True)
    assert read_folder(tmp_path / "two", 64, labelled=False).copies == 2
    save(tmp_path / "two" / "a" / "dark.png", np.zeros_like(picture(1)))
    with pytest.raises(DataError, match="black throughout"):
        read_folder(tmp_path / "two", 64, labelled=False)
