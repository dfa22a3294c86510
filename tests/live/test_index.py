"""The emotion index by hand."""

from __future__ import annotations

import pytest

from p2pfl_me.live.index import WINDOW_S, EmotionIndex


def test_it_is_the_share_of_the_last_minute() -> None:
    index = EmotionIndex()
    for apex_s, label in ((1, "happiness"), (10, "disgust"), (12, "surprise"), (15, "others")):
        index.add(apex_s, label)
    assert index.at(20) is None, "two that count are too few"
    index.add(30, "happiness")
    assert index.at(31) == pytest.approx(1 / 3)
    index.add(40, "negative")
    index.add(41, "sadness")
    assert index.at(42) == pytest.approx(-1 / 5)
    assert index.at(WINDOW_S + 5) == pytest.approx(-2 / 4)
    assert index.at(WINDOW_S + 39) is None
