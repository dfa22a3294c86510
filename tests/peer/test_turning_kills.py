"""Whoever is killed while it takes up a change finds a valid state: between any two writes, and at any instant."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.adopt import adopt
from p2pfl_me.contract import load_contract
from p2pfl_me.membership.edits import without
from p2pfl_me.peer.consent import standing_of
from p2pfl_me.peer.replay import replay
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run.beginning import changes_behind, keep_contract
from p2pfl_me.run.folder import RunFolder
from tests.membership.labs import Members
from tests.peer.federation import Federation
from tests.small import wait_for


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("writes", range(4))
def test_between_any_two_writes_the_run_stands_before_the_change_or_after_it(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from p2pfl_me.peer import view_store
    from p2pfl_me.run import beginning

    labs, run = Members(), tmp_path / "run"
    new = without(labs.contract, 3)
    view = labs.view(new, [0, 1, 2])
    keep_contract(run, labs.contract)
    RunFolder(run).checkpoint(0).write_text("a model")
    whole, left = beginning.write_whole, [writes]

    def write(*given: object, **more: object) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        whole(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(beginning, "write_whole", write)
    monkeypatch.setattr(view_store, "write_whole", write)
    done = False
    try:
        FolderStore(run).keep(view)
        keep_contract(run, new)
        done = True
    except Killed:
        pass
    monkeypatch.undo()
    standing = standing_of(run)
    assert (standing.number, standing.contract) == ((1, new) if writes >= 3 else (0, labs.contract)) and done == (
        writes >= 3
    )
    FolderStore(run).keep(view)  # what the next life does
    keep_contract(run, new)
    assert changes_behind(run) == 1 and standing_of(run).contract == new
    assert [path.name for path in RunFolder(run).earlier_contracts()] == ["contract-1.yaml"]
    assert load_contract(RunFolder(run).earlier_contract(1)) == labs.contract


@pytest.mark.thorough
@pytest.mark.processes
def test_a_lab_that_is_killed_in_the_turn_goes_on_under_the_change(tmp_path: Path) -> None:
    rounds, at = 8, 4
    labs = Federation(tmp_path, 3, rounds=rounds)
    peers = {k: labs.start(k, "--record") for k in range(2)}
    wait_for(lambda: all(labs.said(k, "link") for k in range(2)), "two labs that meet")
    view = labs.view("view.json", [0, 1], "--after", str(at), "--set", f"training.rounds={rounds + 4}")
    given = CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))])
    assert given.exit_code == 0, given.output
    peers[2] = labs.start(2, "--record")
    wait_for(lambda: len(labs.rounds(2)) >= at - 1, "the round before the change")
    peers[2].kill()
    peers[2].finish()
    peers[2] = labs.start(2, "--record")  # the same command
    said = {k: each.finish() for k, each in peers.items()}
    for k, (code, words) in said.items():
        assert code in (0, 4) and labs.rounds(k)[-1] == rounds + 3, words
        assert changes_behind(labs.run(k)) == 1
        assert load_contract(labs.run(k) / "contract.yaml").training.rounds == rounds + 4
        assert replay(labs.run(k), k).difference is None
    shutil.rmtree(tmp_path / "lab-0")


@pytest.mark.thorough
@pytest.mark.processes
def test_a_lab_that_was_away_learns_of_the_change_before_it_exchanges_anything(tmp_path: Path) -> None:
    """It comes back with the contract of before; its neighbours have gone on."""
    rounds = 20_000
    labs = Federation(
        tmp_path, 3, rounds=rounds, gossip="{start: {quorum: 2, patience: 2}, deadline: {min_s: 1, max_s: 3}}"
    )
    peers = {k: labs.start(k) for k in range(2)}
    wait_for(lambda: all(labs.said(k, "link") for k in range(2)), "two labs that meet")
    # The two train on while it is made and handed over: hundreds of rounds on a busy machine.
    at = max(labs.rounds(0), default=0) + 300
    view = labs.view("view.json", [0, 1], "--after", str(at), "--set", "training.rounds=20001")
    assert CliRunner().invoke(adopt, [str(view), "--run", str(labs.run(0))]).exit_code == 0
    wait_for(lambda: all(labs.said(k, "changed") for k in range(2)), "two that have turned", 300)
    peers[2] = labs.start(2)
    wait_for(lambda: bool(labs.said(2, "round")), "the third goes on")
    wait_for(lambda: any(line["weights"] for line in labs.said(2, "round")), "it exchanges")
    for each in peers.values():
        each.interrupt()
    for each in peers.values():
        each.finish()
    kinds = [
        (each["event"], each.get("weights")) for each in labs.said(2, None) if each["event"] in ("round", "changed")
    ]
    first = next(index for index, (kind, weights) in enumerate(kinds) if kind == "round" and weights)
    assert ("changed", None) in kinds[:first]


@pytest.mark.parametrize("name", ["checkpoint", "change", "leave", "join", "key"])
def test_what_is_killed_at_every_write_does_its_work_where_nobody_kills_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scripts/bench/write_kills.py` had come to an end before its first kill, and nobody saw it."""
    monkeypatch.setattr(threading, "Thread", threading.Thread)  # which the first of them replaces
    path = Path(__file__).parents[2] / "scripts" / "bench" / "write_kills.py"
    spec = importlib.util.spec_from_file_location("write_kills", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "write_kills", module)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    work, done = module.WORKS[name], list[int]()
    work.do(tmp_path, done.append)
    assert done and work.whole(tmp_path, done[-1]) == ""
