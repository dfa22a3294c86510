"""Letters on a colour of their figure, a cell of a matrix or the mark of a peer, have a contrast of 4.5 with it."""

from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.patches import Rectangle

import p2pfl_me.report
from p2pfl_me.report.confusion_picture import confusion_panels
from p2pfl_me.report.graph_picture import _luminance, graph_figure
from p2pfl_me.report.style import BLUE, INK, MUTED, PAPER, THEMED, WIDTH, house_style

PAGE = (Path(p2pfl_me.report.__file__).parent / "templates" / "report.html.j2").read_text()
LEAST = 4.5


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    low, high = sorted(_luminance(tuple(colour)) + 0.05 for colour in (one, other))
    return high / low


def _themes() -> dict[str, dict[str, np.ndarray]]:
    """What each colour of a figure is in its files, on a light page and on a dark one."""
    light, dark = (
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", half)) for half in PAGE.split("prefers-color-scheme: dark", 1)
    )
    looks = {"file": {colour: colour for colour in THEMED}}
    looks |= {
        name: {colour: of[THEMED[colour]] for colour in THEMED} for name, of in (("light", light), ("dark", dark))
    }
    return {name: {was: np.array(to_rgba(now)[:3]) for was, now in look.items()} for name, look in looks.items()}


@pytest.mark.parametrize("theme", ["file", "light", "dark"])
def test_the_counts_of_a_matrix_can_be_read_on_every_shade(theme: str) -> None:
    look = _themes()[theme]
    names, shares = [f"c{number}" for number in range(9)], np.linspace(0.01, 0.99, 8 * 4).reshape(4, 8)
    panels = []
    for number, part in enumerate(shares):
        matrix = np.zeros((9, 9))
        matrix[np.arange(8), np.arange(8)], matrix[:-1, -1] = 1000 * part, 1000 - 1000 * part
        panels.append((f"{number}", matrix))
    with house_style():
        picture = confusion_panels(names, panels, "", "")
        assert picture is not None
        found = {}
        for axes in picture.figure(WIDTH).axes:
            shades = {tuple(patch.get_center()): patch for patch in axes.patches if isinstance(patch, Rectangle)}
            for words in axes.texts:
                patch = next(each for middle, each in shades.items() if np.allclose(middle, words.get_position()))
                shade, ink = patch.get_facecolor()[3], to_hex(words.get_color())
                assert to_hex(patch.get_facecolor()) == BLUE and ink in (INK, MUTED)
                found[shade, ink] = _contrast(look[ink], shade * look[BLUE] + (1 - shade) * look[PAPER])
    assert len(found) >= 30 and min(found.values()) >= LEAST, min(found.items(), key=lambda each: each[1])


def test_the_names_of_peers_can_be_read_on_every_score() -> None:
    """The marks keep their colours in every theme, and so do the letters on them."""
    found, letters, graph = {}, {}, nx.cycle_graph(20)
    with house_style():
        for shift in np.linspace(0, 1 / 20, 6):
            figure = graph_figure(graph, scores={peer: peer / 20 + shift for peer in graph}, score_name="UF1")
            fills = figure.axes[0].collections[-1].get_facecolor()
            for words in filter(lambda each: each.get_text(), figure.axes[0].texts):
                peer = int(words.get_text())
                letters[peer, shift] = to_hex(words.get_color())
                found[peer, shift] = _contrast(np.array(to_rgba(words.get_color())[:3]), fills[peer][:3])
    assert len(found) == 120 and not set(letters.values()) & THEMED.keys()
    assert min(found.values()) >= LEAST, min(found.items(), key=lambda each: each[1])
