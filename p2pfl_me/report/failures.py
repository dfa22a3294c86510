"""What went wrong in a run, one plain sentence each: peers that died, rounds missed, frames refused.

Facts from the logs only; what they mean for the numbers is for `notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from p2pfl_me.report.run import Run
from p2pfl_me.run.events import Link, Reason


def failures(run: Run) -> tuple[str, ...]:
    """Every failure of the run; empty when there was none."""
    return (
        *_absent(run),
        *_forgotten(run),
        *_ended(run),
        *_restarted(run),
        *_missed(run),
        *_links(run),
        *_refused(run),
    )


def received_share(run: Run) -> float | None:
    """Share of the expected neighbours' models that arrived in time; None if none was expected."""
    rounds = [each for log in run.peers for each in log.rounds]
    arrived, missing = sum(len(each.weights) for each in rounds), sum(len(each.missing) for each in rounds)
    return arrived / (arrived + missing) if arrived + missing else None


def lasting(run: Run) -> int:
    """The last round that any peer completed, 0 if none did."""
    return max((log.last_round for log in run.peers), default=0)


def _absent(run: Run) -> Iterator[str]:
    if not run.silent:
        return
    who = _peers(run.silent)
    yield f"{who} left no log in this folder: never started, or running on another machine."


def _forgotten(run: Run) -> Iterator[str]:
    for log in run.peers:
        if log.is_cut:
            begins = f"with round {log.rounds[0].round}" if log.rounds else "in the midst of its run"
            yield f"Peer {log.peer}'s log begins {begins}: what went wrong before is not known here."


def _ended(run: Run) -> Iterator[str]:
    for log in run.peers:
        code = run.manifest.exit.get(log.peer)
        where = f"after round {log.last_round}" if log.rounds else "before its first round ended"
        if log.finish is None:
            how = f" (exit code {code}{_signal(code)})" if code else ""
            yield f"Peer {log.peer} stopped without a word {where}{how}."
        elif log.finish.reason is Reason.DIVERGED:
            yield f"Peer {log.peer} diverged {where}: {log.finish.detail}."
        elif log.finish.reason is Reason.BUDGET:
            yield f"Peer {log.peer} sent no more {where}: its privacy budget was spent."
        elif log.finish.reason is Reason.ERROR:
            detail = f": {log.finish.detail}" if log.finish.detail else ""
            yield f"Peer {log.peer} failed {where}{detail}."
        elif log.finish.reason is Reason.STOPPED:
            yield f"Peer {log.peer} was stopped {where}."
        elif log.finish.detail:
            yield f"Peer {log.peer} came to its end, but {log.finish.detail}."
        elif code:
            yield f"Peer {log.peer} finished its rounds and then left with exit code {code}{_signal(code)}."


def _signal(code: int) -> str:
    number = -code if code < 0 else code - 128
    return {9: ", SIGKILL", 15: ", SIGTERM", 6: ", SIGABRT", 11: ", SIGSEGV"}.get(number, "")


def _restarted(run: Run) -> Iterator[str]:
    for log in run.peers:
        for start in log.restarts:
            again = f"after round {start.resumed_round}" if start.resumed_round else "from the start"
            other = f", with other clips than before ({start.data.other})" if start.data.other else ""
            yield f"Peer {log.peer} was started again and went on {again}{other}."
        for first, last in log.catch_ups:
            yield f"Peer {log.peer} caught up from round {first} to round {last}."


def _missed(run: Run) -> Iterator[str]:
    for log in run.peers:
        reasons: Counter[tuple[int, str]] = Counter()
        for each in log.rounds:
            reasons.update((neighbour, reason) for neighbour, reason in each.missing.items())
        for (neighbour, reason), count in sorted(reasons.items()):
            rounds = "1 round" if count == 1 else f"{count} rounds"
            why = f" ({reason})" if reason else ""
            yield f"Peer {log.peer} mixed without peer {neighbour} in {rounds}{why}."


def _links(run: Run) -> Iterator[str]:
    finished: set[int | None] = {log.peer for log in run.peers if log.finish}
    for log in run.peers:
        seen = Counter((change.neighbour, change.state, change.reason) for change in _faults(log.links, finished))
        for (neighbour, state, reason), count in seen.items():
            what = {"down": "lost the link to", "refused": "refused the link of"}.get(state, "quarantined")
            times = "" if count == 1 else f" {count} times"
            why = f" ({reason})" if reason else ""
            yield f"Peer {log.peer} {what} {_peer(neighbour)}{times}{why}."


def _faults(links: Sequence[Link], finished: AbstractSet[int | None]) -> Iterator[Link]:
    """The changes that are faults: a link that falls because its neighbour took leave is none.

    It took leave if the log says so, or if its own log ends in order and the link never came back.
    """
    gone: set[int | None] = set()
    last = {change.neighbour: place for place, change in enumerate(links)}
    for place, change in enumerate(links):
        if change.state == "left":
            gone.add(change.neighbour)
        elif change.state == "up":
            gone.discard(change.neighbour)
        elif change.state == "down":
            farewell = change.neighbour in finished and place == last[change.neighbour]
            if change.neighbour not in gone and not farewell:
                yield change
        else:
            yield change


def _refused(run: Run) -> Iterator[str]:
    for log in run.peers:
        seen = Counter((each.neighbour, each.reason) for each in log.refusals)
        for (neighbour, reason), count in seen.items():
            frames = "a frame" if count == 1 else f"{count} frames"
            why = f": {reason}" if reason else ""
            yield f"Peer {log.peer} refused {frames} from {_peer(neighbour)}{why}."


def _peer(neighbour: int | None) -> str:
    return "an unknown sender" if neighbour is None else f"peer {neighbour}"


def _peers(peers: tuple[int, ...]) -> str:
    names = ", ".join(map(str, peers[:12])) + (f" and {len(peers) - 12} more" if len(peers) > 12 else "")
    return f"Peer {names}" if len(peers) == 1 else f"Peers {names}"
