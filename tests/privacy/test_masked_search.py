"""What a receiver gets to see under masks: its whole memory and wire are searched for its neighbours' models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from p2pfl_me.message import Message
from p2pfl_me.simulation.host import Simulation
from p2pfl_me.simulation.trials import Journal
from tests.privacy.test_masked_runs import MASKS, contract, run


def seen_by(peer: int, exchange: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], Journal]:
    """All that a peer is sent, and all bytes that its core holds after any of it."""
    seen: list[bytes] = []
    deliver = Simulation.on_message

    def on_message(simulation: Simulation, to: int, sender: int, message: Message) -> None:
        deliver(simulation, to, sender, message)
        if to == peer:
            if message.content is not None:
                seen.append(message.content.tobytes())
            if (life := simulation._lives.get(peer)) is not None:
                seen.extend(held(life.core, set()))

    monkeypatch.setattr(Simulation, "on_message", on_message)
    _, journal = run(exchange=exchange, count=5)
    return seen, journal


def held(value: Any, met: set[int]) -> Iterator[bytes]:
    """Every array and text of bytes that can be reached from an object."""
    if id(value) in met:
        return
    met.add(id(value))
    if isinstance(value, np.ndarray):
        yield value.tobytes()
    elif isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from held(each, met)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from held(each, met)
    else:
        names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        for name in {*names, *getattr(value, "__dict__", {})}:
            yield from held(getattr(value, name, None), met)


def traces(journal: Journal, receiver: int) -> Iterator[tuple[int, bytes]]:
    """(neighbour, a stretch of one of its models), as float32 and as the words that masks hide, of every round."""
    point = contract(5).privacy.exchange.point(4)  # type: ignore[attr-defined]
    for (peer, _), versions in sorted(journal.trained.items()):
        if peer != receiver:
            for model in versions:
                for begin in range(0, model.size, 64):
                    yield peer, model[begin : begin + 4].tobytes()
                    yield peer, point.words(model, 0.2, 0)[begin : begin + 4].tobytes()


def test_a_receivers_whole_memory_and_wire_hold_no_neighbours_model(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, journal = seen_by(2, MASKS, monkeypatch)
    everything = b"\n".join({*seen})
    assert len(everything) > 40_000 and len(journal.mixed[2, 2][0].weights) == 4
    found = {peer for peer, trace in traces(journal, 2) if trace in everything}
    assert not found


def test_the_same_search_finds_every_neighbours_model_without_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, journal = seen_by(2, {"kind": "plain"}, monkeypatch)
    everything = b"\n".join({*seen})
    assert {peer for peer, trace in traces(journal, 2) if trace in everything} == {0, 1, 3, 4}
