"""Numbers by which a report says or leaves something out; half or double of one would break no other test."""

from __future__ import annotations

import pytest

from p2pfl_me.report import (
    comparison_pairs,
    confusion_picture,
    consensus_picture,
    graph_picture,
    html,
    methods,
    mixing,
    mixing_picture,
    notes,
    paired,
    sections,
    svg,
    tracking,
    traffic_picture,
)

STATED = [
    # how much is shown before it is cut or folded
    ((sections.MOST_FAILURES, html.MOST_SWITCHES, traffic_picture.MOST_BARS), (40, 40, 40)),
    (confusion_picture.MOST_CLASSES, 14),
    ((comparison_pairs.SHOWN_PAIRS, comparison_pairs.OPEN_PAIRS), (45, 6)),
    ((graph_picture.LABELLED, graph_picture.VECTOR_LINKS, svg.MOST_TIPS), (150, 1000, 2000)),
    ((tracking.MOST_AT_ONCE, notes.FEW_CLIPS), (500, 500)),
    # what counts as exact, as even, as significant
    ((methods.EXACT, consensus_picture.FLOOR, graph_picture.LEAST_SPAN), (1e-9, 1e-9, 0.2)),
    ((mixing.ROUNDING, mixing.TAIL, mixing_picture.LOWEST), (1e-6, 1e-5, 2e-5)),
    ((paired.EXACT_UP_TO, paired.LEVEL, paired.SHARE), (16, 0.05, 0.95)),
    # what other programs read
    (methods.MB, 1e6),
]


@pytest.mark.parametrize(("found", "stated"), STATED)
def test_they_are_what_is_stated(found: object, stated: object) -> None:
    assert found == stated
