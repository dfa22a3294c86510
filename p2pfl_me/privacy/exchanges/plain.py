"""Models as they are: a neighbour sees each."""

from __future__ import annotations

from typing import Literal

from p2pfl_me.privacy.exchanging import ExchangeForm


class Plain(ExchangeForm):
    """What a contract that says nothing has."""

    kind: Literal["plain"] = "plain"
