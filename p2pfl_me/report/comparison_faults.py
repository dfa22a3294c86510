"""The set-ups under fault conditions, beside themselves undisturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Block, Bullets, Table
from p2pfl_me.report.formatting import NONE, figure, known
from p2pfl_me.report.methods import Method, Setting, UnderFaults, course_of
from p2pfl_me.report.results import spread


def fault_blocks(setting: Setting, under_faults: Sequence[UnderFaults]) -> Iterator[Block]:
    """Scores and seconds under each fault condition, and which were not run for what reason."""
    names = [method.name for method in setting.methods]
    shown = [UnderFaults("undisturbed", setting.methods), *(each for each in under_faults if each.methods)]
    header = ("", *(each.name for each in shown))
    deviation = ", ± standard deviation over seeds" * setting.several
    over = ", mean ± standard deviation over seeds" * setting.several

    def table(cell: Callable[[Method], str], caption: str) -> Table:
        found = [{method.name: cell(method) for method in each.methods} for each in shown]
        return Table(header, tuple((name, *(cells.get(name) or NONE for cells in found)) for name in names), caption)

    if len(shown) > 1:
        yield table(
            lambda method: figure(spread(list(method.score().values()))),
            f"UF1 of the average model at the last round{over}.",
        )
        if any(each.lies for each in shown):
            yield table(
                lambda method: figure(spread(list(method.score(Arm.GOSSIP).values()))),
                f"UF1 of the honest peers' own models at the last round, their mean{deviation}. "
                "Liars are left out where there are some, whatever they may have learned.",
            )
        yield table(
            _last_seconds,
            f"Seconds until the slowest peer had ended its last round{', mean over seeds' * setting.several}."
            + ("" if all(each.lies for each in shown[1:]) else _patience(setting)),
        )
    left_out = [f"{each.name}: not run, {each.reason}." for each in under_faults if each.reason]
    if left_out:
        yield Bullets(tuple(left_out))


def _patience(setting: Setting) -> str:
    seconds = setting.methods[0].runs[0].contract.gossip.start.patience
    return f" Waiting for a neighbour that does not join ends after {seconds:g} s (gossip.start.patience)."


def _last_seconds(method: Method) -> str:
    course = course_of(method)
    return NONE if course is None else known(float(course.seconds[-1]))
