"""What `p2pme topology show` says of a contract's graph: values first, then the same as text or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.topology.schedule import Edge, schedule_of
from p2pfl_me.topology.spectral import Figures, spectral_figures

SHOWN_EDGES = 60
FIGURES_LIMIT = 2_000
"""Eigenvalues take time and memory with the cube and square of the peers: seconds up to here."""

EPS = 1e-3


@dataclass(frozen=True, slots=True)
class Summary:
    """A contract's graph. `figures` is None above FIGURES_LIMIT peers."""

    name: str
    kind: str
    edges: tuple[Edge, ...]
    degrees: tuple[int, ...]
    figures: Figures | None

    @property
    def rounds(self) -> int | None:
        """Predicted rounds until the models differ by at most EPS of what they did."""
        return self.figures.rounds_to_consensus(EPS) if self.figures else None


def summarise(contract: Contract) -> Summary:
    """Build the contract's graph and its figures.

    Raises
    ------
    ContractError
        The graph cannot be built.
    """
    schedule = schedule_of(contract)
    return Summary(
        name=contract.name,
        kind=contract.topology.kind,
        edges=schedule.edges(0),
        degrees=tuple(len(schedule.neighbours(peer)) for peer in range(schedule.size)),
        figures=spectral_figures(schedule) if schedule.size <= FIGURES_LIMIT else None,
    )


def as_json(summary: Summary, picture: Path | None) -> str:
    """One object: name, kind, peers, edges [[a, b, weight], ...], degrees, figures or null, picture or null."""
    figures = summary.figures
    return json.dumps(
        {
            "name": summary.name,
            "kind": summary.kind,
            "peers": len(summary.degrees),
            "edges": [[edge.a, edge.b, edge.weight] for edge in summary.edges],
            "degrees": summary.degrees,
            "figures": {**asdict(figures), "rounds_to_consensus": summary.rounds} if figures else None,
            "picture": str(picture) if picture else None,
        },
        allow_nan=False,
    )


def as_text(summary: Summary) -> str:
    """Lines for people, each a name and a value."""
    low, high = min(summary.degrees), max(summary.degrees)
    mean = sum(summary.degrees) / len(summary.degrees)
    degrees = f"{low} each" if low == high else f"{low} to {high}, {mean:.3g} on average"
    lines = [
        f"contract   {summary.name}",
        f"topology   {summary.kind}, {len(summary.degrees)} peers, {len(summary.edges)} edges",
        *_edge_lines(summary.edges),
        f"degrees    {degrees}",
    ]
    if summary.figures is None:
        return "\n".join([*lines, f"figures    none above {FIGURES_LIMIT} peers: they would take minutes"])
    figures = summary.figures
    return "\n".join(
        [
            *lines,
            f"diameter   {figures.diameter}",
            f"gap        {figures.gap:.4f}  (1 - beta, with Metropolis-Hastings weights)",
            f"beta       {figures.beta:.4f}  (a round leaves at most this share of the distance to consensus)",
            f"expected   {figures.rms:.4f}  (and about this share when the models differ at random)",
            f"n_W(0.99)  {figures.effective_neighbours:.1f}  (effective neighbours: 1 = alone, "
            f"{figures.peers} = all average at once)",
            f"consensus  {_consensus(summary.rounds or 0)}",
        ]
    )


def _consensus(rounds: int) -> str:
    if rounds == 0:
        return "a single peer agrees with itself"
    if rounds == 1:
        return "predicted after 1 round"
    return f"predicted after {rounds} rounds of mixing alone (distance to {EPS:g} of the first)"


def _edge_lines(edges: tuple[Edge, ...]) -> list[str]:
    """`a-b` for the first SHOWN_EDGES edges, twelve a line."""
    words = [f"{edge.a}-{edge.b}" for edge in edges[:SHOWN_EDGES]]
    if len(edges) > SHOWN_EDGES:
        words.append(f"and {len(edges) - SHOWN_EDGES} more (--json lists all)")
    rows = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
    return [f"{'edges' if index == 0 else '':<10} {row}" for index, row in enumerate(rows or ["none"])]
