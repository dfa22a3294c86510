"""An audit as a page that a lab reads before it joins, as lines for a terminal, and as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from p2pfl_me.contract import digest
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit.audit import Audit, Finding
from p2pfl_me.privacy_audit.inversion import Inversion
from p2pfl_me.report.document import Bullets, Document, Fact, Paragraph, Picture, Section, Table
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.style import bars, headline, house_style, new_figure, short
from p2pfl_me.report.write import write_document

COLUMNS = ("under", "hides", "unit", "units", "LiRA AUC", "advantage", "caught at 10 %", "by loss alone",
           "epsilon at least", "epsilon promised", "worst peer")  # fmt: skip
HOW = (
    "Every unit, a clip or a subject with all of their clips, is in or out by the toss of a coin; the contract is run "
    "on what is in, with all its peers, here. A neighbour then asks every model that the exchange showed it.",
    "LiRA compares a unit's score with those that it got in the other games, in and out. AUC .5 and advantage 0 are "
    "chance; AUC 1 is certainty. Caught at 10 %: the share of members that are found while a tenth of the others is "
    "accused, .1 is chance.",
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
        return write_document(_document(audit), {}, out)


def as_object(audit: Audit) -> dict[str, Any]:
    """For machines."""
    return {
        "format": 1,
        "contract": audit.contract.name,
        "contract_digest": digest(audit.contract).hex(),
        "games": audit.games,
        "clips": audit.clips,
        "findings": [asdict(each) for each in audit.findings],
        "inversions": [asdict(each) for each in audit.inversions],
    }


def as_lines(audit: Audit) -> Iterator[str]:
    """For a terminal."""
    for each in audit.findings:
        promised = f", promised {each.promised:.3g}" if each.promised is not None else ""
        yield (
            f"{each.name}: one {each.unit} of {each.units}: LiRA AUC {each.lira.auc:.3f}, advantage "
            f"{each.lira.advantage:.2f}; epsilon at least {each.at_least:.2f}{promised}"
        )
    for found in audit.inversions:
        yield (
            f"{found.name}: one {found.unit} put together by {found.by}: likeness {found.likeness:.2f}, nearest other "
            f"clip {found.nearest:.2f}; closer than that for {100 * found.closer:.0f} % of {found.units}"
        )


def _document(audit: Audit) -> Document:
    first = audit.findings[0]
    worst = max(audit.findings, key=lambda each: each.lira.auc)
    return Document(
        f"What a neighbour would learn: {audit.contract.name}",
        f"{audit.games} games on {audit.clips:,} clips of {audit.contract.peers.count} peers, "
        f"{audit.contract.training.rounds} rounds each",
        _verdict(first),
        (
            Fact("LiRA AUC", f"{first.lira.auc:.3f}", f"one {first.unit}, {first.name}; .5 is chance"),
            Fact("advantage", f"{first.lira.advantage:.2f}", "true minus false accusations, at best"),
            Fact("epsilon at least", f"{first.at_least:.2f}", "with 95 % confidence, by one game"),
            Fact("most told", f"{worst.lira.auc:.3f}", f"one {worst.unit}, {worst.name}"),
        ),
        (
            Section("What was found", (_picture(audit.findings), _table(audit.findings)), "found"),
            Section("What could be put together", _inverted(audit.inversions), "inversion"),
            Section("How it was measured", (Paragraph("By games that a neighbour plays:"), Bullets(HOW)), "how"),
        ),
        f"Contract digest {digest(audit.contract).hex()}. Nothing was sent to anybody.",
        eyebrow="p2pme privacy audit",
    )


def _verdict(first: Finding) -> str:
    far = first.lira.auc - 0.5
    if far < 0.05:
        told = f"hardly better than by chance whether one {first.unit} was trained on"
    elif far < 0.2:
        told = f"noticeably better than by chance whether one {first.unit} was trained on"
    else:
        told = f"often whether one {first.unit} was trained on"
    kept = "" if first.promised is None else f" The contract promises epsilon {first.promised:.3g}."
    return f"Under {first.name} a neighbour tells {told} (AUC {first.lira.auc:.2f}).{kept}"


def _table(findings: Sequence[Finding]) -> Table:
    rows = tuple(
        (
            each.name,
            "" if each.promised is None else f"one {each.unit}",
            each.unit.value,
            str(each.units),
            f"{each.lira.auc:.3f}",
            f"{each.lira.advantage:.2f}",
            f"{each.lira.at_a_tenth:.2f}",
            f"{each.threshold.auc:.3f}",
            f"{each.at_least:.2f}",
            "none" if each.promised is None else f"{each.promised:.3g}",
            f"{each.worst[0]} ({each.worst[1]:.2f})",
        )
        for each in findings
    )
    return Table(COLUMNS, rows, "Worst peer: whose units are told apart best, and their AUC.", frozenset({0, 1, 2}))


def _inverted(inversions: Sequence[Inversion]) -> tuple[Paragraph | Table, ...]:
    if not inversions:
        return (Paragraph("Nothing was tried: no attack here fits this network."),)
    rows = tuple(
        (
            each.name,
            each.unit.value,
            str(each.units),
            each.by,
            f"{each.likeness:.2f} ({each.quarters[0]:.2f} to {each.quarters[1]:.2f})",
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
        reading="Area under the ROC curve of LiRA; .5, where the bars begin, is chance.",
        alt="Bars of the attack's AUC by contract and unit",
        header=("under", "unit", "auc"),
        rows=tuple((each.name, each.unit.value, each.lira.auc) for each in findings),
        draw=membership_figure,
    )


def membership_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    figure, axes = new_figure(0.9 + 0.38 * max(len(rows), 2), width)
    values = [(max(float(row["auc"]) - 0.5, 0.0), float(row["auc"])) for row in rows]
    bars(axes, [("", length, length, f"{auc:.3f}") for length, auc in values])
    axes.set_yticks(range(len(rows)), [f"{short(row['under'], 26)}\n{row['unit']}" for row in rows])
    axes.set_xlim(0, 0.5)
    axes.set_xticks([0, 0.25, 0.5], ["0.5", "0.75", "1"])
    headline(axes, "AUC")
    return figure


UNITS = {"clip": (Unit.CLIP,), "subject": (Unit.SUBJECT,), "both": (Unit.CLIP, Unit.SUBJECT)}
