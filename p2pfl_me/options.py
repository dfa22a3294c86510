"""What is private to whoever starts all peers of a contract on one machine; the rest is the contract's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Manifest
from p2pfl_me.data.identity_rules import ASK, IdentityRules

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies


@dataclass(frozen=True)
class RunOptions:
    """Settings of one run in one folder, under any engine.

    `read` are the clips of `data`, where they have been read already. `home` holds keys and caches; `record` writes
    down what the cores are fed, for `p2pme replay`; `command` is what the manifest says was typed. `lies`: some of the
    peers lie, to see how the others stand it; scores are then those of the honest. `tells`: say what a
    user should know before trusting the images; one of many runs on the same clips is enough.
    """

    home: Path
    run: Path
    data: Path | None = None
    weights: Path | None = None
    device: str = "auto"
    baselines: bool = False
    record: bool = False
    command: str = ""
    rules: IdentityRules = ASK
    read: Manifest | None = field(default=None, repr=False)
    lies: Lies | None = None
    tells: bool = True

    def liars(self, contract: Contract) -> frozenset[int]:
        """The peers that lie."""
        return self.lies.liars(contract) if self.lies else frozenset()
