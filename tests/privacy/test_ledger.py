"""The privacy ledger: written before anything is sent, whole after a kill at any instant, missed when lost."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.privacy import ledger as module
from p2pfl_me.privacy.accounting import Release, epsilon_of
from p2pfl_me.privacy.budget import Budget, Unit
from p2pfl_me.privacy.ledger import BudgetSpent, LedgerError, PrivacyLedger

BUDGET = Budget(epsilon=8, delta=1e-5)
ROUND = Release(noise=4.0, rate=1.0, steps=2)
"""A dozen or so of these spend the budget."""
WRITE = os.write


class _Killed(BaseException):
    """What a kill is to the code around it: nothing catches it."""


class _Disk:
    """The ledger's calls of the system: after `last` of them it is killed, having written `part` of a line."""

    def __init__(self, last: int, part: float) -> None:
        self.left, self.part = last, part

    def write(self, file: int, data: memoryview) -> int:
        if self.left == 0:
            WRITE(file, data[: int(len(data) * self.part)])
            raise _Killed
        self.left -= 1
        # A system may take less than it was given.
        return WRITE(file, data[: max(1, len(data) // 2)])

    def fsync(self, file: int) -> None:
        if self.left == 0:
            raise _Killed
        self.left -= 1


def open_ledger(path: Path, known: int = 0) -> PrivacyLedger:
    return PrivacyLedger(path, BUDGET, Unit.CLIP, known, clock=lambda: 1.0)


@settings(max_examples=20, deadline=None)
@given(kills=st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1)), min_size=1, max_size=6))
def test_however_a_peer_is_killed_all_that_it_ever_sent_stays_within_the_budget(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, float]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "privacy-0.jsonl"
    sent: list[Release] = []
    known = done = 0
    with pytest.MonkeyPatch.context() as patch:
        for last, part in [*kills, (10_000, 1.0)]:
            patch.undo()
            ledger = open_ledger(path, known)
            disk = _Disk(last, part)
            patch.setattr(module.os, "write", disk.write)
            patch.setattr(module.os, "fsync", disk.fsync)
            try:
                while True:
                    known = ledger.spend(done, ROUND).number
                    sent.append(ROUND)  # from here on neighbours may have it
                    assert len(sent) < 100, "a budget of a dozen rounds ends some time"
                    done += sent.count(ROUND) % 2  # every other round is trained again in its next life
            except (_Killed, BudgetSpent) as end:
                spent = isinstance(end, BudgetSpent)
            finally:
                patch.undo()
                ledger.close()
            assert epsilon_of(sent, BUDGET.delta) <= BUDGET.epsilon
    assert spent, "the last life goes on until nothing is left"
    ledger = open_ledger(path, known)
    assert len(ledger.entries) >= len(sent), "all that was sent stands in the ledger"
    assert ledger.epsilon <= BUDGET.epsilon < epsilon_of([*(each.release for each in ledger.entries), ROUND], 1e-5)
    ledger.close()


def test_a_process_killed_in_the_middle_of_its_payments_has_sent_no_more_than_it_paid(tmp_path: Path) -> None:
    path, told = tmp_path / "privacy-0.jsonl", tmp_path / "sent"
    open_ledger(path).close()  # the accountant is imported before the fork
    for kill_at in (1, 3, 4):
        before = told.stat().st_size if told.exists() else 0
        child = os.fork()
        if child == 0:
            ledger = open_ledger(path)
            with told.open("ab", buffering=0) as out:
                while True:
                    ledger.spend(0, Release(200.0))
                    out.write(b".")
        while (told.stat().st_size if told.exists() else 0) - before < kill_at:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it pays until it is killed"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ledger = open_ledger(path, known=told.stat().st_size)
        assert told.stat().st_size <= len(ledger.entries) <= told.stat().st_size + 3
        ledger.close()


def test_a_lost_or_shortened_ledger_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "privacy-0.jsonl"
    ledger = open_ledger(path)
    for round in range(3):
        ledger.spend(round, ROUND)
    ledger.close()
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.unlink()
    with pytest.raises(LedgerError, match="holds 0 payments, and this peer has made 3"):
        open_ledger(path, known=3)
    for spoiled, said in (
        (b"".join(lines[:2]), "holds 2 payments"),
        (lines[0] + lines[2], "line 2 does not follow"),
        (whole.replace(b'"noise":4.0', b'"noise":9.0', 1), "line 2 does not follow"),
        (lines[0] + b"\n" + lines[1] + lines[2], "line 2 is no entry"),
        (whole.replace(b'"clip"', b'"subject"'), "hides one subject"),
        (whole[::-1].replace(b'"noise":4.0'[::-1], b'"noise":9.0'[::-1], 1)[::-1], "line 3 says epsilon .* make"),
        *(
            (b'"noise":%b'.join(whole.rsplit(b'"noise":4.0', 1)) % noise, "line 3 is no entry")
            for noise in (b"Infinity", b"1e308", b"1e-300", b"NaN")
        ),
        (re.sub(rb'"epsilon":[\d.]+(?=[^\n]*\n$)', b'"epsilon":NaN', whole), "line 3 is no entry"),
        (re.sub(rb'"delta":[\de.-]+(?=[^\n]*\n$)', b'"delta":1e-3', whole), "line 3 says epsilon .* make"),
    ):
        path.write_bytes(spoiled)
        with pytest.raises(LedgerError, match=said):
            open_ledger(path, known=3)
    path.write_bytes(whole)
    open_ledger(path, known=3).close()


def test_a_torn_last_line_paid_for_nothing_and_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "privacy-0.jsonl"
    ledger = open_ledger(path)
    ledger.spend(0, ROUND)
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"t":1.0,"entry":2,"rou')
    ledger = open_ledger(path, known=1)
    assert [each.number for each in ledger.entries] == [1]
    ledger.spend(0, ROUND)
    assert ledger.paid(0) == 2
    ledger.close()
    assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 2


def test_a_full_disk_pays_for_nothing_more_in_this_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path / "privacy-0.jsonl")

    def full(file: int, data: memoryview) -> int:
        os.pwrite(file, data[:5], 0)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(module.PeerError, match="No space left"):
        ledger.spend(0, ROUND)
    monkeypatch.undo()
    with pytest.raises(LedgerError):
        ledger.spend(0, ROUND)
    ledger.close()


def test_one_process_spends_from_a_ledger(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "privacy-0.jsonl")
    with pytest.raises(LedgerError, match="running peer"):
        open_ledger(tmp_path / "privacy-0.jsonl")
    ledger.close()
