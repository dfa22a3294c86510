"""What a real peer's protections need of it: its privacy ledger, and the randomness that it shares with each neighbour.

The ledger is opened with all that the peer still knows of it, so that a lost one is noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pfl_me.contract import Contract, digest
from p2pfl_me.peer.checkpoint import Checkpoint
from p2pfl_me.peer.directory import Directory
from p2pfl_me.peer.spent import Spent
from p2pfl_me.privacy.ledger import LedgerError, PrivacyLedger
from p2pfl_me.privacy.noising import Shared
from p2pfl_me.privacy.randomness import KEY, Stream
from p2pfl_me.run import events
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log


def privacy_ledger(
    contract: Contract,
    run: Path,
    start: Checkpoint,
    clock: Callable[[], float] | None = None,
    home: Path | None = None,
) -> PrivacyLedger | None:
    """The ledger of the peer that begins at `start`; None where nothing is spent.

    The private folder `home` remembers what a member pays. A peer of a loopback contract is a rehearsal, which anybody
    may repeat.

    Raises
    ------
    LedgerError
        It is damaged, or it lacks what checkpoint, log or private folder say was paid, logs that `--fresh` put aside
        among them.
    """
    privacy, folder = contract.privacy, RunFolder(run)
    if not privacy.spends or privacy.budget is None:
        return None
    lives = [*folder.all_before(), folder]  # the ledger outlives --fresh, and so does what is known of it
    lines = [line.event for life in lives for line in read_log(life, start.peer).events]
    told = {each.payments: each.epsilon for each in lines if isinstance(each, events.Spent)}
    known = max([start.payments, *told])
    path = folder.privacy(start.peer)
    spent = Spent(home, contract, start.peer, run) if home is not None and contract.peers.members else None
    try:
        ledger = PrivacyLedger(path, privacy.budget, privacy.unit, known, clock or time.time, told, spent)
    except BaseException:
        if spent:
            spent.close()
        raise
    try:
        if spent:
            spent.require(ledger.entries)
    except LedgerError:
        ledger.close()
        raise
    return ledger


def shared_streams(contract: Contract, directory: Directory) -> Shared:
    """The streams that a peer has in common with each neighbour: X25519 of their static keys, then HKDF bound to the
    contract, the edge and the round. Nobody but the two can derive them, and nothing of them travels."""
    keys = {each.peer: each.public_key for each in directory.neighbours}
    context = digest(contract)

    def shared(other: int, round: int) -> Stream:
        agreed = directory.identity.private.exchange(X25519PublicKey.from_public_bytes(keys[other]))
        low, high = sorted((directory.me, other))
        info = f"p2pme shared noise, edge {low}-{high}, round {round}".encode()
        return Stream(HKDF(hashes.SHA256(), KEY, context, info).derive(agreed))

    return shared
