"""What the run needs of this machine: room on the disk, memory, a clock for its log, a GPU if one is asked for."""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.counting import readable_bytes
from p2pfl_me.doctor.finding import Finding, bad, good, note
from p2pfl_me.machine import allowed_bytes, available_bytes, cores
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.run.lines import KEPT_LOGS, LOG_BYTES
from p2pfl_me.swarm.memory import PROCESS_BYTES, PROCESS_MODELS

ADDRESS_BYTES = 1_400_000_000
"""Of address space that a peer reserves beside its models, most of it never touched (docs/measurements.md)."""
VERSIONS = 3
"""Of a checkpoint, at most, on the disk at once."""
LEDGER_LINE = 170
"""Bytes that the egress ledger grows by for a message."""
YEAR_S = 365.25 * 86400
FIRST_YEAR = 2025
"""Before this program was written: a clock that says so has lost its battery."""
UNSYNCHRONISED = 5
"""TIME_ERROR of Linux's adjtimex(2)."""


def disk(settings: PeerSettings, model: int, neighbours: int) -> Finding:
    """Room for checkpoints, log, ledger and record of the whole run. `model` is in bytes."""
    contract, place = settings.contract, _existing(settings.run)
    messages = contract.training.rounds * neighbours
    needed = VERSIONS * model + (1 + KEPT_LOGS) * LOG_BYTES + LEDGER_LINE * messages
    if settings.record:
        needed += 2 * model * messages
    free = shutil.disk_usage(place).free
    says = f"the run takes up to {readable_bytes(needed)} at {settings.run}, and {readable_bytes(free)} are free"
    return good("disk", says) if needed < free else bad("disk", says, "free some space, or name another --out")


def memory(model: int) -> Finding:
    """What a peer takes once it runs; preparing pictures and frozen layers may take more for a while."""
    needed, free = PROCESS_BYTES + PROCESS_MODELS * model, available_bytes()
    says = f"a peer of this contract takes about {readable_bytes(needed)}, and {readable_bytes(free)} are free"
    says += f"; {cores()} cores"
    reserved, allowed = ADDRESS_BYTES + PROCESS_MODELS * model, allowed_bytes()
    if allowed is not None and allowed < reserved:
        says += (
            f"; it reserves {readable_bytes(reserved)} of addresses, and `ulimit -v` allows {readable_bytes(allowed)}"
        )
        return bad("memory", says, "raise the limit: `ulimit -v unlimited`, LimitAS of the unit")
    return (
        good("memory", says)
        if needed < free
        else bad("memory", says, "end what else runs here, or take a machine with more")
    )


def clock(now: float | None = None) -> Finding:
    """No clock is ever compared between machines; but logs are read by people."""
    year = 1970 + int((time.time() if now is None else now) / YEAR_S)
    if year < FIRST_YEAR:
        return note(
            "clock", f"this machine believes that it is {year}; its log will, too", "set the clock (timedatectl)"
        )
    if _is_unsynchronised():
        return note(
            "clock", "nobody keeps this machine's clock; times in its log may be off", "timedatectl set-ntp true"
        )
    return good("clock", "set; peers never compare clocks, so none need agree")


def device(name: str, contract: Contract) -> Iterator[Finding]:
    """Whether a GPU that is asked for is there."""
    if contract.model.backbone.frozen and contract.model.weights.source != "file":
        yield good("network", f"{contract.model.backbone}, frozen layers from {contract.model.weights.source}")
    if name == "cpu":
        return
    import torch

    if torch.cuda.is_available():
        yield good("device", f"a GPU is there: {torch.cuda.get_device_name(0)}")
    elif name == "cuda":
        yield bad(
            "device", "--device cuda, and torch sees no GPU", "leave --device out, or mend driver and torch's build"
        )
    else:
        yield good("device", "no GPU that torch sees: this peer trains on the processor")


def _is_unsynchronised() -> bool:
    """Linux's own word; False where it has none."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return False
    state = ctypes.create_string_buffer(512)  # struct timex with modes 0: read only
    return int(libc.adjtimex(state)) == UNSYNCHRONISED


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest around it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())
