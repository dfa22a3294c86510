"""The links of one peer under its contract, not begun yet: of a run, of `p2pme serve`, of `p2pme doctor`."""

from __future__ import annotations

import math

from p2pfl_me.contract import Contract, digest, section_digests
from p2pfl_me.counting import many
from p2pfl_me.errors import PeerError
from p2pfl_me.machine import allow_many_files
from p2pfl_me.networks.layout import Layout
from p2pfl_me.peer.directory import Directory
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.wire.endpoint import LinkHandlers, Liveness
from p2pfl_me.wire.links import Changes, Links
from p2pfl_me.wire.traffic import Ledger

OWN_FILES, LINK_FILES = 32, 4
"""Open files of a peer: its own, and those of a link that it dials."""


def require_files(neighbours: int) -> None:
    """Raise the limit of open files as far as may be: strangers who connect and say nothing must not use up those that
    checkpoints need. Refuse where fewer are allowed than links take: ZeroMQ ends a process that has none left.

    Raises
    ------
    PeerError
        With how many there are to be.
    """
    needed, allowed = OWN_FILES + neighbours * LINK_FILES, allow_many_files()
    if allowed < needed:
        raise PeerError(
            f"a peer of {many(neighbours, 'neighbour')} takes about {needed} open files, and {allowed} are allowed",
            fix="raise the limit (ulimit -Hn, LimitNOFILE of the unit), then give the same command again",
        )


def links_of(
    contract: Contract,
    directory: Directory,
    layout: Layout,
    handlers: LinkHandlers,
    ledger: Ledger | None = None,
    changes: Changes | None = None,
    *,
    asks: bool = True,
) -> Links:
    """`layout` is that of the models that travel; `ledger` is told of every message that leaves, and `changes` says
    what is told to neighbours with another contract. Who `asks` has those who should call it say whether they know it;
    a newcomer they do not know before its round."""
    return Links(
        directory.me,
        directory.listen,
        directory.identity,
        directory.neighbours,
        prologue=digest(contract),
        sections=section_digests(contract),
        schema=schema_of(contract, layout),
        handlers=handlers,
        ledger=ledger,
        earlier=directory.earlier,
        stated=directory.stated,
        trust=directory.trust,
        changes=changes,
        liveness=Liveness() if asks else Liveness(ask_s=math.inf),
    )
