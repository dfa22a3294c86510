"""`gossip.compression`: in which form models travel (docs/compression.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from p2pfl_me.choice import Part

CUT_OFFS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0)
"""Shares of the coefficients that JWINS sends, as in its authors' experiments: 0.343 of them on average."""


class Float16(Part):
    """Half precision: 2 times smaller."""

    kind: Literal["float16"]


class Int8(Part):
    """8 bits a value: 4 times smaller."""

    kind: Literal["int8"]


class Int4(Part):
    """4 bits a value: 7.5 times smaller."""

    kind: Literal["int4"]


class Fragments(Part):
    """One of `parts` parts of the model a round, in turn."""

    kind: Literal["fragments"]
    parts: Annotated[int, Field(ge=2, le=1000)] = 4


class TopK(Part):
    """CHOCO: the `fraction` of the entries that changed most, averaged with step `gamma` (2 x fraction if left out)."""

    kind: Literal["topk"]
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None


class Power(Part):
    """PowerGossip: differences of rank `rank`."""

    kind: Literal["power"]
    rank: Annotated[int, Field(ge=1, le=64)] = 1


class Jwins(Part):
    """The wavelet coefficients that changed most; each round draws one of `fractions`."""

    kind: Literal["jwins"]
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=64)] = CUT_OFFS


def _by_name(value: object) -> object:
    """`compression: int8` is short for `compression: {kind: int8}`."""
    if value in ("none", None):
        return None
    return {"kind": value} if isinstance(value, str) else value


Compression = Annotated[
    Annotated[Float16 | Int8 | Int4 | Fragments | TopK | Power | Jwins, Field(discriminator="kind")] | None,
    BeforeValidator(_by_name),
]
