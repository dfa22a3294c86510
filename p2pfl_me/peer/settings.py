"""What one peer is started with: the contract, and the private settings that never stand in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.identity_rules import ASK, IdentityRules


class Begin(Enum):
    """Whether a life of a peer begins its run or goes on with it."""

    AS_THE_FOLDER_SAYS = "auto"
    """It goes on where there is a checkpoint, and begins where there is nothing."""
    RESUME = "resume"
    FRESH = "fresh"
    """What this peer has left in the folder is put aside, never removed."""


@dataclass(frozen=True)
class PeerSettings:
    """Options of `p2pme peer`.

    Parameters
    ----------
    peer:
        This peer's id in the contract.
    run:
        The run folder, made if it is missing.
    home:
        The user's private folder (keys, caches).
    data, test:
        This peer's own clips, and a common test manifest when there is one. Without `data` the built-in clips
        of this peer are drawn.
    key:
        The file of this peer's private key; loopback peers make theirs below `home`.
    weights:
        The user's backbone file when the contract says `source: file`.
    threads:
        torch threads; None takes one on loopback, where peers share a machine, and torch's default elsewhere.
    begin:
        Whether to begin or to go on: as the run folder says, or one of them by force.
    resume:
        What came of that: go on from the checkpoint in `run`.
    listen:
        Where this peer listens (HOST:PORT, HOST `*` for every interface) if that is not what its neighbours call.
    record:
        Write down what the core is fed, for `p2pme replay`; a peer that was recorded stays so when it resumes.
    rules:
        What the user said of spellings that could be one person.
    other_data:
        Go on although the clips are others than before; else such a life is refused.
    model:
        A checkpoint whose model this peer begins with, instead of the contract's initial one.
    view:
        The members' approvals of the change of contract under which this peer goes on.
    seal:
        Keep the checkpoints under a passphrase; those that lie under one stay so in any case.
    clips:
        What stands in `data` and `test`, from whoever dealt and wrote them: nothing is parsed twice in a run.
    since:
        This peer joins a run on its way, and takes part from this round on.
    waits_s:
        It waits so long for a neighbour's model to begin with.
    changed:
        The contract is another than in the life before, and all go on together from here.
    console_log:
        Print a line for each event; a swarm's peers leave that to the launcher.
    """

    peer: int
    contract: Contract
    run: Path
    home: Path
    data: Path | None = None
    test: Path | None = None
    key: Path | None = None
    weights: Path | None = None
    model: Path | None = None
    view: Path | None = None
    device: str = "auto"
    threads: int | None = None
    begin: Begin = Begin.AS_THE_FOLDER_SAYS
    resume: bool = False
    listen: str | None = None
    record: bool = False
    seal: bool = False
    other_data: bool = False
    rules: IdentityRules = ASK
    clips: tuple[Clip, ...] | None = field(default=None, repr=False)
    since: int | None = None
    waits_s: float | None = None
    changed: bool = False
    console_log: bool = False
