"""The section `gossip`: the protocol of the exchange, when it waits and when it stops."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, SerializeAsAny, field_serializer, model_validator

from p2pfl_me.aggregation import AGGREGATIONS, Aggregation
from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.choice import Choice, Conflict, Part, PositiveInt, Seconds
from p2pfl_me.compression import COMPRESSIONS, Compression
from p2pfl_me.gossip.kind import DEFAULT, PROTOCOLS, ProtocolKind
from p2pfl_me.gossip.protocols.dpsgd import Dpsgd
from p2pfl_me.topology.weighing import WEIGHTS
from p2pfl_me.topology.weighing import Weights as MixingWeights
from p2pfl_me.topology.weights.metropolis import Metropolis


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


def _compression(given: object) -> object:
    return None if given in ("none", None) else COMPRESSIONS.parse(given)


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


class Start(Part):
    """When training begins: once the `quorum` is there, all peers or so many.

    After `patience` seconds those that are there begin without the others; who comes later joins where they are.
    """

    quorum: Literal["all"] | Annotated[int, Field(ge=2)] = "all"
    patience: Seconds = 600.0


class Gossip(Part):
    """The exchange (docs/protocols.md).

    `protocol`, `weights`, `compression`, `aggregation`: a name, or a mapping with its options (docs/protocols.md,
    docs/topologies.md, docs/compression.md, docs/robust.md). An option of the protocol may also stand beside its name:
    `momentum: 0.8`, `push: {merge: limited}`. `personal`: the parts that stay home, unsent. `alone`: what a peer does
    in a round for which none of its neighbours is there; one that waits does so for the patience of the start (under
    masks always, where too few are there for a sum).
    `hand_out`: for so many seconds a peer that is done stays, to hand its final model to neighbours that come back;
    what holds where nothing is said is `Contract.stays_s`.
    """

    protocol: Annotated[SerializeAsAny[ProtocolKind], BeforeValidator(PROTOCOLS.parse)] = Dpsgd()
    # What came later is left out of every dump while it is the default.
    weights: Annotated[SerializeAsAny[MixingWeights], BeforeValidator(WEIGHTS.parse)] = Field(
        default=Metropolis(), exclude_if=lambda value: value == Metropolis()
    )
    personal: Personal = ()
    compression: Annotated[SerializeAsAny[Compression] | None, BeforeValidator(_compression)] = None
    aggregation: Annotated[SerializeAsAny[Aggregation], BeforeValidator(AGGREGATIONS.parse)] = Field(
        default=Mean(), exclude_if=lambda value: value == Mean()
    )
    patience: Patience | None = None
    deadline: Deadline = Deadline()
    start: Start = Start()
    # What came later is left out of every dump while it is the default.
    alone: Literal["train", "wait"] = Field(default="train", exclude_if=lambda value: value == "train")
    hand_out: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )

    @property
    def asks_for_weights(self) -> bool:
        """Whether other mixing weights than the usual ones are asked for."""
        return self.weights != Metropolis()

    @model_validator(mode="before")
    @classmethod
    def _join_timeout_is_the_starts_patience(cls, given: Any) -> Any:
        """`join_timeout_s: 60` is short for `start: {patience: 60}`, and what contracts said before."""
        if not isinstance(given, Mapping) or "join_timeout_s" not in given:
            return given
        start = given.get("start", {})
        if isinstance(start, Mapping) and "patience" in start:
            raise Conflict("the patience of the start stands here twice", "leave gossip.join_timeout_s out")
        rest = {key: value for key, value in given.items() if key != "join_timeout_s"}
        return (
            {**rest, "start": {**start, "patience": given["join_timeout_s"]}} if isinstance(start, Mapping) else given
        )

    @model_validator(mode="before")
    @classmethod
    def _options_beside_the_protocol(cls, given: Any) -> Any:
        """Moves options of the protocol that stand beside its name to where they belong."""
        if not isinstance(given, Mapping):
            return given
        protocol = given.get("protocol", DEFAULT)
        chosen = protocol if isinstance(protocol, str) else ""
        moved: dict[str, Any] = {}
        for key, value in given.items():
            owners = _owners(key) if key not in cls.model_fields else ()
            if not owners or value is None:
                continue
            if not chosen or chosen not in owners:
                found = chosen or (protocol.get("kind") if isinstance(protocol, Mapping) else protocol)
                raise _foreign(key, owners[0], str(found))
            moved |= value if key == chosen and isinstance(value, Mapping) else {key: value}
        rest = {key: value for key, value in given.items() if key in cls.model_fields or not _owners(key)}
        return {**rest, "protocol": {"kind": chosen, **moved}} if moved else rest

    @field_serializer("protocol", "weights")
    def _named(self, chosen: Choice) -> Any:
        """A name alone where there is no more to say."""
        return {"kind": chosen.kind, **chosen.options} if chosen.options else chosen.kind

    @model_validator(mode="after")
    def _options_fit_the_protocol(self) -> Gossip:
        protocol, compression = self.protocol, self.compression
        if self.personal and not protocol.may_be_personal:
            raise _foreign("personal", _which("may_be_personal"), protocol.kind)
        if not protocol.uses_weights and self.asks_for_weights:
            raise Conflict(
                f"protocol {protocol.kind} does not average by the weights of a mixing matrix",
                f"leave gossip.weights out, or take a protocol of {_which('uses_weights')}",
            )
        if compression and not protocol.compressible:
            raise Conflict(
                f"compression needs an exchange whose two ends correct themselves alike, and {protocol.kind} sends its "
                "models whole",
                f"leave gossip.compression out, or take protocol: {_which('compressible', ' or ')}",
            )
        if self.patience and self.patience.of == "everyone":
            if not protocol.common_rounds:
                raise Conflict(
                    f"patience of everyone needs rounds that all share, and {protocol.kind} has none",
                    f"write patience.of: neighbours, or take a protocol of {_which('common_rounds')}",
                )
            if compression:
                raise Conflict(
                    "patience of everyone sends sketches with the models, and compression would spoil them",
                    "write patience.of: neighbours, or leave gossip.compression out",
                )
        if self.hand_out and compression:
            raise Conflict(
                "hand_out sends final models whole, and compression leaves no room for them",
                "leave gossip.hand_out out, or gossip.compression",
            )
        if self.personal and compression and compression.needs_matrices:
            raise Conflict(
                f"compression {compression.kind} needs the whole model's matrices, and personal keeps one at home",
                "take compression: int8, or leave personal out",
            )
        return self

    @model_validator(mode="after")
    def _aggregation_fits(self) -> Gossip:
        rule = self.aggregation
        if rule.follows_w:
            return self
        needs = "takes the place of the weighted mean over a round's neighbours"
        if not self.protocol.may_aggregate:
            why = (
                f"{self.protocol} holds together only while the average of all peers is kept"
                if self.protocol.common_rounds
                else f"{self.protocol} has no such mean"
            )
            raise Conflict(
                f"aggregation {rule} {needs}, and {why}",
                f"take protocol: {_which('may_aggregate', ' or ')}, or leave gossip.aggregation out",
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


def _which(trait: str, joint: str = ", ") -> str:
    """The protocols that have a trait."""
    return joint.join(name for name, kind in PROTOCOLS.items() if getattr(kind, trait))


def _owners(key: str) -> tuple[str, ...]:
    """The protocols that know an option of this name, or bear it."""
    return tuple(name for name, kind in PROTOCOLS.items() if key == name or key in {*kind.model_fields} - {"kind"})


def _foreign(key: str, owner: str, protocol: str) -> Conflict:
    """Of an option that stands beside another protocol than its own."""
    return Conflict(
        f"`{key}` belongs to protocol {owner}, and this is {protocol}",
        f"leave gossip.{key} out, or take protocol: {owner}",
    )
