"""The keys of one life of a peer, as plain bytes: what hides its models from whoever relays words about them.

Floor 0 of the house: a value that hosts make, cores carry and `privacy` uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keyring:
    """`contract`: the digest under which they are used. `private`: the peer's own X25519 key, 32 bytes. `publics`:
    those of all whom it may need to know, by id.

    `life`: 32 bytes from the operating system, drawn anew for every life and never written down. Whoever takes the
    same for two lives uses masks twice, and a mask that was used twice hides nothing.

    `rehearsed`: nothing leaves this machine, so what costs much and changes no sum may be left out.
    """

    contract: bytes
    private: bytes = field(repr=False)
    publics: Mapping[int, bytes]
    life: bytes = field(repr=False)
    rehearsed: bool = False
