"""The event log in words, for the terminal of whoever runs one peer by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def in_words(event: Mapping[str, Any]) -> str | None:
    """One line for an event that a user wants to see, None for the others."""
    match event.get("event"):
        case "start":
            data = event["data"]
            resumed = f", resuming after round {event['resumed_round']}" if event["resumed_round"] is not None else ""
            return (
                f"{data['train']} clips of {data['subjects']} subjects to train on, {data['test']} to test on, "
                f"{event['parameters']:,} parameters, {event['device']}{resumed}"
            )
        case "link":
            reason = f" ({event['reason']})" if event["reason"] else ""
            return f"neighbour {event['neighbour']} is {event['state']}{reason}"
        case "round":
            scores = event["test"] or {}
            shown = "".join(f"  {title} {scores[name]:.3f}" for name, title in _SHOWN if scores.get(name) is not None)
            missing = "".join(f"  without {peer} ({reason})" for peer, reason in event["missing"].items())
            sent = event["bytes_sent"] / 1e6
            return f"round {event['round'] + 1}  loss {event['loss']:.3f}{shown}  {sent:.1f} MB sent{missing}"
        case "catch_up":
            return f"behind the neighbours: on to round {event['to_round'] + 1}"
        case "refused":
            return f"refused: {event['reason']}"
        case "misbehaviour":
            return "; ".join(suspicion(event, peer) for peer in event["new"]) or None
        case "finish":
            return f"finished after {event['rounds']} rounds: {event['reason']}" if event["reason"] != "error" else None
        case _:
            return None


def suspicion(event: Mapping[str, Any], peer: int) -> str:
    """Why a neighbour has just become suspect; nothing follows from it by itself."""
    signs = ", ".join(event["signs"].get(str(peer), ())) or "odd rounds before"
    return f"neighbour {peer} looks wrong (score {event['scores'][str(peer)]:.1f}: {signs}); ask its lab"


_SHOWN = (("accuracy", "accuracy"), ("uf1", "UF1"))
