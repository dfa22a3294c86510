"""Numbers that docs and reports name, as they stand there; half or double of one would break no other test."""

from __future__ import annotations

import pytest

from p2pfl_me.evaluate import cost, document, holdout, results, run, tables
from p2pfl_me.learning import statistics

STATED = [
    ((statistics.DRAWS, statistics.EXACT_UP_TO, statistics.SHARE), (4000, 12, 0.95)),
    ((document.SMALL, tables.MOST_PEERS, holdout.FOLDS), (10, 24, 5)),
    ((results.ONE_MODEL, run.TELL_S, cost.MB), (1e-6, 2.0, 1e6)),
]


@pytest.mark.parametrize(("found", "stated"), STATED)
def test_they_are_what_is_stated(found: object, stated: object) -> None:
    assert found == stated
