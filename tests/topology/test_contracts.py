"""The ready contracts in `topologies/` load, connect, run offline, and differ only in their graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml, load_contract
from p2pfl_me.contract.template import RECIPES, contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import fitting_protocol
from p2pfl_me.topology import DirectedSchedule, directed_figures, plan_of, spectral_figures
from p2pfl_me.topology.graphs.edges import Edges
from p2pfl_me.topology.kind import TOPOLOGIES

FOLDER = Path(__file__).parents[2] / "topologies"
SMALL = FOLDER / "small.yaml"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem not in RECIPES)
READY = TOPOLOGIES


def shared(contract: Contract) -> dict[str, object]:
    """All but the graph; a graph of arcs needs push-sum, and so says another protocol."""
    return contract.model_dump(
        exclude={"name": True, "topology": True, "peers": {"loopback": {"count"}}, "gossip": {"protocol"}}
    )


def test_every_kind_has_a_ready_contract_with_its_own_name() -> None:
    assert {path.stem for path in FILES} == {about.ready_file or kind for kind, about in READY.items()}
    assert {load_contract(path).name for path in FILES} == {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ready_contract_loads_and_is_connected(path: Path) -> None:
    contract = load_contract(path)
    assert (TOPOLOGIES[contract.topology.kind].ready_file or contract.topology.kind) == path.stem
    assert contract.peers.count == (8 if path.stem == "hypercube" else 10)
    assert contract.peers.loopback is not None
    assert contract.peers.loopback.base_port == 27100
    assert contract.gossip.protocol.kind == fitting_protocol(contract.topology)
    plan = plan_of(contract)
    figures = directed_figures(plan) if isinstance(plan, DirectedSchedule) else spectral_figures(plan)
    assert figures.gap > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ready_contracts_differ_only_in_name_graph_and_peers(path: Path) -> None:
    assert shared(load_contract(path)) == shared(load_contract(FOLDER / "ring.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ready_contract_runs_offline_and_says_why(path: Path) -> None:
    assert load_contract(path).model.weights.source == "seed"
    assert "so that it runs offline" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", READY)
def test_new_writes_the_ready_contract(kind: str) -> None:
    """One source: after a change of the template, write the files anew with `p2pme topology new KIND --force`."""
    assert contract_text(kind) == (FOLDER / f"{TOPOLOGIES[kind].ready_file or kind}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_written_by_new_connected_and_offline(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    assert contract_text(name) == path.read_text(encoding="utf-8")
    contract = load_contract(path)
    assert contract.name == name and plan_of(contract).size == 10
    assert contract.model.weights.source == "seed"


def test_the_masks_contract_is_the_regular_graphs_but_for_its_masks() -> None:
    masks, regular = load_contract(FOLDER / "masks.yaml"), load_contract(FOLDER / "regular.yaml")
    assert masks.privacy.exchange.kind == "masks" and masks.topology == regular.topology
    assert shared(masks) | {"privacy": None} == shared(regular) | {"privacy": None}


def test_the_small_networks_contract_is_written_by_new_and_sends_seven_kilobytes() -> None:
    assert contract_text("small") == SMALL.read_text(encoding="utf-8")
    contract = load_contract(SMALL)
    assert contract.name == "small" and plan_of(contract).size == 10
    assert contract.model.backbone.kind == "ststnet" and contract.model.input_size == 28
    three = load_contract(SMALL, ["model.label_map=megc2019"])
    assert 4 * three.model.layout.size < 7_000
    assert "  weights:" not in SMALL.read_text(encoding="utf-8"), "nothing is frozen"
    assert contract_from_yaml(contract_text("small", 4)).peers.count == 4


@pytest.mark.few(15)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 12, 64, 100])
@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_new_contracts_of_other_sizes_are_connected_or_say_what_is(kind: str, count: int) -> None:
    try:
        contract = contract_from_yaml(contract_text(kind, count))
    except ContractError as error:
        assert error.fix
        assert not TOPOLOGIES[kind].needs.startswith("any number"), "it says what it needs"
        return
    assert contract.peers.count == count


@pytest.mark.parametrize("kind", sorted(TOPOLOGIES.keys() - READY.keys()))
def test_a_new_directed_contract_differs_in_its_protocol_too(kind: str) -> None:
    text = contract_text(kind)
    contract = contract_from_yaml(text)
    assert "  protocol: push_sum  # after every round each peer gives away shares" in text
    symmetric = contract.model_copy(update={"gossip": load_contract(FOLDER / "ring.yaml").gossip})
    assert shared(symmetric) == shared(load_contract(FOLDER / "ring.yaml"))
    with pytest.raises(ContractError, match="needs symmetric edges"):
        contract_text(kind, overrides=["gossip.protocol=dpsgd"])


@pytest.mark.parametrize("kind", ["equi_static", "equi_dynamic"])
def test_a_kind_made_directed_needs_push_sum(kind: str) -> None:
    with pytest.raises(ContractError, match="needs symmetric edges"):
        contract_text(kind, overrides=["topology.directed=true"])
    text = contract_text(kind, overrides=["topology.directed=true", "gossip.protocol=push_sum"])
    assert contract_from_yaml(text).gossip.protocol.kind == "push_sum"


def test_an_override_stands_in_the_text_with_its_comment() -> None:
    text = contract_text("regular", 12, overrides=["topology.degree=3", "training.class_weights=balanced", "name=lab"])
    contract = contract_from_yaml(text)
    assert (contract.name, contract.training.class_weights) == ("lab", "balanced")
    assert "  degree: 3  # neighbours of every peer\n" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_long_lists_are_wrapped() -> None:
    text = contract_text("edges", 100)
    assert max(len(line) for line in text.splitlines()) <= 120
    listed = contract_from_yaml(text).topology
    assert isinstance(listed, Edges)
    assert len(listed.edges) == 102


def test_texts_that_yaml_would_read_otherwise_are_quoted() -> None:
    overrides = ["model.classes=['yes', '1', 'a: b', 'c #d']", "name='1e3'"]
    contract = contract_from_yaml(contract_text("ring", overrides=overrides))
    assert contract.model.classes == ("yes", "1", "a: b", "c #d")
    assert contract.name == "1e3"


def test_a_wrong_override_is_refused_by_its_name() -> None:
    with pytest.raises(ContractError, match="did you mean `degree`"):
        contract_text("regular", overrides=["topology.degre=3"])
    with pytest.raises(ContractError, match="8 or 16 peers"):
        contract_text("hypercube", 10)
    with pytest.raises(ContractError, match="did you mean `torus`"):
        contract_text("tors")
