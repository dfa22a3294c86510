"""What is declared and nothing more is refused by name, by every engine: nothing falls through to something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.request import Request
from p2pfl_me.compression import COMPRESSIONS, Compression, EdgeState, Shapes
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, contract_from_yaml, load_contract
from p2pfl_me.contract.gossip import Gossip
from p2pfl_me.errors import ContractError
from p2pfl_me.evaluate.gossiping import gossip
from p2pfl_me.gossip.kind import PROTOCOLS, ProtocolKind, RoundProtocol
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.networks import NETWORKS, Layout, Use, Whole, layers
from p2pfl_me.options import RunOptions
from p2pfl_me.privacy.noising import NOISES, SharedNoise
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.lockstep import run_lockstep
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.swarm.launcher import launch
from p2pfl_me.topology import plan_of, schedule_of
from p2pfl_me.topology.graph import build_graph
from p2pfl_me.topology.kind import TOPOLOGIES, Pairs, Topology, Weigh
from p2pfl_me.topology.schedule import ChangingSchedule, Schedule, StaticSchedule
from p2pfl_me.topology.weighing import WEIGHTS, Weights
from tests.small import write_contract


class Bare(ProtocolKind):
    kind: Literal["bare"] = "bare"


class Ruleless(RoundProtocol):
    kind: Literal["ruleless"] = "ruleless"


class Pairless(Topology):
    kind: Literal["pairless"] = "pairless"


class Scheduleless(Topology):
    kind: Literal["scheduleless"] = "scheduleless"
    changes: ClassVar[bool] = True

    def pairs(self, count: int) -> Pairs:
        return ((peer, peer + 1) for peer in range(count - 1))


class Arcless(Scheduleless):
    kind: Literal["arcless"] = "arcless"

    @property
    def one_way(self) -> bool:
        return True


class Edgeless(Compression):
    kind: Literal["edgeless"] = "edgeless"


class Limitless(Compression):
    kind: Literal["limitless"] = "limitless"

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        raise NotImplementedError


class Looped(Topology):
    kind: Literal["looped"] = "looped"

    def pairs(self, count: int) -> Pairs:
        return [(0, 0), *((peer, peer + 1) for peer in range(count - 1))]


class Beyond(Topology):
    kind: Literal["beyond"] = "beyond"

    def pairs(self, count: int) -> Pairs:
        return [(peer, peer + 1) for peer in range(count)]


class Shapeless(Topology):
    kind: Literal["shapeless"] = "shapeless"

    def pairs(self, count: int) -> Pairs:
        return None  # type: ignore[return-value]


class Untold(Topology):
    """Its schedule changes, and its traits do not say so: what remembers edges would be let in."""

    kind: Literal["untold"] = "untold"

    def pairs(self, count: int) -> Pairs:
        return ((peer, peer + 1) for peer in range(count - 1))

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        found = StaticSchedule(build_graph(self, count), weigh)
        return ChangingSchedule(count, 2, found.edges, found.neighbours)


class Moduleless(Whole):
    kind: Literal["moduleless"] = "moduleless"

    def layout(self, use: Use) -> Layout:
        return layers.layout(layers.dense("out", self.inputs(use), use.classes, last=True))


class Noiseless(SharedNoise):
    kind: Literal["noiseless"] = "noiseless"


class Weightless(Weights):
    kind: Literal["weightless"] = "weightless"


OF_LOCKSTEP = "do not move in lockstep|lockstep cannot run it|keeps a state for every edge"
CASES: list[tuple[Registry[Any], type[Choice], dict[str, str], str]] = [
    (PROTOCOLS, Bare, {"gossip": "{protocol: bare}"}, "protocol bare .* no core"),
    (PROTOCOLS, Ruleless, {"gossip": "{protocol: ruleless}"}, "protocol ruleless .* no rule"),
    (TOPOLOGIES, Pairless, {"topology": "{kind: pairless}"}, "topology pairless .* no pairs"),
    (TOPOLOGIES, Scheduleless, {"topology": "{kind: scheduleless}"}, "topology scheduleless .* no schedule"),
    (
        TOPOLOGIES,
        Arcless,
        {"topology": "{kind: arcless}", "gossip": "{protocol: push_sum}"},
        "topology arcless .* no arcs",
    ),
    (COMPRESSIONS, Edgeless, {"gossip": "{compression: edgeless}"}, "compression edgeless .* no edge"),
    (COMPRESSIONS, Limitless, {"gossip": "{compression: limitless}"}, "compression limitless .* no limit"),
    (TOPOLOGIES, Looped, {"topology": "{kind: looped}"}, "topology looped: its pairs link peer 0 to itself"),
    (TOPOLOGIES, Beyond, {"topology": "{kind: beyond}"}, r"topology beyond: its pairs name 4, and peers are 0\.\.3"),
    (TOPOLOGIES, Shapeless, {"topology": "{kind: shapeless}"}, "topology shapeless: its pairs are none"),
    (TOPOLOGIES, Untold, {"topology": "{kind: untold}"}, "topology untold has edges that change .* does not say so"),
    (NETWORKS, Moduleless, {"model": "{backbone: moduleless}"}, "network moduleless .* no module"),
    (NOISES, Noiseless, {"privacy": "{noise: noiseless, budget: {epsilon: 8}}"}, "noise noiseless .* no at"),
    (WEIGHTS, Weightless, {"gossip": "{weights: weightless}"}, "mixing weights weightless .* no weigh"),
]


@pytest.fixture(params=CASES, ids=[kind.__name__ for _, kind, _, _ in CASES])
def unfinished(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Contract, str]]:
    registry, kind, sections, said = request.param
    registry.add(kind)
    path = write_contract(tmp_path / "unfinished.yaml", 4, **sections)
    yield path, load_contract(path), said
    registry.remove(kind.name())


def test_it_is_refused_by_name_everywhere(unfinished: tuple[Path, Contract, str], tmp_path: Path) -> None:
    path, contract, said = unfinished
    samples = [Samples(Part(np.zeros((2, 2048), np.float32), np.arange(2), np.zeros(2, np.int64), np.arange(2)))] * 4
    start = np.zeros(contract.model.layout.size, np.float32)
    options = RunOptions(home=tmp_path / "home", run=tmp_path / "run")
    engines: dict[str, Callable[[], Any]] = {
        "real peers": lambda: launch(contract, options, Console(StringIO(), quiet=True)),
        "event simulator": lambda: simulate(contract, options, Console(StringIO(), quiet=True)),
        "lockstep": lambda: run_lockstep(contract, options, Console(StringIO(), quiet=True)),
        "lockstep of evaluate": lambda: Lockstep(contract, schedule_of(contract), samples, start=start),
        "evaluate": lambda: gossip(contract, samples, start),
        "compare": lambda: make_grid(Request(contracts=(path,), out=tmp_path / "compare")),
        "any plan": lambda: plan_of(contract),
    }
    for name, engine in engines.items():
        with pytest.raises(ContractError, match=f"(?s){said}|{OF_LOCKSTEP}"):
            engine()
        assert not (tmp_path / "run").exists(), f"{name} left a run folder"


def test_a_graph_that_changes_never_meets_what_remembers_edges() -> None:
    TOPOLOGIES.add(Scheduleless)
    try:
        with pytest.raises(ContractError, match="remembers every edge, and on scheduleless the edges change"):
            contract_from_yaml(
                "version: 1\nname: t\ntopology: {kind: scheduleless}\npeers: {loopback: {count: 4}}\n"
                "gossip: {compression: topk}\n"
            )
    finally:
        TOPOLOGIES.remove("scheduleless")


def test_a_name_that_is_no_protocol_trains_as_none() -> None:
    with pytest.raises(ValidationError, match="bare"):
        Gossip.model_validate({"protocol": "bare"})
