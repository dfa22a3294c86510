"""The card beside a model says what the run's folder says: counts, scores, protections; no name and no path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.report.model_card import model_card, protections
from p2pfl_me.report.run import read_run
from tests.report.fixture import Recipe, write_run


def test_it_says_what_the_folder_says(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Recipe(count=3))
    run = read_run(tmp_path / "run")
    card = model_card(run, "model.onnx", ["It was compared."])
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        "## Model", "## Use", "## Clips", "## Scores", "## Protections", "## Limits",
    ]  # fmt: skip
    assert run.average is not None and run.average.uf1 is not None
    assert f"UF1 {run.average.uf1:.3f}" in card and "95 % interval" in card
    assert f"{run.manifest.clips.train} clips to train on" in card and "It was compared." in card
    assert "Drawn faces: its scores are no measure of recognition." in card
    assert "No differential privacy." in card and "Neighbours saw each other's models." in card
    assert str(tmp_path) not in card


def test_without_test_clips_it_claims_no_score(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Recipe(count=3, part=None, average=False, baselines=False))
    assert "nothing is known of how well it recognises" in model_card(read_run(tmp_path / "run"), "model.onnx", [])


def test_protections_are_the_contracts(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Recipe(count=4, kind="mesh"))
    contract = tmp_path / "run" / "contract.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(f"{text}\nprivacy: {{exchange: masks}}\n", encoding="utf-8")
    said = protections(read_run(tmp_path / "run"))
    assert any("secure aggregation" in each for each in said)
    assert not any("saw each other's" in each for each in said)


@pytest.mark.parametrize(("engine", "travelled"), [("processes", True), ("simulate", False), ("lockstep", False)])
def test_what_was_rehearsed_is_not_said_to_have_travelled(tmp_path: Path, engine: str, travelled: bool) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(count=3)))
    (first, *_) = protections(replace(run, manifest=replace(run.manifest, engine=engine)))
    assert ("weights travelled encrypted" in first) == travelled
    assert ("nothing travelled or was encrypted" in first) != travelled


def test_a_peer_without_neighbours_showed_them_nothing(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Recipe(count=1)))
    assert not any("Neighbours" in each or "travelled encrypted" in each for each in protections(run))
