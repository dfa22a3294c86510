"""Counts in words: one clip lacks, two clips lack, 41.2 MB."""

from __future__ import annotations


def many(count: int, noun: str, verb: str = "") -> str:
    """`1 round`, `2 rounds`; with a verb in its plural, `1 clip lacks`, `2 clips lack`, `1 is`, `2 are`."""
    one = count == 1
    said = f"{count} {noun if one else _plural(noun)}"
    return f"{said} {_singular(verb) if one else verb}" if verb else said


def readable_bytes(count: float) -> str:
    """Bytes in decimal units with three figures: 41.2 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count:.0f} B"


def _plural(noun: str) -> str:
    hissed = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("epoch")
    return f"{noun}es" if hissed else f"{noun}s"


def _singular(verb: str) -> str:
    return {"are": "is", "have": "has", "were": "was"}.get(verb, f"{verb}s")
