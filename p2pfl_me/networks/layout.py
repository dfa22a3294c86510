"""How the trained values of a network lie in one flat float32 vector, and what each of them is. No torch here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from p2pfl_me.message import Vector
from p2pfl_me.widths import hidden_units

Shape = tuple[int, ...]
Ranges = tuple[tuple[int, int], ...]
"""Parts of a vector: (begin, end) pairs in rising order."""


class Group(StrEnum):
    """What a tensor is to gossip."""

    BODY = "body"
    NORMALISATION = "normalisation"
    """Scale and shift of a normalisation layer, and its running statistics."""
    LAST_LAYER = "last_layer"


@dataclass(frozen=True)
class Layout:
    """Names and shapes of the tensors, in the order in which they lie in the vector, and the group of each."""

    shapes: tuple[tuple[str, Shape], ...]
    groups: tuple[Group, ...]

    @property
    def size(self) -> int:
        """Number of float32 values, P."""
        return sum(math.prod(shape) for _, shape in self.shapes)

    @property
    def dimensions(self) -> tuple[Shape, ...]:
        """The tensors' shapes without their names."""
        return tuple(shape for _, shape in self.shapes)

    def ranges_of(self, personal: Collection[str]) -> Ranges:
        """Where the values of the `personal` groups lie: what stays home in personalised learning."""
        found: list[tuple[int, int]] = []
        begin = 0
        for (_, shape), group in zip(self.shapes, self.groups, strict=True):
            end = begin + math.prod(shape)
            if group in personal:
                if found and found[-1][1] == begin:
                    begin = found.pop()[0]
                found.append((begin, end))
            begin = end
        return tuple(found)

    def narrowed(self, width: float) -> Layout:
        """The layout of a head's first hidden units, ceil(width * hidden) of them."""
        units = hidden_units(width, dict(self.shapes)["dense1.bias"][0])
        axes = {"dense1.weight": 0, "dense1.bias": 0, "dense2.weight": 1}
        shapes = tuple(
            (name, tuple(units if axes.get(name) == axis else size for axis, size in enumerate(shape)))
            for name, shape in self.shapes
        )
        return Layout(shapes, self.groups)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of names and shapes: peers mix only what is laid out alike."""
        return hashlib.sha256(json.dumps(self.shapes).encode()).digest()

    def views(self, params: Vector) -> Mapping[str, Vector]:
        """The tensors as views of `params`, float32 (P,): writing to one writes to the vector."""
        out: dict[str, Vector] = {}
        begin = 0
        for name, shape in self.shapes:
            end = begin + math.prod(shape)
            out[name] = params[begin:end].reshape(shape)
            begin = end
        return out


def sizes_of(ranges: Ranges) -> int:
    """How many values lie in them."""
    return sum(end - begin for begin, end in ranges)
