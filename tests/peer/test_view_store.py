"""A lab approves of one change under each number, whichever of its processes gets there first."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli import approve as command
from p2pfl_me.contract import contract_from_values
from p2pfl_me.errors import ContractError
from p2pfl_me.files import locked
from p2pfl_me.membership.agreed import Standing, proposed
from p2pfl_me.membership.edits import with_set
from p2pfl_me.membership.views import View, as_text
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run.beginning import keep_contract
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.identity import new_identity, save_identity

LABS = [new_identity() for _ in range(3)]
CONTRACT = contract_from_values(
    {
        "version": 1,
        "name": "store",
        "topology": {"kind": "ring"},
        "peers": {
            "approve": 0.6,
            "members": [
                {"id": k, "address": f"tcp://lab-{k}.example:4000", "public_key": each.public_text}
                for k, each in enumerate(LABS)
            ],
        },
    },
    "store",
)
FORK = multiprocessing.get_context("fork")


def change(rounds: int) -> View:
    return proposed(Standing(0, CONTRACT), with_set(CONTRACT, [f"training.rounds={rounds}"]), 9)


def _approve(run: Path, rounds: int, go: Connection, said: Connection) -> None:
    store = FolderStore(run)
    before = store.approval(1)
    said.send(None)
    go.recv()
    said.send(store.approve(change(rounds), before, wait_s=60.0))


def test_of_processes_that_decide_in_the_same_moment_one_approves(tmp_path: Path) -> None:
    """All have seen that nothing is approved yet."""
    pipes = [(FORK.Pipe(), FORK.Pipe()) for _ in range(4)]
    children = [
        FORK.Process(target=_approve, args=(tmp_path, 100 + k, go[1], said[1])) for k, (go, said) in enumerate(pipes)
    ]
    for child in children:
        child.start()
    for _, said in pipes:
        said[0].recv()
    for go, _ in pipes:
        go[0].send(None)
    approved = [said[0].recv() for _, said in pipes]
    for child in children:
        child.join()
    assert sum(approved) == 1
    assert FolderStore(tmp_path).approval(1) == change(100 + approved.index(True)).statement


def _hold(path: Path, said: Connection, go: Connection) -> None:
    with locked(path):
        said.send(None)
        go.recv()


def test_a_process_that_was_stopped_while_it_decided_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running peer asks again at its next look; a command says what to do."""
    run, view, key = tmp_path / "run", tmp_path / "view.json", tmp_path / "lab.key"
    keep_contract(run, CONTRACT)
    view.write_bytes(as_text(change(50)).encode())
    save_identity(key, LABS[1])
    monkeypatch.setattr(command, "WAITS_S", 0.05)
    words = [str(view), "--run", str(run), "--id", "1", "--key", str(key)]
    said, go = FORK.Pipe(), FORK.Pipe()
    holder = FORK.Process(target=_hold, args=(RunFolder(run).approving, said[1], go[1]))
    holder.start()
    said[0].recv()
    try:
        assert FolderStore(run).approve(change(50), None) is False
        refused = CliRunner().invoke(command.approve, words).exception
        assert isinstance(refused, ContractError) and "give the same command again" in str(refused)
        assert FolderStore(run).approval(1) is None and view.read_text() == as_text(change(50))
    finally:
        go[0].send(None)
        holder.join()
    assert CliRunner().invoke(command.approve, words, catch_exceptions=False).exit_code == 0
    assert FolderStore(run).approval(1) == change(50).statement
    assert FolderStore(run).approve(change(60), None) is False, "what it has approved since was not seen"
    assert FolderStore(run).approve(change(60), change(50).statement) is True, "--instead"
