"""What a run folder says: under which contract its peer goes on, with whom, what it tells those who have missed it."""

from __future__ import annotations

from dataclasses import replace

from p2pfl_me.contract import digest, load_contract
from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.membership.agreed import Standing
from p2pfl_me.output import put
from p2pfl_me.peer.changing import news_of
from p2pfl_me.peer.consent import read_view
from p2pfl_me.peer.directory import Directory, former_of
from p2pfl_me.peer.settings import Begin, PeerSettings
from p2pfl_me.peer.slots import versions
from p2pfl_me.peer.turn import Turn
from p2pfl_me.run.beginning import changes_behind, contracts_of
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.endpoint import Endpoint


def as_agreed(settings: PeerSettings) -> PeerSettings:
    """The settings with the contract that the run has come to by agreed changes, where an earlier one was named.

    One command begins and goes on: the file that it names may be the one of the beginning.
    """
    agreed, words = agreed_since(settings)
    if words:
        put(words)
    return agreed


def agreed_since(settings: PeerSettings) -> tuple[PeerSettings, str]:
    """The same, and that it is so, in words; nothing is printed."""
    folder = RunFolder(settings.run)
    if settings.begin is Begin.FRESH or not folder.contract.exists():
        return settings, ""
    number, here = changes_behind(settings.run), digest(settings.contract)
    now = load_contract(folder.contract)
    if not number or here == digest(now) or not folder.view(number).exists():
        return settings, ""
    if here.hex() not in contracts_of(settings.run):
        return settings, ""
    words = f"the members have agreed on {many(number, 'change')} since; it goes on under {folder.contract}"
    return replace(settings, contract=now), words


def joins_since(settings: PeerSettings) -> int | None:
    """The round from which on a peer takes part that joins a run and has no model yet; None for every other."""
    folder = RunFolder(settings.run)
    if settings.resume or not folder.ticket.exists():
        return None
    if any(path.exists() for path in versions(folder.checkpoint(settings.peer))):
        return None
    return read_view(folder.view(changes_behind(settings.run))).round


def turn_of(settings: PeerSettings, standing: Standing, completed: int) -> Turn:
    """What of a life comes from a change; `completed` rounds are behind it."""
    folder, gossip = RunFolder(settings.run), settings.contract.gossip
    gathers_s = gossip.start.patience if settings.changed else None
    path = folder.view(standing.number)
    if standing.number and path.exists() and read_view(path).round == completed:
        gathers_s = min(gossip.start.patience, gossip.deadline.max_s)
    waits_s = settings.waits_s if settings.since is not None else None
    return Turn(gathers_s, _newcomers(folder, standing), settings.since, waits_s)


def changes_told(
    settings: PeerSettings, standing: Standing, directory: Directory
) -> tuple[bytes, tuple[Endpoint, ...]] | None:
    """What is told to those under an earlier contract, and to whom beside the neighbours; None where a change of this
    contract cannot spread."""
    if settings.contract.peers.approve is None:
        return None
    before = RunFolder(settings.run).earlier_contract(standing.number)
    former = former_of(load_contract(before), settings.peer, directory) if before.exists() else ()
    return news_of(settings.run, standing.number), former


def _newcomers(folder: RunFolder, standing: Standing) -> frozenset[int]:
    earlier = folder.earlier_contracts()
    if not earlier:
        return frozenset()
    try:
        first = load_contract(earlier[0]).peers.present
    except ContractError:
        return frozenset()
    return frozenset(standing.contract.peers.present) - frozenset(first)
