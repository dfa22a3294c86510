"""What `p2pme topology show` says of a contract's graph: values first, then the same as text or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from p2pfl_me.counting import many
from p2pfl_me.topology.arcs import DirectedSchedule
from p2pfl_me.topology.cut import cut_remark
from p2pfl_me.topology.directed import directed_schedule_of, link_count
from p2pfl_me.topology.mixing import MOST_EIGENVALUES
from p2pfl_me.topology.schedule import Schedule, schedule_of
from p2pfl_me.topology.spectral import EPS, Figures, directed_figures, spectral_figures

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract

SHOWN_EDGES = 60

Weighted = tuple[int, int, float]
"""a, b, weight: a < b exchange, or, where directed, a gives b that share of itself."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A contract's graph: the edges (where directed: arcs) of its first round, all or the first ones, and their number;
    the links of each peer.

    `period` is None where rounds never repeat, `figures` above MOST_EIGENVALUES peers.
    """

    name: str
    kind: str
    directed: bool
    edges: tuple[Weighted, ...]
    edge_count: int
    period: int | None
    degrees: tuple[int, ...]
    figures: Figures | None
    remarks: tuple[str, ...] = ()
    weights: str = ""

    @property
    def links(self) -> int:
        """Pairs that exchange in some round."""
        return sum(self.degrees) // 2


def summarise(contract: Contract, most: int | None = None) -> Summary:
    """Build the contract's graph and its figures, with at most `most` of its edges (None: all).

    Raises
    ------
    ContractError
        The graph cannot be built.
    """
    few = contract.peers.count <= MOST_EIGENVALUES
    if contract.topology.one_way:
        directed = directed_schedule_of(contract)
        arcs = tuple((arc.sender, arc.receiver, arc.weight) for arc in directed.arcs(0))
        return _summary(contract, directed, arcs[:most], len(arcs), directed_figures(directed) if few else None)
    schedule = schedule_of(contract)
    edges = tuple(islice(_edges(schedule), most))
    count = link_count(schedule) if schedule.period == 1 else len(schedule.edges(0))
    return _summary(contract, schedule, edges, count, spectral_figures(schedule) if few else None)


def _edges(schedule: Schedule) -> Iterator[Weighted]:
    """Of the first round, sorted, a peer at a time: of a mesh of thousands nobody wants to hold them all."""
    for peer in range(schedule.size):
        yield from ((peer, other, weight) for other, weight in schedule.weights(peer, 0).items() if other > peer)


def _summary(
    contract: Contract,
    schedule: Schedule | DirectedSchedule,
    edges: tuple[Weighted, ...],
    count: int,
    figures: Figures | None,
) -> Summary:
    of = schedule.receivers if isinstance(schedule, DirectedSchedule) else schedule.weights
    present = contract.peers.present
    rows = (of(peer, 0) for peer in present)
    return Summary(
        name=contract.name,
        kind=contract.topology.kind,
        directed=contract.topology.one_way,
        edges=edges,
        edge_count=count,
        period=schedule.period,
        degrees=tuple(len(schedule.neighbours(peer)) for peer in present),
        figures=figures,
        weights=_weights(contract, rows if figures else ()),
        remarks=(
            *(contract.topology.remark(figures) if figures else ()),
            *([cut] if (cut := cut_remark(contract)) else ()),
        ),
    )


class GraphObject(TypedDict):
    """What `p2pme topology show --json` prints: the edges of the first round are [a, b, weight], where directed
    [sender, receiver, weight]."""

    name: str
    kind: str
    directed: bool
    peers: int
    period: int | None
    edges: Sequence[Weighted]
    degrees: Sequence[int]
    figures: Figures | None
    weights: str
    picture: str | None


def as_object(summary: Summary, picture: Path | None) -> GraphObject:
    """For machines."""
    return {
        "name": summary.name,
        "kind": summary.kind,
        "directed": summary.directed,
        "peers": len(summary.degrees),
        "period": summary.period,
        "edges": summary.edges,
        "degrees": summary.degrees,
        "figures": summary.figures,
        "weights": summary.weights,
        "picture": str(picture) if picture else None,
    }


def as_text(summary: Summary) -> str:
    """Lines for people, each a name and a value."""
    low, high = min(summary.degrees), max(summary.degrees)
    mean = sum(summary.degrees) / len(summary.degrees)
    kind = f"{summary.kind}, directed" if summary.directed else summary.kind
    degrees = f"{low} each" if low == high else f"{low} to {high}, {mean:.3g} on average"
    lines = [
        f"contract   {summary.name}",
        f"topology   {kind}, {many(len(summary.degrees), 'peer')}, {_extent(summary)}",
        *_edge_lines(summary),
        f"weights    {summary.weights}",
        f"{'degrees' if summary.period == 1 else 'links':<10} {degrees}",
    ]
    if summary.figures is None:
        return "\n".join([*lines, f"figures    none above {MOST_EIGENVALUES} peers: they would take minutes"])
    figures = summary.figures
    return "\n".join(
        [
            *lines,
            f"diameter   {figures.diameter}",
            f"sends      {figures.models_per_round:.3g} models a peer and round",
            *(_shares(figures) if figures.exact_after is None or summary.period == 1 else []),
            f"n_W(0.99)  {figures.effective_neighbours:.1f}  (effective neighbours: 1 = alone, "
            f"{figures.peers} = all average at once)",
            f"consensus  {_consensus(figures.rounds_to_consensus, exact=figures.exact_after is not None)}",
            *(f"{'':<10} {remark}" for remark in summary.remarks),
        ]
    )


def _weights(contract: Contract, rows: Iterable[Mapping[int, float]]) -> str:
    """Which choice weighs the first round's edges, and from what to what."""
    name = "the graph's own" if contract.topology.own_weights else contract.gossip.weights.kind
    found = sorted({weight for row in rows for weight in row.values()})
    if not found:
        return name
    low, high = f"{found[0]:.4g}", f"{found[-1]:.4g}"
    return f"{name}, {low if low == high else f'{low} to {high}'} an edge"


def _extent(summary: Summary) -> str:
    edges = f"{summary.edge_count} {'arcs' if summary.directed else 'edges'}"
    if summary.period == 1:
        return edges
    return f"{edges} in the first round, " + (
        f"others in each of {summary.period}, then again" if summary.period else "others in every round"
    )


def _shares(figures: Figures) -> list[str]:
    return [
        f"gap        {figures.gap:.4f}  (1 - beta)",
        f"beta       {figures.beta:.4f}  (a round leaves at most this share of the distance to consensus)",
        f"expected   {figures.rms:.4f}  (and about this share when the models differ at random)",
    ]


def _consensus(rounds: int, *, exact: bool) -> str:
    if rounds == 0:
        return "a single peer agrees with itself"
    if exact:
        return f"exact after {rounds} round{'s' if rounds > 1 else ''} of mixing alone"
    return f"predicted after {rounds} rounds of mixing alone (distance to {EPS:g} of the first)"


def _edge_lines(summary: Summary) -> list[str]:
    """`a-b`, of arcs `a>b`, for the first SHOWN_EDGES, twelve a line."""
    name, sign = ("arcs", ">") if summary.directed else ("edges", "-")
    words = [f"{a}{sign}{b}" for a, b, _ in summary.edges[:SHOWN_EDGES]]
    if summary.edge_count > SHOWN_EDGES:
        words.append(f"and {summary.edge_count - SHOWN_EDGES} more (--json lists all)")
    rows = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
    return [f"{name if index == 0 else '':<10} {row}" for index, row in enumerate(rows or ["none"])]
