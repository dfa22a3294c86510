"""Files of a finished evaluation may be damaged, or another lab's: what is odd about them is told in words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.errors import RunError
from p2pfl_me.evaluate.beside import HEADER, UNTOLD, _cells, _networks, _table
from p2pfl_me.evaluate.finished import Card, Cost, Finished, Items, read_finished
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.report.arms import Arm
from tests.evaluate.making import without_page
from tests.evaluate.test_pages import USUAL, evaluation
from tests.report.test_origin import KINDS

ODD: tuple[Any, ...] = (2**70, -1, 10**9, "x", None, [], True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    found = evaluation(folder, ("A",), HoldOut.KFOLD, USUAL, "gossip.personal=last_layer", target=0.99)
    answers = without_page(found, folder) / "predictions.csv"
    header, *rows = answers.read_text().splitlines(keepends=True)
    answers.write_text("".join([header, *[row for row in rows if f",{Arm.GOSSIP}," in row][::8]]))
    return folder


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all values in a value, the first of a list standing for the others."""
    yield at
    inside = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*at, key))


def tabled(folder: Path) -> bool:
    """Whether the folder makes a row of a table; it is refused in words otherwise."""
    try:
        found = read_finished([folder], ["one"])
    except RunError as error:
        assert error.fix and error.where
        return False
    assert _table(found).rows and [_cells(each) for each in found]
    return True


def test_whatever_stands_in_a_card_is_read_or_refused_in_words(folder: Path) -> None:
    path = folder / "card.json"
    text = path.read_text()
    assert tabled(folder)
    used = {each.name for each in fields(Card)}
    refused = 0
    for at in places({key: value for key, value in json.loads(text).items() if key in used}):
        if (
            not at
            or (at[0] == "scores" and at[-1] != "uf1" and "uf1" not in at)
            or (at[:2] == ("data", "support") and len(at) == 4)
        ):
            continue
        for odd in ODD:
            card = json.loads(text)
            inner = card
            for key in at[:-1]:
                inner = inner[key]
            inner[at[-1]] = odd
            path.write_text(json.dumps(card))
            refused += not tabled(folder)
        del inner[at[-1]]
        path.write_text(json.dumps(card))
        tabled(folder)
    path.write_text(text)
    assert refused > 100


def test_whatever_stands_in_its_answers_is_read_or_refused_in_words(folder: Path) -> None:
    path = folder / "predictions.csv"
    text = path.read_text()
    header, *rows = list(csv.reader(io.StringIO(text)))
    place = next(number for number, row in enumerate(rows) if row[header.index("arm")] == Arm.GOSSIP)
    for column in range(len(header)):
        for odd in ODD:
            changed = [list(row) for row in rows]
            changed[place][column] = str(odd)
            out = io.StringIO()
            csv.writer(out).writerows([header, *changed])
            path.write_text(out.getvalue())
            taken = tabled(folder)
            assert header[column] != "peer" or not taken, "of two peers"
    for cut in (
        text[: len(text) // 2],
        text.replace(",", ";"),
        "",
        header[0],
        text + "1,2\n",
        text + ",".join("1" * 20),
    ):
        path.write_text(cut)
        tabled(folder)
    path.write_text(text)


@pytest.mark.parametrize("words", [*(each for _, each in KINDS.values()), ""])
def test_evaluations_side_by_side_say_what_each_network_is(words: str) -> None:
    card = Card((), {}, Items(1, 1, {}), "kfold", 1, (1,), 1, Cost(1, None), Arm.GOSSIP, {}, 0.0, {}, network=words)
    one, other = Finished("one", card, {}), Finished("other", replace(card, network="mlp, trained whole"), {})
    said = _networks([one, other, Finished("again", card, {})]).items
    assert said == (f"one; again: {words or UNTOLD}", "other: mlp, trained whole")
    assert _cells(one)[HEADER.index("network")] == (words or None)
