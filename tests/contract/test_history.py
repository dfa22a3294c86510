"""What may change while a run goes on, and what would make another history of the model."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import Contract, breaks, changes, contract_from_yaml, history_digest
from p2pfl_me.contract.history import FREE

HEAD = "version: 1\nname: x\ntopology: {kind: ring}\npeers: {loopback: {count: 5}}\n"


def contract(*overrides: str) -> Contract:
    return contract_from_yaml(HEAD, overrides=overrides)


MAY_CHANGE = (
    "name=y",
    "training.rounds=90",
    "peers.loopback.count=6",
    "peers.loopback.base_port=48000",
    "topology.kind=mesh",
    "gossip.deadline.max_s=600",
    "gossip.start.patience=5",
    "gossip.alone=wait",
    "gossip.hand_out=60",
    "gossip.weights=constant",
)
MUST_STAY = (
    "seed=2",
    "model.backbone=ststnet",
    "model.label_map=megc3",
    "model.input=flow",
    "training.learning_rate=0.1",
    "training.batch_size=8",
    "gossip.protocol=push",
    "gossip.personal=true",
    "gossip.aggregation=median",
    "data.test_fraction=0.5",
    "peers.widths={3: 0.5}",
)


@pytest.mark.parametrize("override", MAY_CHANGE)
def test_a_run_may_go_on_when_this_changes(override: str) -> None:
    old, new = contract(), contract(override)
    assert changes(old, new) and not breaks(old, new) and not breaks(new, old)
    assert history_digest(old) == history_digest(new)


@pytest.mark.parametrize("override", MUST_STAY)
def test_another_history_is_named_by_its_key(override: str) -> None:
    old, new = contract(), contract(override)
    key = override.partition("=")[0]
    assert key in breaks(old, new) and history_digest(old) != history_digest(new)


def test_a_rotated_key_and_a_new_address_are_no_other_history() -> None:
    keys = [letter * 43 + "=" for letter in "ABCD"]

    def members(*lines: tuple[str, int]) -> Contract:
        listed = "\n".join(
            f"    - {{id: {k}, address: 'tcp://lab-{k}.example:{port}', public_key: '{key}'}}"
            for k, (key, port) in enumerate(lines)
        )
        return contract_from_yaml(f"version: 1\nname: x\ntopology: {{kind: line}}\npeers:\n  members:\n{listed}\n")

    old = members((keys[0], 4000), (keys[1], 4000))
    assert breaks(old, members((keys[2], 4000), (keys[1], 4001))) == ()
    assert breaks(old, members((keys[0], 4000), (keys[1], 4000), (keys[3], 4000))) == ()
    assert changes(old, members((keys[2], 4000), (keys[1], 4000))) == ("peers.members",)


@pytest.mark.parametrize("exchange", ["gossip.protocol=push_sum", "gossip.compression=power"])
def test_what_remembers_its_edges_keeps_its_graph(exchange: str) -> None:
    old = contract(exchange)
    assert breaks(old, contract(exchange, "topology.kind=mesh")) == ("topology",)
    assert not breaks(old, contract(exchange, "training.rounds=90"))


def test_who_shows_each_neighbour_a_part_only_keeps_graph_and_members() -> None:
    """Else edges would be dealt anew, and a neighbour would have seen two parts."""
    shown = ("topology.kind=mesh", "privacy.exchange=submodels")
    old = contract(*shown)
    assert breaks(old, contract("privacy.exchange=submodels", "topology={kind: exponential}")) == ("topology",)
    assert breaks(old, contract(*shown, "peers.loopback.count=6")) == ("peers.loopback",)
    assert not breaks(old, contract(*shown, "peers.loopback.base_port=48000", "training.rounds=90"))


def test_noise_that_was_laid_out_for_so_many_rounds_keeps_them() -> None:
    private = ("privacy.training=dp_sgd", "privacy.budget.epsilon=8")
    old = contract(*private)
    assert "training.rounds" in breaks(old, contract(*private, "training.rounds=90"))
    assert not breaks(old, contract(*private, "gossip.deadline.max_s=600"))


def test_every_free_key_is_one_of_the_contracts() -> None:
    sections = Contract.model_fields
    for key in FREE:
        section, _, inner = key.partition(".")
        assert section in sections
        if inner:
            kind = sections[section].annotation
            assert kind is not None and inner in kind.model_fields, key
