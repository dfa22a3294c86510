"""One rule, one result: the cores in the event simulator and lockstep end with equal bits, and refuse by name alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from p2pfl_me.aggregation import AGGREGATIONS, Aggregation, Neighbourhood
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.request import Request
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.evaluate.gossiping import gossip
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.topology import plan_of, schedule_of
from tests.gossip.swarms import run
from tests.small import write_contract

PEERS, ROUNDS = 6, 2


def contract(gossip: str, topology: str = "{kind: mesh}", count: int = PEERS) -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: t\ntopology: {topology}\npeers: {{loopback: {{count: {count}}}}}\n"
        f"training: {{rounds: {ROUNDS}, local_epochs: 1}}\ngossip: {gossip}\n"
    )


def samples() -> list[Samples]:
    random = np.random.default_rng(1)
    bank = random.normal(size=(8 * PEERS, 2048)).astype(np.float32)
    labels = random.integers(0, 7, len(bank))
    rows = np.split(np.arange(len(bank)), PEERS)
    return [Samples(Part(bank, each, labels[each], np.arange(len(each)))) for each in rows]


def start(agreed: Contract) -> Vector:
    random = np.random.default_rng(2)
    return (0.02 * random.normal(size=agreed.model.layout.size)).astype(np.float32)


class Unfinished(Aggregation):
    kind: Literal["unfinished"] = "unfinished"


@pytest.fixture
def unfinished() -> Iterator[Contract]:
    AGGREGATIONS.add(Unfinished)
    yield contract("{aggregation: unfinished}")
    AGGREGATIONS.remove("unfinished")


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "options",
    [
        *(f"aggregation: {kind}" for kind in AGGREGATIONS),
        "aggregation: trimmed_mean, protocol: qg_dsgdm",
        "aggregation: nna, personal: true",
    ],
)
def test_every_rule_has_the_same_bits_in_every_engine(options: str) -> None:
    agreed, own = contract(f"{{{options}}}"), samples()
    trainers = [FeatureTrainer(agreed, peer, each, torch.device("cpu")) for peer, each in enumerate(own)]
    home = agreed.personal_ranges
    simulated = run(
        agreed,
        np.stack([start(agreed)] * PEERS),
        lambda peer, round, params: trainers[peer].train(params, round).params,
        home=home,
    )
    with Lockstep(agreed, schedule_of(agreed), own, start=start(agreed), workers=2) as engine:
        for round in range(ROUNDS):
            engine.step(round, evaluate=False)
    np.testing.assert_array_equal(engine.params, simulated.params)
    np.testing.assert_array_equal(gossip(agreed, own, start(agreed)), simulated.params)
    if engine.verdicts is not None:
        for peer, verdict in enumerate(engine.verdicts):
            last = simulated.mixed[peer][-1]
            assert (verdict.weights, verdict.distance, verdict.refused) == (last.weights, last.distance, last.refused)


def test_a_rule_is_what_its_engine_does_and_not_the_mean() -> None:
    """Both engines would agree if both fell back to the mean."""
    plain = gossip(contract("{}"), samples(), start(contract("{}")))
    for kind in AGGREGATIONS:
        # By itself its radius is too long here to cut anybody short, and the mean is what it should be.
        written = "{kind: clipped_gossip, radius: 0.1}" if kind == "clipped_gossip" else kind
        agreed = contract(f"{{aggregation: {written}}}")
        same = np.array_equal(gossip(agreed, samples(), start(agreed)), plain)
        assert same == (kind == "mean")


def test_an_unfinished_rule_is_refused_by_name_everywhere(unfinished: Contract, tmp_path: Path) -> None:
    words = "aggregation unfinished cannot do this: it defines no combine"
    own, begin = samples(), start(unfinished)
    schedule = schedule_of(contract("{}"))
    with pytest.raises(ContractError, match=words):
        plan_of(unfinished)
    with pytest.raises(ContractError, match=words):
        core_of(unfinished, 0, schedule, Start(begin))
    with pytest.raises(ContractError, match=words):
        Lockstep(unfinished, schedule, own, start=begin)
    with pytest.raises(ContractError, match=words):
        gossip(unfinished, own, begin)
    with pytest.raises(ContractError, match=words):
        unfinished.gossip.aggregation.aggregate(Neighbourhood(0, 0, 1, begin, {1: 0.5}, {1: begin}))
    path = write_contract(tmp_path / "swarm.yaml", PEERS, gossip="{aggregation: unfinished}")
    for engine in ("processes", "simulate", "lockstep"):
        with pytest.raises(ContractError, match=words):
            make_grid(Request(contracts=(path,), out=tmp_path / "out", engine=engine))


@pytest.mark.parametrize(
    ("gossip", "words"),
    [
        ("{aggregation: krum, protocol: push_sum}", "push_sum has no such mean"),
        ("{aggregation: krum, protocol: push}", "push has no such mean"),
        ("{aggregation: krum, protocol: swift}", "swift has no such mean"),
        ("{aggregation: krum, protocol: adpsgd}", "adpsgd has no such mean"),
        ("{aggregation: krum, protocol: gradient_tracking}", "average of all peers is kept"),
        ("{aggregation: krum, compression: int8}", "compression int8"),
        ("{aggregation: krum, patience: {rounds: 3, of: everyone}}\ndata: {validation_fraction: 0.1}", "sketches"),
    ],
)
def test_what_needs_the_weighted_mean_refuses_other_rules_by_name(gossip: str, words: str) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        contract(gossip)
    assert "aggregation krum" in str(caught.value) and caught.value.fix
    assert contract(gossip.replace("krum", "mean")).gossip.aggregation.follows_w


def test_peers_of_different_widths_refuse_other_rules_by_name() -> None:
    text = "{loopback: {count: 6}, widths: {1: 0.5}}"
    with pytest.raises(ContractError, match="aggregation krum"):
        contract_from_yaml(
            f"version: 1\nname: t\ntopology: {{kind: mesh}}\npeers: {text}\ngossip: {{aggregation: krum}}\n"
        )


@pytest.mark.parametrize(
    ("topology", "count", "aggregation", "words"),
    [
        ("{kind: ring}", 10, "krum", "peer 0 has 2 neighbours in a round, and aggregation krum needs 4"),
        ("{kind: regular, degree: 4}", 10, "{kind: trimmed_mean, trim: 3}", r"trimmed_mean \(trim 3\) needs 6"),
        ("{kind: ring}", 10, "cs_plus", "cs_plus needs 3"),
        ("{kind: star}", 10, "median", "peer 1 has 1 neighbour in a round, and aggregation median needs 2"),
        ("{kind: base, meets: 1}", 10, "median", "1 neighbour in a round"),
        ("{kind: epidemic, meets: 2}", 10, "krum", "krum needs 4"),
        ("{kind: equi_dynamic}", 10, "nna", "1 neighbour in a round"),
        ("{kind: mesh}", 1, "median", "0 neighbours"),
    ],
)
def test_a_graph_with_too_few_links_is_refused(topology: str, count: int, aggregation: str, words: str) -> None:
    agreed = contract(f"{{aggregation: {aggregation}}}", topology, count)
    with pytest.raises(ContractError, match=words) as caught:
        plan_of(agreed)
    assert caught.value.where == "gossip.aggregation" and "links" in caught.value.fix


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("krumm", "did you mean `krum`"),
        ("{f: 2}", "has no `kind`"),
        ("{kind: krum, g: 2}", "known here: kind, f"),
        ("{kind: krum, f: 0}", "greater than or equal to 1"),
        ("{kind: balance, alpha: 1.5}", "less than 1"),
        ("3", "aggregation"),
    ],
)
def test_a_slip_is_told_in_words(written: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        contract(f"{{aggregation: {written}}}")


def test_the_default_leaves_contract_and_digest_as_they_were() -> None:
    from p2pfl_me.contract import digest, dump_contract

    plain, named = contract("{}"), contract("{aggregation: mean}")
    assert digest(plain) == digest(named) and "aggregation" not in dump_contract(named)
    trimmed: Any = contract("{aggregation: trimmed_mean}")
    assert digest(trimmed) != digest(plain)
    assert digest(contract_from_yaml(dump_contract(trimmed))) == digest(trimmed)
