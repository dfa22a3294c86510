"""The neighbours, called as the peer itself would call them: names, connections, handshakes, and the rate of the lines.

A neighbour sees somebody who comes, says nothing and leaves; it begins no run because of that. Each line is measured as
soon as it is up, so those of one moment share what there is, as in a round: who looks at the same time may have seen
enough, and gone, before the last has come.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from p2pfl_me.console.words import UNMET
from p2pfl_me.contract import Contract
from p2pfl_me.doctor.line import Line
from p2pfl_me.errors import WireError
from p2pfl_me.message import Message
from p2pfl_me.peer.directory import Directory
from p2pfl_me.peer.opening import links_of
from p2pfl_me.wire.endpoint import Endpoint, News
from p2pfl_me.wire.links import Links
from p2pfl_me.wire.records import PAYLOAD
from p2pfl_me.wire.stream_sockets import split_address

SMALL, FIRST, GROWS = 16, 1 << 12, 4
"""Bytes of the echoes that tell the delay, of the first that tells the rate, and how many times longer the next is."""
ENOUGH_S = 1.0
"""An echo that took so long has told the rate."""
MEASURE_S = 30.0
KNOCK_S = 5.0
PART_S = 2.0


@dataclass(frozen=True, slots=True)
class Linked:
    """The handshake went well, under one contract. No `line`: the other end does not answer what measures it."""

    line: Line | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody is there, and one of the two will not have the other."""

    why: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody was met. `certain`: nobody ever could be, as it is."""

    why: str
    certain: bool = False


Met = Linked | Refused | Absent


class _Caller:
    """Who is told by the links."""

    def __init__(self) -> None:
        self.came: dict[int, None] = {}
        """Whose link was up at any time, in that order."""
        self.complaints: list[str] = []
        self.failed: Exception | None = None
        self.news = asyncio.Event()

    def on_message(self, peer: int, message: Message) -> None:
        """A peer that has begun greets us; that we are here is all that it learns."""

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        if up:
            self.came[peer] = None
            self.news.set()

    def on_refused(self, peer: int | None, reason: str) -> None:
        self.complaints.append(reason)
        self.news.set()

    def on_news(self, news: News) -> None:
        """What is to be said of it, the findings say."""

    def on_failed(self, error: Exception) -> None:
        self.failed = error
        self.news.set()

    def complaint(self, peer: int) -> str:
        """The last that was said of a neighbour."""
        about = (each for each in reversed(self.complaints) if each.startswith((f"peer {peer} ", f"peer {peer}:")))
        return next(about, "")


async def call(contract: Contract, directory: Directory, patience_s: float) -> dict[int, Met]:
    """Meet all neighbours, as far as they are there within `patience_s`, and measure the lines to those that are.

    Raises
    ------
    PeerError
        This peer's own port is taken, or its address is not this machine's.
    """
    caller = _Caller()
    links = links_of(contract, directory, contract.model.layout, caller)
    await links.start()
    try:
        lines = await _meet(caller, links, [each.peer for each in directory.neighbours], patience_s)
        met: dict[int, Met] = {peer: Linked(line) for peer, line in lines.items()}
        for each in directory.neighbours:
            if each.peer not in met:
                met[each.peer] = await _why_not(caller, each, links.unreachable, directory)
        await links.part(PART_S)
        return dict(sorted(met.items()))
    finally:
        await links.close()


async def _meet(caller: _Caller, links: Links, neighbours: Sequence[int], patience_s: float) -> dict[int, Line | None]:
    """The lines to those who come, until each is there or has been refused."""
    measuring: dict[int, asyncio.Task[Line | None]] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while not caller.failed:
                for peer in caller.came:
                    if peer not in measuring:
                        measuring[peer] = asyncio.create_task(_measured(links, peer))
                if all(peer in measuring or caller.complaint(peer) for peer in neighbours):
                    break
                caller.news.clear()
                await caller.news.wait()
    return dict(zip(measuring, await asyncio.gather(*measuring.values()), strict=True))


async def _measured(links: Links, peer: int) -> Line | None:
    """The line to one neighbour: the delay by short echoes, the rate by ever longer ones."""
    line = None
    with suppress(WireError, TimeoutError):
        async with asyncio.timeout(MEASURE_S):
            trip = min([await links.echo(peer, os.urandom(SMALL)) for _ in range(3)])
            size, seconds = FIRST, 0.0
            while seconds < ENOUGH_S and size <= PAYLOAD:
                seconds = await links.echo(peer, os.urandom(size))
                line = Line(size, seconds, min(trip, seconds))
                size *= GROWS
    return line


async def _why_not(caller: _Caller, each: Endpoint, unreachable: Mapping[int, str], directory: Directory) -> Met:
    complaint = caller.complaint(each.peer)
    if complaint and not UNMET.match(complaint):
        return Refused(complaint)
    if each.relays:
        return Absent(unreachable.get(each.peer, "") or "met at no relay")
    if not each.is_dialled_by(directory.me):
        why = unreachable.get(each.peer, "") or await _is_there(each.address)
        return Absent(f"it calls us (at {directory.listen}), and has not{'; ' if why else ''}{why}")
    if "cannot be looked up" in complaint:
        return Absent(complaint, certain=True)
    return Absent(await knock(each.address) or unreachable.get(each.peer, "") or f"{each.address}: no answer")


async def _is_there(address: str) -> str:
    """What there is to say besides of a neighbour that should call us, if anybody can call it."""
    if not address:
        return ""
    there = f"somebody listens at {address}: is our address in the contract right, and can it be called there?"
    return await knock(address) or there


async def reached(relays: Sequence[str]) -> dict[str, str]:
    """Why no connection comes about to each of these addresses; empty where one does."""
    return dict(zip(relays, await asyncio.gather(*map(knock, relays)), strict=True))


async def knock(address: str) -> str:
    """Why no connection comes about, by the system's own word; empty if one does."""
    host, port = split_address(address)
    try:
        async with asyncio.timeout(KNOCK_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{address}: no answer in {KNOCK_S:g} s; a firewall drops the call, or nobody has this address"
    except socket.gaierror as error:
        return f"{address}: the name {host} cannot be looked up ({error.strerror})"
    except ConnectionRefusedError:
        return f"{address}: the machine answers, and nobody listens at port {port}"
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    writer.close()
    return ""
