"""Every figure by the name of its files, to draw it again from its CSV. The graph alone is drawn from its contract.

A figure is a module of this room whose name ends in `_picture`; it is found here and needs no other line.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from matplotlib.figure import Figure

import p2pfl_me.report
from p2pfl_me.report.document import FIGURES, Draw, drawn, settled
from p2pfl_me.report.style import WIDTH


def figures() -> dict[str, Draw]:
    """All of them."""
    for module in iter_modules(p2pfl_me.report.__path__, "p2pfl_me.report."):
        if module.name.endswith("_picture"):
            import_module(module.name)
    return FIGURES


def figure_from_csv(name: str, numbers: str, width: float = WIDTH) -> Figure:
    """Draw NAME.png's figure from the text of NAME.csv, `width` inches wide; inside `house_style`."""
    return settled(drawn(figures()[name], numbers, width))
