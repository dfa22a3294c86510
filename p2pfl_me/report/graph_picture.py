"""The peer graph as a picture: places that suit its kind, peers coloured by a score. Only drawing happens here.

Used by the report and by `p2pme topology show`. Peers without a score (dead ones) are hollow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure

from p2pfl_me.atomic import replacing
from p2pfl_me.errors import RunError
from p2pfl_me.files import refusing
from p2pfl_me.report.figures import RunPart, in_run
from p2pfl_me.report.style import BLUE, EDGE, INK, MUTED, PAPER, PLAIN, house_style, tell
from p2pfl_me.report.svg import DPI
from p2pfl_me.topology import graph_of, link_count, plan_of
from p2pfl_me.topology.layout import DRAWN_LINKS, Places, places
from p2pfl_me.topology.pairs import named

if TYPE_CHECKING:
    from p2pfl_me.report.document import Picture
    from p2pfl_me.report.numbers import Row
    from p2pfl_me.report.run import Run

WIDTH = 6.0
FORMATS = ("png", "svg", "pdf")
LABELLED = 150
"""Ids are written into the marks up to this many peers."""

LEAST_LETTERS = 4.5
"""Points; ids of smaller letters could not be read, and are told to who points at a peer."""
LEAST_SPAN = 0.2
NODE_INK, NODE_PAPER, NODE_DARK = "#000001", "#fffffe", 0.18
"""Letters on the marks of scores, and the luminance up to which those are bright: these stay as they are in a dark
theme, since the marks' colours do."""
VECTOR_LINKS = 1000
"""A graph of more is a picture of dots on a page: as a drawing it would be megabytes."""
SCORES = LinearSegmentedColormap.from_list("p2pme", colormaps["YlGnBu"](np.linspace(0.06, 0.92, 256)))
"""From pale to dark, so that it reads in grey and by colour-blind eyes: darker is higher."""


@in_run(RunPart.GRAPH)
def graph_picture(run: Run) -> Picture | None:
    """The run's graph, coloured by the last scores; None where it has no link, or too many to be told apart."""
    from p2pfl_me.report.document import Picture
    from p2pfl_me.report.results import part_of, score_curves

    topology, present = run.contract.topology, run.contract.peers.present
    if not 0 < link_count(plan_of(run.contract)) <= DRAWN_LINKS:
        return None
    graph = graph_of(run.contract)
    name, metric = ("UF1", "uf1") if part_of(run) else ("training loss", "loss")
    scores, degrees = score_curves(run, metric).final(), {present[rank]: degree for rank, degree in graph.degree()}

    def draw(rows: Sequence[Row], width: float) -> Figure:
        shown = {int(row["peer"]): float(row["score"]) for row in rows if row["score"]}
        return graph_figure(graph, scores=shown or None, score_name=name, width=width)

    reading = "Weights travel along these edges and nowhere else"
    reading += ", along a few of them in each round." if topology.changes else "."
    if len(scores) == 1:
        reading += " One peer's score is known here; the others are hollow."
    elif scores and metric == "loss":
        reading += " Each peer's loss is of its own clips: a like colour does not say that the models are alike."
    elif scores:
        reading += (
            " Neighbours of like colour have come to like scores; a part of another colour is one that what others "
            "learned has not reached."
        )
    if left := sorted(set(range(run.contract.peers.count)) - set(present)):
        reading += f" It is the graph of the end: {named(left)} {'have' if len(left) > 1 else 'has'} left."
    return Picture(
        "graph",
        f"The graph, coloured by {name}" if scores else "The graph",
        reading,
        "Drawing of the peer graph",
        ("peer", "degree", "score"),
        tuple((peer, int(degrees[peer]), scores.get(peer)) for peer in sorted(degrees)),
        draw,
        raster=graph.number_of_edges() > VECTOR_LINKS,
    )


def draw_graph(graph: nx.Graph, path: Path, *, title: str = "") -> None:
    """Draw `graph` into the file `path` (.png, .svg or .pdf); see `graph_figure`.

    Raises
    ------
    RunError
        Another ending, or the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise RunError(f"pictures are written as {', '.join(FORMATS)}", where=str(path), fix="end the name in .png")
    figure = graph_figure(graph, title=title)
    with (
        refusing(RunError, path, "name another file with -o", "the picture cannot be written"),
        replacing(path, public=True) as draft,
        house_style(),
    ):
        figure.savefig(draft, format=kind, dpi=DPI)


def graph_figure(
    graph: nx.Graph,
    *,
    scores: Mapping[int, float] | None = None,
    title: str = "",
    score_name: str = "",
    width: float = WIDTH,
) -> Figure:
    """A figure of a graph with nodes 0..n-1, as of `topology.build_graph`; the ids of `topology.graph_of` are written.

    Parameters
    ----------
    scores:
        Peer -> value; the colour bar beside the drawing spans them. None: all alike and no bar. A peer that has none,
        or one that is not finite, is drawn hollow.
    title, score_name:
        Plain text above the drawing and at the bar; `$` has no special meaning.
    width:
        In inches.
    """
    place = places(graph)
    names: Sequence[int] = graph.graph.get("ids", range(len(graph)))
    given = {rank: (scores or {}).get(peer, math.nan) for rank, peer in enumerate(names)}
    shown = {rank: value for rank, value in given.items() if math.isfinite(value)}
    margin = 0.75 if len(place) < 100 else 1.5
    across, height = np.ptp(place, axis=0) + 2 * margin
    unit = min((width - (1.0 if shown else 0.3)) / across, 5.6 / height, 1.2)
    with house_style():
        figure = Figure(figsize=(width, max(unit * height, 1.3) + (0.35 if title else 0.1)))
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal")
        low, high = place.min(0) - margin, place.max(0) + margin
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        _draw_edges(axes, graph, place)
        _draw_peers(axes, place, names, shown, _mark_size(place, unit), scored=scores is not None)
        if shown:
            _colour_bar(figure, axes, shown, score_name)
            for peer, score in shown.items():
                tell(
                    axes, float(place[peer, 0]), float(place[peer, 1]), f"peer {names[peer]}: {score_name} {score:.3f}"
                )
        if title:
            figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=10, parse_math=False)
    return figure


def _mark_size(place: Places, unit: float) -> float:
    """Diameter in points: two thirds of two peers' least distance as drawn (`unit` inches a step), within reason."""
    if len(place) == 1 or len(place) > LABELLED:
        return 26.0 if len(place) == 1 else 4.0
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(np.clip(48 * unit * apart.min(), 4.0, 26.0))


def _draw_edges(axes: Axes, graph: nx.Graph, place: Places) -> None:
    pairs = np.array(sorted(graph.edges), dtype=np.int64).reshape(-1, 2)
    wraps = _wraps(graph, pairs)
    many = len(pairs) / max(len(place), 1)
    width = float(np.clip(2.0 - 0.12 * many, 0.35, 1.6))
    alpha = float(np.clip(1.1 - 0.03 * many, 0.25, 1.0))
    inner = LineCollection(place[pairs[~wraps]], colors=EDGE, linewidths=width, alpha=alpha, zorder=1)
    axes.add_collection(inner, autolim=False)
    ends = [stub for pair in pairs[wraps] for stub in _stubs(place[pair[0]], place[pair[1]])]
    dotted = LineCollection(ends, colors=EDGE, linewidths=width, linestyles=[(0, (1.2, 1.6))], zorder=1)
    axes.add_collection(dotted, autolim=False)


def _wraps(graph: nx.Graph, pairs: np.ndarray) -> np.ndarray:
    """Which edges of a torus go around its border."""
    if graph.graph.get("kind") != "torus" or not len(pairs):
        return np.zeros(len(pairs), dtype=bool)
    columns = graph.graph["columns"]
    rows, cells = np.divmod(pairs, columns)
    return np.asarray((np.abs(np.diff(rows))[:, 0] > 1) | (np.abs(np.diff(cells))[:, 0] > 1))


def _stubs(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """An edge around the border leaves on one side and comes back on the other."""
    out = 0.62 * (a - b) / np.linalg.norm(a - b)
    return [np.array([a, a + out]), np.array([b, b - out])]


def _draw_peers(
    axes: Axes, place: Places, names: Sequence[int], scores: Mapping[int, float], size: float, *, scored: bool
) -> None:
    peers = range(len(place))
    norm = _norm(scores)
    fill = [SCORES(norm(scores[peer])) if peer in scores else to_rgba(PAPER if scored else PLAIN) for peer in peers]
    rim = [(INK if peer in scores else MUTED) if scored else BLUE for peer in peers]
    axes.scatter(place[:, 0], place[:, 1], s=size**2, c=fill, edgecolors=rim, linewidths=0.4 + 0.03 * size, zorder=2)
    if len(place) > LABELLED or 0.46 * size < LEAST_LETTERS:
        return
    for peer in peers:
        on_score = NODE_INK if _luminance(fill[peer]) > NODE_DARK else NODE_PAPER
        axes.text(
            place[peer, 0],
            place[peer, 1],
            str(names[peer]),
            ha="center",
            va="center_baseline",
            color=on_score if peer in scores else INK,
            fontsize=min(9.0, 0.46 * size),
            zorder=3,
        )


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _norm(scores: Mapping[int, float]) -> Normalize:
    """The scores' own range, but at least a fifth of what there is: .65 and .70 must not look like night and day.

    Scores are shares up to 1, or losses. Around scores that are nearly alike the range lies evenly, as far as it stays
    above 0 and, for shares, below 1.
    """
    low, high = (min(scores.values()), max(scores.values())) if scores else (0.0, 1.0)
    whole = max(1.0, abs(low), abs(high))
    missing = LEAST_SPAN * whole - (high - low)
    if missing > 0:
        begin = low - missing / 2
        if high <= 1:
            begin = min(begin, 1 - LEAST_SPAN)
        if low >= 0:
            begin = max(begin, 0.0)
        low, high = begin, begin + LEAST_SPAN * whole
    return Normalize(low, high)


def _colour_bar(figure: Figure, axes: Axes, scores: Mapping[int, float], name: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(_norm(scores), SCORES), ax=axes, shrink=0.8, aspect=18, pad=0.02, panchor=False
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    # The layout keeps no room for a title wider than the bar: on one line two words leave a telephone.
    words = name.replace(" ", "\n")
    bar.ax.set_title(words, loc="left", color=MUTED, fontsize=8.5, parse_math=False)
