"""Encrypted links to the neighbours over TCP. There is no other kind: without a handshake nothing is sent.

The lower id of an edge dials, and both directions use that one connection. `Links` is the side that an asyncio loop
sees; the links themselves live in a thread of their own (`multiplexer`), so that a model is sealed, sent and opened
while the loop averages another. What crosses between the two are whole messages, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from p2pfl_me.errors import WireError
from p2pfl_me.machine import reuse_freed_memory
from p2pfl_me.message import Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import Endpoint, LinkHandlers, Liveness, Trust
from p2pfl_me.wire.handshake import Terms
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.multiplexer import Multiplexer
from p2pfl_me.wire.records import PAYLOAD
from p2pfl_me.wire.session import encoded
from p2pfl_me.wire.thread_bridge import OnChange, ThreadBridge
from p2pfl_me.wire.traffic import Ledger, Traffic

__all__ = ["Endpoint", "LinkHandlers", "Links", "Liveness"]

PART_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Changes:
    """How a contract that may change travels.

    `news` is told to every neighbour that has another contract, also to the `former` ones, of the contract before;
    `on_change` is told what they say, and what linked neighbours do (`Links.tell`).
    """

    news: bytes
    former: tuple[Endpoint, ...]
    on_change: OnChange


class Links:
    """The links of one peer.

    Parameters
    ----------
    me, listen, identity:
        This peer's id, where it listens (`tcp://HOST:PORT`, HOST `*` for every interface; None: nowhere), and its keys.
    neighbours:
        The allow list: nobody else gets an answer.
    prologue, sections:
        The contract's digest (32 bytes) and the digests of its sections, which tell a neighbour what differs.
    schema:
        The shape of the models.
    handlers:
        Who is told, always from the loop's thread.
    ledger:
        Gets one entry for each message that left, from the links' own thread.
    earlier, stated:
        Keys of ours that `identity` follows, and the public one that the contract names, if that is another.
    trust:
        Which keys are good now; without it the contract's are, for ever.
    changes:
        What is said of changes of the contract; without it, a neighbour with another contract is turned away.
    """

    def __init__(
        self,
        me: int,
        listen: str | None,
        identity: Identity,
        neighbours: Sequence[Endpoint],
        *,
        prologue: bytes,
        sections: Mapping[str, bytes],
        schema: Schema,
        handlers: LinkHandlers,
        ledger: Ledger | None = None,
        liveness: Liveness | None = None,
        earlier: Sequence[Identity] = (),
        stated: bytes | None = None,
        trust: Trust | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._me, self._schema = me, schema
        self._bridge = ThreadBridge(handlers, self._read_on, changes.on_change if changes else None)
        news, former = (changes.news, changes.former) if changes else (None, ())
        terms = Terms(me, identity, prologue, dict(sections), tuple(earlier), stated, news)
        self._multiplexer = Multiplexer(
            terms, listen, neighbours, schema, liveness or Liveness(), ledger, self._bridge, trust, former
        )
        self._reactor = self._multiplexer.reactor
        self._peers = {endpoint.peer for endpoint in neighbours}
        self._started = self._closed = False

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and dial the neighbours that are ours to dial.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        self._bridge.open(asyncio.get_running_loop())
        if 4 * self._schema.size > PAYLOAD:
            reuse_freed_memory()
        self._started = True
        self._reactor.start()
        try:
            await asyncio.wrap_future(self._reactor.ask(self._multiplexer.start))
        except Exception:
            await self.close()
            raise

    async def part(self, timeout_s: float) -> bool:
        """Wait until the neighbours have read all that was queued for them; False if the time did not suffice.

        Handing it to the kernel is not enough: a connection that is closed while something lies unread at its other end
        may be reset, and a neighbour would wait in vain for what was our last word.
        """
        self._reactor.post(self._multiplexer.say_bye)
        try:
            async with asyncio.timeout(timeout_s):
                while not await asyncio.wrap_future(self._reactor.ask(self._multiplexer.is_over)):
                    await asyncio.sleep(PART_POLL_S)
        except (TimeoutError, RuntimeError):  # or the links have failed
            return False
        return True

    async def close(self) -> None:
        """Close all sockets (what has not left yet still does for up to a second) and complete the ledger."""
        if self._closed:
            return
        self._closed = True
        self._bridge.close()
        if not self._started:
            self._multiplexer.close()
            return
        self._reactor.stop()
        await asyncio.to_thread(self._reactor.join)

    # -- use ----------------------------------------------------------------------------------------------------

    def send(self, peer: int, message: Message) -> bool:
        """Queue a message; False if there is no link. The caller must not write to `message.params` any more."""
        if peer not in self._peers:
            raise KeyError(peer)
        link = self._bridge.link(peer)
        if link is None:
            return False
        self._reactor.post(partial(self._multiplexer.send, peer, encoded(message, self._me, self._schema), link))
        return True

    def tell(self, peer: int, data: bytes) -> None:
        """Tell a neighbour of a change of the contract, if it is linked: a record at most."""
        if (link := self._bridge.link(peer)) is not None:
            self._reactor.post(partial(self._multiplexer.tell, peer, data, link))

    async def echo(self, peer: int, payload: bytes) -> float:
        """Seconds until `payload`, a record at most, has gone to `peer` and come back.

        Raises
        ------
        WireError
            There is no link, or it has gone meanwhile. A peer that does not answer is the caller's to give up.
        """
        link = self._bridge.link(peer)
        if link is None:
            raise WireError(f"there is no link to peer {peer}")
        answer: Future[float] = Future()
        self._reactor.post(partial(self._multiplexer.echo, peer, payload, link, answer))
        return await asyncio.wrap_future(answer)

    def quarantine(self, peer: int) -> None:
        """Drop the link to a neighbour and ignore it from now on."""
        self._reactor.post(partial(self._multiplexer.quarantine, peer))
        self._bridge.quarantine(peer)

    @property
    def traffic(self) -> Mapping[int, Traffic]:
        """Bytes on the wire by neighbour, with seals, headers and lengths."""
        return self._multiplexer.traffic.totals

    @property
    def unreachable(self) -> Mapping[int, str]:
        """The neighbours that are ours to call and cannot be reached, each with its address and why."""
        return self._multiplexer.unreachable()

    @property
    def bytes_sent(self) -> int:
        """Bytes on the wire to all neighbours."""
        return sum(each.sent for each in self.traffic.values())

    @property
    def bytes_received(self) -> int:
        """Bytes on the wire from all neighbours; refused frames do not count."""
        return sum(each.received for each in self.traffic.values())

    def _read_on(self) -> None:
        self._reactor.post(_nothing)


def _nothing() -> None:
    """To wake the thread is all that is needed: it asks again whether it may receive."""
