"""What each set-up costs: rounds, seconds and megabytes to the target, and score for each megabyte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p2pfl_me.report.comparison_picture import picture
from p2pfl_me.report.comparison_scores import course_rows
from p2pfl_me.report.document import Block, Table
from p2pfl_me.report.formatting import NONE, known
from p2pfl_me.report.methods import MB, Method, Setting, course_of, per_megabyte, reached, track_of
from p2pfl_me.report.results import spread


def cost_blocks(setting: Setting, target: float | None) -> Iterator[Block]:
    """Cost to `target`, scores by megabytes and seconds, and score per megabyte; nothing is ranked."""
    if target is not None:
        rows = [(method.name, *_to_target(method, target)) for method in setting.methods]
        yield Table(
            ("", "rounds", "seconds", "MB a peer", "seeds that reached it"),
            tuple(rows),
            frozenset({1, 2, 3, 4}),
            f"Until the mean peer, averaged over seeds, first has UF1 {target:.3f}. The last column counts seeds by "
            "themselves. The default target is 95 % of the best UF1 that a set-up's average model ended with, mean "
            "over seeds.",
        )
    header, numbers = course_rows(setting, target, baselines=False)
    if any(row[0] == "set-up" and row[3] is not None for row in numbers):
        yield picture(
            "score-mb",
            "Score by megabytes sent",
            "Further left at the same height is cheaper: what a score costs in traffic, all counted.",
            "Line chart of UF1 by megabytes that a peer has sent for every set-up",
            header,
            numbers,
        )
    if any(row[0] == "set-up" and row[4] is not None for row in numbers):
        yield picture(
            "score-seconds",
            "Score by time",
            f"Seconds until the slowest peer ended the round. {_clock(setting)}",
            "Line chart of UF1 by seconds for every set-up",
            header,
            numbers,
        )
    thrift = []
    for method in setting.methods:
        found = per_megabyte(method)
        if found:
            ratio = spread([score / mb for score, mb in found.values()])
            score = float(np.mean([score for score, _ in found.values()]))
            sent = float(np.mean([mb for _, mb in found.values()]))
            if ratio:
                thrift.append((method.name, ratio.mean, ratio.std, score, sent))
    if thrift:
        yield picture(
            "score-per-mb",
            "Score for each megabyte",
            "The average model's final UF1 divided by the megabytes that a peer has sent in all rounds; the line is "
            "one standard deviation over seeds, the order that of the contracts. It rewards thrift: a set-up that "
            "sends little stands high even with a low score, so read it beside the scores.",
            "Bar chart of UF1 per megabyte for every set-up",
            ("series", "uf1_per_mb", "std", "uf1", "mb_a_peer"),
            thrift,
        )


def _clock(setting: Setting) -> str:
    engines = {run.manifest.engine for method in setting.methods for run in method.runs}
    if engines <= {"", "processes"}:
        return (
            "All peers share this machine's cores and no network slows them: between laboratories, transfer time "
            "weighs more."
        )
    return "The clock is the simulation's: what training and transfer are taken to last, not what they took here."


def _to_target(method: Method, target: float) -> tuple[str, str, str, str]:
    """On the mean course: a mean over only the seeds that reached it would hide those that did not."""
    tracks = [track for run in method.runs if (track := track_of(run))]
    course = course_of(method)
    share = f"{sum(reached(track, target) is not None for track in tracks)} of {len(tracks)}"
    reach = reached(course, target) if course else None
    if reach is None:
        return ("not reached", NONE, NONE, share)
    return str(reach.round), known(reach.seconds), known(reach.sent / MB), share
