"""The section `peers`: who takes part, where, under which key."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from p2pfl_me.choice import Part


def is_loopback(address: str) -> bool:
    """Whether `tcp://HOST:PORT` cannot leave this machine: `localhost` or a loopback address, no other name."""
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may stand for any machine
        return False


class Loopback(Part):
    """All peers on this machine: peer k listens on 127.0.0.1:(base_port + k); keys are made on first use."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    base_port: Annotated[int, Field(ge=1024, le=65_535)] = 47100

    @model_validator(mode="after")
    def _ports_exist(self) -> Loopback:
        if self.base_port + self.count - 1 > 65_535:
            raise ValueError(f"ports {self.base_port}..{self.base_port + self.count - 1} pass 65535")
        return self


class Member(Part):
    """One peer at an address. Any address but loopback must carry the peer's public key."""

    id: Annotated[int, Field(ge=0)]
    address: Annotated[str, Field(pattern=r"^tcp://[^\s/:]+(:\d{1,5})$|^tcp://\[[0-9a-fA-F:]+\]:\d{1,5}$")]
    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.address)

    @field_validator("address")
    @classmethod
    def _port_exists(cls, address: str) -> str:
        port = int(address.rpartition(":")[2])
        if not 1 <= port <= 65_535:
            raise ValueError(f"port {port} does not exist (1 to 65535)")
        return address

    @model_validator(mode="after")
    def _key_unless_loopback(self) -> Member:
        if self.public_key is None and not self.is_loopback:
            raise ValueError(
                f"peer {self.id} at {self.address} has no public_key; only loopback addresses may omit it "
                "(make one with `p2pme keys new` and copy the public key here)"
            )
        return self


class Peers(Part):
    """Either `loopback` or `members`.

    `widths`: peers that hold, train and send only a part of the head's hidden units, by id: {3: 0.5}. All others hold
    the whole model.
    """

    loopback: Loopback | None = None
    members: tuple[Member, ...] | None = None
    widths: dict[int, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> Peers:
        if (self.loopback is None) == (self.members is None):
            raise ValueError("give either `loopback` or `members`, one of the two")
        if self.members is not None:
            ids = [member.id for member in self.members]
            if sorted(ids) != list(range(len(ids))):
                raise ValueError(f"ids must be 0..{len(ids) - 1}, each once; found {sorted(ids)}")
            addresses = [member.address for member in self.members]
            if len(set(addresses)) != len(addresses):
                raise ValueError("two members share one address")
            keys = [member.public_key for member in self.members if member.public_key]
            if len(set(keys)) != len(keys):
                raise ValueError("two members share one public_key; each peer needs a key of its own")
        if strangers := sorted(self.widths.keys() - range(self.count)):
            raise ValueError(f"widths names peer {strangers[0]}, and ids go from 0 to {self.count - 1}")
        if self.widths and all(self.width(peer) < 1 for peer in range(self.count)):
            raise ValueError("widths leaves nobody who holds the whole model; leave one peer out of it")
        return self

    def __hash__(self) -> int:
        """Of the same values as equality; a dictionary has none of its own."""
        return hash((self.loopback, self.members, tuple(sorted(self.widths.items()))))

    def width(self, peer: int) -> float:
        """The share of the hidden units that a peer holds."""
        return self.widths.get(peer, 1.0)

    @property
    def count(self) -> int:
        return self.loopback.count if self.loopback else len(self.members or ())

    def member(self, peer: int) -> Member:
        """The address and key of one peer."""
        if self.loopback:
            return Member(id=peer, address=f"tcp://127.0.0.1:{self.loopback.base_port + peer}")
        return next(member for member in self.members or () if member.id == peer)
