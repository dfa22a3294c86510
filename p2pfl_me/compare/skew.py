"""How the clips are dealt to the peers, as `--skew` names it."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.digits import number
from p2pfl_me.errors import ContractError


@dataclass(frozen=True, slots=True)
class Skew:
    """A name for tables and folders, and the contract's keys that it sets; no keys: as the contract says."""

    name: str
    overrides: tuple[str, ...] = ()


AS_WRITTEN = Skew("as the contract says")


UNEVEN = ("dirichlet", "labels")
"""What takes an ALPHA; the contract calls them so, too."""
EVEN = {"iid": "subject", "lab": "dataset", "dataset": "dataset"}


def parse_skew(text: str) -> Skew:
    """`iid` (subjects dealt evenly), `lab` (one data set a peer), `dirichlet:ALPHA` or `labels:ALPHA` (uneven shares of
    the subjects, or of each class's clips).

    Raises
    ------
    ContractError
        Another word.
    """
    name, colon, alpha = text.strip().partition(":")
    if name in EVEN and not colon:
        return Skew(name, (f"data.partition.by={EVEN[name]}",))
    if name in UNEVEN and (value := number(alpha)) is not None and value > 0:
        return Skew(f"{name} {value:g}", (f"data.partition.by={name}", f"data.partition.alpha={value!r}"))
    raise ContractError(
        f"cannot deal clips by `{text}`",
        where="--skew",
        fix="iid, lab, dirichlet:ALPHA or labels:ALPHA, as dirichlet:0.1",
    )
