"""How many lie, who they are, and by which attack: decided from the seed, written down, refused where it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticKnownError

from p2pfl_me.adversary.attack import Attack
from p2pfl_me.adversary.liar import Board, Deceit, Row
from p2pfl_me.choice import Registry, derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.contract.source import read_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import schedule_of

ATTACKS = Registry(Attack, "p2pfl_me.adversary.attacks")
"""Every attack by the name that `--attack` takes."""


@dataclass(frozen=True, slots=True)
class Lies:
    """`count` peers of a swarm that lie in one way."""

    attack: Attack
    count: int

    def liars(self, contract: Contract) -> frozenset[int]:
        """Who they are: drawn from the contract's seed, so that equal seeds have equal liars under every attack."""
        peers = contract.peers.count
        return frozenset(Random(derive_seed(contract.seed, "liars")).sample(range(peers), peers)[: self.count])

    def deceit(self, contract: Contract, board: Board) -> Deceit:
        """What one of the liars puts between itself and its host; `board` is what it sees."""
        row: Row = schedule_of(contract).weights if self.attack.falsifies else lambda peer, round: {}
        return Deceit(self.attack, board, row, contract.seed, len(contract.model.classes))

    def to_json(self, contract: Contract) -> Mapping[str, Any]:
        """For the run's manifest."""
        return {"attack": self.attack.model_dump(mode="json"), "liars": sorted(self.liars(contract))}

    @property
    def words(self) -> str:
        """`2 liars: dissensus (epsilon 1.5)`."""
        options = ", ".join(f"{key} {value}" for key, value in self.attack.options.items())
        return f"{self.count} liar{'s' * (self.count != 1)}: {self.attack}{f' ({options})' if options else ''}"

    def require_fit(self, contract: Contract) -> None:
        """Refuse what the attack cannot lie about, and a swarm of liars.

        Raises
        ------
        ContractError
            With the nearest thing that works.
        """
        if self.count >= contract.peers.count:
            raise ContractError(
                f"{self.count} liars among {contract.peers.count} peers leave nobody to score",
                where="--liars",
                fix=f"take at most {contract.peers.count - 1}",
            )
        if not self.attack.falsifies:
            return
        gossip = contract.gossip
        why = (
            f"compression {gossip.compression.kind} sends something else"
            if gossip.compression
            else f"under {contract.privacy.exchange} it travels where nobody sees it"
            if contract.privacy.exchange.sums_only
            else f"under {contract.privacy.exchange} no whole model travels"
            if contract.privacy.exchange.parts_only
            else f"{gossip.protocol} sends sums of all that was ever sent"
            if gossip.protocol.follows_arcs
            else "peers.widths sends slices"
            if contract.peers.widths
            else ""
        )
        if why:
            others = ", ".join(kind for kind in ATTACKS if not ATTACKS.of(kind).falsifies)
            raise ContractError(
                f"attack {self.attack} replaces whole models, and {why}",
                where="--attack",
                fix=f"take {others}; or leave that out of the contract",
            )


def parse_lies(attack: str, liars: int) -> Lies:
    """From the options `--attack` (a name, or YAML as `{kind: noise, times: 3}`) and `--liars`.

    Raises
    ------
    ContractError
        No such attack, or no such option of it; fewer than one liar.
    """
    known = ", ".join(ATTACKS)
    if liars < 1:
        raise ContractError(f"{liars} liars", where="--liars", fix="take 1 or more")
    try:
        given = read_yaml(attack, "--attack")
    except ContractError as error:
        raise ContractError(f"cannot read `{attack}`: {error.what}", where="--attack", fix=error.fix) from error
    try:
        found = ATTACKS.parse(given)
    except PydanticKnownError as error:
        raise ContractError(f"no attack `{attack}`", where="--attack", fix=f"known: {known}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"`{key}`: {first['msg']}", where="--attack", fix="correct the option") from None
    if not isinstance(found, Attack):
        raise ContractError(f"no attack `{attack}`", where="--attack", fix=f"known: {known}")
    return Lies(found, liars)
