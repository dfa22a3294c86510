"""The seam of noise before sharing: what a contract's `privacy.noise` names. One kind a file in `noise/`."""

from __future__ import annotations

from typing import ClassVar

from p2pfl_me.choice import Choice, Registry


class SharedNoise(Choice):
    """Noise that a peer lays over its trained model before anybody is sent any of it."""

    what: ClassVar[str] = "noise"
    is_private: ClassVar[bool] = True
    """It is differentially private, and spends of the budget."""


NOISES = Registry(SharedNoise, "p2pfl_me.privacy.noise")
"""Every noise by its name in the contract."""
