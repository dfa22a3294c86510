"""Noise IK against the published vector, an independent implementation, and whoever tampers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from noise.connection import Keypair, NoiseConnection

from p2pfl_me.errors import WireError
from p2pfl_me.wire.noise import (
    MAX_HANDSHAKE,
    PROTOCOL,
    Ciphers,
    Initiator,
    Responder,
    _Symmetric,
    nonce,
    private_bytes,
    public_bytes,
)

VECTORS = json.loads((Path(__file__).parent / "noise_vectors.json").read_text())["vectors"]

new_key = X25519PrivateKey.generate
payloads = st.binary(max_size=300)


def key_of(hexadecimal: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(hexadecimal))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["protocol_name"])
def test_the_published_vector(vector: dict) -> None:
    said = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    remote = bytes.fromhex(vector["init_remote_static"])
    initiator = Initiator(
        key_of(vector["init_static"]),
        remote,
        bytes.fromhex(vector["init_prologue"]),
        key_of(vector["init_ephemeral"]),
    )
    responder = Responder(
        key_of(vector["resp_static"]), bytes.fromhex(vector["resp_prologue"]), key_of(vector["resp_ephemeral"])
    )
    first, awaiting = initiator.write(said[0][0])
    assert first == said[0][1]
    payload, introduced = responder.read(first)
    assert payload == said[0][0]
    assert introduced.remote == public_bytes(key_of(vector["init_static"]))
    second, theirs = introduced.write(said[1][0])
    assert second == said[1][1]
    payload, ours = awaiting.read(second)
    assert payload == said[1][0]
    assert ours.handshake_hash == theirs.handshake_hash == bytes.fromhex(vector["handshake_hash"])
    assert (ours.send, ours.receive) == (theirs.receive, theirs.send)
    for index, (plain, sealed) in enumerate(said[2:]):
        key = ours.send if index % 2 == 0 else ours.receive
        assert AESGCM(key).encrypt(nonce(index // 2), plain, b"") == sealed


def independent(role: str, static: X25519PrivateKey, prologue: bytes, remote: bytes | None = None) -> NoiseConnection:
    other = NoiseConnection.from_name(PROTOCOL)
    other.set_as_initiator() if role == "initiator" else other.set_as_responder()
    other.set_keypair_from_private_bytes(Keypair.STATIC, private_bytes(static))
    if remote is not None:
        other.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
    other.set_prologue(prologue)
    other.start_handshake()
    return other


@settings(max_examples=25)
@given(prologue=payloads, first=payloads, second=payloads, third=payloads)
def test_we_initiate_with_an_independent_responder(prologue: bytes, first: bytes, second: bytes, third: bytes) -> None:
    mine, its = new_key(), new_key()
    other = independent("responder", its, prologue)
    message, awaiting = Initiator(mine, public_bytes(its), prologue).write(first)
    assert bytes(other.read_message(message)) == first
    payload, ciphers = awaiting.read(bytes(other.write_message(second)))
    assert payload == second
    assert other.get_handshake_hash() == ciphers.handshake_hash
    assert bytes(other.decrypt(AESGCM(ciphers.send).encrypt(nonce(0), third, b""))) == third
    assert AESGCM(ciphers.receive).decrypt(nonce(0), bytes(other.encrypt(third)), b"") == third


@settings(max_examples=25)
@given(prologue=payloads, first=payloads, second=payloads, third=payloads)
def test_we_respond_to_an_independent_initiator(prologue: bytes, first: bytes, second: bytes, third: bytes) -> None:
    mine, its = new_key(), new_key()
    other = independent("initiator", its, prologue, public_bytes(mine))
    payload, introduced = Responder(mine, prologue).read(bytes(other.write_message(first)))
    assert (payload, introduced.remote) == (first, public_bytes(its))
    message, ciphers = introduced.write(second)
    assert bytes(other.read_message(message)) == second
    assert other.get_handshake_hash() == ciphers.handshake_hash
    assert bytes(other.decrypt(AESGCM(ciphers.send).encrypt(nonce(0), third, b""))) == third
    assert AESGCM(ciphers.receive).decrypt(nonce(0), bytes(other.encrypt(third)), b"") == third


def test_any_flipped_bit_ends_the_handshake() -> None:
    mine, its = new_key(), new_key()
    message, _ = Initiator(mine, public_bytes(its), b"contract").write(b"hello")
    for position in range(len(message)):
        spoiled = bytearray(message)
        spoiled[position] ^= 1
        with pytest.raises(WireError):
            Responder(its, b"contract").read(bytes(spoiled))
    _, introduced = Responder(its, b"contract").read(message)
    answer, _ = introduced.write(b"yes")
    for position in range(len(answer)):
        message, awaiting = Initiator(mine, public_bytes(its), b"contract").write(b"hello")
        answer, _ = Responder(its, b"contract").read(message)[1].write(b"yes")
        spoiled = bytearray(answer)
        spoiled[position] ^= 0x80 if position != 31 else 1  # X25519 ignores the top bit of byte 31 (RFC 7748)
        with pytest.raises(WireError):
            awaiting.read(bytes(spoiled))


def test_another_prologue_or_key_is_refused_on_either_side() -> None:
    mine, its = new_key(), new_key()
    message, awaiting = Initiator(mine, public_bytes(its), b"one contract").write(b"")
    with pytest.raises(WireError, match="another key or another contract"):
        Responder(its, b"another").read(message)
    with pytest.raises(WireError):
        Responder(new_key(), b"one contract").read(message)
    impostor_answer, _ = Responder(its, b"one contract").read(message)[1].write(b"")
    _, second_awaiting = Initiator(mine, public_bytes(its), b"one contract").write(b"")
    with pytest.raises(WireError):
        second_awaiting.read(impostor_answer)  # an answer to another handshake
    assert awaiting.read(impostor_answer)[0] == b""


@given(junk=st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_the_wire_error(junk: bytes) -> None:
    with pytest.raises(WireError):
        Responder(new_key(), b"").read(junk)
    _, awaiting = Initiator(new_key(), public_bytes(new_key()), b"").write(b"")
    with pytest.raises(WireError):
        awaiting.read(junk)


def test_low_order_points_and_oversized_messages_are_refused() -> None:
    with pytest.raises(WireError, match="no key"):
        Responder(new_key(), b"").read(bytes(200))


def test_messages_of_the_least_and_the_most_length_pass_and_no_byte_less_or_more() -> None:
    mine, its, contract = new_key(), new_key(), b"contract"
    for first, second in ((0, 0), (MAX_HANDSHAKE - 96, MAX_HANDSHAKE - 48)):
        message, awaiting = Initiator(mine, public_bytes(its), contract).write(bytes(first))
        answer, _ = Responder(its, contract).read(message)[1].write(bytes(second))
        assert awaiting.read(answer)[0] == bytes(second)
        assert (len(message), len(answer)) == (96 + first, 48 + second)
    for read, least in ((Responder(its, contract).read, 96), (awaiting.read, 48)):
        for length in (0, 32, least - 1, MAX_HANDSHAKE + 1):
            with pytest.raises(WireError, match=rf"message of {length} bytes \(at least {least}, at most 65535\)"):
                read(bytes(length))


def test_a_key_of_a_handshake_seals_once_and_none_is_shown() -> None:
    state = _Symmetric(b"")
    for use in (state.encrypt_and_hash, state.decrypt_and_hash):
        with pytest.raises(AssertionError, match="mixes a key before"):
            use(bytes(16))
    state.mix_key(bytes(32))
    state.encrypt_and_hash(b"once")
    with pytest.raises(AssertionError, match="mixes a key before"):
        state.encrypt_and_hash(b"twice")
    assert repr(Ciphers(b"a" * 32, b"b" * 32, b"c" * 32)) == "Ciphers(...)"
