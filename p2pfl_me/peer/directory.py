"""Who is who: this peer's key and address, and those of its neighbours, from the contract and the user's key file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.contract import Contract, digest
from p2pfl_me.contract.members import ADDRESS, Member, is_loopback
from p2pfl_me.errors import ContractError, IdentityError
from p2pfl_me.home import keys_dir
from p2pfl_me.keyring import Keyring
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.trust import Trust
from p2pfl_me.topology import Plan, plan_of
from p2pfl_me.wire.endpoint import Endpoint, Meeting
from p2pfl_me.wire.identity import (
    Identity,
    earlier_identities,
    fingerprint,
    load_identity,
    loopback_identities,
    public_from_text,
)
from p2pfl_me.wire.noise import private_bytes


@dataclass(frozen=True)
class Directory:
    """One peer's place in the contract; `neighbours` is its allow list. It listens at `listen`, nowhere if None.

    `keys`: of this life, where the contract hides models from the neighbours.
    """

    me: int
    listen: str | None
    identity: Identity
    neighbours: tuple[Endpoint, ...]
    keys: Keyring | None = None
    earlier: tuple[Identity, ...] = ()
    """Keys that `identity` has followed, of which some may still be good."""
    stated: bytes | None = None
    """The public key by which the contract names this peer."""
    trust: Trust | None = None


def directory_of(settings: PeerSettings, schedule: Plan) -> Directory:
    """Look up keys and addresses; loopback peers without keys make theirs in the folder that they share.

    Raises
    ------
    ContractError
        No such peer.
    IdentityError
        No key, a key that others can read, or one that is not the contract's.
    P2pmeError
        What hides models from the neighbours is not installed.
    """
    contract, peer = settings.contract, settings.peer
    count = contract.peers.count
    if not 0 <= peer < count:
        raise ContractError(f"there is no peer {peer}", where=contract.name, fix=f"choose --id from 0 to {count - 1}")
    if peer not in contract.peers.present:
        raise ContractError(
            f"peer {peer} has left", where=contract.name, fix="begin a run of its own, or join as another"
        )
    members = {k: contract.peers.member(k) for k in (peer, *schedule.neighbours(peer))}
    made = loopback_identities(keys_dir(settings.home), count) if _needs_made_keys(contract) else []
    public = {k: public_from_text(m.public_key) if m.public_key else made[k].public for k, m in members.items()}
    neighbours = tuple(_endpoint(contract, members[peer], members[k], public[k]) for k in schedule.neighbours(peer))
    trust = Trust(settings.home)
    key = _fitting(settings.key, public[peer])
    identity = _own(key, made[peer] if made else None, public[peer], peer, trust)
    if identity.public != public[peer]:
        _require_no_pairs(contract, key)
    return Directory(
        peer,
        _listens(members[peer], settings.listen, called=any(not each.is_dialled_by(peer) for each in neighbours)),
        identity,
        neighbours,
        _life_keys(contract, peer, identity, made, schedule),
        earlier_identities(settings.key) if settings.key else (),
        public[peer],
        trust,
    )


def next_key(key: Path) -> Path:
    """Where the key lies that takes the place of `key` once a change of the contract names it: `lab.key.next`."""
    return key.with_name(f"{key.name}.next")


def former_of(before: Contract, peer: int, directory: Directory) -> tuple[Endpoint, ...]:
    """Whom a peer met by the contract before and does not meet now, or at another address, or by another key: one that
    has missed the change waits there. All that can be called are, whoever called before."""
    if peer not in before.peers.present:
        return ()
    now = {(each.address, each.public_key) for each in directory.neighbours}
    found = []
    for other in plan_of(before).neighbours(peer):
        member = before.peers.member(other)
        if member.address and member.public_key and not member.dial_only:
            endpoint = Endpoint(other, member.address, public_from_text(member.public_key), dialled=True)
            if (endpoint.address, endpoint.public_key) not in now:
                found.append(endpoint)
    return tuple(found)


def _fitting(key: Path | None, public: bytes) -> Path | None:
    """The key's file, or that of the one which takes its place, if that is the one the contract names."""
    if key is None or not next_key(key).exists():
        return key
    return next_key(key) if load_identity(next_key(key)).public == public else key


def _life_keys(
    contract: Contract, peer: int, identity: Identity, made: Sequence[Identity], plan: Plan
) -> Keyring | None:
    """What hides models: the keys of the neighbours' neighbours, and a secret that no other life has."""
    if not contract.privacy.exchange.needs_keys:
        return None
    contract.privacy.exchange.require_installed()
    met = {far for near in plan.neighbours(peer) for far in plan.neighbours(near)} - {peer}
    stated = {far: contract.peers.member(far).public_key for far in sorted(met)}
    publics = {far: public_from_text(text) if text else made[far].public for far, text in stated.items()}
    return Keyring(digest(contract), private_bytes(identity.private), publics, os.urandom(32))


def _endpoint(contract: Contract, me: Member, other: Member, public: bytes) -> Endpoint:
    if me.dial_only and other.dial_only:
        relays = tuple(Meeting(each.address, public_from_text(each.public_key)) for each in contract.peers.relays)
        return Endpoint(other.id, "", public, dialled=me.id < other.id, relays=relays)
    address = "" if other.dial_only else other.address or ""
    return Endpoint(other.id, address, public, dialled=_dials(me, other))


def _dials(me: Member, other: Member) -> bool:
    """Whether `me` is the end of this edge that calls: whoever cannot be called, else the lower id."""
    return me.dial_only or (not other.dial_only and me.id < other.id)


def _listens(member: Member, listen: str | None, *, called: bool) -> str | None:
    if listen is None and (member.address is None or (member.dial_only and not called)):
        return None
    return listening_at(member.address or "", listen)


def listening_at(address: str, listen: str | None) -> str:
    """Where whoever has this `address` in the contract listens: at `listen`, the user's own word, if there is one; else
    at the port of it on every interface of this machine, unless it is loopback.

    Raises
    ------
    ContractError
        `listen` is no address.
    """
    if listen is not None:
        given = f"tcp://{listen.removeprefix('tcp://')}"
        if not re.fullmatch(ADDRESS, given):
            raise ContractError(f"`{listen}` is no address", where="--listen", fix="write HOST:PORT, or *:PORT for all")
        return given
    return address if is_loopback(address) else f"tcp://*:{address.rpartition(':')[2]}"


def _needs_made_keys(contract: Contract) -> bool:
    return contract.peers.loopback is not None or any(not m.public_key for m in contract.peers.members or ())


def _require_no_pairs(contract: Contract, key: Path | None) -> None:
    """Masks and noise that cancels are made of pairs of keys: who knew only one's old key would make another one."""
    if contract.privacy.pairs_keys:
        raise IdentityError(
            "this key follows the contract's, and this contract makes masks or noise of those it names",
            where=str(key),
            fix="put the new public key into the contract of all members (`p2pme propose` says how they agree)",
        )


def _own(key: Path | None, made: Identity | None, public: bytes, peer: int, trust: Trust) -> Identity:
    if key is None and (made is None or made.public != public):
        raise IdentityError(
            f"peer {peer} has a public key in the contract, and no private key was given",
            fix="name its file with --key (make one with `p2pme keys new` and put its public key into the contract)",
        )
    identity = load_identity(key) if key else made
    assert identity is not None
    good = trust.good(public)
    if identity.public not in good and (identity.public == public or identity.public in trust.book.revoked):
        raise IdentityError(
            f"this key ({fingerprint(identity.public)}) is revoked or over, and no other lab lets it in",
            where=str(key),
            fix="name the key that follows it with --key, or agree on a contract with another",
        )
    if identity.public not in good:
        raise IdentityError(
            f"this key ({fingerprint(identity.public)}) is not the one the contract names for peer {peer} "
            f"({fingerprint(public)})",
            where=str(key),
            fix="give the right file with --key, or the right id with --id",
        )
    return identity
