"""Runs with chains of ciphertexts: the same sums as under masks, who goes on the way, and what a receiver holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import ContractError, P2pmeError
from p2pfl_me.options import RunOptions
from p2pfl_me.privacy import chain as chain_module
from p2pfl_me.privacy.chain import ChainedSums
from p2pfl_me.privacy.ckks import CkksMissing, has_ckks
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import Crash, FaultModel
from p2pfl_me.simulation.lockstep_fit import require_lockstep
from p2pfl_me.simulation.trials import Journal
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.topology import plan_of
from tests.networks.test_engines import write_data
from tests.privacy.test_masked_runs import MASKS, alone_in, contract, first, is_the_mean, run
from tests.privacy.test_masked_search import seen_by, traces
from tests.small import CLASSES, events, write_contract
from tests.switches import Unsealed

CKKS: Mapping[str, Any] = {"kind": "ckks", "degree": 4096}


@pytest.mark.parametrize("more", [{}, {"gossip": {"protocol": "qg_dsgdm"}}, {"gossip": {"personal": True}}])
def test_a_chain_ends_with_the_bits_of_masks(more: Mapping[str, Any]) -> None:
    (_, masked), (_, chained) = run(exchange=MASKS, **more), run(exchange=CKKS, **more)
    for peer in range(6):
        for round in range(3):
            one, other = first(masked, peer, round), first(chained, peer, round)
            assert len(other.weights) == 5 and np.array_equal(one.params, other.params)
    assert not chained.refused


def lost_in(journal: Journal, peers: range, rounds: int) -> list[str]:
    """Why sums were lost."""
    every = [first(journal, peer, round) for peer in peers for round in range(rounds)]
    assert all(mixed.alone for mixed in every if not mixed.weights)
    return [why for mixed in every if not mixed.weights for why in mixed.missing.values()]


def test_who_falls_silent_in_the_middle_of_a_chain_costs_its_receivers_that_round_with_a_reason() -> None:
    """Peer 4 gives its word at 1 s and is gone at 2, while all wait for peer 5; its end is noticed late."""
    faults = FaultModel(compute_s=(1.0, 1.0), slow={5: 3.0}, crashes=(Crash(2.0, 4, None),), silence_s=15.0)
    _, journal = run(faults, exchange=CKKS, training={"rounds": 8})
    reasons = lost_in(journal, range(4), 8)
    assert reasons and all(why.startswith("the sum was lost: ") and "peer 4" in why for why in reasons)
    for peer in range(4):
        lost = [mixed for round in range(8) if not (mixed := first(journal, peer, round)).weights]
        for mixed in lost:
            assert np.array_equal(mixed.params, journal.trained[peer, mixed.round][0]), "its own model is kept"
        assert {0, 1, 2, 3} - {peer} <= first(journal, peer, 7).weights.keys() <= {0, 1, 2, 3, 5}
        assert is_the_mean(journal, peer, 7)


def test_one_that_hands_no_link_on_costs_ever_fewer_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    pledge = ChainedSums.pledge

    def mute(self: ChainedSums, *told: Any) -> Any:
        return None if self._me == 2 else pledge(self, *told)

    monkeypatch.setattr(ChainedSums, "pledge", mute)
    _, journal = run(exchange=CKKS, count=5, training={"rounds": 20})
    lost = alone_in(journal, [0, 1, 3, 4])
    assert all(0 < len(rounds) <= 5 for rounds in lost.values()), lost
    assert "the sum was lost: peer 2 gives no model" in lost_in(journal, range(2), 20)


def test_one_that_hands_on_what_nobody_can_read_is_named_with_the_next_and_then_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pledge = ChainedSums.pledge

    def spoils(self: ChainedSums, *told: Any) -> Any:
        link = pledge(self, *told)
        if self._me == 2 and link is not None and link.size > 1:
            link = link.copy()
            link[0] ^= 1
        return link

    monkeypatch.setattr(ChainedSums, "pledge", spoils)
    _, journal = run(exchange=CKKS, count=5, training={"rounds": 14})
    lost = alone_in(journal, [0, 1, 3])
    assert all(0 < len(rounds) <= 6 for rounds in lost.values()), lost
    assert "the sum was lost: peer 3 could not read what peer 2 had handed on" in lost_in(journal, range(2), 14)


def test_those_whom_a_broken_chain_has_not_reached_hear_of_it_before_their_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pledge = ChainedSums.pledge

    def mute(self: ChainedSums, *told: Any) -> Any:
        return None if self._me == 0 else pledge(self, *told)

    monkeypatch.setattr(ChainedSums, "pledge", mute)
    _, journal = run(exchange=CKKS, count=5, training={"rounds": 1})
    assert max(journal.until.values()) < 15, "in the last round each waits for its receivers' words, 30 s at most"


def test_a_receivers_whole_memory_and_wire_hold_no_neighbours_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a rehearsal, whose words are in clear under the seals: what is found is what a receiver could open."""
    seen, journal = seen_by(2, CKKS, monkeypatch)
    everything = b"\n".join({*seen})
    assert len(everything) > 400_000 and len(first(journal, 2, 2).weights) == 4
    assert not {peer for peer, trace in traces(journal, 2) if trace in everything}


def test_the_same_search_finds_the_first_of_a_chain_without_seals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "AESGCM", Unsealed)
    seen, journal = seen_by(2, CKKS, monkeypatch)
    everything = b"\n".join({*seen})
    # The first of its own chain, and of the chains in which it is the second.
    assert {peer for peer, trace in traces(journal, 2) if trace in everything} == {0, 1}


# -- real peers -----------------------------------------------------------------------------------------------------


def four(tmp_path: Path, exchange: str, name: str) -> Path:
    """Four peers on a complete graph with the small network."""
    return write_contract(
        tmp_path / f"{name}.yaml",
        4,
        topology="{kind: mesh}",
        model=f"{{classes: [{', '.join(CLASSES)}], backbone: ststnet}}",
        training="{rounds: 3, local_epochs: 1, batch_size: 8}",
        privacy=f"{{exchange: {exchange}}}",
    )


def digests(folder: Path) -> list[str]:
    return [events(folder, peer, "finish")[-1]["digest"] for peer in range(4)]


@pytest.mark.thorough
@pytest.mark.processes
@pytest.mark.skipif(not has_ckks(), reason="the extra `ckks` is not installed")
def test_real_peers_end_with_the_bits_of_the_simulator_and_of_one_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = four(tmp_path, "ckks", "ckks")
    data = write_data(tmp_path / "data.safetensors", load_contract(path))

    def options(name: str) -> RunOptions:
        return RunOptions(home=tmp_path / "home", run=tmp_path / name, data=data)

    assert launch(load_contract(path), options("real"), Console(quiet=True)) == 0
    assert simulate(load_contract(path), options("simulated"), Console(quiet=True)) == 0
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tenseal", None)
        assert simulate(load_contract(path), options("without"), Console(quiet=True)) == 0
    real = digests(tmp_path / "real")
    assert digests(tmp_path / "simulated") == digests(tmp_path / "without") == real
    rounds = [events(tmp_path / "real", peer, "round") for peer in range(4)]
    assert all(len(event["weights"]) == 3 and not event["missing"] for each in rounds for event in each)
    with_it, without = ([events(tmp_path / name, peer, "round")[-1]["bytes_sent"] for peer in range(4)]
                        for name in ("simulated", "without"))  # fmt: skip
    assert with_it == without and min(with_it) > 3 * 5 * 114_688


# -- what is refused ------------------------------------------------------------------------------------------------


def test_without_the_extra_nothing_of_a_real_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenseal", None)
    options = RunOptions(home=tmp_path / "home", run=tmp_path / "run")
    with pytest.raises(CkksMissing, match="needs tenseal"):
        launch(load_contract(four(tmp_path, "ckks", "ckks")), options, Console(quiet=True))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"gossip": {"aggregation": "krum"}}, "under ckks nobody sees one"),
        ({"gossip": {"compression": "int8"}}, "neither sees anything"),
        ({"gossip": {"protocol": "swift"}}, "needs more of a neighbour than a sum"),
        ({"gossip": {"hand_out": 5}}, "hand_out sends a final model as it is"),
        ({"topology": {"kind": "epidemic", "meets": 4}}, "neighbours change every round"),
        ({"exchange": {"kind": "ckks", "colluders": 1}}, "stands no colluders, and 1 are asked for"),
        ({"exchange": {"kind": "ckks", "degree": 2048}}, "4096 or 8192"),
    ],
)
def test_what_a_chain_cannot_carry_is_refused_with_a_reason(sections: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        contract(**{"exchange": CKKS, **sections})


def test_graphs_engines_and_records_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="has 2 neighbours, and a sum under ckks holds 3"):
        plan_of(contract(exchange=CKKS, topology={"kind": "ring"}))
    with pytest.raises(ContractError, match="ckks needs keys and messages"):
        require_lockstep(contract(exchange=CKKS))
    with pytest.raises(P2pmeError, match="under ckks cannot be recorded"):
        simulate(contract(exchange=CKKS), RunOptions(tmp_path, tmp_path / "run", record=True), Console(quiet=True))


def test_a_ring_sums_pairs_where_the_contract_allows_it() -> None:
    _, journal = run(exchange={**CKKS, "allow_pairs": True}, topology={"kind": "ring"})
    assert all(is_the_mean(journal, peer, 2) and len(first(journal, peer, 2).weights) == 2 for peer in range(6))
