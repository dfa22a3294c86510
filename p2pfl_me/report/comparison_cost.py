"""What each set-up costs: rounds, seconds and megabytes to the target; nothing is ranked."""

from __future__ import annotations

from collections.abc import Iterator

from p2pfl_me.report.document import Block, Table
from p2pfl_me.report.formatting import NONE, three_digits
from p2pfl_me.report.methods import MB, Method, Setting, course_of, reached, track_of


def cost_blocks(setting: Setting) -> Iterator[Block]:
    """The table of costs to the target; none without scores."""
    target, who = setting.target, "the peer" if setting.alone else "the mean peer"
    shown = slice(0, 2) if setting.alone else slice(0, 3)
    if target is not None:
        reached_by = [(method, _to_target(method, target)) for method in setting.methods]
        ended = "a set-up" if setting.alone else "a set-up's average model"
        yield Table(
            ("", *("rounds", "seconds", "MB a peer")[shown], "seeds that reached it"),
            tuple((method.name, *cells[shown], cells[-1]) for method, cells in reached_by),
            f"Until {who}{', averaged over seeds,' * setting.several} first has UF1 {target:.3f}. "
            + "The last column counts seeds by themselves. " * setting.several
            + f"The default target is 95 % of the best UF1 that {ended} ended with"
            + (", mean over seeds." if setting.several else "."),
        )


def _to_target(method: Method, target: float) -> tuple[str, str, str, str]:
    """On the mean course: a mean over only the seeds that reached it would hide those that did not."""
    tracks = [track for run in method.runs if (track := track_of(run))]
    course = course_of(method)
    share = f"{sum(reached(track, target) is not None for track in tracks)} of {len(tracks)}"
    reach = reached(course, target) if course else None
    if reach is None:
        return ("not reached", NONE, NONE, share)
    return str(reach.round), three_digits(reach.seconds), three_digits(reach.sent / MB), share
