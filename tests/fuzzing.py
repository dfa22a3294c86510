"""Every decoder that meets a neighbour or a file, with samples of what it is given; `mutating` makes them hostile.

`scripts/bench/fuzz.py` runs as many as one likes; a few hundred of each run with the tests. A decoder may raise its
declared error and nothing else, whatever it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import msgpack
import numpy as np

from p2pfl_me.contract import contract_from_yaml, dump_contract
from p2pfl_me.errors import ContractError, P2pmeError, WireError
from p2pfl_me.federation.card import MARK, read_card
from p2pfl_me.membership.agreed import agreed
from p2pfl_me.membership.certificates import Book, Revocation, Rotation
from p2pfl_me.membership.certificates import as_text as certificate_as_text
from p2pfl_me.membership.certificates import from_text as certificate_from_text
from p2pfl_me.membership.edits import without
from p2pfl_me.membership.views import as_text
from p2pfl_me.membership.views import from_text as view_from_text
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.changing import Changing, unpack
from p2pfl_me.privacy.ckks import Ckks, has_ckks
from p2pfl_me.privacy.mask_keys import SEED, TOKEN
from p2pfl_me.privacy.mask_words import Pledge, lives_from, lives_to_bytes, masked_from, pledge_from, pledge_to_bytes
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.simulation.changing import MemoryStore
from p2pfl_me.wire.admission import CHALLENGE, PROOF, edge_key
from p2pfl_me.wire.codec import Schema, decode_header, encode
from p2pfl_me.wire.framing import FrameReader, Lengths
from p2pfl_me.wire.handshake import (
    DIGEST,
    MAX_FRAME,
    REPLY,
    Terms,
    ephemeral_of,
    greeting,
    hello,
    proof_of,
    read_greeting,
    read_hello,
    read_reply,
    reply,
)
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.meeting import ABSENT, MET, is_met, meet, read_meet, sought
from p2pfl_me.wire.noise import AwaitingReply, Initiator, Introduced
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.session import BODY, MESSAGE, RECEIVED, STANDING, Session, Standing
from p2pfl_me.wire.sightings import ASKED, Sightings
from p2pfl_me.wire.unknown import Unknown, answer, answered_by, is_from, unknown
from tests.compression.pairs import ALL as COMPRESSIONS
from tests.compression.pairs import SIZE, ends, model
from tests.fuzzing_files import file_targets
from tests.membership.labs import Members
from tests.mutating import Target
from tests.privacy.test_chain import RING, Chain


def targets(folder: Path) -> Mapping[str, Target]:
    """All decoders by name; those that read files read them in `folder`."""
    return {**_wire(), **_compressions(), **_words(folder / "home"), **file_targets(folder)}


# -- what neighbours and strangers send -------------------------------------------------------------------------------

LOW, HIGH = (Terms(me, new_identity(), b"p" * 32, {"model": b"m" * 32, "data": b"d" * 32}) for me in range(2))
EDGE = edge_key(LOW.identity, HIGH.identity.public)
CHALLENGED = bytes(range(CHALLENGE))
VALUES, PIECE = 400, 1024
"""Of a model: two pieces of a body, since what costs is to seal them."""
SCHEMA = Schema(VALUES, b"s" * 32)
PACKED = Schema(VALUES, b"s" * 32, packed=1500)


def _wire() -> dict[str, Target]:
    headers = tuple(encode(message, 0, SCHEMA)[0] for message in _messages())
    said, _ = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)
    introduction = msgpack.packb([0, dict(LOW.sections)])
    standing = Session(1, 0, None, SCHEMA).standing()
    stream = b"".join(Lengths().write(len(each)) + each for each in (greeting(CHALLENGED), said))
    return {
        "header": Target(headers, partial(decode_header, sender=0, schema=SCHEMA)),
        "frames": Target((stream,), _read_frames),
        "greeting": Target((greeting(CHALLENGED),), read_greeting),
        "hello": Target((said,), _read_hello),
        "introduction": Target((introduction,), _read_introduction),
        "reply": Target((_replied(msgpack.packb([])),), _read_reply),
        "answer": Target((msgpack.packb([]), msgpack.packb(["model", "x" * 80])), _read_answer),
        "word of an unknown key": Target((_unknown().said,), _read_unknown),
        "its answer": Target(
            (answer(LOW.identity, _unknown().said, CHALLENGED, _said()[0], [HIGH.identity.public]),), _read_its_answer
        ),
        "record": Target(
            (bytes(Sealer(bytes(32)).seal(MESSAGE, headers[0])),), lambda data: Opener(bytes(32)).open(data)
        ),
        "standing": Target((standing,), _read_standing),
        "session": Target((b"".join(map(_length_and, headers)),), partial(_converse, schema=SCHEMA)),
        "packed session": Target((b"".join(map(_length_and, headers)),), partial(_converse, schema=PACKED)),
    }


def _messages() -> list[Message]:
    return [
        Message(kind, 3, 2, np.ones(VALUES, np.float32) if kind in {Kind.PUSH, Kind.OFFER} else None) for kind in Kind
    ]


def _read_frames(data: bytes) -> None:
    reader = FrameReader(MAX_FRAME)
    at = 0
    while True:
        while reader.next_frame() is not None:
            pass
        if at == len(data):
            return
        space = reader.space()
        count = min(len(space), len(data) - at, 700)
        space[:count] = data[at : at + count]
        reader.filled(count)
        at += count


def _read_hello(data: bytes) -> None:
    proof_of(data)
    read_hello(HIGH, EDGE, CHALLENGED, data)


State = TypeVar("State", AwaitingReply, Introduced)


@cache
def _said() -> tuple[bytes, AwaitingReply]:
    return hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)


@cache
def _heard() -> Introduced:
    return read_hello(HIGH, EDGE, CHALLENGED, _said()[0]).introduced


def _again(state: State) -> State:
    """A state of the handshake that is worked out once, for an input of its own."""
    made = copy(state)
    made._state = copy(state._state)
    return made


@cache
def _unknown() -> Unknown:
    """What HIGH says that does not know LOW."""
    return unknown([HIGH.identity], ephemeral_of(_said()[0]), CHALLENGED, _said()[0])


def _its_answer() -> bytes:
    return answer(LOW.identity, _unknown().said, CHALLENGED, _said()[0], [HIGH.identity.public])


def _read_unknown(data: bytes) -> None:
    made, awaiting = _said()
    if not is_from(data, HIGH.identity.public, awaiting.ephemeral, CHALLENGED, made):
        answer(LOW.identity, data, CHALLENGED, made, [HIGH.identity.public])


def _read_its_answer(data: bytes) -> None:
    answered_by([LOW.identity], [HIGH.identity.public], _unknown(), data)


def _read_introduction(payload: bytes) -> None:
    """What a liar with a true key says inside a handshake."""
    prologue = LOW.prologue + CHALLENGED
    message, _ = Initiator(LOW.identity.private, HIGH.identity.public, prologue).write(payload[:60_000])
    reply(read_hello(HIGH, EDGE, CHALLENGED, _said()[0][: 1 + PROOF + DIGEST] + message))


def _replied(payload: bytes) -> bytes:
    return bytes([REPLY]) + _again(_heard()).write(payload)[0]


def _read_reply(frame: bytes) -> None:
    read_reply(_again(_said()[1]), frame)


def _read_answer(payload: bytes) -> None:
    """What a liar with a true key answers."""
    _read_reply(_replied(payload[:60_000]))


def _read_call(frame: bytes) -> None:
    """What a relay is told."""
    _, place = read_meet(frame)
    sought(EDGE, LOW.identity.public, CHALLENGED, place, (HIGH.identity.public,))


def _read_standing(payload: bytes) -> None:
    session = Session(0, 1, None, SCHEMA)
    sealer, opener = Sealer(bytes(32)), Opener(bytes(32))
    theirs = Standing.read(sealer.seal(STANDING, payload), opener)
    session.goes_on(theirs)
    session.connected(theirs, Sealer(bytes(32)), opener)


def _length_and(header: bytes) -> bytes:
    return bytes([MESSAGE]) + len(header).to_bytes(2, "big") + header + bytes([RECEIVED, 0, 16]) + bytes(16)


def _converse(data: bytes, schema: Schema) -> None:
    """A liar's records, honestly sealed, one after another; each may be refused, and the next is read."""
    session, sealer, opener = Session(1, 0, None, schema), Sealer(bytes(32)), Opener(bytes(32))
    theirs = Standing.read(sealer.seal(STANDING, Session(0, 1, None, schema).standing()), opener)
    session.connected(theirs, Sealer(bytes(32)), opener)
    session.queue(Message(Kind.HELLO, 1))
    refused: WireError | None = None
    at = 0
    while len(data) >= 3:
        at += 1
        kind, size = data[0], int.from_bytes(data[1:3], "big")
        payload, data = data[3 : 3 + size], data[3 + size :]
        for each in ((kind, payload), (BODY, (payload * PIECE)[: PIECE if at % 2 else 4 * VALUES - PIECE])):
            try:
                session.receive(sealer.seal(*each), lambda message: None)
            except WireError as error:
                refused = error
        while session.next_record(1024) is not None:
            pass
    if refused:
        raise refused


def _compressions() -> dict[str, Target]:
    made = {}
    for name, compression in COMPRESSIONS.items():
        low, high = ends(compression)
        one, two = model(1), model(2)
        payloads = [(low.encode(1, one), high.encode(1, two))]
        low.exchange(1, one, *payloads[0])
        high.exchange(1, two, *reversed(payloads[0]))
        payloads.append((low.encode(2, one), high.encode(2, two)))
        limit = compression.limit(SIZE)
        samples = tuple(payload for pair in payloads for payload in pair)

        def decode(data: bytes, low: object = low, own: object = one, limit: int = limit) -> None:
            data = data[:limit]  # longer ones do not pass the header
            low.check(2, data)  # type: ignore[attr-defined]

        made[f"compression {name}"] = Target(samples, decode)
    return made


def _ciphers() -> dict[str, Target]:
    """What a chain's neighbours and receivers say; tenseal is reached by what has the right length only."""
    chain = Chain(3)
    ask = chain.receiver.asks(chain.roster(), {})[0].tobytes()
    found = {"ask of a chain": Target((ask,), lambda data: chain.givers[0].pledge(7, 0, np.frombuffer(data, np.uint8)))}
    if not has_ckks():
        return found
    life, words = Ckks(RING, 3), np.arange(40, dtype="<u4")
    adder = life.adder(life.public)
    ciphertext = adder.plus(words, None).tobytes()

    def fitted(data: bytes, sample: bytes) -> bytes:
        return (data + sample[len(data) :])[: len(sample)]

    def add(data: bytes) -> None:
        content = np.frombuffer(fitted(data, ciphertext), np.uint8)
        adder.plus(words, content)
        life.total(content, words.size)

    def meet_key(data: bytes) -> None:
        life.adder(fitted(data, life.public)).plus(words, None)

    return found | {"ciphertext": Target((ciphertext,), add), "receiver's key": Target((life.public,), meet_key)}


def _words(folder: Path) -> dict[str, Target]:
    """What neighbours say beside models, and what they hand over as files."""
    labs = Members("{kind: line}", count=3)
    by = new_identity()
    longer = contract_from_yaml(dump_contract(labs.contract), overrides=["training.rounds=50"])
    view = labs.view(longer, [0, 1, 2])
    leaving = labs.view(without(labs.contract, 2), [2], at=5)
    rotation = Rotation(labs.key(0).public, by.public, 2_000_000_000).sealed(
        labs.key(0).private, by.private, [labs.key(1).public]
    )
    revocation = Revocation(labs.key(0).public).sealed(labs.key(0).private, [labs.key(1).public])
    card = f"{MARK} 3 tcp://lab.example:4000 {by.public_text} {'a' * 16}\n".encode()
    lives = {peer: bytes([peer]) * 32 for peer in range(3)}
    pledge = pledge_to_bytes(Pledge(bytes(SEED), {1: bytes(TOKEN)}, {2: bytes(SEED)}))
    witness, court, rung = labs.witness(1), labs.court(1, folder), deque[int](maxlen=1)

    def tell(peer: int, data: bytes) -> None:
        unpack(data)

    call = meet(EDGE, LOW.identity.public, CHALLENGED, HIGH.identity.public)

    def hear_views(data: bytes) -> None:
        for text in unpack(data):
            agreed(labs.standing, view_from_text(text, "a view"), witness)

    def hear_changes(data: bytes) -> None:
        """All that a neighbour may tell of changes, as the peer of a member hears it; who leaves by its own word, too.
        What is wrong is noted, and never raised."""
        told: list[AnyEvent] = []
        changing = Changing(
            MemoryStore(),
            labs.standing,
            court,
            me=1,
            completed=lambda: 2,
            ring=rung.append,
            tell=tell,
            note=told.append,
        )
        changing.linked(0, up=True)
        changing.heard(0, data, ())
        changing.heard(0, data, ("training",))

    def read_certificate(data: bytes) -> None:
        made = certificate_from_text(data.decode(errors="surrogateescape"), "a certificate")
        certificate_as_text(made)
        if isinstance(made, Rotation):
            made.holds(labs.key(1).private)
            Book().with_rotation(made)
        else:
            made.signers(labs.key(1).private, [labs.key(0).public])

    def hear_sight(data: bytes) -> None:
        sights = Sightings()
        sights.ask(1)
        sights.next()
        for at in range(0, len(data), 9):
            sights.hear(data[at] % 2 + ASKED, data[at + 1 : at + 9][: 4 + 5 * (data[at] % 2)])

    texts = [as_text(view), as_text(replace(view, number=2))]
    parting = [as_text(leaving), as_text(view)]
    return {
        "views": Target((bytes(msgpack.packb(texts[:1])), bytes(msgpack.packb(texts))), hear_views, ContractError),
        "changes": Target(
            (bytes(msgpack.packb(parting[:1])), bytes(msgpack.packb(parting))), hear_changes, ContractError
        ),
        "certificate": Target(
            (certificate_as_text(rotation).encode(), certificate_as_text(revocation).encode()),
            read_certificate,
            P2pmeError,
        ),
        "card": Target((card,), lambda data: read_card(data.decode(errors="replace"), "a card"), ContractError),
        "lives": Target((lives_to_bytes(lives),), lambda data: lives_from(memoryview(data))),
        "pledge": Target((pledge,), lambda data: pledge_from(memoryview(data))),
        "masked": Target(
            (len(lives).to_bytes(4, "little") + lives_to_bytes(lives) + bytes(12),),
            lambda data: masked_from(memoryview(data), 12),
        ),
        "sight": Target((bytes(range(27)),), hear_sight),
        **_ciphers(),
        "call for a neighbour": Target((call,), _read_call),
        "word of a relay": Target((bytes([ABSENT]), bytes([MET])), is_met),
    }
