"""A run by default leaves out what is beyond the few of each test, and nothing else."""

from __future__ import annotations

import pytest

from tests.few import kept, mark_others


@pytest.mark.parametrize("cases", range(1, 40))
def test_as_many_as_are_asked_for_are_spread_over_all(cases: int) -> None:
    for number in range(1, 45):
        places = sorted(kept(number, cases))
        assert len(places) == min(number, cases) and places[0] == 0 and places[-1] < cases
        gaps = [after - before for before, after in zip(places, [*places[1:], cases], strict=True)]
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.few(2)
@pytest.mark.parametrize("place", range(5))
def test_two_of_these_five_run_by_default(place: int, request: pytest.FixtureRequest) -> None:
    """Whatever is asked of pytest, `-m thorough` as well."""
    mine = [item for item in request.session.items if item.nodeid.startswith(request.node.nodeid.partition("[")[0])]
    if len(mine) in (2, 3, 5):  # else somebody has asked for single ones
        dear = [bool(item.get_closest_marker("thorough")) for item in mine]
        assert dear.count(False) == {2: 2, 3: 0, 5: 2}[len(mine)]


def test_who_is_not_marked_is_left_alone(request: pytest.FixtureRequest) -> None:
    before = list(request.node.iter_markers())
    mark_others([request.node])
    assert list(request.node.iter_markers()) == before
