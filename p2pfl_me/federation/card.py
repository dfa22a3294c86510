"""A laboratory's card: one line that says who it is, where it listens and under which key, for a certain draft.

A card holds nothing secret, but whoever can exchange it on its way can pose as the laboratory: compare fingerprints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from p2pfl_me.contract.model import Member
from p2pfl_me.errors import ContractError

MARK = "p2pme-lab-1"
DIALS = "dial-only"
"""In place of an address: nobody can call this laboratory, it calls all its neighbours."""
LONGEST = 400
_CARD = re.compile(rf"^{MARK} (\d{{1,5}}) (\S+) (\S+) ([0-9a-f]{{16}})$")


@dataclass(frozen=True, slots=True)
class Card:
    """`draft`: the first 16 hex digits of the digest of what all labs must have drafted alike."""

    member: Member
    draft: str

    def __str__(self) -> str:
        member = self.member
        return f"{MARK} {member.id} {member.address or DIALS} {member.public_key} {self.draft}"


def read_card(text: str, where: str) -> Card:
    """Read a card's line; blank lines and those that begin with # are passed over.

    Raises
    ------
    ContractError
        It is no card, several, or names an address or a key that a contract cannot hold.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    found = _CARD.match(lines[0][:LONGEST]) if len(lines) == 1 else None
    if found is None:
        raise ContractError(
            "not the card of a laboratory", where=where, fix=f"its card is the one line that begins with {MARK}"
        )
    number, address, key, draft = found.groups()
    try:
        where_it_is = {"dial_only": True} if address == DIALS else {"address": address}
        return Card(Member.model_validate({"id": int(number), **where_it_is, "public_key": key}), draft)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ContractError(
            f"a card that no contract can hold: {reason}", where=where, fix="ask for it again"
        ) from None
