"""The section `gossip`: the protocol of the exchange, when it waits and when it stops."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, SerializeAsAny, model_validator

from p2pfl_me.aggregation import AGGREGATIONS, Aggregation
from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.choice import Conflict, Part, PositiveInt, Seconds
from p2pfl_me.contract.compressions import Compression, Power


class Patience(Part):
    """Stop when the validation loss has not fallen for `rounds` rounds and the peers agree.

    `consensus`: the largest relative distance that counts as agreement. Of `neighbours`: ||x_i - x_j|| / ||x_i|| of
    each of them. Of `everyone`: Xi / ||x_i|| with Xi^2 the mean of ||x_i - mean||^2 over all peers, by gossiped
    sketches.
    """

    rounds: PositiveInt
    consensus: Annotated[float, Field(gt=0)] = 0.1
    of: Literal["neighbours", "everyone"] = "neighbours"


class Deadline(Part):
    """How long a peer waits for its neighbours: median + mads * MAD of past arrivals, within [min_s, max_s]."""

    min_s: Seconds = 15.0
    max_s: Seconds = 120.0
    mads: Annotated[float, Field(gt=0)] = 6.0

    @model_validator(mode="after")
    def _ordered(self) -> Deadline:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s ({self.min_s:g}) is above max_s ({self.max_s:g})")
        return self


class Tokens(Part):
    """Token account of push gossip: a peer saves up to `capacity` messages and begins to spend at `reserve`."""

    reserve: PositiveInt = 2
    capacity: PositiveInt = 4

    @model_validator(mode="after")
    def _ordered(self) -> Tokens:
        if self.reserve > self.capacity:
            raise ValueError(f"reserve ({self.reserve}) is above capacity ({self.capacity})")
        return self


class Push(Part):
    """Options of `protocol: push`.

    `limit`: with `merge: limited`, models whose ages differ by more than this don't mix; the older one is kept.
    """

    merge: Literal["age", "limited"] = "age"
    limit: PositiveInt = 3
    tokens: Tokens | None = None


PROTOCOLS = Literal["dpsgd", "qg_dsgdm", "gradient_tracking", "push_sum", "adpsgd", "swift", "push"]
IN_ROUNDS = ("dpsgd", "qg_dsgdm", "gradient_tracking")
"""Those whose peers all count the same rounds, so that gossiped sketches of one round can be summed."""


PERSONAL = ("last_layer", "normalisation")
"""Parts of a model that may stay home."""


def _parts(value: object) -> object:
    """`personal: normalisation` is short for a list of one, `true` for the last layer; in one order and once each."""
    if value in (False, None, "none"):
        return ()
    named = ["last_layer"] if value is True else [value] if isinstance(value, str) else value
    if not isinstance(named, list | tuple) or any(each not in PERSONAL for each in named):
        near = [get_close_matches(str(each), PERSONAL, n=1) for each in (named if isinstance(named, list) else [])]
        fix = f"did you mean `{near[0][0]}`? " if near and near[0] else ""
        raise Conflict(
            f"`{value}` is no part of a model", f"{fix}known: false, {', '.join(PERSONAL)}, or both in a list"
        )
    return tuple(each for each in PERSONAL if each in named)


def _short(parts: tuple[str, ...]) -> bool | list[str]:
    """As contracts have always said it, so that their digests stay."""
    return list(parts) if "normalisation" in parts else bool(parts)


Personal = Annotated[
    tuple[Literal["last_layer", "normalisation"], ...], BeforeValidator(_parts), PlainSerializer(_short)
]


class Gossip(Part):
    """The exchange (docs/protocols.md).

    `momentum` belongs to qg_dsgdm (default 0.9), `push` to push. `personal`: the parts that stay home, unsent.
    `compression`, `aggregation`: a name, or a mapping with its options (docs/compression.md, docs/robust.md).
    """

    protocol: PROTOCOLS = "dpsgd"
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = None
    push: Push | None = None
    personal: Personal = ()
    compression: Compression = None
    # Left out of every dump while it is the default, so that contracts of before the choice keep their digest.
    aggregation: Annotated[SerializeAsAny[Aggregation], BeforeValidator(AGGREGATIONS.parse)] = Field(
        default=Mean(), exclude_if=lambda value: value == Mean()
    )
    patience: Patience | None = None
    deadline: Deadline = Deadline()
    join_timeout_s: Seconds = 600.0

    @model_validator(mode="after")
    def _options_fit_the_protocol(self) -> Gossip:
        if self.momentum is not None and self.protocol != "qg_dsgdm":
            raise _foreign("momentum", "qg_dsgdm", self.protocol)
        if self.push is not None and self.protocol != "push":
            raise _foreign("push", "push", self.protocol)
        if self.personal and self.protocol != "dpsgd":
            raise _foreign("personal", "dpsgd", self.protocol)
        if self.compression and self.protocol not in ("dpsgd", "qg_dsgdm"):
            raise Conflict(
                f"compression needs an exchange whose two ends correct themselves alike, and {self.protocol} sends its "
                "models whole",
                "leave gossip.compression out, or take protocol: dpsgd or qg_dsgdm",
            )
        if self.patience and self.patience.of == "everyone":
            if self.protocol not in IN_ROUNDS:
                raise Conflict(
                    f"patience of everyone needs rounds that all share, and {self.protocol} has none",
                    f"write patience.of: neighbours, or take a protocol of {', '.join(IN_ROUNDS)}",
                )
            if self.compression:
                raise Conflict(
                    "patience of everyone sends sketches with the models, and compression would spoil them",
                    "write patience.of: neighbours, or leave gossip.compression out",
                )
        if self.personal and isinstance(self.compression, Power):
            raise Conflict(
                "compression power needs the whole model's matrices, and personal keeps one at home",
                "take compression: int8, or leave personal out",
            )
        return self

    @model_validator(mode="after")
    def _aggregation_fits(self) -> Gossip:
        rule = self.aggregation
        if rule.follows_w:
            return self
        needs = "takes the place of the weighted mean over a round's neighbours"
        if self.protocol not in ("dpsgd", "qg_dsgdm"):
            why = (
                "gradient_tracking holds together only while the average of all peers is kept"
                if self.protocol == "gradient_tracking"
                else f"{self.protocol} has no such mean"
            )
            raise Conflict(
                f"aggregation {rule} {needs}, and {why}",
                "take protocol: dpsgd or qg_dsgdm, or leave gossip.aggregation out",
            )
        if self.compression:
            raise Conflict(
                f"aggregation {rule} {needs}, and under compression {self.compression.kind} the two ends of an edge "
                "correct themselves by opposite steps instead",
                "leave gossip.compression out, or gossip.aggregation",
            )
        if self.patience and self.patience.of == "everyone":
            raise Conflict(
                f"patience of everyone averages sketches by the mixing matrix, and aggregation {rule} has another way",
                "write patience.of: neighbours, or leave gossip.aggregation out",
            )
        return self


def _foreign(key: str, owner: str, protocol: str) -> Conflict:
    """Of an option that stands beside another protocol than its own."""
    return Conflict(
        f"`{key}` belongs to protocol {owner}, and this is {protocol}",
        f"leave gossip.{key} out, or take protocol: {owner}",
    )
