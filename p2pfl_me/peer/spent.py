"""What this user's machine remembers of a peer's privacy payments: `spent/` of the private folder.

A run folder may be emptied, lost with its disk, or laid back from an older copy, and with it go ledger, log and
checkpoint together. The private folder remembers how much had been paid for which
contract, and where; a ledger that holds less, or another's, ends the peer. One file for each peer and history of a
contract, which stays the same while the contract changes under a run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.contract import Contract
from p2pfl_me.contract.history import history_digest
from p2pfl_me.counting import many
from p2pfl_me.files import locked, private_folder, read_text, refusing
from p2pfl_me.parsed import json_of
from p2pfl_me.privacy.ledger import FIX, TOLD, Entry, LedgerError

SPENT = "spent"


class Spent:
    """Of one peer under one contract: how many payments it has made, what they make together, and in which folder.

    It is one process's until it is closed: two in two folders would each spend the whole budget.

    Raises
    ------
    LedgerError
        The file cannot be read, is damaged, or is another process's.
    """

    def __init__(self, home: Path, contract: Contract, peer: int, run: Path) -> None:
        self._peer, self._run = peer, run.absolute()
        self.path = home / SPENT / f"{history_digest(contract)[:32]}-{peer}.json"
        self._held = ExitStack()
        self._claim()
        try:
            self._payments, self._epsilon, self._where = self._read()
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        self._held.close()

    def keep(self, entry: Entry) -> None:
        """On the disk when this returns; the ledger has the payment already.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        values = {"payments": entry.number, "epsilon": entry.epsilon, "run": str(self._run)}
        with refusing(LedgerError, self.path, FIX):
            write_whole(self.path, (json.dumps(values) + "\n").encode(), sync=True)

    def require(self, held: Sequence[Entry]) -> None:
        """That these, of a ledger, are what was paid, and what came after it.

        Raises
        ------
        LedgerError
            It lacks payments, or is another's.
        """
        if not self._payments:
            return
        if len(held) < self._payments:
            what = f"the privacy ledger here holds {len(held) or 'none'}"
        elif abs(held[self._payments - 1].epsilon - self._epsilon) > TOLD:
            what = f"the privacy ledger here says that they made epsilon {held[self._payments - 1].epsilon:.6g}"
        else:
            return
        raise LedgerError(
            f"peer {self._peer} has made {many(self._payments, 'payment')} under this contract, epsilon "
            f"{self._epsilon:.6g}, in {self._where}, and {what}",
            where=str(self._run),
            fix=f"go on in that folder, or put its privacy-{self._peer}.jsonl into this one; if it is lost, the "
            f"contract is over for this peer. A run on other clips takes another seed ({self.path} remembers)",
        )

    def _claim(self) -> None:
        with refusing(LedgerError, self.path, FIX):
            private_folder(self.path.parent)
        try:
            self._held.enter_context(locked(self.path.with_suffix(".lock"), 0.0))
        except BlockingIOError as error:
            raise LedgerError(
                f"another process spends for peer {self._peer} under this contract",
                where=str(self.path),
                fix="stop it first, or go on in its run folder",
            ) from error
        except OSError:
            return  # a file system without locks

    def _read(self) -> tuple[int, float, str]:
        with refusing(LedgerError, self.path, FIX, "cannot be read"):
            try:
                text = read_text(self.path, own=True)
            except FileNotFoundError:
                return 0, 0.0, ""
        try:
            values = json_of(text)
            payments, epsilon, where = int(values["payments"]), float(values["epsilon"]), str(values["run"])
            if payments < 1 or not 0 <= epsilon < float("inf"):
                raise ValueError("numbers that nobody pays")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise LedgerError(
                f"what was spent cannot be read there ({error})",
                where=str(self.path),
                fix="put a whole copy in its place; removed, nobody remembers what a lost run folder had spent",
            ) from error
        return payments, epsilon, where
