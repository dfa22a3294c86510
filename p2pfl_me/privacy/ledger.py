"""The privacy ledger of a peer, `privacy-K.jsonl`: what is about to be spent, written down before it is.

A line is on the disk before anything that it pays for is trained or sent; so a kill at any instant leaves at most a
line too many, and never one too few. What a second life trains again for the same round is paid again, because its
noise is new. Each line names the one before it, and the last one says what all make together: a ledger that lost some
or was changed is told from one that is whole. It outlives `--fresh`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from p2pfl_me.atomic import sync_file
from p2pfl_me.errors import PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.files import open_private, private_folder, read_regular, refusing
from p2pfl_me.parsed import json_of
from p2pfl_me.privacy.accounting import Account, Release
from p2pfl_me.privacy.budget import Budget, Unit

FIX = "free some space or mend the disk, then give the same command again"
ROUNDING = 1e-9
TOLD = 2e-6
"""What a log says of epsilon is rounded to six places."""
LEAST, MOST = 1e-9, 1e15
"""Noise in norms, and steps, of which an account can be made."""
SUM = 1e-3
"""Releases of one accountant agree that far, relatively, on what they make of the same payments."""


class BudgetSpent(PeerError):
    """What a peer may spend is spent: it sends no more."""

    exit_code = Exit.INCOMPLETE


class LedgerError(PeerError):
    """A ledger is damaged or lost: nobody knows any more what was spent, so nothing more may be."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one round of one life was paid with, before it was trained."""

    number: int
    round: int
    unit: Unit
    release: Release
    epsilon: float
    """Of all entries up to this one, at `delta`."""
    delta: float


class Memory(Protocol):
    """Of payments, beside the ledger."""

    def keep(self, entry: Entry) -> None: ...
    def close(self) -> None: ...


class PrivacyLedger:
    """One peer's, over all rounds, neighbours and lives.

    Parameters
    ----------
    known:
        How many entries there must be at least, by what else the peer has kept (its checkpoint, its log).
    told:
        Payments by number with the epsilon that they made, by what else the peer has kept.
    memory:
        What else is told of each payment before anything is trained for it; closed with the ledger.

    Raises
    ------
    LedgerError
        It is damaged, another process writes to it, or it lacks entries that are known to have been there.
    """

    def __init__(
        self,
        path: Path,
        budget: Budget,
        unit: Unit,
        known: int = 0,
        clock: Callable[[], float] = time.time,
        told: Mapping[int, float] = MappingProxyType({}),
        memory: Memory | None = None,
    ) -> None:
        self._path, self._budget, self._unit, self._clock = path, budget, unit, clock
        self._memory = memory
        self._is_torn = False
        """Whether the last line may be there in part only: what follows it would be lost."""
        with refusing(LedgerError, path, FIX):
            if not path.parent.exists():
                private_folder(path.parent)
            self._file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            self._claim()
            self._entries, self._last = self._read()
            self._require(known, told)
            self._account = Account(budget.delta, [each.release for each in self._entries])
            self._require_sum()
        except BaseException:
            os.close(self._file)
            raise

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def epsilon(self) -> float:
        """Spent so far."""
        return self._account.epsilon

    def paid(self, round: int) -> int:
        """How often a round has been paid for."""
        return sum(each.round == round for each in self._entries)

    def spend(self, round: int, release: Release) -> Entry:
        """Pay for a round; when this returns the payment is on the disk, and only then may the round be trained.

        Raises
        ------
        BudgetSpent
            It would cost more than is left. Nothing was written, and nothing may be sent.
        PeerError
            It cannot be written.
        """
        after = self._account.epsilon_with(release)
        if after > self._budget.epsilon * (1 + ROUNDING):
            raise BudgetSpent(
                f"the privacy budget is spent: epsilon {self.epsilon:.3g} of {self._budget.epsilon:g} at delta "
                f"{self._budget.delta:g}, and round {round + 1} would make it {after:.3g}",
                where=str(self._path),
                fix="the model of the last round stands in the checkpoint; a larger budget needs a new contract, and "
                "the subjects' consent",
            )
        entry = Entry(len(self._entries) + 1, round, self._unit, release, after, self._budget.delta)
        line = self._line(entry)
        if self._is_torn:
            raise LedgerError("a payment could not be written down whole", where=str(self._path), fix=FIX)
        self._is_torn = True
        with refusing(PeerError, self._path, FIX):
            data = memoryview(line)
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        self._is_torn = False
        self._entries.append(entry)
        self._last = _digest(line)
        self._account.add(release)
        if self._memory:
            self._memory.keep(entry)
        return entry

    def close(self) -> None:
        os.close(self._file)
        if self._memory:
            self._memory.close()

    def _claim(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                "a running peer spends from this ledger", where=str(self._path), fix="stop it first"
            ) from error
        except OSError:
            return  # a file system without locks

    def _read(self) -> tuple[list[Entry], str]:
        with refusing(LedgerError, self._path, FIX, "cannot be read"):
            data = read_regular(self._path, own=True)
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                # Killed while it was written: `spend` never returned, so nothing was trained or sent for it.
                os.ftruncate(self._file, len(whole))
            with suppress(OSError):  # a file system whose folders cannot be synced
                sync_file(self._path.parent)
        entries: list[Entry] = []
        last = ""
        for number, line in enumerate(whole.splitlines(keepends=True), 1):
            try:
                entry, before = self._parsed(json_of(line))
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                raise self._damaged(number, f"is no entry ({error})") from error
            if before != last or entry.number != number:
                raise self._damaged(number, "does not follow the line before it")
            if entry.unit is not self._unit:
                raise self._damaged(number, f"hides one {entry.unit}, and the contract now hides one {self._unit}")
            entries.append(entry)
            last = _digest(line)
        return entries, last

    def _require(self, known: int, told: Mapping[int, float]) -> None:
        for number, epsilon in told.items():
            if number <= len(self._entries) and abs(self._entries[number - 1].epsilon - epsilon) > TOLD:
                raise self._damaged(
                    number,
                    f"made epsilon {self._entries[number - 1].epsilon:.6g}, and this peer's log says {epsilon:.6g}: "
                    "it is the ledger of another run or peer",
                )
        if len(self._entries) < known:
            raise LedgerError(
                f"the privacy ledger holds {len(self._entries)} payments, and this peer has made {known}: "
                "what was spent is not known any more",
                where=str(self._path),
                fix="put the ledger back from where it was kept; without it this contract is over for this peer",
            )

    def _require_sum(self) -> None:
        """The line before is named by the next; nobody names the last, but all payments together make its epsilon."""
        if not self._entries:
            return
        last = self._entries[-1]
        same = last.delta == self._budget.delta
        account = self._account if same else Account(last.delta, [each.release for each in self._entries])
        made = account.epsilon
        if abs(made - last.epsilon) > SUM * max(made, last.epsilon):
            raise self._damaged(
                last.number, f"says epsilon {last.epsilon:.6g}, and the payments up to it make {made:.6g}"
            )

    def _damaged(self, number: int, what: str) -> LedgerError:
        return LedgerError(
            f"line {number} {what}",
            where=str(self._path),
            fix="put a whole copy in its place; without it this contract is over for this peer",
        )

    def _line(self, entry: Entry) -> bytes:
        values: dict[str, Any] = {
            "t": round(self._clock(), 6),
            "entry": entry.number,
            "round": entry.round,
            "unit": entry.unit.value,
            "noise": entry.release.noise,
            "rate": entry.release.rate,
            "steps": entry.release.steps,
            "epsilon": entry.epsilon,
            "delta": self._budget.delta,
            "after": self._last,
        }
        return (json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n").encode()

    @staticmethod
    def _parsed(values: dict[str, Any]) -> tuple[Entry, str]:
        release = Release(float(values["noise"]), float(values["rate"]), int(values["steps"]))
        if not (LEAST <= release.noise <= MOST and 0 < release.rate <= 1 and 0 < release.steps <= MOST):
            raise ValueError("numbers that nobody spends")
        epsilon, delta = float(values["epsilon"]), float(values["delta"])
        if not (0 <= epsilon < float("inf") and 0 < delta < 1):
            raise ValueError("an epsilon or a delta that nobody has")
        entry = Entry(int(values["entry"]), int(values["round"]), Unit(values["unit"]), release, epsilon, delta)
        return entry, str(values["after"])


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:32]
