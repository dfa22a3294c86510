"""Hostile inputs for every decoder that meets a neighbour or a file: samples, and what a seeded mutator makes of them.

`scripts/bench/fuzz.py` runs as many as one likes; a few hundred of each run with the tests. A decoder may raise its
declared error and nothing else, whatever it is given.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import msgpack
import numpy as np
from safetensors.numpy import save

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.data.vectors import vectors_bank, vectors_manifest
from p2pfl_me.errors import ContractError, DataError, IdentityError, P2pmeError, WeightsError, WireError
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
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
from p2pfl_me.wire.noise import Initiator
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.session import BODY, MESSAGE, RECEIVED, STANDING, Session, Standing
from tests.compression.pairs import ALL as COMPRESSIONS
from tests.compression.pairs import SIZE, ends, model
from tests.run.making import a_round, start

LONGEST = 1 << 16
"""Bytes of an input; what is longer is bounded by the same checks and takes longer to make."""
TOKENS = (
    b"\x91" * 40, b"\x81\xa1x" * 40, b"\xc7\x00\x05", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc1", b"\xcb\x7f\xf8" + bytes(6), b"\xcf" + b"\xff" * 8, b"[" * 200, b"{\"a\":" * 100, b"- " * 40, b"&a ", b"*a",
    b"!!int ''", b"!!python/name:os", b"\x00", b"\xff\xfe", b"\r", b"\xe2\x80\xa8", b"1e999", b"NaN", b"-0", b"9" * 400,
    b"BF16", b"F8_E4M3", b"F8_E5M2", b"F4", b"I64", b"\n", b"\xed\xa0\x80", b": ", b"? ",
)  # fmt: skip
TEXTS = (
    b"9" * 400,
    b"9" * 5000,
    b"1e999",
    b"NaN",
    b"-1",
    b"0",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"1e400",
    b"-0.0",
)
KIND = re.compile(rb"[FIU](32|64|8)")
NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*")
NUMBERS = (0, 1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def mutated(random: Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples after a few changes of the kinds that decoders stumble over."""
    data = bytearray(random.choice(samples))
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 2, 4, 8, random.randrange(1, 200))))
        match random.randrange(13):
            case 11 | 12 if kinds := [*KIND.finditer(data)]:
                first, last = random.choice(kinds).span()
                data[first:last] = random.choice((b"BF16", b"F8_E4M3", b"F4", b"C64", b"F16", b"BOOL"))
            case 9 | 10 if numbers := [*NUMBER.finditer(data)]:
                first, last = random.choice(numbers).span()
                data[first:last] = random.choice(TEXTS)
            case 0 if data:
                data[at % len(data)] ^= 1 << random.randrange(8)
            case 1:
                data[at:end] = random.randbytes(end - at)
            case 2:
                data[at:at] = random.randbytes(random.randrange(1, 20))
            case 3:
                del data[at:end]
            case 4:
                data[at:at] = data[at:end] * random.choice((1, 2, 30))
            case 5:
                del data[at:]
            case 6:
                size = random.choice((1, 2, 4, 8))
                number = random.choice(NUMBERS) & (256**size - 1)
                data[at : at + size] = number.to_bytes(size, random.choice(("little", "big")))  # type: ignore[arg-type]
            case 7:
                data[at : at + random.choice((0, 4))] = random.choice(TOKENS)
            case _:
                other = random.choice(samples)
                data[at:end] = other[random.randrange(len(other) + 1) :][:200]
    return bytes(data[:LONGEST])


@dataclass(frozen=True)
class Target:
    """A decoder: what it is fed from, how, and what it may raise."""

    samples: tuple[bytes, ...]
    decode: Callable[[bytes], object]
    error: type[P2pmeError] = WireError


def targets(folder: Path) -> Mapping[str, Target]:
    """All decoders by name; those that read files read them in `folder`."""
    return {**_wire(), **_compressions(), **_files(folder)}


def attack(target: Target, seed: int, count: int) -> Iterator[tuple[bytes, float]]:
    """Feed so many inputs; each with its seconds, once it has been survived.

    Raises
    ------
    AssertionError
        The decoder raised something that it does not declare; its text holds the input.
    """
    random = Random(seed)
    for _ in range(count):
        data = mutated(random, target.samples)
        begun = time.perf_counter()
        try:
            target.decode(data)
        except target.error:
            pass
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__}: {error} for the input {data!r}") from error
        yield data, time.perf_counter() - begun


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


# -- files ------------------------------------------------------------------------------------------------------------


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

    def written(name: str, data: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.write_bytes(data)
        path.chmod(0o600)
        return path

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
