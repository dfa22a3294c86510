"""The options `--attack` and `--liars`, which go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


def lies_of(attack: str | None, liars: int | None) -> Lies | None:
    """None where nobody lies.

    Raises
    ------
    click.UsageError
        `--liars` without an attack.
    ContractError
        No such attack.
    """
    if attack is None:
        if liars is not None:
            raise click.UsageError("--liars needs --attack NAME: what do they do?")
        return None
    from p2pfl_me.adversary import parse_lies

    return parse_lies(attack, liars or 1)
