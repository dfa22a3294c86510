"""Every decoder that meets a neighbour or a file, with samples of what it is given; `mutating` makes them hostile.

`scripts/bench/fuzz.py` runs as many as one likes; a few hundred of each run with the tests. A decoder may raise its
declared error and nothing else, whatever it is given.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgpack
import numpy as np
from safetensors.numpy import save

from p2pfl_me.contract import contract_from_yaml, dump_contract
from p2pfl_me.data.vectors import vectors_bank, vectors_manifest
from p2pfl_me.errors import ContractError, DataError, IdentityError, P2pmeError, WeightsError, WireError
from p2pfl_me.federation.card import MARK, read_card
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.membership.agreed import agreed
from p2pfl_me.membership.certificates import Book, Revocation, Rotation
from p2pfl_me.membership.certificates import as_text as certificate_as_text
from p2pfl_me.membership.certificates import from_text as certificate_from_text
from p2pfl_me.membership.views import as_text
from p2pfl_me.membership.views import from_text as view_from_text
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.changing import unpack
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from p2pfl_me.peer.joining import Ticket, read_ticket
from p2pfl_me.privacy.mask_keys import SEED, TOKEN
from p2pfl_me.privacy.mask_words import Pledge, lives_from, lives_to_bytes, masked_from, pledge_from, pledge_to_bytes
from p2pfl_me.run.codec import encode as encode_event
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import Sent, read_ledger, sent_line
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.run.reading import read_log
from p2pfl_me.wire.admission import CHALLENGE, PROOF, edge_key
from p2pfl_me.wire.codec import Schema, decode_header, encode
from p2pfl_me.wire.framing import FrameReader, Lengths
from p2pfl_me.wire.handshake import (
    DIGEST,
    HELLO,
    MAX_FRAME,
    REPLY,
    Terms,
    greeting,
    hello,
    proof_of,
    read_greeting,
    read_hello,
    read_reply,
    reply,
)
from p2pfl_me.wire.identity import load_identity, new_identity, public_from_text, save_identity
from p2pfl_me.wire.meeting import ABSENT, MET, is_met, meet, read_meet
from p2pfl_me.wire.noise import Initiator
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.session import BODY, MESSAGE, RECEIVED, STANDING, Session, Standing
from p2pfl_me.wire.sightings import ASKED, Sightings
from tests.compression.pairs import ALL as COMPRESSIONS
from tests.compression.pairs import SIZE, ends, model
from tests.membership.labs import Members
from tests.mutating import Target
from tests.run.making import a_round, start


def targets(folder: Path) -> Mapping[str, Target]:
    """All decoders by name; those that read files read them in `folder`."""
    return {**_wire(), **_compressions(), **_words(folder), **_files(folder)}


# -- what neighbours and strangers send -------------------------------------------------------------------------------

LOW, HIGH = (Terms(me, new_identity(), b"p" * 32, {"model": b"m" * 32, "data": b"d" * 32}) for me in range(2))
EDGE = edge_key(LOW.identity, HIGH.identity.public)
CHALLENGED = bytes(range(CHALLENGE))
SCHEMA = Schema(3000, b"s" * 32)
PACKED = Schema(3000, b"s" * 32, packed=5000)


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
        "reply": Target((_replied(msgpack.packb([])),), lambda data: read_reply(_awaiting(), data)),
        "answer": Target((msgpack.packb([]), msgpack.packb(["model", "x" * 80])), _read_answer),
        "record": Target(
            (bytes(Sealer(bytes(32)).seal(MESSAGE, headers[0])),), lambda data: Opener(bytes(32)).open(data)
        ),
        "standing": Target((standing,), _read_standing),
        "session": Target((b"".join(map(_length_and, headers)),), partial(_converse, schema=SCHEMA)),
        "packed session": Target((b"".join(map(_length_and, headers)),), partial(_converse, schema=PACKED)),
    }


def _messages() -> list[Message]:
    return [
        Message(kind, 3, 2, np.ones(3000, np.float32) if kind in {Kind.PUSH, Kind.OFFER} else None) for kind in Kind
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


def _read_introduction(payload: bytes) -> None:
    """What a liar with a true key says inside a handshake."""
    prologue = LOW.prologue + CHALLENGED
    message, _ = Initiator(LOW.identity.private, HIGH.identity.public, prologue).write(payload[:60_000])
    head = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)[0][: 1 + PROOF + DIGEST]
    reply(read_hello(HIGH, EDGE, CHALLENGED, head + message))


def _awaiting() -> object:
    return hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)[1]


def _replied(payload: bytes) -> bytes:
    introduced = read_hello(HIGH, EDGE, CHALLENGED, hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)[0]).introduced
    return bytes([REPLY]) + introduced.write(payload)[0]


def _read_answer(payload: bytes) -> None:
    frame, awaiting = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)
    assert frame[0] == HELLO
    message, _ = read_hello(HIGH, EDGE, CHALLENGED, frame).introduced.write(payload[:60_000])
    read_reply(awaiting, bytes([REPLY]) + message)


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
    while len(data) >= 3:
        kind, size = data[0], int.from_bytes(data[1:3], "big")
        payload, data = data[3 : 3 + size], data[3 + size :]
        for each in ((kind, payload), (BODY, (payload * 4096)[:12_000] if payload else b"")):
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


def _words(folder: Path) -> dict[str, Target]:
    """What neighbours say beside models, and what they hand over as files."""
    labs = Members()
    by = new_identity()
    view = labs.view(contract_from_yaml(dump_contract(labs.contract), overrides=["training.rounds=50"]), [0, 1, 2])
    rotation = Rotation(labs.key(0).public, by.public, 2_000_000_000).sealed(
        labs.key(0).private, by.private, [labs.key(1).public]
    )
    revocation = Revocation(labs.key(0).public).sealed(labs.key(0).private, [labs.key(1).public])
    card = f"{MARK} 3 tcp://lab.example:4000 {by.public_text} {'a' * 16}\n".encode()
    lives = {peer: bytes([peer]) * 32 for peer in range(3)}
    pledge = pledge_to_bytes(Pledge(bytes(SEED), {1: bytes(TOKEN)}, {2: bytes(SEED)}))
    call = meet(EDGE, LOW.identity.public, CHALLENGED, HIGH.identity.public)

    def hear_views(data: bytes) -> None:
        for text in unpack(data):
            agreed(labs.standing, view_from_text(text, "a view"), labs.witness(1))

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
    return {
        "views": Target((bytes(msgpack.packb(texts[:1])), bytes(msgpack.packb(texts))), hear_views, ContractError),
        "certificate": Target(
            (certificate_as_text(rotation).encode(), certificate_as_text(revocation).encode()),
            read_certificate,
            P2pmeError,
        ),
        "ticket": Target(
            (str(Ticket(4, 0, labs.contract, view)).encode(),),
            lambda data: read_ticket(_written(folder, "ticket", data)),
            ContractError,
        ),
        "card": Target((card,), lambda data: read_card(data.decode(errors="replace"), "a card"), ContractError),
        "lives": Target((lives_to_bytes(lives),), lambda data: lives_from(memoryview(data))),
        "pledge": Target((pledge,), lambda data: pledge_from(memoryview(data))),
        "masked": Target(
            (len(lives).to_bytes(4, "little") + lives_to_bytes(lives) + bytes(12),),
            lambda data: masked_from(memoryview(data), 12),
        ),
        "sight": Target((bytes(range(27)),), hear_sight),
        "call for a neighbour": Target((call,), read_meet),
        "word of a relay": Target((bytes([ABSENT]), bytes([MET])), is_met),
    }


# -- files ------------------------------------------------------------------------------------------------------------


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _files(folder: Path) -> dict[str, Target]:
    rng = np.random.default_rng(0)
    checkpoint = Checkpoint(0, 3, rng.normal(size=50).astype(np.float32), Progress(0.5, 1), "c" * 64, "l" * 64)
    save_checkpoint(folder, checkpoint)
    save_identity(folder / "key" / "sample.key", new_identity())
    columns = {"labels": np.array([0, 1, 1]), "subjects": np.array([4, 5, 5]), "split": np.array([0, 1, 2])}
    vectors = save({"features": np.ones((3, 4), np.float32), **columns}, {"classes": json.dumps(["a", "b"])})
    log = b"".join(encode_event(1.0, each).encode() + b"\n" for each in (start(), a_round(0, 0.5)))
    contract = b"version: 1\nname: x\nseed: 1\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"

    ledger = sent_line(1.0, Sent(1, "offer", 100, 200, 3, "ab" * 32)).encode() + b"\n"
    known = {
        "p2pme": "1",
        "cpu_count": 2,
        "peers": 3,
        "data": {"source": "x", "train": 5},
        "exit": {"0": 0},
        "warnings": ["a"],
    }
    manifest = json.dumps(known).encode()

    written = partial(_written, folder)

    def read_vectors(data: bytes) -> None:
        path = written("vectors.safetensors", data)
        vectors_manifest(path, None)
        vectors_bank(path)

    def read_checkpoint(data: bytes) -> None:
        written(checkpoint_path(folder, 0).name, data)
        load_checkpoint(folder, 0, contract_digest="c" * 64, layout_digest="l" * 64)

    def read_contract(data: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            contract_from_yaml(data.decode())

    def read_manifest(data: bytes) -> None:
        run = RunFolder(folder)
        written(run.manifest.name, data)
        read_manifest_file(run)

    def read_public_key(data: bytes) -> None:
        public_from_text(data.decode(errors="replace"))

    sample = checkpoint_path(folder, 0).read_bytes()
    return {
        "checkpoint": Target((sample,), read_checkpoint, WeightsError),
        "vectors": Target((vectors,), read_vectors, DataError),
        "log": Target((log,), lambda data: read_log(RunFolder(written("peer-0.jsonl", data).parent), 0), P2pmeError),
        "ledger": Target((ledger,), lambda data: list(read_ledger(written("egress-0.jsonl", data))), P2pmeError),
        "manifest": Target((manifest,), read_manifest, P2pmeError),
        "contract": Target((contract,), read_contract, ContractError),
        "identity": Target(
            ((folder / "key" / "sample.key").read_bytes(),),
            lambda data: load_identity(written("key/one.key", data)),
            IdentityError,
        ),
        "public key": Target((new_identity().public_text.encode(),), read_public_key, IdentityError),
    }
