"""Who comes in: greeting, proof and the two frames of a handshake, and the first sealed record that completes it.

A stranger's key gets a greeting and nothing else. Nothing here trusts a frame before it has authenticated, and nothing
that fails to counts against a neighbour: it may be the line's doing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from p2pfl_me.errors import WireError
from p2pfl_me.wire import handshake_stages as stages
from p2pfl_me.wire.admission import CHALLENGE, WaitingRoom, caller_of
from p2pfl_me.wire.apart import COMPARE, UNTOLD, Apart
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.complaints import (
    BY_ANOTHER_KEY,
    NO_KEY,
    NO_PEER,
    NOT_CALLED,
    NOT_THERE,
    REVOKED,
    TURNED_AWAY,
    TURNED_AWAY_THERE,
)
from p2pfl_me.wire.endpoint import Trust
from p2pfl_me.wire.handshake import (
    OtherVersion,
    Terms,
    contracts_differ,
    ephemeral_of,
    greeting,
    hello,
    proof_of,
    read_greeting,
    read_hello,
    read_reply,
    reply,
)
from p2pfl_me.wire.handshake_events import HandshakeEvents
from p2pfl_me.wire.handshake_stages import AtRelay, Call, Dialled, KeyPair, Seals, Stage
from p2pfl_me.wire.meeting import is_met, meet
from p2pfl_me.wire.neighbour import Neighbour, Tried
from p2pfl_me.wire.noise import AwaitingReply
from p2pfl_me.wire.session import CHANGE, STANDING, Standing
from p2pfl_me.wire.station import Connection, Outcome
from p2pfl_me.wire.traffic import TrafficLedger
from p2pfl_me.wire.unknown import UNKNOWN, Unknown, answer, answered_by, is_from, unknown

UNKNOWNS = (1.0, 8.0)
"""Keys that are not known and are told so, a second and at once: an agreement of keys each, for anybody who calls."""


class Handshaker:
    """The handshakes of one peer, each on a connection of its own. `send` hands a frame to the network."""

    def __init__(
        self,
        terms: Terms,
        neighbours: Mapping[int, Neighbour],
        events: HandshakeEvents,
        traffic: TrafficLedger,
        send: Callable[[Connection, bytes | memoryview], Outcome],
        trust: Trust,
        former: Sequence[Neighbour] = (),
    ) -> None:
        self._terms, self._trust = terms, trust
        self._events, self._traffic, self._send = events, traffic, send
        self._neighbours = (*former, *neighbours.values())
        self._edges: dict[Neighbour, tuple[KeyPair, ...]] = {}
        self._to_relays: dict[bytes, tuple[KeyPair, ...]] = {}
        self._find_edges()
        self._under_way: dict[Connection, Stage] = {}
        self.waiting: WaitingRoom[Connection] = WaitingRoom()
        self._unknowns = Bucket(*UNKNOWNS)

    # -- who is believed ----------------------------------------------------------------------------------------

    def look(self) -> list[Neighbour]:
        """Look whether other keys are good now; the neighbours whose connections rest on one that is not."""
        if not self._trust.look():
            return []
        if self._trust.trouble:
            self._events.stranger(f"keys go on as they were known: {self._trust.trouble}")
        self._find_edges()
        for connection, stage in [*self._under_way.items()]:
            if isinstance(stage, AtRelay) or not stage.neighbour or not stage.key:
                continue
            if not self._is_good(stage.neighbour, stage.key):
                self._events.hang_up(connection)
        return [each for each in self._neighbours if each.connection and not self._is_good(each, each.key)]

    def _is_good(self, neighbour: Neighbour, key: bytes) -> bool:
        return any(each.public == key for each in self._edges[neighbour])

    def _find_edges(self) -> None:
        mine = self._terms.identities(self._trust.good(self._terms.stated or self._terms.identity.public))
        for neighbour in self._neighbours:
            neighbour.tried = Tried()
            self._edges[neighbour] = stages.key_pairs(neighbour, mine, self._trust.good(neighbour.endpoint.public_key))
            for relay in neighbour.endpoint.relays:
                self._to_relays[relay.public_key] = stages.key_pairs(neighbour, mine, (relay.public_key,))

    # -- beginning and ending -----------------------------------------------------------------------------------

    def on_call(self, connection: Connection, now: float) -> None:
        """Greet whoever calls; if there is no room, another goes."""
        if (goes := self.waiting.enter(connection, connection.host)) is not None:
            self._events.hang_up(goes)
        self._under_way[connection] = call = Call(now, os.urandom(CHALLENGE))
        self._send(connection, greeting(call.challenge))

    def on_dialling(self, connection: Connection, neighbour: Neighbour, now: float) -> None:
        """We are calling a neighbour, or a relay to meet it."""
        relay = neighbour.relay(self._terms.me)
        asks = not neighbour.endpoint.begins(self._terms.me)
        self._under_way[connection] = AtRelay(now, neighbour, relay) if relay else Dialled(now, neighbour, asks)

    def can_dial(self, neighbour: Neighbour) -> bool:
        """Whether there is a key to answer its challenge with."""
        good = self._trust.good(neighbour.endpoint.public_key)
        if not self._edges[neighbour]:
            self._events.complain(neighbour, f"peer {neighbour.peer}: {NO_KEY if good else REVOKED}")
            return False
        for relay in neighbour.endpoint.relays:
            if not self._to_relays[relay.public_key]:
                self._events.complain(neighbour, f"peer {neighbour.peer} by the relay {relay.address}: {NO_KEY}")
                return False
        return True

    def dialled(self, connection: Connection) -> Neighbour | None:
        """The neighbour that we are calling on this connection, or meet over it, if we are."""
        stage = self._under_way.get(connection)
        return stage.met if isinstance(stage, Call) else stage.neighbour if stage else None

    def forget(self, connection: Connection) -> Stage | None:
        """A connection has ended or become a link."""
        self.waiting.leave(connection)
        return self._under_way.pop(connection, None)

    def on_closed(self, connection: Connection, reason: str) -> str:
        """The other end has closed a connection, or sent what no frame is; why, where we know better than `reason`."""
        stage = self._under_way.get(connection)
        if not isinstance(stage, AtRelay) and stage and stage.neighbour and stage.differing:
            if not stage.neighbour.is_former:  # at once: one whose contract knows of no changes may have ended by now
                why = stage.neighbour.apart.cut(stage.differing)
                self._differs(stage.neighbour, stage.differing, why, ours=why == UNTOLD)
        elif isinstance(stage, AtRelay):
            if stage.absent:
                return NOT_THERE
            if stage.neighbour.failures and not connection.connecting:
                self._complain(stage.neighbour, TURNED_AWAY_THERE if stage.asked else NO_PEER)
        elif isinstance(stage, Dialled):
            if why := stages.cut_short(stage, len(self._edges[stage.neighbour]), connecting=connection.connecting):
                self._complain(stage.neighbour, why)
        elif isinstance(stage, Call) and stage.neighbour is None and stage.met is None and stage.unknown is None:
            self._events.stranger(f"a connection from {connection.host} that ended before its handshake ({reason})")
        return ""

    def overdue(self, now: float) -> list[Connection]:
        """Connections that have had their time."""
        return [each for each, stage in self._under_way.items() if stages.is_overdue(stage, each.heard_at, now)]

    # -- frames -------------------------------------------------------------------------------------------------

    def on_frame(self, connection: Connection, frame: memoryview, now: float) -> None:
        """Take a frame of a connection that is no link yet."""
        stage = self._under_way.get(connection)
        try:
            if stage is None:
                return
            if isinstance(stage, AtRelay):
                self._on_relay(connection, stage, bytes(frame), now)
            elif stage.neighbour is not None and stage.seals is not None and stage.differing:
                self._on_news(connection, stage, stage.neighbour, stage.seals, frame, now)
            elif stage.neighbour is not None and stage.seals is not None:
                self._on_first_record(connection, stage.neighbour, stage.key, stage.seals, frame)
            elif isinstance(stage, Call) and stage.unknown is not None:
                self._on_answer(connection, stage.unknown, bytes(frame))
            elif isinstance(stage, Call) and stage.neighbour is not None:
                self._events.hang_up(connection)  # answered, and more than there is to say: news, where none is told
            elif isinstance(stage, Call):
                self._on_hello(connection, stage, bytes(frame), now)
            elif stage.awaiting is None:
                self._on_greeting(connection, stage, bytes(frame))
            elif frame[:1] == bytes([UNKNOWN]):
                self._on_unknown(connection, stage, stage.awaiting, bytes(frame))
            else:
                self._on_reply(connection, stage, stage.awaiting, bytes(frame), now)
        except OtherVersion as error:
            if stage is not None and stage.neighbour is not None:
                self._complain(stage.neighbour, error.what)
            self._events.hang_up(connection)
        except WireError as error:
            if isinstance(stage, AtRelay) or (isinstance(stage, Dialled) and stage.awaiting is None):
                self._complain(stage.neighbour, f"{NO_PEER} ({error.what})")
            else:
                # Whoever is there need not be the neighbour, so it does not count against it.
                self._events.stranger(f"{error.what}, from {connection.host}")
            self._events.hang_up(connection)

    def _on_relay(self, connection: Connection, stage: AtRelay, frame: bytes, now: float) -> None:
        """Ask a relay for the neighbour; once the two have met, all is as if one had called the other."""
        neighbour, edges = stage.neighbour, self._to_relays[stage.relay.public_key]
        if not stage.asked and edges:
            edge, stage.asked = edges[neighbour.failures % len(edges)], True
            mine, named = edge.identity.public, neighbour.endpoint.public_key
            made = meet(edge.key, mine, read_greeting(frame), named)
            if self._send(connection, made) is Outcome.SENT:
                self._traffic.frame_sent(neighbour.peer, len(made))
        elif not is_met(frame):
            stage.absent = True
            neighbour.not_there(now)
            neighbour.unreachable = f"{neighbour.where(self._terms.me)}: {NOT_THERE}"
        elif neighbour.endpoint.begins(self._terms.me):
            self._under_way[connection] = Dialled(now, neighbour)
        else:
            self._under_way[connection] = call = Call(now, os.urandom(CHALLENGE), met=neighbour)
            self._send(connection, greeting(call.challenge))

    def _on_greeting(self, connection: Connection, stage: Dialled, frame: bytes) -> None:
        """Begin a handshake with a neighbour that we dialled."""
        challenge, edges = read_greeting(frame), self._edges[stage.neighbour]
        if not edges:
            self._events.hang_up(connection)
            return
        tried = stage.neighbour.tried
        edge = edges[tried.begun % len(edges)]  # which of its keys it runs with, it alone knows
        tried.begun += 1
        terms, stage.pair, stage.challenge = replace(self._terms, identity=edge.identity), edge, challenge
        stage.said, stage.awaiting = made, _ = hello(terms, edge.public, edge.key, challenge)
        if self._send(connection, made) is Outcome.SENT:
            self._traffic.frame_sent(stage.neighbour.peer, len(made))

    def _on_hello(self, connection: Connection, call: Call, frame: bytes, now: float) -> None:
        """Answer a neighbour that calls us, and nobody else."""
        all_edges = (edge for edges in self._edges.values() for edge in edges)
        edge = caller_of(all_edges, call.challenge, proof_of(frame))
        if edge is None:
            self._on_stranger(connection, call, frame, now)
            return
        neighbour = edge.neighbour
        if call.met is not None and call.met is not neighbour:
            raise WireError(f"peer {neighbour.peer}, where peer {call.met.peer} was to be met")
        if neighbour.quarantined or not neighbour.handshakes.take(now):
            self._events.hang_up(connection)
            return
        terms = replace(self._terms, identity=edge.identity)
        made = read_hello(terms, edge.key, call.challenge, frame)
        if made.key != edge.public:
            raise WireError("two keys in one handshake")
        if made.peer != neighbour.peer and not made.differing and not neighbour.is_former:
            raise WireError(f"peer {neighbour.peer} calls as peer {made.peer}, which it should not")
        answer, ciphers = reply(made)
        if self._send(connection, answer) is not Outcome.SENT:
            return  # it went away again
        self._traffic.frame_sent(neighbour.peer, len(answer))
        for other in stages.calls_of(neighbour, self._under_way):
            self._events.hang_up(other)  # one at a time, the newest
        call.neighbour, call.key = neighbour, edge.public
        if made.version is None:  # and so it reads, and closes the connection
            self._complain(neighbour, made.ours.parted(made.theirs))
            return
        if made.differing:
            if self._terms.news is None:  # the caller will read that, and close the connection
                self._differs(neighbour, made.differing)
            else:
                stages.tells(call, connection, ciphers, made.differing, self._terms.news)
            return
        if neighbour.is_former:
            neighbour.quarantined = True  # it knows, and is no neighbour any more
        elif neighbour.endpoint.begins(self._terms.me):
            self._events.agrees(neighbour)  # it asks whether we know it, and hangs up
        else:
            call.seals = stages.seals_of(connection, ciphers)

    def _on_stranger(self, connection: Connection, call: Call, frame: bytes, now: float) -> None:
        """It need not be one: it may be a neighbour with another key, or with another one for us."""
        why = "a key outside the allow list, or made for another key than ours"
        self._events.stranger(f"{why}, from {connection.host}")
        mine = self._terms.identities(self._trust.good(self._terms.stated or self._terms.identity.public))
        if mine and self._unknowns.take(now):
            with suppress(WireError):  # it is no key at all
                call.unknown = unknown(mine, ephemeral_of(frame), call.challenge, frame)
        if call.unknown and self._send(connection, call.unknown.said) is Outcome.SENT:
            return
        self._events.hang_up(connection)

    def _on_unknown(self, connection: Connection, stage: Dialled, awaiting: AwaitingReply, frame: bytes) -> None:
        """Our key is not known there; or the key is not there that we know. Of several, each is tried in its turn."""
        neighbour, pair, edges = stage.neighbour, stage.pair, self._edges[stage.neighbour]
        assert pair is not None
        if is_from(frame, pair.public, awaiting.ephemeral, stage.challenge, stage.said):
            neighbour.tried.unknown.add(pair.identity.public)
            if neighbour.tried.unknown >= {each.identity.public for each in edges}:
                self._by_another_key(neighbour)
        else:
            neighbour.tried.elsewhere.add(pair.public)
            known = {each.public for each in edges}
            if neighbour.tried.elsewhere >= known:
                self._complain(neighbour, TURNED_AWAY)
            said = answer(pair.identity, frame, stage.challenge, stage.said, known)
            stage.has_answered = True
            if self._send(connection, said) is Outcome.SENT:  # whoever reads it hangs up
                self._traffic.frame_sent(neighbour.peer, len(said))
                return
        self._events.hang_up(connection)

    def _on_answer(self, connection: Connection, to: Unknown, frame: bytes) -> None:
        """Somebody who called us by another key says who it is."""
        every = [edge for edges in self._edges.values() for edge in edges]
        edge = answered_by(every, {each.identity.public for each in every}, to, frame)
        if edge is not None:
            self._by_another_key(edge.neighbour)
        self._events.hang_up(connection)

    def _by_another_key(self, neighbour: Neighbour) -> None:
        self._complain(neighbour, BY_ANOTHER_KEY)
        if not neighbour.is_former:  # or its key is another, and its number may be a neighbour's with a new one
            self._events.differs(neighbour, by_key=True)

    def _on_reply(
        self, connection: Connection, stage: Dialled, awaiting: AwaitingReply, frame: bytes, now: float
    ) -> None:
        """Go on with a handshake that we began; the first sealed record is ours."""
        neighbour = stage.neighbour
        differing, ciphers = read_reply(awaiting, frame, self._terms.speaks)
        self._traffic.frame_received(neighbour.peer, len(frame))
        neighbour.tried = Tried(begun=neighbour.tried.begun)  # it is there, and knows us
        if differing and self._terms.news is not None:
            seals = stages.tells(stage, connection, ciphers, differing, self._terms.news)
            self._say_news(connection, neighbour, seals, again=not neighbour.apart.is_told(now))
            return
        neighbour.quarantined |= neighbour.is_former and not differing  # it knows, and is no neighbour any more
        if differing:
            self._differs(neighbour, differing)
        if differing or neighbour.is_former:
            self._events.hang_up(connection)
            return
        if stage.asks:
            self._events.agrees(neighbour)
            self._events.hang_up(connection, NOT_CALLED)
            return
        stage.seals = stages.seals_of(connection, ciphers)
        self._say_standing(connection, neighbour, stage.seals)

    def _on_first_record(
        self, connection: Connection, neighbour: Neighbour, key: bytes, seals: Seals, frame: memoryview
    ) -> None:
        """Whoever has stolen our key could say HELLO in any neighbour's name, but not seal this."""
        theirs = Standing.read(frame, seals.opener)
        self._traffic.frame_received(neighbour.peer, len(frame))
        if isinstance(self.forget(connection), Call):
            self._events.replace(neighbour, theirs)
            self._say_standing(connection, neighbour, seals)
        neighbour.key, neighbour.apart, neighbour.tried.begun = key, Apart(), 0
        self._events.up(neighbour, connection, theirs, seals)

    def _on_news(
        self, to: Connection, stage: Call | Dialled, neighbour: Neighbour, seals: Seals, frame: memoryview, now: float
    ) -> None:
        """How its contract came to be; whoever was called says the same of ours, and whoever called hangs up."""
        told = bytes(seals.opener.open(frame))
        if frame[0] != CHANGE:
            raise WireError("something else than the news of a neighbour with another contract")
        self._traffic.frame_received(neighbour.peer, len(frame))
        differing, stage.differing, stage.seals = stage.differing, (), None  # no more is said, least of all a link's
        apart = neighbour.apart
        why = apart.met(now, told=bool(told), tells=bool(self._terms.news))
        if why and not neighbour.is_former:
            self._differs(neighbour, differing, why, ours=apart.has_told or not self._terms.news)
        if isinstance(stage, Call):
            self._say_news(to, neighbour, seals)  # whoever calls may have begun anew, whatever it was told
        else:
            apart.told_at = apart.told_at if apart.is_told(now) else now
            self._events.hang_up(to)
        self._events.news(neighbour, told, differing)

    def _say_news(self, connection: Connection, neighbour: Neighbour, seals: Seals, *, again: bool = True) -> None:
        record = seals.sealer.seal(CHANGE, (again and self._terms.news) or b"")
        if self._send(connection, record) is Outcome.SENT:
            self._traffic.frame_sent(neighbour.peer, len(record))

    def _say_standing(self, connection: Connection, neighbour: Neighbour, seals: Seals) -> None:
        record = seals.sealer.seal(STANDING, neighbour.session.standing())
        if self._send(connection, record) is Outcome.SENT:
            self._traffic.ping_sent(neighbour.peer, self._traffic.frame_sent(neighbour.peer, len(record)))

    def _differs(self, neighbour: Neighbour, sections: Sequence[str], why: str = COMPARE, *, ours: bool = True) -> None:
        """Say so; `ours`: it may be we who are wrong, or behind."""
        self._events.complain(neighbour, contracts_differ(neighbour.peer, sections, why))
        if ours:
            self._events.differs(neighbour, by_key=False)

    def _complain(self, neighbour: Neighbour, why: str) -> None:
        self._events.complain(neighbour, f"{neighbour.named(self._terms.me)} {why}")
