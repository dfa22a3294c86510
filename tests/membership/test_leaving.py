"""A member leaves by its own word: nobody types an approval, and a liar can do nothing else with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import networkx as nx
import pytest
from click.testing import CliRunner

from p2pfl_me.cli.leave import leave
from p2pfl_me.console.words import undecided
from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Standing, proposed
from p2pfl_me.membership.edits import with_changed, with_member, with_set, without
from p2pfl_me.membership.leaving import WITHIN, is_same_change, leaver_of
from p2pfl_me.membership.views import View, as_text
from p2pfl_me.peer.changing import NOW, Changing, pack
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run.beginning import keep_contract
from p2pfl_me.run.events import AnyEvent, Leaving, Refused, Undecided
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.identity import save_identity
from tests.membership.labs import Members
from tests.run.making import a_round, log
from tests.small import wait_for

LINE = "{kind: edges, edges: [[0, 1], [1, 2], [2, 3], [3, 4]]}"
GRAPHS = (LINE, "{kind: ring}", "{kind: star}", "{kind: mesh}")
LABS = {graph: Members(graph) for graph in GRAPHS}
STRICT = Members(share=0.8)
DONE = 10
FIRST: Callable[[int], int] = lambda many: 0  # noqa: E731


class Federation:
    """The parts that five peers have in changes, linked in a ring; what they tell arrives in any order."""

    def __init__(self, labs: Members, folder: Path, standing: Standing | None = None) -> None:
        self.labs, self.folder, self.standing = labs, folder, standing or labs.standing
        self.completed = DONE
        self.notes: dict[int, list[AnyEvent]] = {k: [] for k in range(5)}
        self.rung: dict[int, list[int]] = {k: [] for k in range(5)}
        self.on_its_way: list[tuple[int, int, bytes]] = []
        self.peers = {k: self.start(k) for k in range(5)}
        for k in range(5):
            self.link(k)

    def run(self, k: int) -> RunFolder:
        path = self.folder / f"run-{k}"
        path.mkdir(exist_ok=True, mode=0o700)
        return RunFolder(path)

    def start(self, k: int) -> Changing:
        return Changing(
            FolderStore(self.run(k).path),
            self.standing,
            self.labs.court(k, self.run(k).path),
            me=k,
            completed=lambda: self.completed,
            ring=self.rung[k].append,
            tell=lambda to, data: self.on_its_way.append((k, to, data)),
            note=self.notes[k].append,
        )

    def link(self, k: int) -> None:
        for other in ((k - 1) % 5, (k + 1) % 5):
            self.peers[k].linked(other, up=True)

    def lay(self, k: int, view: View) -> None:
        self.run(k).offer.write_text(as_text(view))
        self.peers[k].look()

    def arrive(self, draw: Callable[[int], int] = FIRST) -> None:
        while self.on_its_way:
            sender, to, data = self.on_its_way.pop(draw(len(self.on_its_way)))
            self.peers[to].heard(sender, data, ())

    def agreed(self) -> list[Contract | None]:
        return [each.agreed for each in self.peers.values()]

    def leavings(self) -> list[Leaving]:
        return [each for notes in self.notes.values() for each in notes if isinstance(each, Leaving)]


def leaves(labs: Members, k: int, at: int = 20) -> View:
    return labs.view(without(labs.contract, k), [k], at)


@pytest.fixture
def labs() -> Members:
    return Members()


@pytest.mark.parametrize(("graph", "k"), [(LINE, 2), ("{kind: ring}", 0), ("{kind: star}", 0), ("{kind: mesh}", 4)])
def test_one_signature_is_enough_for_all_to_go_on_without_its_signer(graph: str, k: int, tmp_path: Path) -> None:
    all_of_them, random = Federation(LABS[graph], tmp_path), Random(k)
    all_of_them.lay(k, leaves(LABS[graph], k))
    all_of_them.arrive(random.randrange)
    new = without(LABS[graph].contract, k)
    assert all_of_them.agreed() == [new] * 5 and all(rung == [20] for rung in all_of_them.rung.values())
    plan = plan_of(new)
    left = nx.Graph((a, b) for a in new.peers.present for b in plan.neighbours(a))
    assert set(left) == set(range(5)) - {k} and nx.is_connected(left)


def otherwise(contract: Contract, k: int, what: str) -> Contract:
    """What a liar might want to bring about beside its own leaving."""
    other = (k + 1) % 5
    return {
        "another leaves": lambda: without(contract, other),
        "another leaves, too": lambda: without(without(contract, k), other),
        "longer": lambda: with_set(without(contract, k), ["training.rounds=50"]),
        "only longer": lambda: with_set(contract, ["training.rounds=50"]),
        "another graph": lambda: with_set(without(contract, k), ["topology={kind: exponential}"]),
        "another's address": lambda: with_changed(without(contract, k), other, {"address": "tcp://liar.example:4000"}),
        "another's key": lambda: with_changed(without(contract, k), other, {"public_key": "A" * 42 + "E="}),
        "a friend comes": lambda: with_member(without(contract, k), "tcp://friend.example:4000", "A" * 42 + "E=", [0]),
        "a smaller share": lambda: with_set(without(contract, k), ["peers.approve=0.1"]),
    }[what]()


WISHES = (
    "another leaves",
    "another leaves, too",
    "longer",
    "only longer",
    "another graph",
    "another's address",
    "another's key",
    "a friend comes",
    "a smaller share",
)


@pytest.mark.parametrize(("k", "what"), [*enumerate(WISHES)])
def test_a_liar_changes_nothing_else_by_its_own_signature(k: int, what: str, tmp_path: Path) -> None:
    labs = LABS[GRAPHS[1 + k % 3]]
    k %= 5
    view = labs.view(otherwise(labs.contract, k, what), [k])
    assert all(leaver_of(labs.standing, view, labs.witness(other)) is None for other in range(5))
    all_of_them = Federation(labs, tmp_path)
    all_of_them.peers[(k + 1) % 5].heard(k, pack([as_text(view)]), ())
    all_of_them.arrive()
    assert all_of_them.agreed() == [None] * 5 and not all_of_them.leavings()


def test_nobody_takes_another_out(labs: Members) -> None:
    """Whose signature stands there under whose name, and whatever has been copied from where."""
    own, new = leaves(labs, 1), without(labs.contract, 3)
    wanted = proposed(labs.standing, new, 20)
    for seals in ({1: own.seals[1]}, {3: own.seals[1]}, {3: leaves(labs, 3, 19).seals[3]}, {3: {}}):
        forged = View(wanted.number, wanted.before, wanted.after, wanted.round, wanted.contract, seals)
        assert all(leaver_of(labs.standing, forged, labs.witness(k)) is None for k in range(5))
    renamed = View(own.number, own.before, own.after, own.round, wanted.contract, own.seals)
    assert leaver_of(labs.standing, renamed, labs.witness(0)) is None


def test_a_graph_is_mended_by_the_rule_and_by_no_other() -> None:
    labs = LABS[LINE]
    own = dump_contract(without(labs.contract, 2))
    assert "- - 1\n    - 3\n" in own
    split, odd = own.replace("- - 1\n    - 3\n", ""), own.replace("- - 1\n    - 3\n", "- - 0\n    - 4\n")
    with pytest.raises(ContractError):
        labs.view(contract_from_yaml(split), [2])
    assert leaver_of(labs.standing, labs.view(contract_from_yaml(odd), [2]), labs.witness(0)) is None


@pytest.mark.parametrize("seed", range(4))
def test_of_several_who_leave_at_once_all_agree_on_one(seed: int, tmp_path: Path) -> None:
    labs, random = STRICT if seed % 2 else LABS["{kind: ring}"], Random(seed)
    all_of_them = Federation(labs, tmp_path)
    for k in random.sample(range(5), random.choice((2, 3))):
        all_of_them.lay(k, leaves(labs, k, random.randint(18, 22)))
    all_of_them.arrive(random.randrange)
    assert len({digest(each) if each else b"" for each in all_of_them.agreed()} - {b""}) == 1
    assert None not in all_of_them.agreed()


def divided(all_of_them: Federation, labs: Members) -> None:
    """Four of five must approve; 0 and 1 have approved that 0 leaves, 2, 3 and 4 that 2 does."""
    for k in (0, 2):
        all_of_them.lay(k, leaves(labs, k))
    for sender, to in ((0, 1), (2, 3), (3, 4)):
        data = next(data for a, b, data in all_of_them.on_its_way if (a, b) == (sender, to))
        all_of_them.peers[to].heard(sender, data, ())
    assert all_of_them.agreed() == [None] * 5


def test_where_approvals_are_divided_the_lowest_id_goes_first(tmp_path: Path) -> None:
    all_of_them = Federation(STRICT, tmp_path)
    divided(all_of_them, STRICT)
    all_of_them.arrive()
    assert all_of_them.agreed() == [without(STRICT.contract, 0)] * 5
    after = Federation(STRICT, tmp_path, Standing(1, without(STRICT.contract, 0)))
    for k in range(1, 5):
        after.peers[k].begin()  # the next life: 2 says it anew
        after.link(k)
    after.arrive()
    assert after.agreed()[1:] == [without(after.standing.contract, 2)] * 4


def test_nobody_goes_over_from_a_change_that_may_be_agreed_to_where_it_does_not_see(tmp_path: Path) -> None:
    """3 has heard of one only who approves that 0 leaves: with those of whom it has heard nothing, 2 may have four."""
    all_of_them = Federation(STRICT, tmp_path)
    divided(all_of_them, STRICT)
    own = leaves(STRICT, 0)
    all_of_them.peers[3].heard(4, pack([as_text(own)]), ())
    assert is_same_change(all_of_them.run(3).approved(1).read_bytes(), leaves(STRICT, 2).statement)
    more = STRICT.approved(own, without(STRICT.contract, 0), [1])
    all_of_them.peers[3].heard(4, pack([as_text(more)]), ())
    assert is_same_change(all_of_them.run(3).approved(1).read_bytes(), own.statement)


def test_who_is_not_agreed_with_is_named_until_enough_are_back(tmp_path: Path) -> None:
    all_of_them = Federation(STRICT, tmp_path)
    divided(all_of_them, STRICT)
    for _ in range(2):
        all_of_them.peers[3].look()
        all_of_them.completed += 1
    all_of_them.peers[3].look()
    (said,) = [each for each in all_of_them.notes[3] if isinstance(each, Undecided)]
    assert (said.approvals, said.due, said.unheard) == ({2: (2, 3)}, 4, (0, 1, 4))
    assert "peer 2 leaves, and 2, 3 approve; 4 must, and nothing is heard of 0, 1, 4" in undecided(said)


def test_who_says_that_it_leaves_when_another_change_is_approved_of_here_says_it_after_that(tmp_path: Path) -> None:
    all_of_them = Federation(STRICT, tmp_path)
    all_of_them.lay(0, leaves(STRICT, 0))
    all_of_them.peers[1].heard(0, all_of_them.on_its_way[0][2], ())
    all_of_them.run(1).leaving.write_text(as_text(proposed(STRICT.standing, without(STRICT.contract, 1), 25)))
    all_of_them.peers[1].look()
    all_of_them.arrive()
    assert all_of_them.agreed() == [without(STRICT.contract, 0)] * 5
    after = Federation(STRICT, tmp_path, Standing(1, without(STRICT.contract, 0)))
    for k in range(1, 5):
        after.peers[k].begin()
        after.link(k)
    after.arrive()
    assert after.agreed()[1:] == [without(after.standing.contract, 1)] * 4 and after.rung[3] == [25]


def test_a_peer_does_not_leave_because_another_of_the_same_folder_does(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    all_of_them.run(3).leaving.write_text(as_text(leaves(labs, 1)))
    all_of_them.completed = 30
    all_of_them.peers[3].look()
    all_of_them.peers[3].begin()
    all_of_them.arrive()
    assert all_of_them.agreed() == [None] * 5 and not all_of_them.leavings()


def test_a_command_with_another_labs_key_makes_nobody_leave(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    keep_contract(all_of_them.run(1).path, labs.contract)
    save_identity(tmp_path / "1.key", labs.key(1))
    words = ["--run", str(all_of_them.run(1).path), "--id", "2", "--key", str(tmp_path / "1.key"), "--after", "20"]
    refused = CliRunner().invoke(leave, words)
    assert isinstance(refused.exception, ContractError) and "is not that of member 2" in str(refused.exception)
    all_of_them.peers[1].look()
    assert not all_of_them.on_its_way and not all_of_them.run(1).leaving.exists()


def test_a_leave_is_refused_before_anything_of_it_lies_in_the_folder(labs: Members, tmp_path: Path) -> None:
    run = Federation(labs, tmp_path).run(1)
    keep_contract(run.path, labs.contract)
    save_identity(tmp_path / "1.key", labs.key(1))

    def refused(after: int) -> str:
        words = ["--run", str(run.path), "--id", "1", "--key", str(tmp_path / "1.key"), "--after", str(after)]
        error = CliRunner().invoke(leave, words).exception
        assert isinstance(error, ContractError) and not run.leaving.exists() and not run.approved(1).exists()
        return str(error)

    assert "no peer has run there" in refused(20)  # the folder of a lab, and not of its run, perhaps
    log(run.path, 1, a_round(0), a_round(9))
    assert "10 rounds are behind this peer" in refused(10) and "--at: round 4000 is none" in refused(4000)


@pytest.mark.parametrize("agreed", [1, 3])
def test_who_leaves_is_told_which_of_two_leavings_was_agreed_to(agreed: int, labs: Members, tmp_path: Path) -> None:
    """Two say it in the same second: both commands had said that their own change was the one."""
    run = Federation(labs, tmp_path).run(1)
    keep_contract(run.path, labs.contract)
    save_identity(tmp_path / "1.key", labs.key(1))
    log(run.path, 1, a_round(0))

    def peer() -> None:
        wait_for(run.offer.exists, "what the command says")
        FolderStore(run.path).keep(leaves(labs, agreed, 22))
        run.offer.unlink()

    running = threading.Thread(target=peer)
    running.start()
    words = ["--run", str(run.path), "--id", "1", "--key", str(tmp_path / "1.key"), "--after", "20"]
    said = CliRunner().invoke(leave, words)
    running.join()
    assert said.exit_code == 0, said.output + str(said.exception)
    if agreed == 1:
        assert "change 1 is agreed: after 22 rounds" in said.output
    else:
        assert "another change is agreed to as the 1.; after that the peer says anew that it leaves" in said.output


def test_only_those_who_have_gone_on_under_a_change_call_others_early(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    new = with_member(labs.contract, "tcp://lab-5.example:4000", labs.key(5).public_text)
    view = labs.view(new, [0, 1, 2], 20)
    all_of_them.lay(0, view)
    for other in (1, 4):
        all_of_them.peers[0].linked(other, up=False)
    all_of_them.peers[0].heard(5, pack([as_text(view)]), ("peers",))
    all_of_them.peers[0].heard(4, pack([]), ("peers",))  # behind
    assert all_of_them.rung[0] == [20]
    all_of_them.peers[0].heard(1, pack([as_text(view)]), ("peers",))
    assert all_of_them.rung[0] == [20, NOW]


def test_who_could_not_leave_in_time_says_it_again(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    all_of_them.lay(1, leaves(labs, 1))
    all_of_them.on_its_way.clear()  # nobody was there
    all_of_them.completed = 20
    all_of_them.peers[1].look()
    all_of_them.arrive()
    assert all_of_them.agreed() == [without(labs.contract, 1)] * 5 and all_of_them.rung[0] == [22]


@pytest.mark.parametrize("seed", range(2))
def test_a_leaver_that_says_different_rounds_to_everybody_leaves_all_the_same(seed: int, tmp_path: Path) -> None:
    labs, random = LABS["{kind: ring}"], Random(seed)
    all_of_them = Federation(labs, tmp_path)
    for at in random.sample(range(11, 25), 5):
        all_of_them.peers[random.choice((1, 3))].heard(2, pack([as_text(leaves(labs, 2, at))]), ())
    all_of_them.arrive(random.randrange)
    assert [each for k, each in enumerate(all_of_them.agreed()) if k != 2] == [without(labs.contract, 2)] * 4


def test_who_has_approved_of_another_change_approves_of_no_leaving_under_its_number(
    labs: Members, tmp_path: Path
) -> None:
    all_of_them = Federation(labs, tmp_path)
    other = labs.view(with_set(labs.contract, ["training.rounds=50"]), [0, 3, 4])
    for k in (0, 3, 4):  # by hand: `p2pme approve`
        all_of_them.run(k).approved(1).write_bytes(other.statement)
    all_of_them.lay(1, leaves(labs, 1))
    all_of_them.arrive()
    assert all_of_them.agreed() == [None] * 5 and len(all_of_them.leavings()) == 2
    all_of_them.lay(0, other)
    all_of_them.arrive()
    assert {each.training.rounds for each in all_of_them.agreed() if each} == {50}


def test_a_leaving_that_is_far_away_blocks_no_other_change(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    all_of_them.lay(1, leaves(labs, 1, DONE + WITHIN + 5))
    all_of_them.arrive()
    assert not all_of_them.leavings()
    all_of_them.completed += 5
    for each in all_of_them.peers.values():
        each.look()
    all_of_them.arrive()
    assert all_of_them.agreed() == [without(labs.contract, 1)] * 5


def test_a_leaver_that_is_killed_or_overtaken_says_it_again(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    all_of_them.lay(1, leaves(labs, 1))
    all_of_them.on_its_way.clear()  # lost with its links
    all_of_them.peers[1] = all_of_them.start(1)
    all_of_them.peers[1].begin()
    all_of_them.link(1)
    all_of_them.arrive()
    assert all_of_them.agreed() == [without(labs.contract, 1)] * 5

    longer = with_set(labs.contract, ["training.rounds=60"])
    (tmp_path / "later").mkdir()
    later = Federation(labs, tmp_path / "later", Standing(1, longer))
    later.run(1).leaving.write_text(as_text(leaves(labs, 1)))  # said before the other change
    later.peers[1].begin()
    later.arrive()
    assert later.agreed() == [without(longer, 1)] * 5 and all(rung == [20] for rung in later.rung.values())


def test_a_neighbour_that_leaves_in_ever_new_rounds_is_refused(labs: Members, tmp_path: Path) -> None:
    all_of_them = Federation(labs, tmp_path)
    for at in range(DONE + WITHIN + 1, DONE + WITHIN + 4):
        all_of_them.peers[1].heard(2, pack([as_text(leaves(labs, 2, at))]), ())
    said = [each.reason for each in all_of_them.notes[1] if isinstance(each, Refused)]
    assert len(said) == 2 and "leaves in ever new rounds" in said[0]
