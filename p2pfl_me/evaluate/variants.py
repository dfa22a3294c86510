"""Several evaluations of the same clips that differ in a few keys of the contract, one by one, to one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.contract.varied import Variant, key_of, values_of
from p2pfl_me.errors import ContractError
from p2pfl_me.evaluate.beside import write_beside


def variants_of(varied: Sequence[str], overrides: Sequence[str]) -> tuple[Variant, ...]:
    """Every combination of the values of the `key=value,value` texts.

    Raises
    ------
    ContractError
        A text cannot be read, or a key is set twice.
    """
    keys = [key_of(text) for text in varied]
    for key in keys:
        if keys.count(key) > 1:
            raise ContractError(f"`{key}` is varied twice", where="--vary", fix=f"write all values in one: {key}=1,2")
        if any(
            f"{key}.".startswith(f"{key_of(each)}.") or f"{key_of(each)}.".startswith(f"{key}.") for each in overrides
        ):
            raise ContractError(f"`{key}` is also set by --set", where=f"--vary {key}", fix="leave one of the two out")
    found = tuple(product(*(values_of(text) for text in varied)))
    slugs = [_slug(variant) for variant in found]
    if twice := next((slug for slug in slugs if slugs.count(slug) > 1), None):
        raise ContractError(f"`{twice}` stands twice", where="--vary", fix="name each value once")
    return found


def evaluate_all(
    variants: Sequence[Variant],
    overrides: Sequence[str],
    read: Callable[[Sequence[str]], Contract],
    one: Callable[[Contract, Path], object | None],
    out: Path,
    console: Console,
) -> Path | None:
    """Evaluate each variant in OUT/NAME, then write the page on all of them, which is given; None when stopped.

    Parameters
    ----------
    read, one:
        From overrides to the contract; and its evaluation in a folder, None when that was stopped.

    Raises
    ------
    P2pmeError
        As `run.evaluate`; every contract is read before anything is trained, and what is finished is kept.
    """
    contracts = []
    for variant in variants:
        try:
            contracts.append(read([*overrides, *(value.override for value in variant)]))
        except ContractError as error:
            raise ContractError(error.what, where=error.where.replace("--set", "--vary"), fix=error.fix) from error
        contracts[-1].model.backbone.require()
    _require_one_task(contracts)
    folders = [out / _slug(variant) for variant in variants]
    for variant, contract, folder in zip(variants, contracts, folders, strict=True):
        console.say(f"-- {_words(variant)}")
        if one(contract, folder) is None:
            return None
    page = write_beside(folders, out, [_words(variant) for variant in variants], console.say)
    console.say(f"side by side: {page}")
    return page


def _require_one_task(contracts: Sequence[Contract]) -> None:
    """Scores over other classes say nothing about each other."""
    first = contracts[0].model.classes
    if any(contract.model.classes != first for contract in contracts):
        raise ContractError(
            "the classes differ between the variants, so their scores would not be of one task",
            where="--vary",
            fix="evaluate each set of classes by itself",
        )


def _words(variant: Variant) -> str:
    return ", ".join(value.words for value in variant)


def _slug(variant: Variant) -> str:
    return "--".join(value.slug for value in variant)
