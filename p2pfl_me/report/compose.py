"""From methods to the document, for one run, several seeds of one contract, or a comparison: one pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from p2pfl_me.contract import dump_contract
from p2pfl_me.counting import readable_bytes
from p2pfl_me.report.arms import IN_A_RUN, Arm
from p2pfl_me.report.arms_picture import HEADER, ArmRow, arms_rows
from p2pfl_me.report.claims import digits_of, verdict
from p2pfl_me.report.comparison_agreement import agreement_blocks
from p2pfl_me.report.comparison_cost import cost_blocks
from p2pfl_me.report.comparison_faults import fault_blocks
from p2pfl_me.report.comparison_field import clips_words, field_blocks
from p2pfl_me.report.comparison_mixing import mixing_blocks
from p2pfl_me.report.comparison_pairs import pair_blocks
from p2pfl_me.report.comparison_protection import protection_blocks
from p2pfl_me.report.comparison_scores import score_blocks
from p2pfl_me.report.consensus import agreement, contraction_of
from p2pfl_me.report.datasets import several_datasets
from p2pfl_me.report.document import Block, Bullets, Code, Document, Fact, Links, Paragraph, Picture, Section, Table
from p2pfl_me.report.failures import lasting
from p2pfl_me.report.figures import SettingPart, setting_figures
from p2pfl_me.report.formatting import figure, many
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.notes import COMPARED_NOTES, honesty_notes, liar_notes
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.origin import networks_of
from p2pfl_me.report.results import (
    METRICS,
    Spread,
    chance_uf1,
    extremes,
    final_scores,
    over_seeds,
    part_of,
    shown_interval,
    spread,
)
from p2pfl_me.report.run import Run
from p2pfl_me.report.sections import run_sections
from p2pfl_me.report.traffic import nobody_began, peer_traffic, total_sent
from p2pfl_me.report.warning import with_warning

SCORE_HEADER = ("clips_dealt", "set_up", "seed", "arm", "which", "metric", "score", "dataset")


def compose(comparison: Comparison, *, in_full: bool, beside: Path | None = None) -> Document:
    """The page on a comparison: at least one setting with one method that has a run.

    `in_full`: everything about each run follows, else its contracts alone, and links to those of its run folders that
    lie below the page's folder, `beside`.
    """
    first = comparison.settings[0]
    runs = [run for setting in comparison.settings for method in setting.methods for run in method.runs]
    sections: list[Section] = []
    for index, setting in enumerate(comparison.settings):
        slug = _slug(setting.name, index) if len(comparison.settings) > 1 else ""
        sections += _setting_sections(setting, slug, in_full=in_full)
    if comparison.protections:
        sections.insert(0, Section("Protections", tuple(protection_blocks(comparison.protections)), "protections"))
    if comparison.mixings:
        blocks = mixing_blocks(comparison.mixings, comparison.unmixed)
        sections.append(Section("Mixing alone", tuple(blocks), "mixing"))
    if comparison.under_faults:
        title = "With liars among the peers" if all(each.lies for each in comparison.under_faults) else "Under stress"
        sections.append(Section(title, tuple(fault_blocks(first, comparison.under_faults)), "stress"))
    disturbed = [run for each in comparison.under_faults for method in each.methods for run in method.runs]
    compared = () if in_full else COMPARED_NOTES[:1] if first.alone else COMPARED_NOTES
    notes = (*compared, *liar_notes(disturbed), *honesty_notes(runs))
    sections.append(Section("Before you believe these numbers", (Bullets(notes),), "notes"))
    if in_full:
        sections += _runs_in_full(first.methods)
    else:
        contracts = tuple(Code(method.name, dump_contract(method.runs[0].contract)) for method in first.methods)
        clips = (Paragraph(f"{words}."),) if (words := clips_words(runs)) else ()
        networks = tuple(Paragraph(f"Network: {words}") for words in networks_of(runs))
        sections.append(Section("The contracts, and the clips", (*contracts, *networks, *clips), "contracts"))
        if links := _run_links(comparison, beside):
            words = "Each is a run folder: p2pme report FOLDER draws it in full, p2pme watch FOLDER shows its course."
            sections.append(Section("The runs behind it", (Paragraph(words), Links(links)), "runs"))
    document = Document(
        title=_title(first),
        subtitle=_subtitle(comparison, runs),
        verdict=verdict(first),
        facts=_facts(first),
        sections=tuple(sections),
        colophon="Written by p2pme from the run folders alone. Each figure can be drawn again from its CSV.",
    )
    return with_warning(document, [words for run in runs for words in run.warnings])


def score_rows(comparison: Comparison) -> list[tuple[Cell, ...]]:
    """Every final score for scores.csv: setting, set-up, seed, arm, metric, value; arms of several peers three ways.

    The data set is empty for scores over all test clips.
    """
    rows: list[tuple[Cell, ...]] = []
    lists = [(setting.name, setting.methods) for setting in comparison.settings]
    lists += [(f"stress: {each.name}", each.methods) for each in comparison.under_faults]
    for name, methods in lists:
        for method in methods:
            for run in method.runs:
                for dataset in ("", *several_datasets([run])):
                    for arm in IN_A_RUN:
                        for metric in ("accuracy", "macro_f1", "uf1", "uar"):
                            final = list(final_scores(run, arm, metric, dataset).values())
                            head = (name, method.name, run.seed, arm.value)
                            rows += [(*head, way, metric, each, dataset) for way, each in _ways(final)]
    return rows


def _ways(final: Sequence[float]) -> tuple[tuple[str, float], ...]:
    if len(final) < 2:
        return tuple(("value", each) for each in final)
    return ("mean", float(np.mean(final))), ("worst", min(final)), ("best", max(final))


def _setting_sections(setting: Setting, slug: str, *, in_full: bool) -> Iterator[Section]:
    """`slug` is empty where there is one setting alone."""
    if slug:
        yield Section(f"Clips dealt: {setting.name}", (), slug)
    parts: list[tuple[str, str, Iterator[Block]]] = []
    if len(setting.methods) == 1:
        parts.append(("Result", "result", _result(setting.methods[0])))
        if len(setting.methods[0].runs) > 1:
            seeds = chain(_over_seeds(setting.methods[0].runs), setting_figures(SettingPart.SCORES, setting))
            parts.append(("Over the seeds", "seeds", seeds))
    for part, (title, blocks) in _PARTS.items():
        if setting.alone and part is SettingPart.AGREEMENT:
            continue
        if len(setting.methods) > 1 or (not in_full and part in {SettingPart.AGREEMENT, SettingPart.COST}):
            parts.append((title, part.value, chain(blocks(setting), setting_figures(part, setting))))
    for title, name, found in parts:
        if shown := tuple(found):
            yield Section(title, shown, f"{slug}-{name}" if slug else name, slug, 3 if slug else 2)


_PARTS: dict[SettingPart, tuple[str, Callable[[Setting], Iterator[Block]]]] = {
    SettingPart.SCORES: ("Scores", lambda setting: chain(score_blocks(setting), field_blocks(setting))),
    SettingPart.PAIRS: ("Is any better?", pair_blocks),
    SettingPart.AGREEMENT: ("How the models agree", agreement_blocks),
    SettingPart.COST: ("What it costs", cost_blocks),
}
"""The title of each part, and what stands before its figures."""


def _runs_in_full(methods: Sequence[Method]) -> Iterator[Section]:
    if sum(len(method.runs) for method in methods) == 1:
        yield from run_sections(methods[0].runs[0], "", "", 2)
        return
    seen: set[str] = set()
    for index, method in enumerate(methods):
        for run in method.runs:
            folder = _fresh(f"{_slug(method.name, index)}-seed-{run.seed}", seen)
            yield Section(f"{method.name}, seed {run.seed}", (), folder, folder)
            yield from run_sections(run, f"{folder}-", folder, 3)


def _run_links(comparison: Comparison, beside: Path | None) -> tuple[tuple[str, str], ...]:
    """To the reports of the runs, where somebody has drawn them, else to their folders."""
    several = len(comparison.settings) > 1
    named = [(setting.name * several, method) for setting in comparison.settings for method in setting.methods]
    named += [(f"under {each.name}", method) for each in comparison.under_faults for method in each.methods]
    found: dict[str, str] = {}
    for condition, method in named:
        for run in method.runs:
            if beside is not None and run.folder.is_relative_to(beside):
                path = f"{run.folder.relative_to(beside).as_posix()}/"
                drawn = (run.folder / "report" / "index.html").is_file()
                name = ", ".join(filter(None, (method.name, condition, f"seed {run.seed}")))
                found.setdefault(f"{path}report/index.html" if drawn else path, name)
    return tuple((name, path) for path, name in found.items())


def _title(setting: Setting) -> str:
    names = [method.name for method in setting.methods]
    return " · ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _subtitle(comparison: Comparison, runs: Sequence[Run]) -> str:
    first = comparison.settings[0]
    run, seeds = runs[0], len({each.seed for each in runs})
    sources = {each.manifest.clips.source for each in runs}
    whose = "drawn faces" if "drawn faces" in run.warnings else "their own clips"
    named = {"synthetic": "drawn faces", "": whose}.get(run.manifest.clips.source, run.manifest.clips.source)
    data = named if len(sources) == 1 else f"{len(sources)} data sets"
    peers, rounds = many(run.contract.peers.count, "peer"), many(lasting(run), "round")
    if len(first.methods) > 1:
        again = "; ".join(each.name for each in comparison.under_faults if each.methods)
        return (
            f"{len(first.methods)} set-ups compared over {many(len(runs), 'run')} and {many(seeds, 'seed')}: {peers}, "
            f"{many(run.contract.training.rounds, 'round')} on {data}."
            + (f" All of it again under: {again}." if again else "")
        )
    kind = run.contract.topology.kind.replace("_", " ")
    over = f", {seeds} seeds" if seeds > 1 else ""
    if run.contract.peers.count == 1:
        return f"{peers}, {rounds} of training on {data}{over}. Nothing exchanged."
    if all(map(nobody_began, runs)):
        return f"{peers}, {kind} topology{over}. No peer began."
    sooner = sum(log.last_round < lasting(each) for each in runs for log in each.peers)
    ended = f"; {many(sooner, 'peer')} ended sooner" if sooner else ""
    return f"{peers}, {kind} topology, {rounds} of gossip on {data}{over}{ended}. No server, no image exchanged."


def _facts(setting: Setting) -> tuple[Fact, ...]:
    if len(setting.methods) > 1:
        return ()
    runs, digits = setting.methods[0].runs, digits_of(setting.methods[0])
    facts = []
    for arm, tone in ((Arm.ISOLATED, "vermilion"), (Arm.GOSSIP, "blue"), (Arm.POOLED, "green")):
        if (found := over_seeds(runs, arm, "uf1")) is None:
            continue
        ends = extremes(runs, arm, "uf1")
        detail = f"UF1, {runs[0].sole or 'the only peer'}" if arm is Arm.GOSSIP else "UF1, the only peer"
        if arm is Arm.POOLED:
            detail = "UF1, one model on all clips"
        if ends:
            detail = f"UF1, mean peer; {ends[0].mean:.2f} worst, {ends[1].mean:.2f} best"
        name = "The peer" if arm is Arm.GOSSIP and runs[0].contract.peers.count == 1 else arm.value.capitalize()
        facts.append(Fact(name, figure(found, digits), detail, tone))
    sent = _sent_a_peer(runs)
    if sent and sent.mean:
        whose = "sent, all counted" if runs[0].sole else "sent a peer, all counted"
        facts.append(Fact("Traffic", readable_bytes(sent.mean), whose))
    return tuple(facts)


def _result(method: Method) -> Iterator[Block]:
    runs = method.runs
    alone = bool(runs[0].sole)
    rows = [row for arm in IN_A_RUN if not (alone and arm is Arm.AVERAGE) and (row := _arm_row(runs, arm))]
    if not rows:
        return
    several = len(runs) > 1
    yield Picture(
        name="result",
        title="UF1 at the end" + (f", over {len(runs)} seeds" if several else ""),
        reading=(
            "Each dot is one model, scored on clips of subjects that no peer trained on"
            + ("." if alone and not several else "; the upright bar is the mean.")
            + (
                " Gossip is worth its traffic where its bar stands right of the isolated peers' and near pooled "
                "training, which would need all clips in one place."
                if not alone and any(row.arm in {Arm.ISOLATED, Arm.POOLED} for row in rows)
                else ""
            )
        ),
        alt="Dot plot of final UF1 by way of training",
        header=HEADER,
        rows=arms_rows(rows, chance_uf1(runs)),
    )
    table = []
    for row in rows:
        cells = [figure(over_seeds(runs, row.arm, metric)) for metric in METRICS]
        ends = extremes(runs, row.arm, "uf1")
        worst_and_best = () if alone else map(figure, ends) if ends else ("", "")
        table.append((row.arm.of(alone=alone), *cells, *worst_and_best))
    part = part_of(runs[0]) or "test"
    caption = f"Scores on {part} clips at the last round"
    caption += f"; mean ± standard deviation over {len(runs)} seeds." if several else "."
    header = ("", *METRICS.values(), *(() if alone else ("worst peer, UF1", "best peer, UF1")))
    yield Table(header, tuple(table), caption)
    if not several and not isinstance(found := shown_interval(runs[0]), str):
        arm, interval = found
        whose = "its" if alone else "the average model's" if arm is Arm.AVERAGE else "the mean peer's"
        yield Paragraph(
            f"Drawing the {part} subjects again and again gives a 95 % interval of {interval.low:.2f} to "
            f"{interval.high:.2f} for {whose} UF1."
        )
    yield from field_blocks(Setting("", (method,)))


def _arm_row(runs: Sequence[Run], arm: Arm) -> ArmRow | None:
    found = over_seeds(runs, arm, "uf1")
    if found is None:
        return None
    models = [
        (run.seed, peer if peer >= 0 else None, value)
        for run in runs
        for peer, value in sorted(final_scores(run, arm, "uf1").items())
    ]
    return ArmRow(arm, found.mean, tuple(models), found.std)


def _over_seeds(runs: Sequence[Run]) -> Iterator[Block]:
    arms = [arm for arm in IN_A_RUN if over_seeds(runs, arm, "uf1") is not None]
    header = ("seed", "rounds", *(arm.words for arm in arms), "worst peer", "sent a peer", "distance")
    rows = []
    for run in runs:
        ends, sent = extremes([run], Arm.GOSSIP, "uf1"), _sent_a_peer([run])
        agreed = agreement(run, contraction_of(run))
        apart = agreed[-1].share(agreed[-1].mixed) if agreed else None
        rows.append(
            (
                str(run.seed),
                str(lasting(run)),
                *(figure(over_seeds([run], arm, "uf1")) for arm in arms),
                figure(ends[0]) if ends else "",
                readable_bytes(sent.mean) if sent else "",
                "" if apart is None else f"{100 * apart:.2g} %",
            )
        )
    caption = (
        "UF1 at the last round of every seed. Distance: between a peer's model and the average model after the last "
        "exchange, as a share of its norm."
    )
    yield Table(header, tuple(rows), caption)


def _sent_a_peer(runs: Sequence[Run]) -> Spread | None:
    return spread([total_sent(rows) / len(rows) for run in runs if (rows := peer_traffic(run))])


def _slug(name: str, index: int) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.").lower()[:48] or f"part-{index + 1}"


def _fresh(name: str, seen: set[str]) -> str:
    found, number = name, 1
    while found in seen:
        number += 1
        found = f"{name}-{number}"
    seen.add(found)
    return found
