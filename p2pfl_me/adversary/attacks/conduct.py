"""Lies about the protocol: models that are old or unearned, silence, and rounds that nobody is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from p2pfl_me.adversary.attack import Attack, View
from p2pfl_me.message import MAX_ROUND, Kind, Message, Vector


class FreeRider(Attack):
    """Takes part and never trains: what it sends is what it was sent."""

    kind: Literal["free_rider"] = "free_rider"

    def trained(self, start: Vector, trained: Vector) -> Vector:
        return start


class Replay(Attack):
    """Whatever the round, the first model once more."""

    kind: Literal["replay"] = "replay"

    def instead(self, view: View) -> Vector:
        return view.first


class Mute(Attack):
    """Stays linked and greets, and never says another word."""

    kind: Literal["mute"] = "mute"

    def message(self, message: Message) -> Message | None:
        return message if message.kind is Kind.HELLO else None


class RoundClaim(Attack):
    """Says in every greeting and refusal that it stands in a round far ahead."""

    kind: Literal["round_claim"] = "round_claim"
    claimed: Annotated[int, Field(ge=1, le=MAX_ROUND)] = 10**9

    def message(self, message: Message) -> Message | None:
        return replace(message, at=self.claimed) if message.kind in (Kind.HELLO, Kind.SKIP) else message
