"""The protections of `--protect`: a word for each, and the keys of a contract that it sets."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.contract.varied import Value, slug_of
from p2pfl_me.digits import number
from p2pfl_me.errors import ContractError

FIX = (
    "plain, masks, ckks, submodels:PARTS, dp:EPSILON, dp-subject:EPSILON, noise:EPSILON, decor:EPSILON or "
    "zip:DEVIATION, "
    "with commas between"
)


@dataclass(frozen=True, slots=True)
class Protection:
    """`name` for tables and folders; the contract's keys that it sets, in place of its whole section `privacy`."""

    name: str
    overrides: tuple[str, ...]

    @property
    def value(self) -> Value:
        """As one value of a varied key."""
        (override,) = self.overrides
        return Value(override, self.name, slug_of(self.name))


def parse_protections(text: str) -> tuple[Protection, ...]:
    """`plain,masks,dp:8,zip`: each once.

    Raises
    ------
    ContractError
        Another word, or one without the number that it needs.
    """
    found = tuple(_parsed(word.strip()) for word in text.split(","))
    for each in found:
        if found.count(each) > 1:
            raise ContractError(f"`{each.name}` stands twice", where="--protect", fix="name each once")
    return found


def _parsed(word: str) -> Protection:
    name, colon, number = word.partition(":")
    value = _positive(number) if colon else None
    if colon and value is None:
        raise ContractError(f"`{number}` is no number above 0", where=f"--protect {word}", fix=FIX)
    if name in ("plain", "masks", "ckks") and not colon:
        return Protection(word, (f"privacy={{exchange: {name}}}",))
    if name == "zip":
        deviation = "" if value is None else f", deviation: {value!r}"
        return Protection(_said(name, value), (f"privacy={{exchange: {{kind: zero_sum{deviation}}}}}",))
    if name == "submodels" and (value is None or value.is_integer()):
        parts = "" if value is None else f", parts: {value:.0f}"
        return Protection(_said(name, value), (f"privacy={{exchange: {{kind: submodels{parts}}}}}",))
    spends = {
        "dp": "training: {kind: dp_sgd, unit: clip}",
        "dp-subject": "training: {kind: dp_sgd, unit: subject}",
        "noise": "noise: {kind: before_sharing}",
        "decor": "noise: {kind: decor}",
    }
    if name in spends and value is None:
        raise ContractError(f"`{word}` names no epsilon to keep", where="--protect", fix=f"write {name}:8, say")
    if name in spends:
        return Protection(_said(name, value), (f"privacy={{{spends[name]}, budget: {{epsilon: {value!r}}}}}",))
    raise ContractError(f"no protection is called `{word}`", where="--protect", fix=FIX)


def _said(name: str, value: float | None) -> str:
    return name if value is None else f"{name}:{value:g}"


def _positive(text: str) -> float | None:
    value = number(text)
    return value if value is not None and value > 0 else None
