"""An event in words, for the terminal of whoever runs one peer by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import assert_never

from p2pfl_me.counting import many
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent, Reason, Scores

UNMET = re.compile(r"peer ([0-9]+) at (?:the relay )?\S+: ")
"""How it begins where nobody refused anything: the neighbour is not reached there, or does not reach this peer."""
_SHOWN = (("accuracy", "accuracy"), ("uf1", "UF1"))

_WHY = {
    Reason.ROUNDS: "all that the contract asks for",
    Reason.TIME: "the contract's hours are over",
    Reason.WORK: "all peers together have trained what the contract asks for",
    Reason.PATIENCE: "nothing more was learned, and the neighbours agree",
    Reason.HANDED: "the neighbours were done, and handed over their model",
    Reason.LEFT: "it has left the federation, as its members agreed",
    Reason.UNMET: "nobody gave it a model to begin with",
    Reason.ALONE: "no neighbour was left",
    Reason.STOPPED: "stopped by its user",
}
"""Why a peer ended; what was an error says so itself."""


def in_words(event: AnyEvent) -> str | None:
    """One line for an event that a user wants to see, None for the others."""
    match event:
        case events.Start(data=data):
            resumed = f", resuming after round {event.resumed_round}" if event.resumed_round is not None else ""
            other = f"; other clips than before: {data.other}" if data.other else ""
            no_measure = f"; {', '.join(data.warnings)}: no measure of recognition" if data.warnings else ""
            return (
                f"{many(data.train, 'clip')} of {many(data.subjects, 'subject')} to train on, {data.test} to test on, "
                f"{event.parameters:,} parameters, {event.device}{resumed}{other}{no_measure}"
            )
        case events.Link():
            reason = f" ({event.reason})" if event.reason else ""
            state = "has left" if event.state is events.LinkState.LEFT else f"is {event.state.value}"
            return f"neighbour {event.neighbour} {state}{reason}"
        case events.Sighted(neighbour=peer, heard=True):
            return f"neighbour {peer} is heard again"
        case events.Sighted(neighbour=peer, silent=silent, by=by):
            others = seen_by(by)
            if silent:
                return f"nothing is heard of neighbour {peer}{f'; {others}' if others else ''}"
            return f"neighbour {peer} is not heard here; {others or 'no other neighbour says that it sees it'}"
        case events.Unreachable(neighbour=peer, reason=why):
            return f"neighbour {peer} cannot be reached: {why}"
        case events.Starved(seconds=seconds):
            return f"this machine gave the links no time for {seconds:.0f} s; whom they did not hear is not to blame"
        case events.Round():
            missing = "".join(f"  without {peer} ({reason})" for peer, reason in event.missing.items())
            loss = "none" if event.loss is None else f"{event.loss:.3f}"
            sent = event.bytes_sent / 1e6
            alone = "  ALONE: shared with nobody" if event.alone else ""
            return f"round {event.round + 1}  loss {loss}{_scores(event.test)}  {sent:.1f} MB sent{missing}{alone}"
        case events.Changed():
            return f"the run goes on under a changed contract: {', '.join(event.keys)}"
        case events.View():
            keys = ", ".join(event.keys)
            return f"the members have agreed on change {event.number}, from round {event.at + 1} on: {keys}"
        case events.Leaving():
            return f"peer {event.neighbour} leaves after round {event.at}; this lab approves"
        case events.Undecided():
            return undecided(event)
        case events.Joined():
            return (
                f"joins in round {event.round + 1}, with the model of peer {event.giver} (SHA-256 {event.digest[:16]})"
            )
        case events.Begin():
            missing = ", ".join(map(str, event.missing))
            return f"begins; nothing has been heard of {missing} yet" if missing else None
        case events.Handed():
            givers = ", ".join(map(str, event.givers))
            return f"all others are done: their final model taken from {givers}{_scores(event.test)}"
        case events.HandsOut():
            return f"done; handing out the final model for up to {event.seconds:g} s"
        case events.CatchUp():
            return f"behind the neighbours: on to round {event.to_round + 1}"
        case events.Refused():
            return event.reason if UNMET.match(event.reason) else f"refused: {event.reason}"
        case events.Misbehaviour():
            return "; ".join(suspicion(event, peer) for peer in event.new) or None
        case events.Finish():
            if event.reason in (Reason.ERROR, Reason.DIVERGED, Reason.BUDGET):
                return None  # the error itself is printed
            short = f"; {event.detail}" if event.detail else ""
            rounds = f"{event.rounds} round{'s' * (event.rounds != 1)}"
            return f"finished after {rounds}: {_WHY[event.reason]}{short}"
        case events.Spent():
            return (
                f"privacy: epsilon {event.epsilon:.3g} of {event.budget:g} is spent with round {event.round + 1} "
                f"(delta {event.delta:g}, per {event.unit})"
            )
        case events.Trained() | events.Traffic():
            return None  # for reports
        case _:
            assert_never(event)


def undecided(event: events.Undecided) -> str:
    """Who leaves and is not agreed with yet, and what ends it."""
    said = "; ".join(
        f"peer {leaver} leaves, and {', '.join(map(str, who)) or 'nobody'} approve{'s' * (len(who) < 2)}"
        for leaver, who in event.approvals.items()
    )
    if not event.unheard:
        return f"{said}; {event.due} must: it ends by itself, the lowest id first"
    unheard = ", ".join(map(str, event.unheard))
    return (
        f"{said}; {event.due} must, and nothing is heard of {unheard}: it ends by itself once enough of them are back; "
        f"if they never will be, see docs/changes.md, `A lab leaves`"
    )


def seen_by(by: Mapping[int, str]) -> str:
    """What others see of a neighbour."""
    return "; ".join(
        f"peer{'s' * (len(those) > 1)} {', '.join(map(str, those))} see{'s' * (len(those) == 1)} it {sight}"
        for sight in ("up", "gone", "left")
        if (those := [peer for peer, what in by.items() if what == sight])
    )


def suspicion(event: events.Misbehaviour, peer: int) -> str:
    """Why a neighbour has just become suspect; nothing follows from it by itself."""
    signs = ", ".join(event.signs.get(peer, ())) or "odd rounds before"
    return f"neighbour {peer} looks wrong (score {event.scores[peer]:.1f}: {signs}); ask its lab"


def _scores(scores: Scores | None) -> str:
    known = ((title, getattr(scores, name, None)) for name, title in _SHOWN)
    return "".join(f"  {title} {value:.3f}" for title, value in known if value is not None)
