"""Counts agree with their nouns and verbs."""

from __future__ import annotations

import pytest

from p2pfl_me.counting import many


@pytest.mark.parametrize(
    ("count", "noun", "verb", "said"),
    [
        (0, "clip", "lack", "0 clips lack"),
        (1, "clip", "lack", "1 clip lacks"),
        (2, "clip", "lack", "2 clips lack"),
        (1, "clip", "are", "1 clip is"),
        (3, "clip", "have", "3 clips have"),
        (1, "clip", "have", "1 clip has"),
        (1, "round", "", "1 round"),
        (2, "box", "", "2 boxes"),
        (2, "class", "", "2 classes"),
        (2, "epoch", "", "2 epochs"),
    ],
)
def test_one_of_a_kind_and_many(count: int, noun: str, verb: str, said: str) -> None:
    assert many(count, noun, verb) == said
