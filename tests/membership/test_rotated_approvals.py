"""Approvals by a key that has followed the one of the contract: they count as far as its certificate is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Witness, agreed
from p2pfl_me.membership.certificates import Book, Revocation, Rotation
from p2pfl_me.membership.edits import with_member, with_set
from p2pfl_me.membership.views import as_text
from p2pfl_me.peer.changing import Changing, pack
from p2pfl_me.peer.court import KeyCourt
from p2pfl_me.peer.trust import Trust
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run.events import AnyEvent, Refused
from p2pfl_me.wire.identity import new_identity
from tests.membership.labs import Members

OLD, NEW = 1, 6
"""Lab 1's key, and the one that follows it."""
LONG_AGO = 1_000


@pytest.fixture
def labs() -> Members:
    return Members()


def rotation(labs: Members, until: int = LONG_AGO) -> Rotation:
    old, new = labs.key(OLD), labs.key(NEW)
    verifiers = [each.public for each in labs.ids]
    return Rotation(old.public, new.public, until).sealed(old.private, new.private, verifiers)


def believing(labs: Members, k: int, *certificates: Rotation | Revocation) -> Witness:
    return Witness((labs.key(k).private,), Book.of(certificates))


def test_the_key_that_follows_counts_for_those_who_believe_it_and_a_member_once(labs: Members) -> None:
    new = with_set(labs.contract, ["training.rounds=50"])
    verifiers = [each.public for each in labs.ids]
    view = labs.view(new, [0, 2]).approved(1, labs.key(NEW).private, verifiers)
    assert agreed(labs.standing, view, believing(labs, 3, rotation(labs))) == new
    with pytest.raises(ContractError, match="0, 2 approve"):
        agreed(labs.standing, view, believing(labs, 3))
    twice = labs.view(new, [0, 1]).approved(1, labs.key(NEW).private, verifiers)
    with pytest.raises(ContractError, match="0, 1 approve"):
        agreed(labs.standing, twice, believing(labs, 3, rotation(labs)))


def test_the_key_before_still_counts_until_it_is_revoked(labs: Members) -> None:
    """Nothing that is sealed says when; who was away for weeks must come to the same end as the others."""
    new = with_set(labs.contract, ["training.rounds=50"])
    view = labs.view(new, [0, 1, 2])
    assert agreed(labs.standing, view, believing(labs, 3, rotation(labs))) == new
    gone = Revocation(labs.key(OLD).public)
    with pytest.raises(ContractError, match="0, 2 approve"):
        agreed(labs.standing, view, believing(labs, 3, rotation(labs), gone))


def test_a_strangers_key_follows_nobody(labs: Members) -> None:
    new, stranger = with_set(labs.contract, ["training.rounds=50"]), new_identity()
    view = labs.view(new, [0, 2]).approved(1, stranger.private, [each.public for each in labs.ids])
    with pytest.raises(ContractError, match="0, 2 approve"):
        agreed(labs.standing, view, believing(labs, 3, rotation(labs)))


def test_who_has_another_key_now_sees_what_was_sealed_for_the_old_one_and_for_the_new(labs: Members) -> None:
    new = with_set(labs.contract, ["training.rounds=50"])
    witness = Witness((labs.key(NEW).private, labs.key(OLD).private), Book.of([rotation(labs)]))
    assert agreed(labs.standing, labs.view(new, [0, 2, 3]), witness) == new
    only_new = labs.view(new, [])
    for k in (0, 2, 3):
        only_new = only_new.approved(k, labs.key(k).private, [labs.key(NEW).public])
    assert agreed(labs.standing, only_new, witness) == new


def test_a_change_that_was_refused_is_agreed_to_once_the_certificate_is_there(labs: Members, tmp_path: Path) -> None:
    run, home, notes, rung = tmp_path / "run", tmp_path / "home", list[AnyEvent](), list[int]()
    run.mkdir(mode=0o700)
    court = KeyCourt(3, (labs.key(3).private,), labs.key(3).private, Trust(home))
    changing = Changing(
        FolderStore(run),
        labs.standing,
        court,
        me=3,
        completed=lambda: 0,
        ring=rung.append,
        tell=lambda peer, data: None,
        note=notes.append,
    )
    new = with_set(labs.contract, ["training.rounds=50"])
    rotated = KeyCourt(1, (labs.key(NEW).private, labs.key(OLD).private), None, Trust(home))
    view = rotated.approved(labs.standing, labs.view(new, [0, 2]))
    changing.heard(2, pack([as_text(view)]), ())
    assert not rung and [each for each in notes if isinstance(each, Refused)]
    Trust(home).keep(rotation(labs))
    changing.look()
    assert rung == [20] and changing.agreed == new


def test_a_newcomer_sees_the_approval_of_a_member_that_has_another_key_by_the_stated_one(
    labs: Members, tmp_path: Path
) -> None:
    """It came after the certificate, which is not sealed for it."""
    new = with_member(labs.contract, "tcp://lab-5.example:4000", labs.key(5).public_text)
    trust = Trust(tmp_path)
    trust.keep(rotation(labs))
    court = KeyCourt(1, (labs.key(NEW).private, labs.key(OLD).private), labs.key(OLD).private, Trust(tmp_path))
    view = court.approved(labs.standing, labs.view(new, [0, 2]))
    assert agreed(labs.standing, view, Witness((labs.key(5).private,))) == new
