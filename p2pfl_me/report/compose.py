"""From runs to the document: the headline, the comparison, the notes, then every run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from p2pfl_me.report.comparison_picture import comparison_pictures
from p2pfl_me.report.consensus import agreement, contraction_of
from p2pfl_me.report.document import Block, Bullets, Document, Fact, Paragraph, Section, Table
from p2pfl_me.report.failures import lasting
from p2pfl_me.report.groups import Group, group_runs
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.results import (
    METRICS,
    Arm,
    Spread,
    clip_interval,
    extremes,
    over_seeds,
    part_of,
    spread,
)
from p2pfl_me.report.run import Run
from p2pfl_me.report.sections import run_sections
from p2pfl_me.report.strip_picture import ORDER, strip_picture
from p2pfl_me.report.traffic import peer_traffic, readable_bytes, total_sent

NEAR = 0.02
"""Scores closer than this are called equal in words; the figures are printed beside them."""


def compose(runs: Sequence[Run]) -> Document:
    """The report on `runs` (at least one)."""
    groups = group_runs(runs)
    several = len(runs) > 1
    sections: list[Section] = []
    for index, group in enumerate(groups):
        slug = _slug(group.name, index) if len(groups) > 1 else ""
        title = "Result" if len(groups) == 1 else f"Result: {group.name}"
        blocks = tuple(_result(group))
        if blocks:
            sections.append(Section(title, blocks, f"result{slug and '-' + slug}", slug))
    if several:
        blocks = tuple(_comparison(groups))
        place = 0 if len(groups) > 1 else len(sections)
        title = "Comparison" if len(groups) > 1 else "Over the seeds"
        sections.insert(place, Section(title, blocks, "comparison"))
    notes = Bullets(honesty_notes(runs))
    sections.append(Section("Before you believe these numbers", (notes,), "notes"))
    seen: set[str] = set()
    for index, group in enumerate(groups):
        for run in group.runs:
            if not several:
                sections.extend(run_sections(run, "", "", 2))
                continue
            folder = _fresh(f"{_slug(group.name, index)}-seed-{run.seed}", seen)
            sections.append(Section(f"{group.name}, seed {run.seed}", (), folder, folder))
            sections.extend(run_sections(run, f"{folder}-", folder, 3))
    return Document(
        title=_title(groups),
        subtitle=_subtitle(groups),
        verdict=_verdict(groups),
        facts=_facts(groups),
        sections=tuple(sections),
        colophon=(
            "Written by p2pme from the run folders alone. Every figure's picture and numbers lie beside this page."
        ),
    )


def _title(groups: Sequence[Group]) -> str:
    names = [group.name for group in groups]
    if len(names) <= 3:
        return " · ".join(names)
    return f"{' · '.join(names[:3])} and {len(names) - 3} more"


def _subtitle(groups: Sequence[Group]) -> str:
    if len(groups) > 1:
        runs = sum(len(group.runs) for group in groups)
        return f"{len(groups)} set-ups compared over {runs} runs."
    run = groups[0].runs[0]
    contract = run.contract
    data = {"synthetic": "drawn faces", "": "their own clips"}.get(run.manifest.data_source, run.manifest.data_source)
    peers = "1 peer" if contract.peers.count == 1 else f"{contract.peers.count} peers"
    completed = lasting(run)
    rounds = "1 round" if completed == 1 else f"{completed} rounds"
    seeds = "" if len(groups[0].runs) == 1 else f", {len(groups[0].runs)} seeds"
    kind = contract.topology.kind.replace("_", " ")
    return f"{peers}, {kind} topology, {rounds} of gossip on {data}{seeds}. No server, no image exchanged."


def _verdict(groups: Sequence[Group]) -> str:
    scored = [
        (found.mean, group) for group in groups if (found := over_seeds(group.runs, Arm.GOSSIP, "uf1")) is not None
    ]
    if not scored:
        return "No scores: no peer finished a round with clips of other subjects to be tested on."
    if len(groups) > 1:
        ranked = sorted(scored, key=lambda each: -each[0])
        (best, first), (worst, last) = ranked[0], ranked[-1]
        if best - worst < NEAR:
            return f"All set-ups end within {NEAR:g} of each other: mean peer UF1 {worst:.2f} to {best:.2f}."
        return f"Best mean peer: {first.name} at UF1 {best:.2f}; last: {last.name} at {worst:.2f}."
    runs = groups[0].runs
    gossip = scored[0][0]
    alone = over_seeds(runs, Arm.ISOLATED, "uf1")
    pooled = over_seeds(runs, Arm.POOLED, "uf1")
    words = f"After gossip the mean peer recognises expressions of unseen subjects at UF1 {gossip:.2f}"
    if alone:
        change = gossip - alone.mean
        how = (
            "no better than" if abs(change) < NEAR else f"{change:.2f} above" if change > 0 else f"{-change:.2f} below"
        )
        words += f", {how} the {alone.mean:.2f} of training alone"
    words += "."
    if pooled:
        gap = pooled.mean - gossip
        if abs(gap) < NEAR:
            words += f" Pooling all clips in one place gives the same: {pooled.mean:.2f}."
        else:
            side = "ahead" if gap > 0 else "behind"
            words += f" Pooling all clips in one place would be {abs(gap):.2f} {side}, at {pooled.mean:.2f}."
    return words


def _facts(groups: Sequence[Group]) -> tuple[Fact, ...]:
    if len(groups) > 1:
        return ()
    runs = groups[0].runs
    facts = []
    tones = {Arm.ISOLATED: "vermilion", Arm.GOSSIP: "blue", Arm.POOLED: "green"}
    names = {Arm.ISOLATED: "Isolated", Arm.GOSSIP: "Gossip", Arm.POOLED: "Pooled"}
    for arm, tone in tones.items():
        found = over_seeds(runs, arm, "uf1")
        if found is None:
            continue
        ends = extremes(runs, arm, "uf1")
        detail = "UF1, one model on all clips" if arm is Arm.POOLED else "UF1, the only peer"
        if ends:
            detail = f"UF1, mean peer; {ends[0].mean:.2f} worst, {ends[1].mean:.2f} best"
        value = f"{found.mean:.2f}" if found.std is None else _figure(found)
        facts.append(Fact(names[arm], value, detail, tone))
    sent = _sent_a_peer(runs)
    if sent and sent.mean:
        facts.append(Fact("Traffic", readable_bytes(sent.mean), "sent a peer, all counted"))
    return tuple(facts)


def _result(group: Group) -> Iterable[Block]:
    picture = strip_picture(group.runs)
    if picture is None:
        return
    yield picture
    rows = []
    for arm in ORDER:
        cells = [_figure(over_seeds(group.runs, arm, metric)) for metric in METRICS]
        if not any(cells):
            continue
        ends = extremes(group.runs, arm, "uf1")
        rows.append((arm.value, *cells, *(map(_figure, ends) if ends else ("", ""))))
    part = part_of(group.runs[0]) or "test"
    caption = f"Scores on {part} clips at the last round" + (
        "." if len(group.runs) == 1 else f"; mean ± standard deviation over {len(group.runs)} seeds."
    )
    header = ("", *METRICS.values(), "worst peer, UF1", "best peer, UF1")
    yield Table(header, tuple(rows), frozenset(range(1, len(header))), caption)
    average = group.runs[0].average
    if len(group.runs) == 1 and average is not None and average.confusion is not None:
        low, high = clip_interval(average.confusion)
        yield Paragraph(
            f"Drawing the {int(average.confusion.sum())} {part} clips again and again gives a 95 % interval of "
            f"{low:.2f} to {high:.2f} for the average model's UF1; as clips of one subject are alike, the true "
            "interval is wider."
        )


def _comparison(groups: Sequence[Group]) -> Iterable[Block]:
    rows: list[tuple[str, Sequence[Run]]]
    if len(groups) == 1:
        rows = [(str(run.seed), [run]) for run in groups[0].runs]
        yield _table("seed", rows, "UF1 at the last round of every seed.")
        # Bytes grow with rounds alike under every seed: a second figure would say nothing new.
        yield from comparison_pictures(groups)[:1]
        return
    rows = [(_with_seeds(group), group.runs) for group in groups]
    yield _table("set-up", rows, "UF1 at the last round, mean ± standard deviation over seeds.")
    yield from comparison_pictures(groups)


def _with_seeds(group: Group) -> str:
    return f"{group.name}, {len(group.runs)} seeds" if len(group.runs) > 1 else group.name


def _table(first: str, rows: Sequence[tuple[str, Sequence[Run]]], caption: str) -> Table:
    arms = [arm for arm in ORDER if any(over_seeds(runs, arm, "uf1") is not None for _, runs in rows)]
    header = (first, "rounds", *map(_short_arm, arms), "worst peer", "sent a peer", "distance")
    cells = []
    for name, runs in rows:
        ends = extremes(runs, Arm.GOSSIP, "uf1")
        sent = _sent_a_peer(runs)
        cells.append(
            (
                name,
                _rounds(runs),
                *(_figure(over_seeds(runs, arm, "uf1")) for arm in arms),
                _figure(ends[0]) if ends else "",
                readable_bytes(sent.mean) if sent else "",
                _percent(_final_distance(runs)),
            )
        )
    distance = "Distance: between a peer's model and the average model after the last exchange, as a share of its norm."
    return Table(header, tuple(cells), frozenset(range(1, len(header))), f"{caption} {distance}")


def _short_arm(arm: Arm) -> str:
    return {
        Arm.ISOLATED: "isolated",
        Arm.GOSSIP: "gossip",
        Arm.AVERAGE: "average model",
        Arm.FEDAVG: "FedAvg",
        Arm.POOLED: "pooled",
    }[arm]


def _sent_a_peer(runs: Sequence[Run]) -> Spread | None:
    return spread([total_sent(rows) / len(rows) for run in runs if (rows := peer_traffic(run))])


def _final_distance(runs: Sequence[Run]) -> Spread | None:
    finals = [rows[-1] for run in runs if (rows := agreement(run, contraction_of(run)))]
    return spread([row.mixed / row.norm for row in finals if row.norm > 0])


def _rounds(runs: Sequence[Run]) -> str:
    counts = sorted({lasting(run) for run in runs})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def _figure(found: Spread | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:.3f}" + (f" ± {found.std:.3f}" if found.std is not None else "")


def _percent(found: Spread | None) -> str:
    return f"{100 * found.mean:.2g} %" if found else ""


def _slug(name: str, index: int) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-").lower()[:48] or f"group-{index + 1}"


def _fresh(name: str, seen: set[str]) -> str:
    found, number = name, 1
    while found in seen:
        number += 1
        found = f"{name}-{number}"
    seen.add(found)
    return found
