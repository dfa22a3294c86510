"""Approvals that nobody can make in another's name, and how many it takes."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import ContractError
from p2pfl_me.membership.views import View, as_text, from_text, needed
from p2pfl_me.wire.identity import new_identity

LABS = [new_identity() for _ in range(4)]
KEYS = {k: (lab.public,) for k, lab in enumerate(LABS)}
VERIFIERS = [lab.public for lab in LABS]
VIEW = View(1, "a" * 64, "b" * 64)


def approved(*who: int) -> View:
    view = VIEW
    for k in who:
        view = view.approved(k, LABS[k].private, VERIFIERS)
    return view


def seen(view: View, *by: int) -> list[frozenset[int]]:
    return [view.approvers([LABS[k].private], KEYS) for k in by or range(4)]


def test_everybody_sees_who_has_approved_and_so_does_the_approver() -> None:
    view = from_text(as_text(approved(0, 2)), "view")
    assert view == approved(0, 2) and seen(view) == [{0, 2}] * 4


def test_nobody_approves_in_anothers_name() -> None:
    forged = replace(VIEW, seals={1: approved(0).seals[0]})
    made_up = replace(VIEW, seals={1: dict.fromkeys(approved(0).seals[0], "00" * 32)})
    stranger = VIEW.approved(1, new_identity().private, VERIFIERS)
    for view in (forged, made_up, stranger):
        assert seen(view, 0, 2, 3) == [frozenset()] * 3


@pytest.mark.parametrize("other", [{"number": 2}, {"before": "c" * 64}, {"after": "c" * 64}])
def test_an_approval_is_of_one_change_and_of_no_other(other: dict[str, Any]) -> None:
    assert seen(replace(approved(0, 1, 2), **other)) == [frozenset()] * 4


def test_a_seal_for_one_is_none_for_another() -> None:
    view = approved(0)
    one, two = (base64.b64encode(LABS[k].public).decode() for k in (1, 2))
    swapped = replace(view, seals={0: {one: view.seals[0][two], two: view.seals[0][one]}})
    assert seen(swapped) == [frozenset()] * 4


def test_a_verifier_that_makes_a_seal_for_itself_convinces_nobody_else() -> None:
    """It shares the key with the approver, and so could; it would deceive itself alone."""
    own = replace(VIEW, seals={0: VIEW.approved(1, LABS[1].private, VERIFIERS).seals[1]})
    assert seen(own, 0, 2, 3) == [frozenset()] * 3


@pytest.mark.parametrize(
    ("share", "members", "many"), [(0.5, 4, 2), (0.5, 5, 3), (1.0, 3, 3), (0.01, 3, 1), (0.6, 5, 3)]
)
def test_a_share_of_the_members(share: float, members: int, many: int) -> None:
    assert needed(share, members) == many


@given(st.text(max_size=200) | st.just('{"form": "p2pme view 1", "number": 1, "before": 1, "after": 2, "seals": [1]}'))
def test_what_is_no_view_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ContractError, match="is no view of p2pme"):
        from_text(text, "x")
