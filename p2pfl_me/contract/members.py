"""The section `peers`: who takes part, where, under which key."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from p2pfl_me.choice import Part

MOST_PEERS = 10_000
"""Peers of one contract."""
BASE_PORT = 27100
"""Of peers on one machine, and of a lab that names no address; peer k takes the k-th after it. Below those from which
outgoing connections take theirs (from 32768 on Linux, from 49152 elsewhere): a swarm's first calls could hold the port
of a peer that is still starting."""
HIGHEST_PORT = 65_535
MOST_RELAYS = 8

ADDRESS = r"^tcp://[^\s/:]+(:\d{1,5})$|^tcp://\[[0-9a-fA-F:.]+\]:\d{1,5}$"


def is_loopback(address: str) -> bool:
    """Whether `tcp://HOST:PORT` cannot leave this machine: `localhost` or a loopback address, no other name."""
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may stand for any machine
        return False


def undialable(address: str) -> str | None:
    """Why nobody could ever call `tcp://HOST:PORT`, as far as it shows without asking; None if somebody might."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not 1 <= int(port) <= HIGHEST_PORT:
        return f"port {port} does not exist (1 to {HIGHEST_PORT})"
    host = host.strip("[]")
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return _no_name(host)
    if number.is_unspecified:
        return f"{host} is every address of a machine and none that others could call; name the one they see"
    if number.is_multicast or str(number) == "255.255.255.255":
        return f"{host} is no single machine's address"
    return None


def _no_name(host: str) -> str | None:
    """RFC 1123: letters, digits and hyphens; the last label is never a number alone, or it would be read as one."""
    if host == "*":
        return "* is every address of a machine and none that others could call; name the one they see"
    if re.fullmatch(r"[0-9.]+", host):
        return f"{host} is no IPv4 address (four numbers from 0 to 255)"
    labels = host.removesuffix(".").split(".")
    good = len(host) <= 253 and all(re.fullmatch(r"(?!-)[\w-]{1,63}(?<!-)", label) for label in labels)
    return None if good else f"{host} is no name that could be looked up"


class Loopback(Part):
    """All peers on this machine: peer k listens on 127.0.0.1:(base_port + k); keys are made on first use."""

    count: Annotated[int, Field(ge=1, le=MOST_PEERS)]
    base_port: Annotated[int, Field(ge=1024, le=HIGHEST_PORT)] = BASE_PORT

    @model_validator(mode="after")
    def _ports_exist(self) -> Loopback:
        if self.base_port + self.count - 1 > HIGHEST_PORT:
            raise ValueError(f"ports {self.base_port}..{self.base_port + self.count - 1} pass {HIGHEST_PORT}")
        return self


class Member(Part):
    """One peer at an address. Any address but loopback must carry the peer's public key.

    `dial_only`: nobody can call this peer (a firewall, an address that changes), so it calls all its neighbours; it
    needs no address. `left`: it takes part no more. Its id is nobody else's, and the graph is that of the others.
    """

    id: Annotated[int, Field(ge=0)]
    address: Annotated[str, Field(pattern=ADDRESS)] | None = None
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None
    dial_only: bool = False
    # What came later is left out of every dump while it is the default.
    left: bool = Field(default=False, exclude_if=lambda value: value is False)

    @property
    def is_loopback(self) -> bool:
        return self.address is not None and is_loopback(self.address)

    @field_validator("address")
    @classmethod
    def _can_be_dialled(cls, address: str | None) -> str | None:
        if address is not None and (fault := undialable(address)):
            raise ValueError(fault)
        return address

    @model_validator(mode="after")
    def _address_unless_it_dials(self) -> Member:
        if self.address is None and not (self.dial_only or self.left):
            raise ValueError(
                f"peer {self.id} has no address; where nobody can call it, say so (dial_only: true), and it will call"
            )
        return self

    @model_validator(mode="after")
    def _key_unless_loopback(self) -> Member:
        if self.public_key is None and not (self.is_loopback or self.left):
            raise ValueError(
                f"peer {self.id} at {self.address} has no public_key; only loopback addresses may omit it "
                "(make one with `p2pme keys new` and copy the public key here)"
            )
        return self


class Relay(Part):
    """A machine that both ends of an edge can call where neither of the two can be called (`p2pme relay`)."""

    address: Annotated[str, Field(pattern=ADDRESS)]
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]

    @field_validator("address")
    @classmethod
    def _can_be_dialled(cls, address: str) -> str:
        if fault := undialable(address):
            raise ValueError(fault)
        return address


class Peers(Part):
    """Either `loopback` or `members`.

    `widths`: peers that hold, train and send only a part of the head's hidden units, by id: {3: 0.5}. All others hold
    the whole model. `approve`: the share of members who must have approved of a change before a run
    goes on under it. `relays`: where two members that only dial meet.
    """

    loopback: Loopback | None = None
    members: tuple[Member, ...] | None = None
    widths: dict[int, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    # What came later is left out of every dump while it is the default.
    approve: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, exclude_if=lambda value: value is None)
    relays: Annotated[tuple[Relay, ...], Field(max_length=MOST_RELAYS)] = Field(
        default=(), exclude_if=lambda value: not value
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Peers:
        if (self.loopback is None) == (self.members is None):
            raise ValueError("give either `loopback` or `members`, one of the two")
        if self.members is not None:
            ids = [member.id for member in self.members]
            if sorted(ids) != list(range(len(ids))):
                raise ValueError(f"ids must be 0..{len(ids) - 1}, each once; found {sorted(ids)}")
            present = [member for member in self.members if not member.left]
            if not present:
                raise ValueError("all members have left; one at least must be there")
            there: tuple[Member | Relay, ...] = (*present, *self.relays)
            addresses = [each.address for each in there if each.address]
            if len(set(addresses)) != len(addresses):
                raise ValueError("two members share one address, or a member and a relay do")
            keys = [each.public_key for each in there if each.public_key]
            if len(set(keys)) != len(keys):
                raise ValueError("two members share one public_key, or a member and a relay do; each needs its own")
        elif self.relays:
            raise ValueError("relays are for members that only dial; peers on loopback meet without")
        if self.approve is not None and (
            not self.members or not all(member.public_key or member.left for member in self.members)
        ):
            raise ValueError("approve needs members with public keys: it is by them that they approve")
        if strangers := sorted(self.widths.keys() - range(self.count)):
            raise ValueError(f"widths names peer {strangers[0]}, and ids go from 0 to {self.count - 1}")
        if self.widths and all(self.width(peer) < 1 for peer in range(self.count)):
            raise ValueError("widths leaves nobody who holds the whole model; leave one peer out of it")
        return self

    def __hash__(self) -> int:
        """Of the same values as equality; a dictionary has none of its own."""
        return hash((self.loopback, self.members, self.approve, self.relays, tuple(sorted(self.widths.items()))))

    def width(self, peer: int) -> float:
        """The share of the hidden units that a peer holds."""
        return self.widths.get(peer, 1.0)

    @property
    def count(self) -> int:
        """Ids that there are, of those who have left too."""
        return self.loopback.count if self.loopback else len(self.members or ())

    @property
    def present(self) -> tuple[int, ...]:
        """The ids of those who take part. A graph is made of their ranks in this order."""
        if self.members is None:
            return tuple(range(self.count))
        return tuple(sorted(member.id for member in self.members if not member.left))

    def member(self, peer: int) -> Member:
        """The address and key of one peer."""
        if self.loopback:
            return Member(id=peer, address=f"tcp://127.0.0.1:{self.loopback.base_port + peer}")
        return next(member for member in self.members or () if member.id == peer)
