"""Mixing without training: does what the peers do follow from the graph, and what does agreement cost?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pfl_me.report.document import Block, Table
from p2pfl_me.report.formatting import NONE, many, three_digits
from p2pfl_me.report.mixing import Mixing, exact_after, reaches, slope_of
from p2pfl_me.report.mixing_picture import mixing_pictures
from p2pfl_me.report.results import Floats


def mixing_blocks(mixings: Sequence[Mixing], left_out: Sequence[str]) -> Iterator[Block]:
    """The table, and the distances by round and by megabytes."""
    rows = []
    for mixing in mixings:
        slope, goal = slope_of(mixing), reaches(mixing.measured)
        expected = reaches(mixing.predicted)
        shares = (f"{slope.predicted:.3f}", f"{slope.measured:.3f}", f"{slope.ratio:.3f}") if slope else None
        if shares is None:
            shares = (_exact(mixing.predicted), _exact(mixing.measured), NONE)
        rows.append(
            (
                mixing.name,
                *shares,
                NONE if expected is None else str(expected),
                NONE if goal is None else str(goal),
                NONE if goal is None else three_digits(float(mixing.megabytes[goal])),
            )
        )
    words = (
        "No training: peers start from random vectors and only exchange, by the cores of real peers on the simulated "
        "network. A round leaves: the share of the distance to the mean, geometric mean over the second half of the "
        "rounds. Slope: ratio of the logarithms, 1 where the measured line is as steep as the predicted one. Rounds "
        "and MB until a thousandth of the first distance is left, for models of this comparison's size."
    )
    for mixing in mixings:
        if mixing.alike:
            words += f" {', '.join(mixing.alike)}: mixed as {mixing.name} is."
    if left_out:
        words += f" Without a line, because their rounds are more than a mixing matrix: {', '.join(left_out)}."
    header = (
        "",
        "a round leaves, predicted",
        "measured",
        "slope",
        "rounds to 1/1000, predicted",
        "measured",
        "MB a peer",
    )
    yield Table(header, tuple(rows), words)
    yield from mixing_pictures(mixings)


def _exact(course: Floats) -> str:
    found = exact_after(course)
    return NONE if found is None else f"0 after {many(found, 'round')}"
