#!/usr/bin/env python
"""Kill a peer at every system call by which it changes the disk, one after another, and see what the next start finds.

A child does what a running peer does when it stores a checkpoint, agrees to a change and goes on under it, says that it
leaves, joins by a ticket, or takes another key. It is traced, and killed with SIGKILL before the n-th such call, in the
midst of it (a write of which half has come to the disk), and after it, for every n. Then the same functions as at every
start must find a whole state, the one before or the one after, and the same work, given again, must end as without a
kill. Linux on x86-64; no process is started anew, so thousands of kills take minutes.

python scripts/bench/write_kills.py                      # all of it
python scripts/bench/write_kills.py --of join            # one of them
python scripts/bench/write_kills.py --instants 150       # of each work so many kills at instants of the clock, untraced
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.membership.agreed import Standing, followed
from p2pfl_me.membership.edits import with_member, with_set, without
from p2pfl_me.membership.views import View
from p2pfl_me.peer import slots
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from p2pfl_me.peer.consent import standing_of
from p2pfl_me.peer.court import KeyCourt
from p2pfl_me.peer.going_on import joins_since
from p2pfl_me.peer.joining import Ticket, prepare
from p2pfl_me.peer.rotating import rotate
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.slots import KEEP_S, Keeper
from p2pfl_me.peer.trust import Trust, member_keys
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.run import events
from p2pfl_me.run.beginning import keep_contract
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.reading import read_log
from p2pfl_me.wire.identity import load_identity, save_identity
from tests.membership.labs import Members

WRITES = {1, 18, 20, 40, *range(74, 78), *range(82, 89), 90, 91, 258, *range(263, 267), 268, 277, 285, 316, 326}
"""Calls that change what is on the disk, or what would be there after a power cut (x86-64)."""
OPENS = {2: 1, 257: 2}
"""Calls that may make a file -> which argument has the flags."""
WRITE, REGISTERS = 1, 27
TRACEME, CONT, GETREGS, SETREGS, SYSCALL, SETOPTIONS = 0, 7, 12, 13, 24, 0x4200
SYSGOOD, EXITKILL = 1, 1 << 20
RDX, RSI, RDI, ORIG_RAX = 12, 13, 14, 15
AT = 20


@dataclass(frozen=True)
class Work:
    """`do` is what the child does in a folder, telling how far it has come; `whole` says what was wrong afterwards."""

    do: Callable[[Path, Callable[[int], None]], None]
    whole: Callable[[Path, int], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=sorted(WORKS), help="kill this work only")
    parser.add_argument("--instants", type=int, metavar="N", help="kill N times at random instants instead")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    options = parser.parse_args()
    begun, kills, failed = time.monotonic(), 0, 0
    chance = random.Random(options.seed)
    for name in [options.of] if options.of else WORKS:
        if options.instants:
            many, broken = killed_at_instants(name, WORKS[name], options.instants, chance)
        else:
            many, broken = killed_everywhere(name, WORKS[name])
        kills, failed = kills + many, failed + broken
    print(f"{kills} kills, {failed} after which a start found no whole state, in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


def killed_everywhere(name: str, work: Work) -> tuple[int, int]:
    """Kills, and those after which something was not whole."""
    calls = one(work, None, "")[0]
    kills = failed = 0
    for call in range(calls):
        for how in ("before", "half", "after"):
            seen, trouble = one(work, call, how)
            if seen < 0:
                continue  # no write: it has no half
            kills += 1
            if trouble:
                failed += 1
                print(f"{name}: killed {how} call {call} of {calls}: {trouble}", flush=True)
    print(f"{name}: {calls} calls that write, {kills} kills, {failed} not whole", flush=True)
    return kills, failed


def killed_at_instants(name: str, work: Work, count: int, chance: random.Random) -> tuple[int, int]:
    """Kills that met the work while it was done, and those after which something was not whole."""
    after, lasted, kills, failed = None, 0.0, 0, 0

    def run(body: Callable[[], None]) -> int:
        nonlocal lasted
        begun = time.monotonic()
        met = timed(body, after)
        lasted = lasted if met else time.monotonic() - begun
        return met

    while kills < count:
        met, trouble = one(work, None, "", run)
        kills += met
        if met and trouble:
            failed += 1
            print(f"{name}: killed after {1e3 * (after or 0.0):.2f} ms: {trouble}", flush=True)
        after = chance.uniform(0.0, lasted)
    print(f"{name}: {kills} kills within {1e3 * lasted:.0f} ms, {failed} not whole", flush=True)
    return kills, failed


def timed(body: Callable[[], None], after: float | None) -> int:
    """Run a body in a child, and kill it after so many seconds; 1 if that met it before its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the work failed without a kill")
    return int(os.WIFSIGNALED(status))


def one(
    work: Work, call: int | None, how: str, run: Callable[[Callable[[], None]], int] | None = None
) -> tuple[int, str]:
    """The calls that were seen (-1: not to be killed so), or what `run` says in place of `traced`; what was wrong."""
    shared = mmap.mmap(-1, 8)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def body() -> None:
            work.do(folder, lambda n: shared.__setitem__(slice(0, 8), struct.pack("q", n)))

        seen = run(body) if run else traced(body, call, how)
        done = struct.unpack("q", shared[:8])[0]
        try:
            return seen, work.whole(folder, done) if seen >= 0 else ""
        except Exception as error:
            return seen, f"{type(error).__name__}: {error}"


def traced(body: Callable[[], None], call: int | None, how: str) -> int:
    """Run a body in a child, to its end or to the named call that writes; how many of these it came to."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _ptrace(TRACEME, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            body()
            code = 0
        finally:
            os._exit(code)
    os.waitpid(child, 0)
    _ptrace(SETOPTIONS, child, SYSGOOD | EXITKILL)
    seen, entering = 0, True
    while True:
        _ptrace(SYSCALL, child, 0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if call is None and os.waitstatus_to_exitcode(status):
                raise SystemExit("the work failed without a kill")
            return seen
        if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
            continue
        if entering:
            registers = _registers(child)
            counts = _changes_the_disk(registers)
            is_it = counts and seen == call
            seen += counts
            if is_it and how == "half":
                if registers[ORIG_RAX] != WRITE or registers[RDX] < 2:
                    _kill(child)
                    return -1
                registers[RDX] //= 2
                _ptrace(SETREGS, child, ctypes.addressof(registers))
            if is_it and how == "before":
                _kill(child)
                return seen
        elif is_it:
            _kill(child)
            return seen
        entering = not entering


def _changes_the_disk(registers: Any) -> bool:
    number = registers[ORIG_RAX]
    if number in OPENS:
        flags = registers[RSI] if OPENS[number] == 1 else registers[RDX]
        return bool(flags & (os.O_CREAT | os.O_TRUNC))
    return number in WRITES and not (number == WRITE and registers[RDI] in (1, 2))


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, child: int, data: int) -> None:
    if _libc.ptrace(request, child, None, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _registers(child: int) -> Any:
    found = (ctypes.c_ulonglong * REGISTERS)()
    _ptrace(GETREGS, child, ctypes.addressof(found))
    return found


# -- the works ------------------------------------------------------------------------------------------------------

LABS = Members()
NOW = LABS.contract
LAYOUT = "ab" * 32
SIZE = 1000
LONGER, FIVE = with_set(NOW, ["training.rounds=50"]), LABS.key(5)
JOINED = with_member(NOW, "tcp://lab-5.example:4000", FIVE.public_text)


def checkpoints(run: Path, tell: Callable[[int], None]) -> None:
    """A dozen rounds, the fourth and the ninth kept by the thread that brings them to the disk."""
    slots.threading.Thread = Inline  # type: ignore[attr-defined,assignment]
    keeper = Keeper(iter(range(0, 10_000, int(KEEP_S) // 4)).__next__)
    for completed in range(1, 13):
        keeper.replaced(save_checkpoint(run, checkpoint(completed)))
        keeper.join()
        tell(completed)


class Inline:
    """In place of the keeper's thread: what it does is done where it is traced."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], **_: object) -> None:
        self.start, self.join = lambda: target(*args), lambda: None

    def is_alive(self) -> bool:
        return False


def checkpoint(completed: int) -> Checkpoint:
    params = np.full(SIZE, completed, np.float32)
    return Checkpoint(2, completed, params, Progress(), digest(NOW).hex(), LAYOUT)


def whole_checkpoint(run: Path, done: int) -> str:
    if not any(each.exists() for each in slots.versions(RunFolder(run).checkpoint(2))):  # then a start begins
        return "" if done == 0 else "no checkpoint is left"
    found = load_checkpoint(run, 2, contract_digest=digest(NOW).hex(), layout_digest=LAYOUT)
    if found.completed not in (done, done + 1) or (found.params != found.completed).any():
        return f"round {found.completed} with {found.params[:2]}, and {done} were behind it"
    save_checkpoint(run, checkpoint(found.completed + 1))
    again = load_checkpoint(run, 2, contract_digest=digest(NOW).hex(), layout_digest=LAYOUT)
    return "" if again.completed == found.completed + 1 else "the next one was not stored"


def begun(run: Path) -> None:
    keep_contract(run, NOW)
    save_checkpoint(run, checkpoint(AT))


def turn(view: View, new: Contract) -> Work:
    """A change that is agreed to, kept, and gone on under: as `peer/changing.py` and `peer/process.py` do."""

    def do(folder: Path, tell: Callable[[int], None]) -> None:
        run = folder / "run"
        begun(run)
        tell(1)
        agree_and_go_on(run)
        tell(2)

    def agree_and_go_on(run: Path) -> None:
        FolderStore(run).approve(view, FolderStore(run).approval(view.number))
        FolderStore(run).keep_leaving(view)
        FolderStore(run).keep(view)
        log = EventLog(RunFolder(run).log(2))
        try:
            log.claim()
            log.write(events.Changed(keep_contract(run, new, agreed=True), digest(new).hex()))
        finally:
            log.close()

    def whole(folder: Path, done: int) -> str:
        run = folder / "run"
        if done == 0:
            begun(run)
        standing = standing_of(run)
        if standing.contract != (NOW, new)[standing.number] or standing.number not in ((0, 1) if done < 2 else (1,)):
            return f"it stands {standing.number} changes on, with {done} done"
        kept = FolderStore(run).kept(1)
        if standing.number and kept is None:
            return "it has gone on under a change that it has not kept"
        if kept and followed(Standing(0, NOW), kept) != new:
            return "it has kept another change"
        load_checkpoint(run, 2, contract_digest=digest(NOW).hex(), layout_digest=LAYOUT)
        if standing.number == 0:
            keep_contract(run, NOW)  # as a start does
            agree_and_go_on(run)
        end = standing_of(run)
        read_log(RunFolder(run), 2)
        return "" if (end.number, end.contract) == (1, new) else f"given again it ended {end.number} changes on"

    return Work(do, whole)


def join(folder: Path, tell: Callable[[int], None]) -> None:
    prepare(TICKET, folder / "run", FIVE)
    tell(1)


def whole_join(folder: Path, done: int) -> str:
    run = folder / "run"
    for _ in range(2):
        if prepare(TICKET, run, FIVE) != JOINED:
            return "it has come to another contract"
    settings = PeerSettings(peer=5, contract=load_contract(RunFolder(run).contract), run=run, home=folder)
    standing = standing_of(run)
    if (standing.number, standing.contract) != (1, JOINED) or joins_since(settings) != AT:
        return f"it stands {standing.number} changes on, and joins from round {joins_since(settings)}"
    return ""


def another_key(folder: Path, tell: Callable[[int], None]) -> None:
    key = folder / "lab.key"
    if not key.exists():
        save_identity(key, LABS.key(2))
    tell(1)
    rotate(key, NOW, folder / "home", 7.0, folder / "certificate")
    tell(2)


def whole_key(folder: Path, done: int) -> str:
    if done == 0:
        another_key(folder, lambda _: None)
    key = folder / "lab.key"
    known = member_keys(Trust(folder / "home").book, NOW, time.time())[2]
    if load_identity(key).public not in known:
        return "the key that lies there is not one by which this lab is known"
    if done < 2:
        rotate(key, NOW, folder / "home", 7.0, folder / "certificate")
    known = member_keys(Trust(folder / "home").book, NOW, time.time())[2]
    return (
        "" if load_identity(key).public == known[0] else "given again, another key is known than the one that is there"
    )


COURT = KeyCourt(2, (LABS.key(2).private,), LABS.key(2).private, Trust(Path("/nonexistent")))
TICKET = Ticket(5, 0, NOW, LABS.view(JOINED, [0, 1, 2], AT))
WORKS = {
    "checkpoint": Work(checkpoints, whole_checkpoint),
    "change": turn(LABS.view(LONGER, [0, 1, 2], AT), LONGER),
    "leave": turn(COURT.leaving(LABS.standing, AT), without(NOW, 2)),
    "join": Work(join, whole_join),
    "key": Work(another_key, whole_key),
}


if __name__ == "__main__":
    sys.exit(main())
