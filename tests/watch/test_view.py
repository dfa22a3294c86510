"""What the page is told of a run: each number is the folder's, as the logs grow, and who waits for whom."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from p2pfl_me.contract import dump_contract
from p2pfl_me.errors import RunError
from p2pfl_me.membership.edits import with_member, without
from p2pfl_me.run.events import Finish, Link, LinkState, Reason
from p2pfl_me.watch.view import MOST_POINTS, RunView, _thinned
from tests.membership.labs import Members
from tests.report.test_origin import FILE, KINDS, SEED
from tests.run.making import a_round, log, start, trained

CONTRACT = "version: 1\nname: trio\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\ntraining: {rounds: 4}\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    return tmp_path


def ups(*neighbours: int) -> list[Link]:
    return [Link(neighbour, LinkState.UP) for neighbour in neighbours]


def test_it_grows_with_the_logs(run: Path) -> None:
    view = RunView(run)
    view.update()
    assert [peer["state"] for peer in view.state()["peers"]] == ["absent"] * 3
    assert view.state()["edges"] == [(0, 1), (0, 2), (1, 2)]
    for peer in range(3):
        log(run, peer, start(), *ups(*({0, 1, 2} - {peer})), a_round(0, 0.1 * (peer + 1)))
    view.update()
    state = json.loads(json.dumps(view.state(), allow_nan=False))
    assert state["going"] and [peer["round"] for peer in state["peers"]] == [1, 1, 1]
    assert [curve["points"][0][:2] for curve in state["curves"]] == [[1, 0.1], [1, 0.2], [1, pytest.approx(0.3)]]
    log(run, 1, Finish(Reason.DIVERGED, None, "the loss is no number"))
    view.update()
    assert view.state()["peers"][1]["state"] == "diverged"
    assert len(view.state()["curves"][1]["points"]) == 1  # nothing is read twice


def test_who_waits_for_whom(run: Path) -> None:
    log(run, 0, start(), *ups(1, 2), a_round(0, 0.1), trained(1.0, 1))
    log(run, 1, start(), *ups(0, 2), a_round(0, 0.1), trained(1.0, 1))
    log(run, 2, start(), *ups(0, 1), a_round(0, 0.1))
    view = RunView(run)
    view.update()
    assert [peer["waits"] for peer in view.state()["peers"]] == [[2], [2], []]
    log(run, 2, trained(1.0, 1))
    view.update()
    assert [peer["waits"] for peer in view.state()["peers"]] == [[], [], []]


def test_one_laboratory_sees_its_own_peer_and_blames_nobody_it_cannot_see(run: Path) -> None:
    log(run, 1, start(), *ups(0, 2), a_round(0, 0.1), trained(1.0, 1))
    view = RunView(run)
    view.update()
    assert [peer["waits"] for peer in view.state()["peers"]] == [[], [], []]
    assert view.state()["peers"][0]["state"] == "absent"


def test_no_run_no_page(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        RunView(tmp_path)


def test_a_long_curve_keeps_its_ends() -> None:
    points = [(each, each / 5000, None) for each in range(1, 5001)]
    thin = _thinned(points)
    assert len(thin) == MOST_POINTS and thin[0] == points[0] and thin[-1] == points[-1]
    assert thin == sorted(set(thin))


def test_the_graph_is_that_of_the_contract_in_force_while_it_changes(tmp_path: Path) -> None:
    labs = Members("{kind: edges, edges: [[0, 1], [1, 2], [2, 3], [3, 4]]}")
    contract = tmp_path / "contract.yaml"
    contract.write_text(dump_contract(labs.contract))
    view = RunView(tmp_path)
    assert view.state()["edges"] == [(0, 1), (1, 2), (2, 3), (3, 4)] and None not in view.state()["places"]
    joined = with_member(without(labs.contract, 1), "tcp://lab-5.example:4000", labs.key(5).public_text, [4])
    contract.write_text(dump_contract(joined))
    os.utime(contract, ns=(1, 1))
    view.update()
    state = view.state()
    assert state["edges"] == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert [place is None for place in state["places"]] == [False, True, False, False, False, False]
    assert [each["peer"] for each in state["peers"]] == list(range(6))


@pytest.mark.parametrize("by_log", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_the_network_is_whoever_tells_it(run: Path, kind: str, by_log: bool) -> None:
    model, words = KINDS[kind]
    (run / "contract.yaml").write_text(CONTRACT + yaml.safe_dump({"model": model}) if model else CONTRACT)
    for peer in range(3):
        log(run, peer, start(data=replace(start().data, network=words if by_log else "")))
    if not by_log:
        (run / "manifest.json").write_text(json.dumps({"network": words}))
    view = RunView(run)
    view.update()
    assert view.state()["network"] == words


def test_a_run_that_never_told_what_its_network_is_claims_what_its_contract_knows(run: Path) -> None:
    assert RunView(run).state()["network"] == SEED
    (run / "contract.yaml").write_text(CONTRACT + yaml.safe_dump({"model": FILE}))
    assert RunView(run).state()["network"].endswith("what it was trained on was not recorded in this folder.")
