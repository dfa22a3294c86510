"""The section `topology`: one class a kind of graph (docs/topologies.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from p2pfl_me.choice import Part, PositiveInt


class Ring(Part):
    kind: Literal["ring"]


class Mesh(Part):
    """Every peer is every other's neighbour."""

    kind: Literal["mesh"]


class Line(Part):
    kind: Literal["line"]


class Star(Part):
    kind: Literal["star"]
    center: Annotated[int, Field(ge=0)] = 0


class Random(Part):
    """Erdos-Renyi, drawn again from the next seed until it is connected.

    `probability` defaults to 2 ln n / n, above the connectivity threshold ln n / n.
    """

    kind: Literal["random"]
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0


class Torus(Part):
    kind: Literal["torus"]
    rows: PositiveInt
    columns: PositiveInt


class SmallWorld(Part):
    """Watts-Strogatz, connected."""

    kind: Literal["small_world"]
    neighbours: PositiveInt = 4
    rewire: Annotated[float, Field(ge=0, le=1)] = 0.3
    seed: int = 0


class Regular(Part):
    """A random regular graph, connected."""

    kind: Literal["regular"]
    degree: PositiveInt = 4
    seed: int = 0


class Hypercube(Part):
    kind: Literal["hypercube"]


class Exponential(Part):
    """Peer i is linked with i + 2^j (mod n): the symmetric static exponential graph."""

    kind: Literal["exponential"]


class Edges(Part):
    kind: Literal["edges"]
    edges: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...]

    @field_validator("edges", mode="before")
    @classmethod
    def _pairs(cls, edges: Any) -> Any:
        for edge in edges if isinstance(edges, list) else ():
            if isinstance(edge, list) and len(edge) != 2:
                raise ValueError(f"{edge} is not a pair of peers such as [0, 1]; weights follow from the graph")
        return edges


class Base(Part):
    """The base-(k+1) graph: pairs change every round, and after one period all hold the exact mean. k = `meets`."""

    kind: Literal["base"]
    meets: PositiveInt = 2


class Epidemic(Part):
    """EL-Oracle without an oracle: each round a new random regular graph, drawn by everyone from the same hash."""

    kind: Literal["epidemic"]
    meets: PositiveInt = 2
    seed: int = 0


class EpidemicLocal(Part):
    """EL-Local: each round every peer draws, by itself, the others to whom it `sends`. Directed."""

    kind: Literal["epidemic_local"]
    sends: PositiveInt = 2
    seed: int = 0


class OnePeerExponential(Part):
    """In round t peer i sends half of itself to i + 2^(t mod ceil(log2 n)) (mod n). Directed."""

    kind: Literal["one_peer_exponential"]


class EquiStatic(Part):
    """EquiTopo that stands: peer i is linked with i + u (mod n) for `shifts` random u (default: ceil(log2 n))."""

    kind: Literal["equi_static"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0


class EquiDynamic(Part):
    """EquiTopo of one peer: each round one random u, and peer i meets, or sends to, i + u (mod n).

    u is one of `shifts` that are drawn once, which bounds the links to hold; by default any of 1..n-1.
    """

    kind: Literal["equi_dynamic"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0


Topology = Annotated[
    Ring
    | Mesh
    | Line
    | Star
    | Random
    | Torus
    | SmallWorld
    | Regular
    | Hypercube
    | Exponential
    | Base
    | Epidemic
    | EpidemicLocal
    | OnePeerExponential
    | EquiStatic
    | EquiDynamic
    | Edges,
    Field(discriminator="kind"),
]
