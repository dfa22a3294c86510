"""Whose classes a local run takes: the contract's where the user chose them, else those of the clips."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.data.classes import names_classes, read_with_classes
from p2pfl_me.errors import DataError
from tests.data.make import contract, good, picture, row, rows, save


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Three classes, of which the seven hold surprise alone."""
    return rows(tmp_path / "manifest.csv", good(tmp_path))


def taken(contract: Contract, data: Path, *, chosen: bool = False) -> Contract:
    return read_with_classes(contract, data, lambda _: None, chosen=chosen)[0]


def test_a_ready_contract_takes_the_classes_of_the_clips_and_says_so(own: Path) -> None:
    stream = io.StringIO()
    found, _ = read_with_classes(contract(), own, Console(stream).say)
    assert found.model.classes == ("negative", "positive", "surprise")
    said = " ".join(stream.getvalue().split())
    assert f"classes taken from {own}: negative, positive, surprise" in said
    assert "negative, positive are none of the contract's" in said and "--set model.classes=" in said


def test_classes_that_the_user_chose_stay(own: Path, tmp_path: Path) -> None:
    """A rehearsal trains what the peers would: they refuse a label that their contract does not know."""
    table = [*good(tmp_path), row("joy.png", label="joy")]
    save(tmp_path / "joy.png", picture(99))
    rows(own, table)
    chosen = contract("model: {classes: [negative, positive, surprise, fear]}\n")
    with pytest.raises(DataError, match="unknown label 'joy'"):
        taken(chosen, own)
    seven = contract(f"model: {{classes: [{', '.join(CASME2_CLASSES)}]}}\n")
    assert taken(seven, own) != seven  # as every ready contract has them
    with pytest.raises(DataError, match="unknown label"):
        taken(seven, own, chosen=True)


def test_labs_of_two_vocabularies_are_told_of_the_map_that_knows_both(own: Path, tmp_path: Path) -> None:
    save(tmp_path / "glad.png", picture(98))
    rows(own, [*good(tmp_path), row("glad.png", label="Happy")])
    said: list[str] = []
    four, _ = read_with_classes(contract(), own, said.append)
    assert len(four.model.classes) == 4 and "--set model.label_map=megc3 makes them one" in said[-1]
    mapped, clips = read_with_classes(contract("model: {label_map: megc3}\n"), own, lambda _: None)
    assert clips is not None and {clip.label for clip in clips.clips} == set(mapped.model.classes)
    rows(own, [*good(tmp_path), row("glad.png", label="Happiness")])  # a slip for one of the seven
    with pytest.raises(DataError, match=r"the map that knows them all: --set model\.label_map=megc3"):
        taken(contract(), own)
    rows(own, [*good(tmp_path), row("glad.png", label="joy")])
    with pytest.raises(DataError) as refused:
        taken(contract(), own, chosen=True)
    assert "label_map" not in str(refused.value)  # none knows joy


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ((), False),
        (("model.classes=[a, b]",), True),
        ((" model.classes =[a, b]",), True),
        (("model.input=flow",), False),
    ],
)
def test_an_override_of_the_classes_is_a_choice(overrides: tuple[str, ...], named: bool) -> None:
    assert names_classes(overrides) is named
