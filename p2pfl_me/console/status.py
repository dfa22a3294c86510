"""How a run stands, from its folder alone: each peer, its last round, and what it says of each neighbour."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypedDict, assert_never

from p2pfl_me.console.standing import AHEAD, Standing
from p2pfl_me.console.words import UNMET, seen_by, undecided
from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.run import events
from p2pfl_me.run.codec import Logged
from p2pfl_me.run.events import LinkState
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a peer last said of a neighbour: up, gone (the link fell, or never stood), left, refused or quarantined;
    while up, suspect (silent, or its models look wrong), or slow if it was waited for in vain in the last round.

    `since` is Unix seconds by this peer's clock; `why` is empty where nothing is to be said. `others`: how those that
    share this neighbour see it, by id; shown, and believed by nobody.
    """

    peer: int
    state: str
    since: float
    why: str = ""
    others: Mapping[int, str] = field(default_factory=dict)
    twice: float | None = None
    """When two processes were last seen that run with its key, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a peer has spent of its privacy budget: epsilon at `delta`, for what `unit` says is hidden."""

    epsilon: float
    budget: float
    delta: float
    unit: str


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer. `state`: absent (no log), joining, training, or the reason why it ended; `round` counts from 1."""

    peer: int
    state: str
    round: int
    rounds: int
    seen: float | None
    """When it last wrote a line, Unix seconds."""
    loss: float | None
    uf1: float | None
    bytes_sent: int
    alone: int
    """Rounds of this log in which somebody was due and nobody came."""
    neighbours: tuple[Neighbour, ...]
    privacy: Privacy | None = None
    starved: float = 0.0
    """Seconds in which this peer's own links got no time."""
    undecided: str = ""
    """Who has said that it leaves and is not agreed with yet, who approves, and what ends it, in words."""
    twice: float | None = None
    """When a neighbour last saw another process that runs with this peer's key, Unix seconds."""
    newer: int = 0
    """Lines of its log that a newer version of p2pme wrote, and that count for nothing here."""


LATE = ("deadline", "not waited for", "needs ", "does not say", "has not settled")
"""How the reasons begin why a neighbour is missing in a round that is there."""
OF_PEER = re.compile(r"peer ([0-9]+)[ :]")
"""How a refusal begins that concerns a neighbour, and that nobody can be blamed for for certain."""
DIFFERS = re.compile(r"peer ([0-9]+) has another contract: ")
"""What stands in one of whoever differs and has told of a change that is refused here."""
TWICE = re.compile(r"peer ([0-9]+) (?:is there twice:|has seen peer ([0-9]+), this one, twice:)")
"""How it begins where two processes run with one key: a neighbour's, or this peer's own."""

_STATES = {
    LinkState.UP: "up",
    LinkState.DOWN: "gone",
    LinkState.LEFT: "left",
    LinkState.REFUSED: "refused",
    LinkState.QUARANTINED: "quarantined",
}


GOING = AHEAD - {"absent"} | {"hands out"}
"""States of peers from which more is to be heard."""
_WORDS = {
    "absent": "no log here",
    "joining": "waits for neighbours",
    "rounds": "done",
    "time": "done: the hours are over",
    "work": "done: all have trained what was to be trained",
    "patience": "done: no better for long",
    "handed": "done: took a final model",
    "hands out": "done: hands out its model",
}
"""For people, of states that are no words for them."""


def status_of(folder: RunFolder, contract: Contract) -> tuple[PeerStatus, ...]:
    """Every peer of the contract, as far as its log is in this folder."""
    return tuple(_peer(folder, peer, contract.training.rounds) for peer in range(contract.peers.count))


def _peer(folder: RunFolder, peer: int, rounds: int) -> PeerStatus:
    account, log = Account(peer, rounds), read_log(folder, peer)
    for line in log.events:
        account.take(line)
    return replace(account.status, newer=sum(each.newer for each in log.unread))


class Account:
    """What the lines of one peer's log come to, taken one after the other."""

    def __init__(self, peer: int, rounds: int) -> None:
        self._peer, self._rounds = peer, rounds
        self._standing, self._alone = Standing(), 0
        self._seen: float | None = None
        self._last: events.Round | None = None
        self._links: dict[int, Neighbour] = {}
        self._slow: dict[int, Neighbour] = {}
        """Those who are late, since when and by how much."""
        self._suspects: frozenset[int] = frozenset()
        self._silent: dict[int, float] = {}
        """Those whose link stands and of whom nothing is heard, since when."""
        self._starved = 0.0
        self._privacy: Privacy | None = None
        self._undecided = ""
        self._twice: dict[int, float] = {}

    def take(self, line: Logged) -> None:
        """One more line."""
        self._seen = line.t
        self._standing.take(line.event)
        match line.event:
            case events.Start():
                self._links, self._slow, self._silent, self._twice = {}, {}, {}, {}
            case events.Round() as told:
                self._last = told
                self._alone += bool(told.missing and not told.weights)
                late = {other: why for other, why in told.missing.items() if why.startswith(LATE)}
                self._slow = {
                    other: replace(self._slow.get(other, Neighbour(other, "slow", line.t)), why=why)
                    for other, why in late.items()
                }
            case events.Link(neighbour=other, state=link, reason=why):
                was = self._links.get(other)
                self._silent.pop(other, None)
                if not (link is LinkState.DOWN and was and was.state == "left"):  # its link falls after the goodbye
                    self._links[other] = Neighbour(other, _STATES[link], line.t, why)
            case events.Sighted(neighbour=other, silent=silent, by=by):
                was = self._links.get(other, Neighbour(other, "gone", line.t))
                self._links[other] = replace(was, others=dict(by))
                if silent:
                    self._silent.setdefault(other, line.t)
                else:
                    self._silent.pop(other, None)
            case events.Unreachable(neighbour=other, reason=why):
                was = self._links.get(other, Neighbour(other, "gone", line.t))
                if was.state not in {"up", "refused"}:  # of a refusal it is known why a call came to nothing
                    self._links[other] = replace(was, why=why)
            case events.Starved(seconds=seconds):
                self._starved += seconds
            case events.Misbehaviour(suspects=named):
                self._suspects = frozenset(named)
            case events.Spent() as paid:
                self._privacy = Privacy(paid.epsilon, paid.budget, paid.delta, paid.unit)
            case events.Refused(neighbour=None, reason=why) if twice := TWICE.match(why):
                self._twice[int(twice[2] or twice[1])] = line.t
            case events.Refused(neighbour=by, reason=why) if of_peer := _keeps_away(by, why):
                other = int(of_peer[1])
                was = self._links.get(other)
                if was is None or was.state in {"gone", "refused"}:
                    state = "gone" if UNMET.match(why) else "refused"
                    since = was.since if was and was.state == state else line.t  # it is said again and again
                    self._links[other] = Neighbour(other, state, since, why)
            case events.Undecided() as told:
                self._undecided = undecided(told)
            case events.View() | events.Changed():
                self._undecided = ""
            case (
                events.Trained()
                | events.Traffic()
                | events.Joined()
                | events.Handed()
                | events.HandsOut()
                | events.Finish()
            ):
                pass  # where it stands
            case events.Refused() | events.ForReports():
                pass
            case _:
                assert_never(line.event)

    @property
    def status(self) -> PeerStatus:
        """What it comes to by now."""
        last = self._last
        neighbours = tuple(self._now(each) for _, each in sorted(self._links.items()))
        loss, uf1 = (last.loss, last.test.uf1 if last.test else None) if last else (None, None)
        return PeerStatus(
            self._peer,
            self._standing.state,
            self._standing.round,
            self._rounds,
            self._seen,
            loss,
            uf1,
            self._standing.sent,
            self._alone,
            neighbours,
            self._privacy,
            self._starved,
            self._undecided if self._standing.state in GOING else "",
            self._twice.get(self._peer),
        )

    def _now(self, each: Neighbour) -> Neighbour:
        return replace(self._state(each), twice=self._twice.get(each.peer))

    def _state(self, each: Neighbour) -> Neighbour:
        if each.state != "up":
            return each
        if each.peer in self._silent:
            return replace(each, state="suspect", since=self._silent[each.peer], why="nothing is heard of it")
        if each.peer in self._suspects:
            return replace(each, state="suspect")
        slow = self._slow.get(each.peer)
        return replace(slow, others=each.others) if slow else each


def _keeps_away(by: int | None, why: str) -> re.Match[str] | None:
    """Whom a refusal says to be kept away by what it has, and not by a frame of it."""
    return OF_PEER.match(why) if by is None else DIFFERS.search(why)


class StatusObject(TypedDict):
    """What `p2pme status --json` prints, and a served status answers."""

    peers: Sequence[PeerStatus]


def as_json(peers: Sequence[PeerStatus]) -> str:
    """A `StatusObject`."""
    return json.dumps({"format": 1, "peers": [asdict(each) for each in peers]}, indent=1)


def as_lines(peers: Sequence[PeerStatus], now: float) -> Iterator[str]:
    """For a terminal."""
    for each in peers:
        parts = [f"peer {each.peer}", _WORDS.get(each.state, each.state), f"round {each.round}/{each.rounds}"]
        parts += [f"loss {each.loss:.3f}"] if each.loss is not None else []
        parts += [f"UF1 {each.uf1:.3f}"] if each.uf1 is not None else []
        parts += [f"alone in {each.alone}"] if each.alone else []
        if (spent := each.privacy) is not None:
            parts += [f"epsilon {spent.epsilon:.3g} of {spent.budget:g} per {spent.unit}"]
        parts += [f"starved for {each.starved:.0f} s"] if each.starved else []
        parts += [f"last line {_ago(now - each.seen)}"] if each.seen is not None else []
        yield "  ".join(parts)
        if each.newer:
            yield f"    {many(each.newer, 'line')} of its log are not counted: a newer version of p2pme wrote them"
        if each.undecided:
            yield f"    {each.undecided}"
        if each.twice is not None and each.state in GOING:
            yield f"    another process runs with this peer's key, seen {_ago(now - each.twice)}: stop one of the two"
        if each.state in GOING and each.neighbours and all(other.state == "refused" for other in each.neighbours):
            yield "    no neighbour takes this peer as it is: the reasons below say what to compare (`p2pme doctor`)"
        for other in each.neighbours if each.state in GOING else ():  # whose end closed its links
            twice = f"two processes run with its key, seen {_ago(now - other.twice)}" if other.twice is not None else ""
            why = "; ".join(filter(None, (other.why, twice, seen_by(other.others))))
            why = f": {why}" if why else ""
            yield f"    neighbour {other.peer} {other.state}, {_ago(now - other.since)}{why}"


def as_openmetrics(peers: Sequence[PeerStatus]) -> str:
    """OpenMetrics 1.0 text, for a node exporter's textfile collector or a scrape: numbers only, no name of a person."""
    there = [each for each in peers if each.seen is not None]
    families = (
        ("p2pme_round", "gauge", "Rounds that are done.", [(each, "", each.round) for each in there]),
        ("p2pme_loss", "gauge", "Mean training loss of the last round.", [(each, "", each.loss) for each in there]),
        ("p2pme_uf1", "gauge", "UF1 on test clips after the last round.", [(each, "", each.uf1) for each in there]),
        ("p2pme_alone", "gauge", "Rounds shared with nobody.", [(each, "", each.alone) for each in there]),
        ("p2pme_sent_bytes", "gauge", "Bytes on the wire.", [(each, "", each.bytes_sent) for each in there]),
        ("p2pme_last_line_seconds", "gauge", "Unix time of the last line.", [(each, "", each.seen) for each in there]),
        (
            "p2pme_epsilon",
            "gauge",
            "Spent of the privacy budget.",
            [(each, "", each.privacy and each.privacy.epsilon) for each in there],
        ),
        (
            "p2pme_neighbour_up",
            "gauge",
            "1 while the link to a neighbour is up.",
            [
                (each, f',neighbour="{other.peer}"', int(other.state in {"up", "suspect", "slow"}))
                for each in there
                for other in each.neighbours
            ],
        ),
    )
    lines = []
    for name, kind, words, values in families:
        lines += [f"# TYPE {name} {kind}", f"# HELP {name} {words}"]
        lines += [f'{name}{{peer="{each.peer}"{more}}} {value!r}' for each, more, value in values if value is not None]
    return "\n".join([*lines, "# EOF", ""])


def _ago(seconds: float) -> str:
    """A clock that was set back gives no negative time."""
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
