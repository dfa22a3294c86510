"""How the clips are dealt to the peers, as `--skew` names it."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.errors import ContractError


@dataclass(frozen=True, slots=True)
class Skew:
    """A name for tables and folders, and the contract's keys that it sets; no keys: as the contract says."""

    name: str
    overrides: tuple[str, ...] = ()


AS_WRITTEN = Skew("as the contract says")


def parse_skew(text: str) -> Skew:
    """`iid` (subjects dealt evenly), `dataset` (one data set a peer) or `dirichlet:ALPHA` (uneven shares).

    Raises
    ------
    ContractError
        Another word.
    """
    name, colon, alpha = text.strip().partition(":")
    if name == "iid" and not colon:
        return Skew("iid", ("data.partition.by=subject",))
    if name == "dataset" and not colon:
        return Skew("dataset", ("data.partition.by=dataset",))
    if name == "dirichlet" and _positive(alpha):
        return Skew(
            f"dirichlet {float(alpha):g}", ("data.partition.by=dirichlet", f"data.partition.alpha={float(alpha)!r}")
        )
    raise ContractError(
        f"cannot deal clips by `{text}`", where="--skew", fix="iid, dataset, or dirichlet:ALPHA, as dirichlet:0.1"
    )


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
