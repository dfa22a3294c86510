"""Real peers whose contract changes while they run: nobody stops, and all do so in the same round."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.adopt import adopt
from p2pfl_me.cli.leave import leave
from p2pfl_me.cli.ticket import ticket
from p2pfl_me.contract import load_contract
from p2pfl_me.federation.card import DIALS
from p2pfl_me.peer.replay import replay
from p2pfl_me.run.beginning import keep_contract
from tests.peer.federation import Federation
from tests.small import wait_for

ROUNDS, AT = 12, 6


@pytest.mark.thorough
@pytest.mark.processes
def test_a_lab_moves_one_has_another_key_one_joins_and_one_leaves_while_they_run(tmp_path: Path) -> None:
    labs = Federation(tmp_path, 5, rounds=ROUNDS)
    peers = {k: labs.start(k, "--record") for k in range(4)}  # they wait for the fifth
    wait_for(lambda: all(labs.said(k, "link") for k in range(4)), "four labs that meet")
    changed = ["--after", str(AT), "--address", f"1=tcp://127.0.0.1:{labs.base + 6}"]
    changed += ["--key", f"2={labs.new_key('2.key.next')}", "--leave", "3"]
    changed += ["--join", f"{labs.address(5)}={labs.public('5.key')}"]
    view = labs.view("view.json", [0, 1, 2], *changed)
    invited = CliRunner().invoke(
        ticket, [str(view), "--run", str(labs.run(0)), "--id", "0", "--for", "5", "-o", str(tmp_path / "ticket")]
    )
    assert invited.exit_code == 0, invited.output
    peers[5] = labs.join(5, tmp_path / "ticket", "--record")
    given = CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))])
    assert given.exit_code == 0, given.output + str(given.exception)
    peers[4] = labs.start(4, "--record")  # it learns of the change from its neighbours
    said = {k: each.finish() for k, each in peers.items()}
    assert {k: code for k, (code, _) in said.items()} == dict.fromkeys(range(6), 0), said
    for k in range(6):
        begin, end = (AT if k == 5 else 0), (AT if k == 3 else ROUNDS)
        assert labs.rounds(k) == list(range(begin, end)), k
        if k != 5:
            assert [each["at"] for each in labs.said(k, "view")] == [AT]
        met = {int(each) for line in labs.said(k, "round") if line["round"] >= AT for each in line["weights"]}
        assert met == {0: {1, 5}, 1: {0, 2}, 2: {1, 4}, 3: set(), 4: {2, 5}, 5: {0, 4}}[k]
        found = replay(labs.run(k), k)
        assert found.difference is None and found.lives == (1 if k in (3, 5) else 2)
    digests = {load_contract(labs.run(k) / "contract.yaml").peers for k in (0, 1, 2, 4, 5)}
    assert len(digests) == 1


@pytest.mark.thorough
@pytest.mark.processes
def test_a_lab_says_that_it_leaves_and_nobody_types_anything_else(tmp_path: Path) -> None:
    labs = Federation(tmp_path, 4, rounds=ROUNDS, topology="{kind: edges, edges: [[0, 1], [1, 2], [2, 3]]}")
    peers = {k: labs.start(k) for k in range(3)}  # they wait for the fourth
    wait_for(lambda: all(labs.said(k, "link") for k in range(3)), "three labs that meet")
    said = ["--run", str(labs.run(1)), "--id", "1", "--key", str(tmp_path / "1.key"), "--after", str(AT)]
    given = CliRunner().invoke(leave, said)
    assert given.exit_code == 0 and "is agreed" in given.output, given.output + str(given.exception)
    peers[3] = labs.start(3)
    ends = {k: each.finish() for k, each in peers.items()}
    assert {k: code for k, (code, _) in ends.items()} == dict.fromkeys(range(4), 0), ends
    for k in range(4):
        assert labs.rounds(k) == list(range(AT if k == 1 else ROUNDS))
        met = {int(each) for line in labs.said(k, "round") if line["round"] >= AT for each in line["weights"]}
        assert met == {0: {2}, 1: set(), 2: {0, 3}, 3: {2}}[k]
    assert labs.said(1, "finish")[-1]["reason"] == "left"
    assert labs.start(1).finish()[0] == 0, "its machine starts it anew, and it goes nowhere"
    assert labs.rounds(1) == list(range(AT)) and labs.said(1, "finish")[-1]["reason"] == "left"


@pytest.mark.thorough
@pytest.mark.processes
def test_a_newcomer_that_nobody_lets_in_says_whom_it_met_and_ends(tmp_path: Path) -> None:
    labs = Federation(tmp_path, 2, rounds=ROUNDS)
    for k in range(2):
        keep_contract(labs.run(k), load_contract(labs.contract))
    view = labs.view("view.json", [0, 1], "--after", str(AT), "--join", f"{labs.address(2)}={labs.public('2.key')}")
    made = [str(view), "--run", str(labs.run(0)), "--id", "0", "--for", "2", "-o", str(tmp_path / "ticket")]
    assert CliRunner().invoke(ticket, made).exit_code == 0
    code, said = labs.join(2, tmp_path / "ticket", "--patience", "0.0003").finish()
    assert code == 4 and "in 1.08 s it met none of them, so nobody gave it a model to begin with" in said, said
    assert labs.said(2, "finish")[-1]["reason"] == "unmet"


@pytest.mark.thorough
@pytest.mark.processes
def test_a_newcomer_is_not_refused_because_its_round_has_not_come(tmp_path: Path) -> None:
    """Those whom it calls do not know its key before: it had stopped after the patience of the start."""
    late = 150
    labs = Federation(tmp_path, 2, rounds=late + 6, gossip="{start: {patience: 2}, deadline: {min_s: 60}}")
    for k in range(2):
        keep_contract(labs.run(k), load_contract(labs.contract))
    view = labs.view("view.json", [0, 1], "--after", str(late), "--join", f"{DIALS}={labs.public('2.key')}")
    made = [str(view), "--run", str(labs.run(0)), "--id", "0", "--for", "2", "-o", str(tmp_path / "ticket")]
    assert CliRunner().invoke(ticket, made).exit_code == 0
    peers = {2: labs.join(2, tmp_path / "ticket")} | {k: labs.start(k) for k in range(2)}
    wait_for(lambda: labs.said(0, "start"), "a log of lab 0")
    given = CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))])
    assert given.exit_code == 0, given.output
    ends = {k: each.finish() for k, each in peers.items()}
    assert {k: code for k, (code, _) in ends.items()} == dict.fromkeys(range(3), 0), ends
    assert labs.rounds(2) == list(range(late, late + 6))


@pytest.mark.thorough
@pytest.mark.processes
def test_labs_that_are_done_and_hand_out_their_models_go_on_where_a_change_brings_more_rounds(tmp_path: Path) -> None:
    labs = Federation(tmp_path, 3, rounds=2, gossip="{start: {patience: 3}, deadline: {min_s: 60}, hand_out: 40}")
    peers = {k: labs.start(k) for k in range(2)}  # the third never comes, so they stay for it
    wait_for(lambda: all(labs.said(k, "hands_out") for k in range(2)), "two labs that are done")
    view = labs.view("view.json", [0, 1], "--after", "2", "--set", "training.rounds=4")
    given = CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))])
    assert given.exit_code == 0, given.output + str(given.exception)
    wait_for(lambda: all(len(labs.said(k, "hands_out")) == 2 for k in range(2)), "their end of two rounds more")
    assert all(labs.rounds(k) == [0, 1, 2, 3] for k in range(2))
    for each in peers.values():
        each.interrupt()
        each.finish()
