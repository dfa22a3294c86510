"""Between the links' thread and the loop: in order, never too many, nothing of whom nobody wants to hear."""

from __future__ import annotations

import asyncio

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.thread_bridge import UNREAD, ThreadBridge
from tests.wire.peers import Recorder


def said(round: int) -> Message:
    return Message(Kind.WITHDRAW, round)


def test_everything_arrives_in_order_and_the_thread_is_held_back() -> None:
    async def scene() -> None:
        recorder, room = Recorder(), list[int]()
        bridge = ThreadBridge(recorder, lambda: room.append(len(recorder.messages)))
        bridge.open(asyncio.get_running_loop())

        def thread() -> None:
            bridge.on_link(1, True, "", 1)
            for round in range(UNREAD + 1):
                assert bridge.is_full == (round >= UNREAD - 1)
                bridge.on_message(1, said(round))

        thread()  # what a thread does is done before the loop comes to listen
        assert recorder.messages == [] and recorder.links == [] and bridge.link(1) is None
        await recorder.until(lambda: len(recorder.messages) == UNREAD + 1)
        assert [message.round for _, message in recorder.messages] == list(range(UNREAD + 1))
        assert recorder.links == [(1, True, "")] and bridge.link(1) == 1
        await asyncio.to_thread(lambda: None)
        assert not bridge.is_full and len(room) == 1, "told once that there is room again"

    asyncio.run(scene())


def test_nothing_of_a_quarantined_peer_passes_any_more() -> None:
    async def scene() -> None:
        recorder = Recorder()
        bridge = ThreadBridge(recorder, lambda: None)
        bridge.open(asyncio.get_running_loop())
        bridge.on_link(1, True, "", 1)
        await recorder.until(lambda: recorder.is_up(1))
        bridge.on_message(1, said(0))
        bridge.on_refused(1, "rubbish")
        bridge.quarantine(1)
        assert recorder.links[-1] == (1, False, "quarantined") and bridge.link(1) is None
        bridge.on_link(1, False, "connection lost", 1)
        bridge.on_message(2, said(5))
        await recorder.until(lambda: bool(recorder.messages))
        assert recorder.messages == [(2, said(5))] and not recorder.refused
        assert len(recorder.links) == 2

    asyncio.run(scene())


def test_a_closed_bridge_tells_nothing_not_even_what_is_under_way() -> None:
    async def scene() -> None:
        recorder = Recorder()
        bridge = ThreadBridge(recorder, lambda: None)
        bridge.on_message(1, said(0))
        bridge.open(asyncio.get_running_loop())
        bridge.on_message(1, said(1))
        bridge.close()
        bridge.on_message(1, said(2))
        await asyncio.to_thread(lambda: None)
        assert recorder.messages == []

    asyncio.run(scene())


def test_what_is_said_of_changes_passes_where_somebody_listens_and_not_of_whom_nobody_wants_to_hear() -> None:
    async def scene() -> None:
        recorder, heard = Recorder(), list[tuple[int, bytes, tuple[str, ...]]]()
        bridge = ThreadBridge(recorder, lambda: None, lambda *change: heard.append(change))
        deaf = ThreadBridge(recorder, lambda: None)
        for each in (bridge, deaf):
            each.open(asyncio.get_running_loop())
            each.on_change(1, b"view", ("training",))
        bridge.on_change(2, b"other", ())
        bridge.quarantine(2)
        bridge.on_message(3, said(0))
        deaf.on_message(4, said(0))
        await recorder.until(lambda: len(recorder.messages) == 2)
        assert heard == [(1, b"view", ("training",))]

    asyncio.run(scene())
