"""Every figure, by the name of its files, and by the part of a page that shows it.

A figure is a module of this room whose name ends in `_picture`. It says by `figure_named` how it is drawn from the rows
of its CSV, and by `in_run` or `in_setting` where it stands; it is found here and needs no line elsewhere. The graph
alone is drawn from its contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from p2pfl_me.report.document import Picture
    from p2pfl_me.report.methods import Setting
    from p2pfl_me.report.numbers import Row
    from p2pfl_me.report.run import Run

Draw = Callable[["Sequence[Row]", float], "Figure"]
"""From the rows of a figure's CSV and a width in inches to the figure."""


class RunPart(StrEnum):
    """The parts of a page that tell of one run, in their order; the value is the link to it."""

    LEARNING = "learning"
    AGREEMENT = "agreement"
    CLASSES = "classes"
    COST = "cost"
    PRIVACY = "privacy"
    GRAPH = "graph"
    FAILURES = "failures"
    RAN = "run"


class SettingPart(StrEnum):
    """The parts that set methods side by side, in their order."""

    SCORES = "scores"
    PAIRS = "pairs"
    AGREEMENT = "agreement"
    COST = "cost"


OfRun = Callable[["Run"], "Picture | None"]
OfSetting = Callable[["Setting"], "Picture | None"]
D = TypeVar("D", bound=Draw)
R = TypeVar("R", bound=OfRun)
S = TypeVar("S", bound=OfSetting)
_DRAW: dict[str, Draw] = {}
_OF_RUN: dict[RunPart, list[OfRun]] = {}
_OF_SETTING: dict[SettingPart, list[OfSetting]] = {}


def figure_named(*names: str) -> Callable[[D], D]:
    """Decorates a drawing with the names of its files."""

    def register(draw: D) -> D:
        for name in names:
            assert _DRAW.setdefault(name, draw) is draw, f"two figures are called {name}"
        return draw

    return register


def in_run(part: RunPart) -> Callable[[R], R]:
    """Decorates what makes a run's figure, None where it has nothing to show, with the part that shows it."""

    def register(make: R) -> R:
        _OF_RUN.setdefault(part, []).append(make)
        return make

    return register


def in_setting(part: SettingPart) -> Callable[[S], S]:
    """The same of a figure that sets methods side by side."""

    def register(make: S) -> S:
        _OF_SETTING.setdefault(part, []).append(make)
        return make

    return register


@cache
def _find() -> None:
    import p2pfl_me.report

    for module in iter_modules(p2pfl_me.report.__path__, "p2pfl_me.report."):
        if module.name.endswith("_picture"):
            import_module(module.name)


def figures() -> dict[str, Draw]:
    """How each is drawn, by name."""
    _find()
    return _DRAW


def run_figures(part: RunPart, run: Run) -> Iterator[Picture]:
    """What a part of a run's page shows, in the order of their files, whichever was imported first."""
    _find()
    yield from filter(None, (make(run) for make in sorted(_OF_RUN.get(part, ()), key=_file)))


def setting_figures(part: SettingPart, setting: Setting) -> Iterator[Picture]:
    """What a part of a comparison's page shows, in the same order."""
    _find()
    yield from filter(None, (make(setting) for make in sorted(_OF_SETTING.get(part, ()), key=_file)))


def _file(make: Callable[..., object]) -> str:
    return make.__module__


def figure_from_csv(name: str, numbers: str, width: float | None = None) -> Figure:
    """Draw NAME.png's figure from the text of NAME.csv, `width` inches wide; inside `house_style`."""
    from p2pfl_me.report.document import drawn, settled
    from p2pfl_me.report.style import WIDTH

    return settled(drawn(figures()[name], numbers, width or WIDTH))
