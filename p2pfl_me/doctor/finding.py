"""One thing that was looked at, and what it means for the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from p2pfl_me.errors import P2pmeError
from p2pfl_me.exits import Exit


class Verdict(StrEnum):
    """What a finding means for the run."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; the run goes well all the same."""
    OPEN = "open"
    """It could not be tried now, so it may be either."""
    BAD = "bad"
    """The run would fail, or be less than the contract asks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is what was looked at, `fix` what to do next where there is something to do."""

    about: str
    verdict: Verdict
    says: str
    fix: str = ""


def good(about: str, says: str) -> Finding:
    return Finding(about, Verdict.GOOD, says)


def note(about: str, says: str, fix: str = "") -> Finding:
    return Finding(about, Verdict.NOTE, says, fix)


def bad(about: str, says: str, fix: str) -> Finding:
    return Finding(about, Verdict.BAD, says, fix)


def left_open(about: str, says: str, fix: str) -> Finding:
    return Finding(about, Verdict.OPEN, says, fix)


@contextmanager
def refusals(about: str, found: list[Finding]) -> Iterator[None]:
    """What the block refuses is a finding: it is what the peer itself would end with."""
    try:
        yield
    except P2pmeError as error:
        found.append(bad(about, f"{error.where}: {error.what}" if error.where else error.what, error.fix))


def exit_of(findings: Iterable[Finding]) -> Exit:
    """What all findings together are worth: a run that nothing stands against is promised by 0 alone."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.BAD in verdicts:
        return Exit.FAILED
    return Exit.INCOMPLETE if Verdict.OPEN in verdicts else Exit.DONE
