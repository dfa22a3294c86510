"""The comparison's page as a document: what the tests support, then scores, agreement, cost, each with its figure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from p2pfl_me.contract import dump_contract
from p2pfl_me.report.comparison_agreement import agreement_blocks
from p2pfl_me.report.comparison_cost import cost_blocks
from p2pfl_me.report.comparison_faults import fault_blocks
from p2pfl_me.report.comparison_mixing import mixing_blocks
from p2pfl_me.report.comparison_pairs import better, pair_blocks, pair_tests
from p2pfl_me.report.comparison_scores import score_blocks
from p2pfl_me.report.document import Bullets, Cell, Code, Document, Section
from p2pfl_me.report.formatting import many
from p2pfl_me.report.methods import Comparison, Setting, default_target, per_megabyte
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.results import Arm, final_scores, spread
from p2pfl_me.report.run import Run

SCORE_HEADER = ("clips_dealt", "set_up", "seed", "arm", "which", "metric", "score")


def compose_comparison(comparison: Comparison) -> Document:
    """The page on a comparison (at least one setting with one method that has a run)."""
    several = len(comparison.settings) > 1
    first = comparison.settings[0]
    sections: list[Section] = []
    for index, setting in enumerate(comparison.settings):
        slug = _slug(setting.name, index) if several else ""
        target = comparison.target if comparison.target is not None else default_target(setting)
        level = 3 if several else 2
        if several:
            sections.append(Section(f"Clips dealt: {setting.name}", (), slug))
        for title, name, blocks in (
            ("Scores", "scores", score_blocks(setting, target)),
            ("Is any better?", "pairs", pair_blocks(setting)),
            ("How the models agree", "agreement", agreement_blocks(setting)),
            ("What it costs", "cost", cost_blocks(setting, target)),
        ):
            anchor = f"{slug}-{name}" if slug else name
            sections.append(Section(title, tuple(blocks), anchor, slug, level))
    if comparison.mixings:
        blocks = mixing_blocks(comparison.mixings, comparison.unmixed)
        sections.append(Section("Mixing alone", tuple(blocks), "mixing"))
    if comparison.under_faults:
        sections.append(Section("Under stress", tuple(fault_blocks(first, comparison.under_faults)), "stress"))
    runs = _all_runs(comparison)
    sections.append(
        Section("Before you believe these numbers", (Bullets((*_own_notes(), *honesty_notes(runs))),), "notes")
    )
    contracts = tuple(
        Code(method.name, dump_contract(method.runs[0].contract)) for method in first.methods if method.runs
    )
    sections.append(Section("The contracts", contracts, "contracts"))
    return Document(
        title=_title(first),
        subtitle=_subtitle(comparison),
        verdict=_verdict(first),
        facts=(),
        sections=tuple(sections),
        colophon="Written by p2pme compare from the run folders alone. Each figure can be drawn again from its CSV.",
    )


def score_rows(comparison: Comparison) -> list[tuple[Cell, ...]]:
    """Every final score for scores.csv: setting, set-up, seed, arm, metric, value; arms of several peers three ways."""
    rows: list[tuple[Cell, ...]] = []
    lists = [(setting.name, setting.methods) for setting in comparison.settings]
    lists += [(f"stress: {each.name}", each.methods) for each in comparison.under_faults]
    for name, methods in lists:
        for method in methods:
            for run in method.runs:
                for arm in Arm:
                    for metric in ("accuracy", "macro_f1", "uf1", "uar"):
                        final = list(final_scores(run, arm, metric).values())
                        if len(final) == 1:
                            rows.append((name, method.name, run.seed, arm.value, "value", metric, final[0]))
                        elif final:
                            ways = (("mean", float(np.mean(final))), ("worst", min(final)), ("best", max(final)))
                            rows += [(name, method.name, run.seed, arm.value, way, metric, each) for way, each in ways]
    return rows


def _title(setting: Setting) -> str:
    names = [method.name for method in setting.methods]
    return " · ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _subtitle(comparison: Comparison) -> str:
    first = comparison.settings[0]
    run = first.methods[0].runs[0]
    seeds = len({each.seed for method in first.methods for each in method.runs})
    data = "drawn faces" if run.manifest.data_source == "synthetic" else run.manifest.data_source or "the same clips"
    rounds = run.contract.training.rounds
    return (
        f"{len(first.methods)} set-ups, {many(seeds, 'seed')} each, {many(run.contract.peers.count, 'peer')}, "
        f"{many(rounds, 'round')} on {data}. Same model, data and shards for all."
    )


def _verdict(setting: Setting) -> str:
    scored = [(found.mean, method) for method in setting.methods if (found := spread(list(method.score().values())))]
    if not scored:
        return "No scores: no run ended with clips of other subjects to be tested on."
    if len(scored) == 1:
        return f"One set-up, nothing to compare it with: UF1 {scored[0][0]:.2f}."
    tests = pair_tests(setting)
    held = [better(test) for test, holds in tests if holds]
    if held:
        words = f"Supported by the paired tests: {'; '.join(held[:3])}"
        words += f"; and {len(held) - 3} more." if len(held) > 3 else "."
    else:
        low, high = min(scored, key=lambda each: each[0])[0], max(scored, key=lambda each: each[0])[0]
        seeds = max((test.seeds for test, _ in tests), default=0)
        words = (
            f"By score these runs cannot tell the set-ups apart: average models end at UF1 {low:.2f} to {high:.2f}, "
            f"and no difference holds over {many(seeds, 'seed')}."
        )
    ratios = {method.name: per_megabyte(method) for _, method in scored}
    sent = {name: float(np.mean([mb for _, mb in found.values()])) for name, found in ratios.items() if found}
    if len(sent) > 1 and min(sent.values()) < 0.95 * max(sent.values()):
        least, most = min(sent, key=lambda name: sent[name]), max(sent, key=lambda name: sent[name])
        words += f" They differ in cost: {least} sent {sent[least] / sent[most]:.2f} of the bytes of {most}."
    return words


def _own_notes() -> Iterator[str]:
    yield (
        "The target score is taken from these runs' own test clips. It is a mark to measure cost at, not a choice of a "
        "model."
    )
    yield (
        "Scores by round are the mean peer's, because the average of the models is tested after the last round only; "
        "it usually scores a little higher."
    )


def _all_runs(comparison: Comparison) -> list[Run]:
    return [run for setting in comparison.settings for method in setting.methods for run in method.runs]


def _slug(name: str, index: int) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-").lower()[:48] or f"setting-{index + 1}"
