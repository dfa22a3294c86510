"""Findings as lines for people, and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypedDict

from p2pfl_me.counting import many
from p2pfl_me.doctor.finding import Finding, Verdict


def as_lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        yield f"{finding.verdict:<4}  {finding.about:<{width}}  {finding.says}"
        if finding.fix:
            yield f"{'':<4}  {'':<{width}}  -> {finding.fix}"
    yield in_short(findings)


def in_short(findings: Sequence[Finding]) -> str:
    """The last line: whether the run can begin."""
    count = Counter(finding.verdict for finding in findings)
    if count[Verdict.BAD]:
        return f"{count[Verdict.BAD]} of {len(findings)} would keep this peer from its run."
    if count[Verdict.OPEN]:
        open_ones = many(count[Verdict.OPEN], "thing")
        return f"Nothing was found that would keep this peer from its run; {open_ones} could not be tried now."
    return "Nothing stands in the way of this peer's run."


class FindingsObject(TypedDict):
    """What `p2pme doctor --json` prints."""

    findings: Sequence[Finding]
    in_short: str


def as_object(findings: Sequence[Finding]) -> FindingsObject:
    """For programs."""
    return {"findings": findings, "in_short": in_short(findings)}
