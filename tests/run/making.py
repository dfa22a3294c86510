"""Events of a peer's log with ordinary values for what a test does not care about, and logs of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p2pfl_me.run import events
from p2pfl_me.run.codec import encode
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.folder import RunFolder


def log(run: Path, peer: int, *said: AnyEvent, t: float = 1.77e9) -> None:
    """Append events to a peer's log."""
    with RunFolder(run).log(peer).open("a", encoding="utf-8") as file:
        file.writelines(encode(t, each) + "\n" for each in said)


def start(peer: int = 0, **values: Any) -> events.Start:
    ordinary = {
        "pid": 100 + peer,
        "version": "0.1.0",
        "contract_digest": "",
        "layout_digest": "12" * 32,
        "parameters": 263_175,
        "device": "cpu",
        "threads": 1,
        "data": events.Data(train=50, validation=0, test=40, subjects=4),
    }
    return events.Start(**{"peer": peer, **ordinary, **values})


def a_round(
    number: int, uf1: float | None = None, missing: Mapping[int, str] | None = None, **values: Any
) -> events.Round:
    """Round `number` from 0, with an accuracy of a half and the given UF1 where there is one."""
    ordinary = {
        "loss": 1.5,
        "steps": 10,
        "train_seconds": 1.0,
        "wait_seconds": 0.1,
        "weights": {},
        "norm": 1.0,
        "test": None if uf1 is None else events.Scores(accuracy=0.5, uf1=uf1),
        "validation": None,
        "sketch_trained": None,
        "sketch_mixed": None,
        "bytes_sent": 2_000_000,
        "bytes_received": 2_000_000,
        "seconds": 1.2 * (number + 1),
        "round_seconds": 1.2,
    }
    return events.Round(**{"round": number, "missing": missing or {}, **ordinary, **values})


def trained(loss: float = 1.5, number: int = 0) -> events.Trained:
    return events.Trained(number, loss, 10, 1.0)
