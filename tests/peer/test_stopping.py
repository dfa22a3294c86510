"""Who hears that a peer is to stop: its loop as long as that runs, then whoever heard it before."""

from __future__ import annotations

import asyncio
import signal

import pytest

from p2pfl_me.peer.stopping import heard_by


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_behind_the_end_is_heard_by_whoever_heard_it_before(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """The loop of a peer that had just ended printed a traceback: its handlers were there, what they wake was not."""
    heard: list[str] = []

    async def run() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        closing = loop.close

        def close() -> None:
            signal.raise_signal(number)
            closing()
            signal.raise_signal(number)

        loop.close = close  # type: ignore[method-assign]
        with heard_by(loop, stopped.set):
            signal.raise_signal(number)
            await asyncio.wait_for(stopped.wait(), 30.0)

    before = signal.signal(number, lambda *_: heard.append("outside"))
    try:
        asyncio.run(run())
        assert heard == ["outside", "outside"] and not capfd.readouterr().err
    finally:
        signal.signal(number, before)
