"""Who may change what in a running federation, and what a liar can do about it."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import networkx as nx
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml, dump_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Standing, agreed, approvals_due, proposed, stray
from p2pfl_me.membership.edits import with_changed, with_member, without
from p2pfl_me.membership.views import as_text, from_text
from p2pfl_me.peer.changing import NOW, Changing, pack
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run.events import AnyEvent, Refused
from p2pfl_me.run.events import View as Agreed
from p2pfl_me.topology import plan_of
from tests.membership.labs import Members

LINE = "{kind: edges, edges: [[0, 1], [1, 2], [2, 3], [3, 4]]}"


def longer(contract: Contract, rounds: int) -> Contract:
    return contract_from_yaml(dump_contract(contract), overrides=[f"training.rounds={rounds}"])


@pytest.fixture
def labs() -> Members:
    return Members()


class Peer:
    """One peer's part, with what it was told to do."""

    def __init__(self, labs: Members, me: int, run: Path, standing: Standing | None = None, completed: int = 0) -> None:
        run.mkdir(exist_ok=True, mode=0o700)
        self.rung: list[int] = []
        self.told: list[tuple[int, bytes]] = []
        self.notes: list[AnyEvent] = []
        self.changing = Changing(
            FolderStore(run),
            standing or labs.standing,
            labs.court(me, run),
            me=me,
            completed=lambda: completed,
            ring=self.rung.append,
            tell=lambda peer, data: self.told.append((peer, data)),
            note=self.notes.append,
        )

    @property
    def refused(self) -> list[str]:
        return [each.reason for each in self.notes if isinstance(each, Refused)]


def test_members_agree_and_each_of_them_sees_it(labs: Members) -> None:
    new = without(labs.contract, 3)
    view = from_text(as_text(labs.view(new, [0, 1, 4])), "a file")
    assert all(agreed(labs.standing, view, labs.witness(k)) == new for k in range(5))
    for two in combinations(range(5), 2):
        with pytest.raises(ContractError, match="3 of 5 members must approve"):
            agreed(labs.standing, labs.view(new, two), labs.witness(2))


def test_more_than_half_must_approve_of_what_spreads_by_itself_whatever_the_share() -> None:
    labs = Members(share=0.2)
    assert approvals_due(labs.contract, running=False) == 1 and approvals_due(labs.contract, running=True) == 3


@pytest.mark.parametrize(("share", "many"), [(0.6, 0), (0.8, 2), (1.0, 4)])
def test_so_many_liars_cannot_bring_two_views_of_one_number_about(share: float, many: int) -> None:
    """Whoever approves of both, and however the honest ones divide themselves over the two."""
    labs = Members(share=share)
    assert stray(labs.contract) == many
    due = approvals_due(labs.contract, running=True)
    for liars in range(6):
        honest = 5 - liars
        split = any(first + liars >= due and honest - first + liars >= due for first in range(honest + 1))
        assert split == (liars > many)


def test_a_liar_cannot_announce_anothers_leave_or_approve_for_it(labs: Members, tmp_path: Path) -> None:
    new = without(labs.contract, 3)
    alone = labs.view(new, [1])
    made = {3: alone.seals[1], 0: alone.seals[1], 1: alone.seals[1]}  # its own seals under others' names
    forged = type(alone)(alone.number, alone.before, alone.after, alone.round, alone.contract, made)
    peer = Peer(labs, 2, tmp_path / "run")
    for view in (alone, forged):
        peer.changing.heard(1, pack([as_text(view)]), ())
    assert not peer.rung and not peer.told and len(peer.refused) == 2
    assert all("3 of 5 members must approve (peers.approve), and 1 approve" in each for each in peer.refused)


def test_an_old_view_told_again_changes_nothing(labs: Members, tmp_path: Path) -> None:
    first = labs.view(longer(labs.contract, 50), [0, 1, 2])
    later = Standing(1, longer(labs.contract, 50))
    back = labs.view(labs.contract, [0, 1, 2], 25, later)  # the members go back: the first is of the past all the same
    peer = Peer(labs, 4, tmp_path / "run", Standing(2, labs.contract))
    for view in (first, back):
        peer.changing.heard(0, pack([as_text(view)]), ("training",))
    assert not peer.rung and not peer.told and not peer.refused


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_approved_views_of_one_number_are_named_and_all_take_the_same_one_whichever_they_heard_of_first(
    labs: Members, tmp_path: Path, order: tuple[int, int]
) -> None:
    """Who has approved of both split the federation: each kept to the one that it had heard of first."""
    views = [labs.view(longer(labs.contract, rounds), by) for rounds, by in ((50, [0, 1, 2]), (60, [2, 3, 4]))]
    first = min(views, key=lambda each: each.after)
    peer = Peer(labs, 0, tmp_path / "run")
    for each in order:
        peer.changing.heard(1, pack([as_text(views[each])]), ())
    assert len(peer.refused) == 1 and "another change of the same number; 2 approved of both" in peer.refused[0]
    assert peer.changing.agreed == longer(labs.contract, 50 if first is views[0] else 60)
    kept = FolderStore(tmp_path / "run").kept(1)
    assert kept is not None and kept.after == first.after, "also in its next life"
    assert peer.rung == [20] * (1 if views[order[0]] is first else 2)


def test_a_leaving_goes_before_what_was_carried_by_hand_and_who_has_begun_under_one_keeps_to_it(
    labs: Members, tmp_path: Path
) -> None:
    by_hand = labs.view(longer(labs.contract, 50), [0, 1, 2])
    leaving = labs.view(without(labs.contract, 1), [1, 3, 4], 24)  # 1 approves of both: a liar
    for done in (0, 19, 20):
        peer = Peer(labs, 0, tmp_path / str(done), completed=done)
        peer.changing.heard(2, pack([as_text(by_hand)]), ())
        peer.changing.heard(3, pack([as_text(leaving)]), ())
        goes_over = done < 20
        assert peer.rung == ([20, 24] if goes_over else [20]), done
        assert (peer.changing.agreed == without(labs.contract, 1)) is goes_over
        assert ("the one that goes first" in peer.refused[0]) is goes_over


def test_who_goes_on_under_another_change_of_ones_own_number_is_named(labs: Members, tmp_path: Path) -> None:
    """Once both had gone on, neither heard a word of the other any more."""
    mine, other = (longer(labs.contract, rounds) for rounds in (50, 60))
    peer = Peer(labs, 0, tmp_path / "run", Standing(1, mine))
    peer.changing.heard(1, pack([as_text(labs.view(mine, [0, 1, 2]))]), ("training",))
    assert not peer.refused
    peer.changing.heard(3, pack([as_text(labs.view(other, [2, 3, 4]))]), ("training",))
    assert len(peer.refused) == 1 and "view 1: is another change than the one of that number" in peer.refused[0]
    assert "peer 3 has another contract: `training` differ" in peer.refused[0] and not peer.rung


def test_who_tells_of_a_change_that_follows_on_an_unknown_one_is_answered_where_to_take_it_from(
    labs: Members, tmp_path: Path
) -> None:
    """Many large changes do not fit into what is told at once; whoever lacked the first heard nothing of it."""
    first, second = longer(labs.contract, 50), longer(labs.contract, 60)
    views = labs.view(first, [0, 1, 2]), labs.view(second, [0, 1, 2], 30, Standing(1, first))
    peer = Peer(labs, 4, tmp_path / "run")
    peer.changing.heard(0, pack([as_text(views[1])]), ("training",))
    assert len(peer.refused) == 1 and "view 2: follows on view 1, which is not told of" in peer.refused[0]
    assert "view-1.json" in peer.refused[0] and not peer.rung
    peer.changing.heard(0, pack([as_text(each) for each in views]), ("training",))
    assert len(peer.refused) == 1 and peer.rung[0] == 20


def test_what_is_agreed_goes_on_to_the_neighbours_and_is_found_again(labs: Members, tmp_path: Path) -> None:
    view = labs.view(longer(labs.contract, 50), [0, 1, 2])
    peer = Peer(labs, 3, tmp_path / "run")
    peer.changing.linked(2, up=True)
    peer.changing.heard(2, pack([as_text(view)]), ())
    peer.changing.linked(4, up=True)
    assert [to for to, _ in peer.told] == [2, 4] and peer.rung == [20]
    again = Peer(labs, 3, tmp_path / "run")  # killed, and started
    again.changing.begin()
    assert again.rung == [20] and again.changing.agreed == longer(labs.contract, 50)
    assert [each.at for each in again.notes if isinstance(each, Agreed)] == [20]


def test_who_has_missed_it_follows_at_once_when_nobody_is_left_under_its_contract(
    labs: Members, tmp_path: Path
) -> None:
    view = labs.view(longer(labs.contract, 50), [0, 1, 2])
    peer = Peer(labs, 3, tmp_path / "run", completed=30)
    peer.changing.linked(2, up=True)
    peer.changing.heard(4, pack([as_text(view)]), ("training",))
    assert peer.rung == [20]
    peer.changing.linked(2, up=False)
    assert peer.rung[-1] == NOW


def test_what_is_laid_into_the_folder_too_late_is_refused_and_gone(labs: Members, tmp_path: Path) -> None:
    peer = Peer(labs, 3, tmp_path / "run", completed=30)
    offer = tmp_path / "run" / "view-offered.json"
    offer.write_text(as_text(labs.view(longer(labs.contract, 50), [0, 1, 2])))
    peer.changing.look()
    assert not peer.rung and not offer.exists() and "30 are behind this peer" in peer.refused[0]


def test_a_neighbour_that_tells_nonsense_is_refused_and_after_a_while_not_heard(labs: Members, tmp_path: Path) -> None:
    peer = Peer(labs, 3, tmp_path / "run")
    for each in (b"", b"\xc1", pack(["{}"]), *(pack([f"[{k}]"]) for k in range(40))):
        peer.changing.heard(2, each, ())
    assert 3 <= len(peer.refused) <= 16 and not peer.rung


def test_a_graph_that_would_fall_apart_is_refused() -> None:
    labs = Members(LINE)
    values = dump_contract(without(labs.contract, 2)).replace("- - 1\n    - 3\n", "")
    with pytest.raises(ContractError):
        proposed(labs.standing, contract_from_yaml(values), 20)


@pytest.mark.parametrize("gone", range(5))
@pytest.mark.parametrize("topology", [LINE, "{kind: ring}", "{kind: star}", "{kind: mesh}", "{kind: exponential}"])
def test_whoever_leaves_the_others_stay_connected_under_their_own_ids(topology: str, gone: int) -> None:
    labs = Members(topology)
    plan = plan_of(without(labs.contract, gone))
    graph = nx.Graph((a, b) for a in range(5) for b in plan.neighbours(a))
    assert set(graph) == set(range(5)) - {gone} and nx.is_connected(graph) and not plan.neighbours(gone)
    for round in range(4):
        rows = {k: plan.weights(k, round) for k in range(5)}  # type: ignore[union-attr]
        assert all(rows[b][a] == weight for a in range(5) for b, weight in rows[a].items())


def test_an_id_is_for_good(labs: Members) -> None:
    left = without(labs.contract, 3)
    grown = with_member(left, "tcp://lab-5.example:4000", labs.key(5).public_text)
    assert grown.peers.present == (0, 1, 2, 4, 5)
    with pytest.raises(ContractError, match="has left, and its id with it"):
        proposed(Standing(1, left), labs.contract, 20)
    with pytest.raises(ContractError, match="no peer 3 takes part"):
        with_changed(left, 3, {"address": "tcp://elsewhere.example:4000"})


@pytest.mark.parametrize("at", [0, 41, 50])
def test_a_round_that_is_none_of_those_to_come_is_refused(labs: Members, at: int) -> None:
    new = longer(labs.contract, 50)
    if at:
        with pytest.raises(ContractError, match="none of those that are left"):
            labs.view(new, [0, 1, 2], at)
        return
    with pytest.raises(ContractError, match="names no round"):
        agreed(labs.standing, labs.view(new, [0, 1, 2], 0), labs.witness(0))


def test_a_view_that_cannot_be_written_down_is_refused_as_none(labs: Members, tmp_path: Path) -> None:
    """What stands in a statement is bytes in the end, and half a surrogate has none."""
    values = json.loads(as_text(labs.view(longer(labs.contract, 50), [0, 1, 2])))
    peer = Peer(labs, 1, tmp_path / "run")
    for field, value in (
        ("after", "\ud800"),
        ("before", "\ud800"),
        ("after", 7),
        ("number", 10**400),
        ("round", 2**70),
    ):
        peer.changing.heard(0, pack([json.dumps({**values, field: value})]), ())
    assert len(peer.refused) == 5 and all("is no view of p2pme" in each for each in peer.refused)


def test_whoever_tells_of_ever_new_changes_is_read_no_more(
    labs: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes of the past are no fault, and each costs its reader time."""
    monkeypatch.setattr("p2pfl_me.peer.changing.MOST_TEXTS", 20)
    view = labs.view(longer(labs.contract, 50), [0, 1, 2])
    past = json.dumps({**json.loads(as_text(view)), "number": 0})
    peer = Peer(labs, 4, tmp_path / "run")
    for number in range(100):
        peer.changing.heard(0, pack([past + " " * number]), ())
    assert len(peer.refused) == 1 and "ever more changes" in peer.refused[0]
    peer.changing.heard(1, pack([as_text(view)]), ())  # the others are heard as ever
    assert peer.rung == [20]


def test_a_contract_that_would_take_a_minute_to_read_is_not_read(
    labs: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = json.loads(as_text(labs.view(longer(labs.contract, 50), [0, 1, 2])))
    peer = Peer(labs, 1, tmp_path / "run")
    monkeypatch.setattr("p2pfl_me.membership.agreed.contract_from_yaml", lambda text, name: pytest.fail("it was read"))
    peer.changing.heard(0, pack([json.dumps({**values, "contract": "a: [" + "1," * 20_000 + "]"})]), ())
    assert len(peer.refused) == 1 and "40005 characters" in peer.refused[0]
