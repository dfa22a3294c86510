"""An audit as a page that a lab reads before it joins, as lines for a terminal, and as one JSON object."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.contract import digest
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit.audit import Audit, Finding
from p2pfl_me.privacy_audit.inversion import Inversion
from p2pfl_me.report.document import Block, Bullets, Document, Fact, Paragraph, Picture, Section, Table
from p2pfl_me.report.formatting import many
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.style import (
    INK,
    MUTED,
    PAPER,
    RULE,
    VERMILION,
    beside,
    house_style,
    new_figure,
)
from p2pfl_me.report.warning import with_warning
from p2pfl_me.report.write import write_document

HOW = (
    "Every unit, a clip or a subject with all of their clips, is in or out by the toss of a coin; the contract is run "
    "on what is in, with all its peers, here. A neighbour then asks every model that the exchange showed it.",
    "LiRA compares a unit's score with those that it got in the other games, in and out. AUC .5 is chance, 1 is "
    "certainty. Advantage: true less false accusations, at the best of all thresholds, and so above 0 by luck. "
    "Caught at 10 %: the share of "
    "members that are found while a tenth of the others is accused, .1 is chance.",
    "Epsilon at least: with 95 % confidence no smaller epsilon holds (one game, Steinke, Nasr and Jagielski 2023). It "
    "stays 0 where units are few: then nothing is proven, neither good nor bad. Epsilon promised is the contract's.",
    "An attack that fails here proves nothing: a better one may come. One that works here works.",
    "Half of the clips train less well and are learned by heart more easily than all: the figures lean to the careful "
    "side. Under fragments and submodels a neighbour pieces together what came; other compressions are not taken into "
    "account: it sees whole models, under zero_sum as they travel, under masks the sums of its neighbourhood.",
)


def write_page(audit: Audit, out: Path) -> Path:
    """Write the page and its files below `out`; the page's path.

    Raises
    ------
    RunError
        `out` cannot be written.
    """
    with house_style():
        return write_document(document_of(audit), {}, out)


class AuditObject(TypedDict):
    """What `p2pme audit-privacy --json` prints."""

    contract: str
    contract_digest: str
    games: int
    clips: int
    warnings: list[str]
    network: str
    findings: list[Finding]
    inversions: list[Inversion]
    page: str


def as_object(audit: Audit, page: Path) -> AuditObject:
    """For machines."""
    return {
        "contract": audit.contract.name,
        "contract_digest": digest(audit.contract).hex(),
        "games": audit.games,
        "clips": audit.clips,
        "warnings": list(audit.warnings),
        "network": audit.network,
        "findings": list(audit.findings),
        "inversions": list(audit.inversions),
        "page": str(page),
    }


def as_lines(audit: Audit) -> Iterator[str]:
    """For a terminal."""
    for each in audit.findings:
        promised = f", promised {each.promised:.3g}" if each.promised is not None else ""
        within = f" ({each.interval[0]:.2f} to {each.interval[1]:.2f})" if each.interval else ""
        yield (
            f"{each.name}: one {each.unit} of {each.units}: LiRA AUC {each.lira.auc:.3f}{within}, advantage "
            f"{_advantage(each)}; epsilon at least {each.at_least:.2f}{promised}"
        )
    for found in audit.inversions:
        yield (
            f"{found.name}: one {found.unit} put together by {found.by}: likeness {found.likeness:.2f}, nearest other "
            f"clip {found.nearest:.2f}; closer than that for {100 * found.closer:.0f} % of {found.units}"
        )


def document_of(audit: Audit) -> Document:
    """The page."""
    document = Document(
        f"What a neighbour would learn: {audit.contract.name}",
        f"{audit.games} games on {audit.clips:,} clips of {audit.contract.peers.count} peers, "
        f"{many(audit.contract.training.rounds, 'round')} each",
        _verdict(audit.findings),
        _facts(audit.findings),
        (
            Section("What was found", (_picture(audit.findings), _table(audit.findings)), "found"),
            Section("What could be put together", _inverted(audit.inversions), "inversion"),
            Section("How it was measured", tuple(_how(audit)), "how"),
        ),
        f"Contract digest {digest(audit.contract).hex()}. Nothing was sent to anybody.",
        eyebrow="p2pme privacy audit",
    )
    return with_warning(document, audit.warnings)


def _how(audit: Audit) -> Iterator[Block]:
    yield Paragraph("By games that a neighbour plays:")
    yield Bullets(HOW)
    if audit.network:
        yield Paragraph(f"Network: {audit.network}")


def _verdict(findings: Sequence[Finding]) -> str:
    first = findings[0]
    far = first.lira.auc - 0.5
    if far < 0.05:
        told = f"hardly better than by chance whether one {first.unit} was trained on"
    elif far < 0.2:
        told = f"noticeably better than by chance whether one {first.unit} was trained on"
    else:
        told = f"often whether one {first.unit} was trained on"
    kept = "" if first.promised is None else f" The contract promises epsilon {first.promised:.3g}."
    words = f"Under {first.name} a neighbour tells {told} (AUC {_with_interval(first)}).{kept}"
    if far < 0.05:
        words += " By these attacks: one that fails proves nothing."
    others = [each for each in findings if each.unit is first.unit and each.name != first.name]
    if others:
        least = min(others, key=lambda each: each.lira.auc)
        words += f" Of what was set beside it, {least.name} tells least ({_with_interval(least)})"
        alike = [each.name for each in others if each is not least and _overlap(each, least)]
        words += f", in an interval that overlaps with that of {', of '.join(alike)}." if alike else "."
        if _overlap(first, least):
            words += " The two cannot be told apart: their intervals overlap."
    return words


def _overlap(one: Finding, least: Finding) -> bool:
    return bool(one.interval and least.interval and least.interval[1] >= one.interval[0])


def _with_interval(each: Finding) -> str:
    within = f", {each.interval[0]:.2f} to {each.interval[1]:.2f} in 95 % of draws" if each.interval else ""
    return f"{each.lira.auc:.2f}{within}"


def _advantage(each: Finding) -> str:
    """With what luck alone brings."""
    return f"{each.lira.advantage:.2f}" + (f" [{each.luck:.2f}]" if each.luck is not None else "")


def _facts(findings: Sequence[Finding]) -> tuple[Fact, ...]:
    first = findings[0]
    within = f", 95 %: {first.interval[0]:.2f} to {first.interval[1]:.2f}" if first.interval else ""
    lucky = f"; below {first.luck:.2f} by luck" if first.luck is not None else ""
    facts = [
        Fact("LiRA AUC", f"{first.lira.auc:.3f}", f"one {first.unit}{within}; .5 is chance", "vermilion"),
        Fact("advantage", f"{first.lira.advantage:.2f}", f"true minus false accusations, at best{lucky}"),
        Fact("epsilon at least", f"{first.at_least:.2f}", "with 95 % confidence, by one game"),
    ]
    if first.promised is not None:
        facts.append(Fact("epsilon promised", f"{first.promised:.3g}", f"for one {first.unit}, by the contract"))
    return tuple(facts)


def _table(findings: Sequence[Finding]) -> Table:
    """Columns that say nothing, or the same in each row, are left out."""
    columns = {
        "under": [each.name for each in findings],
        "unit": [each.unit.value for each in findings],
        "units": [str(each.units) for each in findings],
        "LiRA AUC": [
            f"{each.lira.auc:.3f}" + (f" [{each.interval[0]:.2f}, {each.interval[1]:.2f}]" if each.interval else "")
            for each in findings
        ],
        "advantage": [_advantage(each) for each in findings],
        "caught at 10 %": [f"{each.lira.at_a_tenth:.2f}" for each in findings],
        "AUC by loss alone": [f"{each.threshold.auc:.3f}" for each in findings],
        "epsilon at least": [f"{each.at_least:.2f}" for each in findings],
        "epsilon promised": ["none" if each.promised is None else f"{each.promised:.3g}" for each in findings],
        "worst peer": [f"{each.worst[0]} ({each.worst[1]:.2f})" for each in findings],
    }
    if len(set(columns["under"])) == 1:
        del columns["under"]
    if set(columns["epsilon promised"]) == {"none"}:
        del columns["epsilon promised"]
    caption = " ".join(
        (
            *["In brackets below an AUC: what 95 % of draws of the units lie between, with the games that were played."]
            * any(each.interval is not None for each in findings),
            *["In brackets below an advantage: what who learns nothing stays below in 95 % of draws of who was in."]
            * any(each.luck is not None for each in findings),
            "Worst peer: whose units are told apart best, and their AUC.",
        )
    )
    flush_left = frozenset(place for place, name in enumerate(columns) if name in {"under", "unit"})
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)), caption, flush_left)


def _inverted(inversions: Sequence[Inversion]) -> tuple[Paragraph | Table, ...]:
    if not inversions:
        return (Paragraph("Nothing was tried: no attack here fits this network."),)
    rows = tuple(
        (
            each.name,
            each.unit.value,
            str(each.units),
            each.by,
            f"{each.likeness:.2f} [{each.quarters[0]:.2f}, {each.quarters[1]:.2f}]",
            f"{each.nearest:.2f}",
            f"{100 * each.closer:.0f} %",
        )
        for each in inversions
    )
    words = (
        "From the first model that a neighbour is shown, less the initial one that everybody knows, it tries to put "
        "together what went into the training: the inputs themselves, or a frozen backbone's features of them. "
        "Likeness is a correlation, 1 for the input itself. What counts is whether a guess is more like a clip than "
        "the clips that the neighbour has itself (nearest other): where it hardly ever is, nothing was put together.",
        "By ratio: a linear layer's change of weights over its change of bias. By descent: inputs are moved until "
        "their gradient points along the change, with labels and number of clips given; a better attack may come.",
        "One round of one run is tried for each contract. What this can tell is whether inputs were put together "
        "(closer); it does not rank contracts that keep them from it: where the middle halves of their likenesses "
        "overlap, the order of two is chance.",
    )
    return (
        *map(Paragraph, words),
        Table(
            ("under", "unit", "units", "by", "likeness", "nearest other", "closer"),
            rows,
            "Medians over units; in brackets what the middle half of them lies between.",
            frozenset({0, 1, 3}),
        ),
    )


def _picture(findings: Sequence[Finding]) -> Picture:
    return Picture(
        name="membership",
        title="How well a neighbour tells members from others",
        reading=(
            "Area under the ROC curve of LiRA, for each contract and unit; bars hold 95 % of draws of the units. "
            "At the dotted line a neighbour guesses."
        ),
        alt="A dot for the attack's AUC under each contract and for each unit, with its interval",
        header=("under", "unit", "auc", "low", "high"),
        rows=tuple((each.name, each.unit.value, each.lira.auc, *(each.interval or (None, None))) for each in findings),
        draw=membership_figure,
    )


LETTERS = 15
"""Of a contract's name on an inch of the figure's width."""


def membership_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows: below the whole name of each contract a line for each of its units."""
    names = {
        name: textwrap.wrap(name, int(LETTERS * (width - 0.9))) for name in dict.fromkeys(r["under"] for r in rows)
    }
    tall = sum(0.6 * len(lines) for lines in names.values()) + 1.0 * len(rows) + 0.3 * len(names)
    figure, axes = new_figure(0.75 + 0.25 * tall, width)
    left = min([0.45, *(float(row["low"] or row["auc"]) - 0.02 for row in rows)])
    y, places = 0.0, []
    for name, lines in names.items():
        y += 0.6 * len(lines)
        axes.text(left, y - 0.15, "\n".join(lines), color=INK, fontsize=8.5, va="bottom")
        for row in (row for row in rows if row["under"] == name):
            y += 1.0
            places.append(y - 0.55)
            _told(axes, row, places[-1])
        y += 0.3
    axes.set_yticks(places, [row["unit"] for row in rows])
    axes.set_ylim(y, -0.1)
    axes.set_xlim(left, 1.0)
    axes.set_xticks([0.5, 0.75, 1.0], ["0.5\nchance", "0.75", "1"])
    axes.tick_params(axis="y", colors=RULE, labelcolor=MUTED)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("AUC")
    return figure


def _told(axes: Axes, row: Row, y: float) -> None:
    auc = float(row["auc"])
    axes.axhline(y, color=RULE, linewidth=0.7, zorder=0)
    axes.plot([0.5, 0.5], [y - 0.5, y + 0.5], color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), zorder=0)
    if row["low"]:
        axes.plot([float(row["low"]), float(row["high"])], [y, y], color=VERMILION, linewidth=5, alpha=0.28, zorder=1)
    axes.plot(auc, y, marker="o", markersize=6, color=VERMILION, markeredgecolor=PAPER, markeredgewidth=0.6)
    beside(axes, f"{auc:.3f}", (1, y), ("axes fraction", "data"), xytext=(8, 0), color=INK, fontsize=8.5)


UNITS = {"clip": (Unit.CLIP,), "subject": (Unit.SUBJECT,), "both": (Unit.CLIP, Unit.SUBJECT)}
