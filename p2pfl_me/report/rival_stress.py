"""The set-ups under fault conditions, beside themselves undisturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pfl_me.report.document import Block, Bullets, Table
from p2pfl_me.report.results import spread
from p2pfl_me.report.rival_words import NONE, figure, known
from p2pfl_me.report.rivals import Setting, UnderFaults, course_of


def stress_blocks(setting: Setting, under_faults: Sequence[UnderFaults]) -> Iterator[Block]:
    """Scores and seconds under each fault condition, and which were not run for what reason."""
    calm = {rival.name: spread(list(rival.score().values())) for rival in setting.rivals}
    header = ("", "undisturbed", *(each.name for each in under_faults if each.rivals))
    if len(header) > 2:
        rows = []
        for name, found in calm.items():
            cells = [name, figure(found)]
            for each in under_faults:
                if each.rivals:
                    same = next((rival for rival in each.rivals if rival.name == name), None)
                    cells.append(figure(spread(list(same.score().values())) if same else None) or NONE)
            rows.append(tuple(cells))
        yield Table(
            header,
            tuple(rows),
            frozenset(range(1, len(header))),
            "UF1 of the average model at the last round, mean ± standard deviation over seeds.",
        )
        undisturbed = UnderFaults("", setting.rivals)
        yield Table(
            header,
            tuple(
                (name, *(_last_seconds(each, name) for each in (undisturbed, *under_faults) if each.rivals))
                for name in calm
            ),
            frozenset(range(1, len(header))),
            "Seconds until the slowest peer had ended its last round, mean over seeds. Waiting for a neighbour that "
            f"does not join ends after {setting.rivals[0].runs[0].contract.gossip.join_timeout_s:g} s "
            "(gossip.join_timeout_s).",
        )
    left_out = [f"{each.name}: not run, {each.reason}." for each in under_faults if each.reason]
    if left_out:
        yield Bullets(tuple(left_out))


def _last_seconds(under: UnderFaults, name: str) -> str:
    course = next((course_of(rival) for rival in under.rivals if rival.name == name), None)
    return NONE if course is None else known(float(course.seconds[-1]))
