"""The set-ups under fault conditions, beside themselves undisturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Block, Bullets, Table
from p2pfl_me.report.formatting import NONE, figure, known
from p2pfl_me.report.methods import Setting, UnderFaults, course_of
from p2pfl_me.report.results import spread


def fault_blocks(setting: Setting, under_faults: Sequence[UnderFaults]) -> Iterator[Block]:
    """Scores and seconds under each fault condition, and which were not run for what reason."""
    calm = {method.name: spread(list(method.score().values())) for method in setting.methods}
    header = ("", "undisturbed", *(each.name for each in under_faults if each.methods))
    if len(header) > 2:
        rows = []
        for name, found in calm.items():
            cells = [name, figure(found)]
            for each in under_faults:
                if each.methods:
                    same = next((method for method in each.methods if method.name == name), None)
                    cells.append(figure(spread(list(same.score().values())) if same else None) or NONE)
            rows.append(tuple(cells))
        yield Table(
            header,
            tuple(rows),
            frozenset(range(1, len(header))),
            "UF1 of the average model at the last round, mean ± standard deviation over seeds.",
        )
        undisturbed = UnderFaults("", setting.methods)
        shown = [each for each in (undisturbed, *under_faults) if each.methods]
        if any(run.manifest.liars for each in shown for method in each.methods for run in method.runs):
            yield Table(
                header,
                tuple((name, *(_own_models(each, name) for each in shown)) for name in calm),
                frozenset(range(1, len(header))),
                "UF1 of the honest peers' own models at the last round, their mean, ± standard deviation over seeds. "
                "Liars are left out where there are some, whatever they may have learned.",
            )
        yield Table(
            header,
            tuple((name, *(_last_seconds(each, name) for each in shown)) for name in calm),
            frozenset(range(1, len(header))),
            "Seconds until the slowest peer had ended its last round, mean over seeds. Waiting for a neighbour that "
            f"does not join ends after {setting.methods[0].runs[0].contract.gossip.start.patience:g} s "
            "(gossip.start.patience).",
        )
    left_out = [f"{each.name}: not run, {each.reason}." for each in under_faults if each.reason]
    if left_out:
        yield Bullets(tuple(left_out))


def _own_models(under: UnderFaults, name: str) -> str:
    method = next((method for method in under.methods if method.name == name), None)
    return figure(spread(list(method.score(Arm.GOSSIP).values())) if method else None) or NONE


def _last_seconds(under: UnderFaults, name: str) -> str:
    course = next((course_of(method) for method in under.methods if method.name == name), None)
    return NONE if course is None else known(float(course.seconds[-1]))
