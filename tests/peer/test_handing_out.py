"""Two real peers, of which one comes when the other is done: it gets the final model, from the peer or from `serve`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from p2pfl_me.cli.serve import serve
from p2pfl_me.console.status import status_of
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import PeerError, RunError
from p2pfl_me.exits import Exit
from p2pfl_me.run.events import Reason
from p2pfl_me.run.folder import RunFolder
from tests.small import Command, events, p2pme, wait_for, write_contract, write_vectors


@pytest.mark.thorough
@pytest.mark.processes
def test_a_late_lab_gets_the_final_model_from_whoever_is_done(tmp_path: Path) -> None:
    contract = write_contract(
        tmp_path / "two.yaml",
        2,
        topology="{kind: line}",
        training="{rounds: 2, local_epochs: 1}",
        gossip="{hand_out: 1000, start: {patience: 0.2}, deadline: {min_s: 1}}",
    )
    home, first, late = tmp_path / "home", tmp_path / "first", tmp_path / "late"
    labs = [write_vectors(tmp_path / f"{peer}.safetensors", [3 * peer, 3 * peer + 1]) for peer in (0, 1)]

    def command(peer: int, run: Path) -> list[str]:
        return ["peer", "--id", str(peer), "--topology", str(contract), "--data", str(labs[peer]), "--out", str(run)]

    done = Command(command(1, first), home)
    wait_for(lambda: bool(events(first, 1, "hands_out")), "the first lab is done")
    code, said = p2pme(home, *command(0, late))
    assert code == Exit.INCOMPLETE, said
    assert "all others are done: their final model taken from 1" in said and "trained 0 of 2 rounds" in said
    code, _ = done.finish()
    assert code == Exit.INCOMPLETE, "it was alone, and goes once its only neighbour is done, too"
    finals = {run: events(run, peer, "finish")[-1]["digest"] for run, peer in ((first, 1), (late, 0))}
    assert finals[first] == finals[late]
    sent = [line for line in (first / "egress-1.jsonl").read_text().splitlines() if '"final"' in line]
    assert len(sent) == 1, "it stands in the ledger"

    shutil.rmtree(late)
    server = Command(["serve", str(first)], home)
    code, said = p2pme(home, *command(0, late))
    assert code == Exit.INCOMPLETE and "taken from 1" in said
    code, said = server.finish()
    assert code == Exit.DONE and "hands out its final model (2 rounds)" in said, said
    assert events(late, 0, "finish")[-1]["digest"] == finals[first]
    assert events(first, 1, "finish")[-1]["digest"] == finals[first]
    state = status_of(RunFolder(first), load_contract(contract))[1].state
    assert state == Reason.ROUNDS.value, "it had said for good that it hands out"


def test_a_peer_that_is_not_done_hands_out_nothing(tmp_path: Path) -> None:
    """Refused by words, without a process of its own."""
    nothing = CliRunner().invoke(serve, [str(tmp_path)])
    assert isinstance(nothing.exception, RunError) and "not a run folder" in str(nothing.exception)
    write_contract(tmp_path / "contract.yaml", 3)
    without = CliRunner().invoke(serve, [str(tmp_path), "--id", "0"])
    assert isinstance(without.exception, PeerError) and "hand_out is 0" in str(without.exception)
