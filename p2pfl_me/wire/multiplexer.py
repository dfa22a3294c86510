"""The links as their thread sees them: frames to sessions, sessions to frames, links that come up and go down.

Who may come in stands in `handshaker`, sealing and order in `session`, sockets in `sockets`, the thread in `reactor`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.dialling import Dialler
from p2pfl_me.wire.endpoint import Agrees, AsStated, Differs, Endpoint, LinkEvents, Liveness, Trust
from p2pfl_me.wire.handshake import MAX_FRAME, Terms
from p2pfl_me.wire.handshake_stages import Seals, why_overdue
from p2pfl_me.wire.handshaker import Handshaker
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.pace import Pace
from p2pfl_me.wire.reactor import Reactor
from p2pfl_me.wire.records import RECORD, Unauthentic
from p2pfl_me.wire.refusal_log import StrangersLog
from p2pfl_me.wire.session import Outgoing, Session, Standing
from p2pfl_me.wire.sockets import Sockets
from p2pfl_me.wire.station import Connection, Outcome
from p2pfl_me.wire.traffic import Ledger, TrafficLedger
from p2pfl_me.wire.watcher import Watcher

TWICE = "another process runs with the same key; stop one of the two, and make a new key if that is not yours"
BURST = 4
"""Records sent to a neighbour in one turn, so that no link starves the others."""


class Multiplexer:
    """All links of one peer. Every method but `wake` belongs to the reactor's thread."""

    def __init__(
        self,
        terms: Terms,
        listen: str | None,
        neighbours: Sequence[Endpoint],
        schema: Schema,
        liveness: Liveness,
        ledger: Ledger | None,
        events: LinkEvents,
        trust: Trust | None = None,
        former: Sequence[Endpoint] = (),
    ) -> None:
        self.reactor = Reactor(self, f"links-{terms.me}")
        self._me, self._listen, self._schema = terms.me, listen, schema
        self._liveness, self._events = liveness, events
        self._neighbours = {each.peer: Neighbour(each, self._conversation(each.peer)) for each in neighbours}
        self._former = [Neighbour(each, self._conversation(each.peer), is_former=True) for each in former]
        self.traffic = TrafficLedger(sorted({each.peer for each in (*neighbours, *former)}), ledger, self.reactor.post)
        self._sockets = Sockets(self, MAX_FRAME)
        self._handshaker = Handshaker(
            terms, self._neighbours, self, self.traffic, self._sockets.send, trust or AsStated(), self._former
        )
        self._watcher = Watcher(self._neighbours, liveness, self.reactor, events.on_news)
        self._dialler = Dialler(
            terms.me, self._sockets, self._handshaker, self.reactor, self, self._watcher.unreachable
        )
        self._linked: dict[Connection, Neighbour] = {}
        self._refusal_log = StrangersLog()

    # -- calls from outside, by the reactor ---------------------------------------------------------------------

    def start(self) -> None:
        """Listen, and dial the neighbours that are ours to dial.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        try:
            if self._listen:
                self._sockets.listen(self._listen)
        except PeerError as error:
            raise PeerError(error.what, where=f"peer {self._me} at {error.where}", fix=error.fix) from error
        for neighbour in (*self._neighbours.values(), *self._former):
            self._dialler.begin(neighbour)
        ask_s = self._liveness.ask_s
        self.reactor.call_later(ask_s, partial(self._dialler.ask, self._neighbours.values(), ask_s))
        self._beat()

    def send(self, peer: int, out: Outgoing, link: int) -> None:
        """Queue a message that was meant for the neighbour's link of that number."""
        neighbour = self._neighbours[peer]
        if neighbour.is_up and neighbour.link == link:
            neighbour.session.queue_encoded(out)
            self._give_up_if_behind(neighbour)

    def tell(self, peer: int, data: bytes, link: int) -> None:
        """Tell the neighbour of a change, over its link of that number."""
        neighbour = self._neighbours[peer]
        if neighbour.is_up and neighbour.link == link:
            neighbour.session.queue_change(data)
            self._give_up_if_behind(neighbour)

    def _give_up_if_behind(self, neighbour: Neighbour) -> None:
        if neighbour.session.is_behind:  # it reads nothing, or never says that it has: memory would go on growing
            self._down(neighbour, "too far behind with what it says it has received")

    def news(self, neighbour: Neighbour, data: bytes, differing: Sequence[str]) -> None:
        if data and not (neighbour.is_former and neighbour.peer in self._neighbours):  # who has its number is heard
            self._events.on_change(neighbour.peer, data, tuple(differing))

    def echo(self, peer: int, payload: bytes, link: int, answer: Future[float]) -> None:
        """Have `payload` come back over the neighbour's link of that number; the seconds that takes, or a WireError."""
        neighbour = self._neighbours[peer]
        neighbour.forget_echo()
        neighbour.echo = time.monotonic(), answer
        if neighbour.connection is None or neighbour.link != link:
            neighbour.forget_echo()
            return
        neighbour.session.queue_echo(payload)

    def say_bye(self) -> None:
        """Ask every neighbour to say when it has read all that was queued for it."""
        for neighbour in self._neighbours.values():
            if neighbour.is_up:
                neighbour.session.queue_bye()

    def is_over(self) -> bool:
        """Whether all who are there have said so."""
        return all(not each.is_up or each.session.is_over for each in self._neighbours.values())

    def unreachable(self) -> dict[int, str]:
        """Where and why neighbours that we call cannot be reached, by peer; from any thread."""
        return {peer: each.unreachable for peer, each in self._neighbours.items() if each.unreachable}

    def quarantine(self, peer: int) -> None:
        """Drop the link to a neighbour and ignore it from now on."""
        neighbour = self._neighbours[peer]
        neighbour.quarantined = True
        if neighbour.dialling:
            self.hang_up(neighbour.dialling)
        self._down(neighbour, "quarantined")

    # -- the machine that the reactor drives --------------------------------------------------------------------

    def turn(self) -> bool:
        moved = self._sockets.work(time.monotonic(), hear=not self._events.is_full)
        for neighbour in self._neighbours.values():
            moved |= self._pump(neighbour)
        return moved

    def wait(self, timeout_s: float | None) -> None:
        self._sockets.wait(timeout_s, time.monotonic(), hear=not self._events.is_full)

    def wake(self) -> None:
        self._sockets.wake()

    def failed(self, error: Exception) -> None:
        self._events.on_failed(error)

    def close(self) -> None:
        """Close all sockets (what has not left yet still does for up to a second) and complete the ledger."""
        self._sockets.close_all()
        self.traffic.close()

    # -- in (called by the sockets) -----------------------------------------------------------------------------

    def looks_at_calls(self, now: float) -> float:
        return self._handshaker.waiting.looks(now)

    def admits(self, now: float, host: str) -> bool:
        if self._handshaker.waiting.admits(now, host):
            return True
        self.stranger(f"a connection from {host}, of which there are too many")
        return False

    def on_call(self, connection: Connection) -> None:
        self._handshaker.on_call(connection, time.monotonic())

    def on_connected(self, connection: Connection) -> None:
        """Whoever was called greets first."""

    def on_frame(self, connection: Connection, frame: memoryview) -> None:
        if neighbour := self._linked.get(connection):
            self._on_record(neighbour, connection, frame)
        else:
            self._handshaker.on_frame(connection, frame, time.monotonic())

    def on_closed(self, connection: Connection, reason: str) -> None:
        if neighbour := self._linked.get(connection):
            self._lost(neighbour, f"connection lost{f' ({reason})' if reason else ''}")
        else:
            why = self._handshaker.on_closed(connection, reason or "closed by the other end")
            self._forget(connection, why or reason or "it closed the connection")

    def hang_up(self, connection: Connection, why: str = "no handshake") -> None:
        self._sockets.close(connection)
        self._forget(connection, why)

    def _forget(self, connection: Connection, reason: str) -> None:
        neighbour = self._handshaker.dialled(connection)
        self._handshaker.forget(connection)
        if neighbour and neighbour.dialling is connection:
            neighbour.dialling = None
            self._dialler.failed(neighbour, reason)

    def _on_record(self, neighbour: Neighbour, connection: Connection, frame: memoryview) -> None:
        peer, session, now = neighbour.peer, neighbour.session, time.monotonic()
        received, begun, pause = session.received, session.begun, neighbour.records.charge(now)
        try:
            session.receive(frame, partial(self._events.on_message, peer))
            neighbour.echoed(now)
            self._watcher.take(neighbour, now)
            while session.changes:
                self._events.on_change(peer, session.changes.popleft(), ())
            if session.is_twice:
                session.is_twice = False
                self.stranger(f"peer {peer} has seen peer {self._me}, this one, twice: {TWICE}")
            if session.acknowledged != neighbour.pace.acknowledged:
                neighbour.pace.on_acknowledged(now, session.acknowledged)
        except Unauthentic as error:
            # Only what is authentic counts against its sender: this may be anybody's doing who is on the line.
            self._lost(neighbour, error.what)
            return
        except WireError as error:
            self._events.on_refused(peer, error.what)
        else:
            self.traffic.frame_received(peer, len(frame))
        if session.received != received:
            session.queue_ping()
        if session.begun != begun:  # memory is taken for one that never comes, too
            pause = max(pause, neighbour.messages.charge(now))
        if pause:
            self._sockets.hear(connection, hear=False)
            self.reactor.call_later(pause, partial(self._sockets.hear, connection, hear=True))

    # -- up and down (called by the handshaker, too) ------------------------------------------------------------

    def replace(self, neighbour: Neighbour, theirs: Standing) -> None:
        """Whoever lost its connection and dials again knows the conversation, whoever began anew has closed its own:
        one that did neither runs beside another. Through a relay the other's connection has been cut by then; but it
        comes back with the name that it had, and whoever began anew would not."""
        old, session = neighbour.connection, neighbour.session
        alive = self._watcher.hears(neighbour, time.monotonic())
        neighbour.is_twice = (alive and not session.goes_on(theirs)) or neighbour.comes_back_as(theirs.mine)
        if neighbour.is_twice:
            self.stranger(f"peer {neighbour.peer} is there twice: {TWICE}")
        if old is not None and neighbour.is_twice:
            session.queue_twice()
            if old.is_clear and (told := session.next_record(0)):
                self._sockets.send(old, told[0])
        self._disconnect(neighbour)

    def _disconnect(self, neighbour: Neighbour) -> None:
        if neighbour.connection:
            self._sockets.close(neighbour.connection)
            del self._linked[neighbour.connection]
            neighbour.connection = None
        neighbour.forget_echo()

    def up(self, neighbour: Neighbour, connection: Connection, theirs: Standing, seals: Seals) -> None:
        begins = not neighbour.session.goes_on(theirs)
        if begins and neighbour.is_up:
            self._tell_down(neighbour, "the neighbour opened a new link")
        neighbour.session.connected(theirs, seals.sealer, seals.opener)
        neighbour.goes_by(theirs.mine)
        if neighbour.is_twice:
            neighbour.session.queue_twice()
        neighbour.connection, neighbour.dialling, neighbour.pace = connection, None, Pace()
        neighbour.heard = neighbour.made_at = time.monotonic()
        neighbour.made_after = self._carried(neighbour)
        neighbour.failures, neighbour.cut, neighbour.unreachable = 0, 0, ""
        neighbour.complained.forget()
        self._linked[connection] = neighbour
        connection.reader.most = RECORD
        if begins:
            neighbour.is_up, neighbour.link = True, neighbour.link + 1
            self._watcher.up(neighbour)
            self._events.on_link(neighbour.peer, True, "", neighbour.link)

    def _lost(self, neighbour: Neighbour, reason: str) -> None:
        """A connection has ended. Nobody need know, if another takes its place soon."""
        self._disconnect(neighbour)
        if neighbour.session.has_parted:
            self._down(neighbour, reason)
            return
        neighbour.lost(now := time.monotonic())
        self._dialler.again(neighbour)

        def look() -> None:
            if neighbour.connection is None and neighbour.lost_at == now:
                if neighbour.kept_until(self._liveness) > time.monotonic():
                    self.reactor.call_later(self._liveness.resume_s / 4, look)
                else:
                    self._down(neighbour, reason)

        self.reactor.call_later(self._liveness.resume_s, look)

    def _down(self, neighbour: Neighbour, reason: str) -> None:
        """Give a link up, and with it what was under way."""
        self._disconnect(neighbour)
        if neighbour.is_up:
            if neighbour.dialling:
                self.hang_up(neighbour.dialling)  # it may have spoken of this conversation already
            self._tell_down(neighbour, reason)
            neighbour.session = self._conversation(neighbour.peer)
            # Not before the other end has heard that this one has hung up: a second connection of another conversation
            # beside the first is what a second process with the same key would make.
            self.reactor.call_later(self._liveness.retry_s, partial(self._dialler.again, neighbour))

    def _tell_down(self, neighbour: Neighbour, reason: str) -> None:
        neighbour.is_up = False
        self._watcher.down(neighbour, time.monotonic(), parted=neighbour.session.has_parted)
        self.traffic.sum_pings(neighbour.peer)
        self._events.on_link(neighbour.peer, False, reason, neighbour.link)

    def _conversation(self, peer: int) -> Session:
        return Session(self._me, peer, None, self._schema)

    def gone(self, neighbour: Neighbour) -> None:
        self._down(neighbour, "connection lost")

    def stranger(self, reason: str) -> None:
        if line := self._refusal_log.line(time.monotonic(), reason):
            self._events.on_refused(None, line)

    def differs(self, neighbour: Neighbour, *, by_key: bool) -> None:
        self._events.on_news(Differs(neighbour.peer, by_key))

    def agrees(self, neighbour: Neighbour) -> None:
        self._events.on_news(Agrees(neighbour.peer))

    def complain(self, neighbour: Neighbour, complaint: str) -> None:
        if line := neighbour.complains(time.monotonic(), complaint):
            self._events.on_refused(None, line)

    def _beat(self) -> None:
        """Heartbeats, silence, and connections that have had their time."""
        now, deaf = time.monotonic(), self._events.is_full
        for neighbour in self._handshaker.look():
            self._down(neighbour, "its key is good no more")
        late = self._watcher.lateness(now)
        self._sockets.work(now, hear=not deaf)  # what has come and was not looked at is no silence
        for neighbour in self._neighbours.values():
            if (connection := neighbour.connection) is None:
                neighbour.heard += late
                if neighbour.is_up:
                    self._watcher.look(neighbour, now)
                continue
            heard = max(neighbour.heard + late, connection.heard_at)
            neighbour.heard = now if deaf or connection.deaf else min(now, heard)
            self._watcher.look(neighbour, now)
            if now - neighbour.heard > self._liveness.silence_s:
                self._down(neighbour, f"silent for {self._liveness.silence_s:g} s")
            elif self._is_old(neighbour, now):
                self._lost(neighbour, "its keys were old, and it could not be made anew")
            else:
                neighbour.session.queue_ping()
        for connection in self._handshaker.overdue(now):
            self.hang_up(connection, why_overdue(connecting=connection.connecting, late=late > 0))
        all_up = all(each.connection for each in self._neighbours.values())
        delay_s = self._liveness.ping_s if all_up else min(self._liveness.retry_s, self._liveness.ping_s)
        self._watcher.again(now, delay_s, self._beat)

    def _is_old(self, neighbour: Neighbour, now: float) -> bool:
        """Whether a connection of ours to dial has had its time, and its other end has been heard of just now."""
        limits, carried, age_s = self._liveness, self._carried(neighbour), now - neighbour.made_at
        old = age_s > limits.renew_s or carried - neighbour.made_after > limits.renew_bytes
        return old and neighbour.endpoint.begins(self._me) and now - neighbour.heard < 2 * limits.ping_s

    def _carried(self, neighbour: Neighbour) -> int:
        return self.traffic.totals[neighbour.peer].both

    # -- out ----------------------------------------------------------------------------------------------------

    def _pump(self, neighbour: Neighbour) -> bool:
        """Seal and send a few records; whether any left."""
        for sent in range(BURST):
            connection = neighbour.connection
            if connection is None or not connection.is_clear:
                return sent > 0
            following = neighbour.session.next_record(neighbour.pace.piece)
            if following is None:
                return sent > 0
            record, out, size = following
            if size:
                neighbour.pace.on_sent(time.monotonic(), size)
            if self._sockets.send(connection, record) is Outcome.GONE:
                return True  # the end will be read
            self._book(neighbour.peer, out, len(record))
        return True

    def _book(self, peer: int, out: Outgoing | None, size: int) -> None:
        wire = self.traffic.frame_sent(peer, size)
        if out is None:
            self.traffic.ping_sent(peer, wire)
            return
        out.wire += wire
        if out.is_done:
            self.traffic.message_sent(peer, out)
            out.wire = 0  # should it have to travel again, that is another entry
