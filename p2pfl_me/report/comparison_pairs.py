"""The part of a comparison that says whether any set-up is better than another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from p2pfl_me.report.document import Block, Paragraph, Table
from p2pfl_me.report.formatting import NONE, many, signed
from p2pfl_me.report.methods import Comparison, Method, Setting, same_clips
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.paired import LEVEL, Paired, cannot_tell, holm, paired, together

SHOWN_PAIRS, OPEN_PAIRS = 45, 6
"""So many pairs stand in the table, and so many without being folded away."""
PAIR_HEADER = ("clips_dealt", "first", "second", "seeds", "mean", "low", "high", "p", "least_p", "supported")


def pair_tests(setting: Setting) -> tuple[tuple[Paired, bool], ...]:
    """Each pair's test on the average models' final UF1, and whether it holds over all pairs of the setting.

    A pair is tested over the seeds that both ran on the same clips; without any there is no test.
    """
    tests = []
    for one, other in combinations(setting.methods, 2):
        first, second = one.score(), other.score()
        both = [seed for seed in sorted(first.keys() & second.keys()) if _paired(one, other, seed)]
        if both:
            tests.append(paired(one.name, other.name, [first[seed] - second[seed] for seed in both]))
    return tuple(zip(tests, holm([test.p for test in tests]), strict=True))


def _paired(one: Method, other: Method, seed: int) -> bool:
    first, second = one.of_seed(seed), other.of_seed(seed)
    return first is not None and second is not None and same_clips(first, second)


def pair_rows(comparison: Comparison) -> list[tuple[Cell, ...]]:
    """Every pair's test for pairs.csv."""
    return [
        (setting.name, t.first, t.second, t.seeds, t.mean, t.low, t.high, t.p, t.least, "yes" if holds else "no")
        for setting in comparison.settings
        for t, holds in pair_tests(setting)
    ]


def better(test: Paired) -> str:
    """`mesh is better than ring by 0.120`, whichever way round the test was."""
    first, second = (test.first, test.second) if test.mean > 0 else (test.second, test.first)
    return f"{first} is better than {second} by {abs(test.mean):.3f}"


def pair_blocks(setting: Setting) -> Iterator[Block]:
    """The table of tests, and what so many seeds can tell."""
    tests = pair_tests(setting)
    if not tests:
        yield Paragraph("No two set-ups ran the same seed on the same clips to its end: there is nothing to test.")
        return
    rows = [
        (
            f"{test.first} − {test.second}",
            signed(test.mean),
            NONE if test.low is None or test.high is None else f"{signed(test.low)} to {signed(test.high)}",
            f"{test.p:.2g}",
            better(test) if holds else "cannot tell",
        )
        for test, holds in tests[:SHOWN_PAIRS]
    ]
    seeds, least = max(test.seeds for test, _ in tests), min(test.least for test, _ in tests)
    yield Table(
        (f"difference in UF1, {'the peer' if setting.alone else 'average model'}", "mean", "95 % interval", "p", "so"),
        tuple(rows),
        "Differences within each seed, where split, shards and initial model are the same. p: exact sign-flip "
        "permutation test, two-sided. Interval: Student's t, without correction for the number of pairs.",
        words=frozenset({0, 4}),
        folded=f"{len(rows)} pairs, one by one" if len(tests) > OPEN_PAIRS else "",
    )
    if len(tests) > SHOWN_PAIRS:
        yield Paragraph(f"The first {SHOWN_PAIRS} of {len(tests)} pairs; pairs.csv has all.")
    words = (
        f"“Better” is written only where p holds at {LEVEL:g}{together(len(tests))}. With "
        f"{many(seeds, 'seed')} the smallest p there can be is {least:.2g}{cannot_tell(seeds, len(tests))}"
    )
    yield Paragraph(f"{words}.")
