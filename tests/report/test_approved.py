"""Pages whose every word and number, and figures whose every mark, somebody has looked at (see `approving`)."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_pairs import pair_rows
from p2pfl_me.report.compose import compose, score_rows
from p2pfl_me.report.document import Document, Picture
from p2pfl_me.report.html import render_html
from p2pfl_me.report.methods import Comparison, Method, Setting, UnderFaults
from p2pfl_me.report.mixing import Mixing
from p2pfl_me.report.numbers import csv_text
from p2pfl_me.report.run import read_run
from p2pfl_me.report.style import _SETTINGS, ARM_COLOURS, THEMED, house_style
from p2pfl_me.report.svg import Files
from tests.report.approving import approve, figure_words, page_words
from tests.report.fixture import append, write_run

SMALL = {"count": 5, "rounds": 6, "classes": ("anger", "joy", "fear"), "support": (9, 5, 4)}


def figures(document: Document) -> list[Picture]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, Picture)]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """One run in which something went wrong."""
    folder = write_run(tmp_path_factory.mktemp("one") / "run", **SMALL, killed={2: 3})
    append(folder / "peer-1.jsonl", {"event": "refused", "neighbour": 2, "reason": "NaN"})
    with house_style():
        return compose(Comparison((Setting("", (Method("ring", (read_run(folder),)),)),)), in_full=True)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Document]:
    """Two set-ups under three seeds, mixing alone and one fault condition that was run and one that was not."""
    folder = tmp_path_factory.mktemp("several")
    methods = []
    for name, kind, offset in (("ring, topk 0.1", "ring", 0.0), ("mesh", "mesh", 0.15)):
        runs = [
            read_run(write_run(folder / f"{kind}{seed}", **SMALL, name=kind, kind=kind, seed=seed, offset=offset))
            for seed in (1, 2, 3)
        ]
        methods.append(Method(name, tuple(runs)))
    rounds = np.arange(9.0)
    mixings = (
        Mixing("ring, topk 0.1", 0.7**rounds, 0.68**rounds, 2 * rounds),
        Mixing("mesh", np.where(rounds < 1, 1.0, 1e-9), np.where(rounds < 1, 1.0, 0.0), 4 * rounds),
    )
    faults = (UnderFaults("10 % loss", (methods[0],)), UnderFaults("20 % churn", (), "lockstep has no network"))
    comparison = Comparison(
        (Setting("even", tuple(methods)), Setting("uneven", tuple(methods[:1]))), faults, mixings, ("swift",)
    )
    with house_style():
        return comparison, compose(comparison, in_full=False)


def test_the_page_on_one_run(one: Document) -> None:
    approve("one-run-page", page_words(one))


@pytest.mark.thorough
def test_the_figures_of_one_run(one: Document) -> None:
    approve("one-run-figures", figure_words(figures(one)))


def test_the_page_on_a_comparison(several: tuple[Comparison, Document]) -> None:
    comparison, document = several
    tables = csv_text(("score",) * 7, score_rows(comparison)[:40]) + csv_text(("pair",) * 10, pair_rows(comparison))
    approve("comparison-page", page_words(document) + tables)


@pytest.mark.thorough
def test_the_figures_of_a_comparison(several: tuple[Comparison, Document]) -> None:
    approve("comparison-figures", figure_words(figures(several[1])))


def test_the_markup_of_a_page(one: Document, tmp_path: Path) -> None:
    """Without drawings, and with the contract's text cut off: what the template makes of each kind of block."""
    files = {picture.name: Files(b"png", b"<svg viewBox='0 0 1 1'></svg>", b"", None) for picture in figures(one)}
    page = render_html(one, files)
    body = page[page.index("<body>") :]
    approve("one-run-markup", "\n".join(line for line in body[: body.index("contract digest")].splitlines()) + "\n")


def test_the_house_style() -> None:
    with house_style():
        settings = [f"{name}: {matplotlib.rcParams[name]}" for name in sorted(_SETTINGS)]
    colours = [f"{colour} {name}" for colour, name in THEMED.items()]
    approve("house-style", "\n".join([*settings, *colours, *(f"{arm} {ARM_COLOURS[arm]}" for arm in Arm)]) + "\n")
