"""What may stand where a number, or true or false, is wanted: what everybody reads alike.

pydantic is generous: `true` is 1 to it, "1_0" is 10, and "yes" is true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from p2pfl_me.digits import NUMBER


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a field is made of; `words` are the texts that it takes beside numbers."""

    number: bool
    truth: bool
    words: frozenset[str]

    @classmethod
    def by(cls, annotation: Any) -> Wanted | None:
        """None where what is given is another's to look at: a text, or a part with fields of its own."""
        leaves = frozenset(_leaves(annotation))
        kinds = {each for each in leaves if isinstance(each, type)} - {type(None)}
        if not kinds or kinds - {int, float, bool}:
            return None
        words = frozenset(each for each in leaves if isinstance(each, str))
        return cls(bool(kinds & {int, float}), bool in kinds, words)

    def refusal(self, value: Any) -> str:
        """What is wrong with a value that somebody may read otherwise than pydantic does, empty if nothing is; in lists
        and mappings, too."""
        if isinstance(value, Mapping):
            return next(filter(None, map(self.refusal, (*value.keys(), *value.values()))), "")
        if isinstance(value, list | tuple):
            return next(filter(None, map(self.refusal, value)), "")
        if isinstance(value, bool):
            return "" if self.truth else "a number is wanted, no truth value"
        if isinstance(value, str) and value in self.words:
            return ""
        if isinstance(value, str) and self.number:
            return "a number in plain digits is wanted" if _is_taken(value) and not NUMBER.fullmatch(value) else ""
        if isinstance(value, str | int | float) and not self.number:
            return "true or false is wanted, without quotes"
        return ""


def _is_taken(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False  # pydantic has its own words for it
    return True


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types of which an annotation is made, without what holds them; of a literal its words and other types."""
    if get_origin(annotation) is Literal:
        yield from (each if isinstance(each, str) else type(each) for each in get_args(annotation))
    elif parts := [each for each in get_args(annotation) if each is not Ellipsis]:
        for part in parts:
            yield from _leaves(part)
    else:
        yield annotation
