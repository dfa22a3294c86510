"""One end of an edge as a process of its own: `python -m tests.wire.alone ME ADDRESS OTHER_ADDRESS OTHER_KEY`.

Its first line is its public key; then it sends what it has received back to its sender, and says when a link comes or
goes.
"""

from __future__ import annotations

import asyncio
import sys

from p2pfl_me.message import Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import News
from p2pfl_me.wire.identity import new_identity, public_from_text
from p2pfl_me.wire.links import Endpoint, Links, Liveness

SCHEMA = Schema(100_000, b"s" * 32)
STOPPED = Liveness(ping_s=0.05, silence_s=0.4, retry_s=0.05, resume_s=0.2)


class Echo:
    """The handlers of one end's links."""

    links: Links

    def on_message(self, peer: int, message: Message) -> None:
        self.links.send(peer, message)

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        print("up" if up else f"down: {reason}", flush=True)

    def on_refused(self, peer: int | None, reason: str) -> None:
        print(f"refused {peer}: {reason}", flush=True)

    def on_news(self, news: News) -> None:
        pass

    def on_failed(self, error: Exception) -> None:
        raise error


async def live(me: int, address: str, other: str) -> None:
    """Until the other end closes our standard input."""
    identity, echo = new_identity(), Echo()
    print(identity.public_text, flush=True)
    key = public_from_text(sys.stdin.readline())
    endpoints = [Endpoint(1 - me, other, key)]
    sections = {"training": b"1" * 32}
    echo.links = Links(
        me, address, identity, endpoints, prologue=b"p" * 32, sections=sections, schema=SCHEMA, handlers=echo,
        liveness=STOPPED,
    )  # fmt: skip
    await echo.links.start()
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await echo.links.close()


if __name__ == "__main__":
    asyncio.run(live(int(sys.argv[1]), *sys.argv[2:4]))
