"""From the links' thread to the loop of their owner: whole messages and news, in order, and never too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from p2pfl_me.message import Message
from p2pfl_me.wire.endpoint import LinkHandlers, News

OnChange = Callable[[int, bytes, tuple[str, ...]], None]
"""neighbour, what it says of changes, and in which sections its contract differs (none: over a link)."""
UNREAD = 4
"""What may wait for the loop; then the thread stops reading, the kernel fills up, and the senders have to wait."""


class ThreadBridge:
    """`on_...` and `is_full` belong to the thread, everything else to the loop.

    Parameters
    ----------
    handlers:
        Who is told.
    read_on:
        Called when there is room again after `is_full`.
    on_change:
        Who is told what neighbours say of changes of the contract.
    """

    def __init__(self, handlers: LinkHandlers, read_on: Callable[[], None], on_change: OnChange | None = None) -> None:
        self._handlers, self._read_on, self._on_change = handlers, read_on, on_change
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = self._heard = 0  # one is written by the thread only, the other by the loop only
        self._up: dict[int, int] = {}
        self._quarantined: set[int] = set()

    # -- the thread's side --------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return self._told - self._heard >= UNREAD

    def on_message(self, peer: int, message: Message) -> None:
        self._tell(partial(self._message, peer, message))

    def on_link(self, peer: int, up: bool, reason: str, link: int) -> None:
        self._tell(partial(self._link, peer, up, reason, link))

    def on_refused(self, peer: int | None, reason: str) -> None:
        self._tell(partial(self._refused, peer, reason))

    def on_news(self, news: News) -> None:
        self._tell(partial(self._handlers.on_news, news))

    def on_change(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None:
        if self._on_change:
            self._tell(partial(self._change, peer, data, differing))

    def on_failed(self, error: Exception) -> None:
        self._tell(partial(self._handlers.on_failed, error))

    def _tell(self, call: Callable[[], None]) -> None:
        self._told += 1
        try:
            if self._loop:
                self._loop.call_soon_threadsafe(self._hear, call)
        except RuntimeError:
            return  # the loop has closed without closing the links: nobody listens any more

    # -- the loop's side ----------------------------------------------------------------------------------------

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the handlers from now on, in `loop`."""
        self._loop = loop

    def close(self) -> None:
        """Tell them nothing more, not even what is under way."""
        self._loop = None

    def link(self, peer: int) -> int | None:
        """The number of the link to `peer` that is up, as far as the loop has heard."""
        return self._up.get(peer)

    def quarantine(self, peer: int) -> None:
        """Pass nothing of `peer` on any more; its link is reported down at once."""
        self._quarantined.add(peer)
        if self._up.pop(peer, None) is not None:
            self._handlers.on_link(peer, False, "quarantined")

    def _hear(self, call: Callable[[], None]) -> None:
        try:
            if self._loop:
                call()
        finally:
            self._heard += 1
            if self._told - self._heard == UNREAD - 1:
                self._read_on()

    def _message(self, peer: int, message: Message) -> None:
        if peer not in self._quarantined:
            self._handlers.on_message(peer, message)

    def _link(self, peer: int, up: bool, reason: str, link: int) -> None:
        if peer in self._quarantined:
            return
        if up:
            self._up[peer] = link
        else:
            self._up.pop(peer, None)
        self._handlers.on_link(peer, up, reason)

    def _change(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None:
        if self._on_change and peer not in self._quarantined:
            self._on_change(peer, data, differing)

    def _refused(self, peer: int | None, reason: str) -> None:
        if peer not in self._quarantined:
            self._handlers.on_refused(peer, reason)
