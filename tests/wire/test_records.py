"""Sealed records: whole, in order, once, or refused without harm."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from noise.backends.default import DefaultNoiseBackend
from noise.noise_protocol import NoiseProtocol
from noise.state import CipherState

from p2pfl_me.errors import WireError
from p2pfl_me.wire import records
from p2pfl_me.wire.noise import PROTOCOL
from p2pfl_me.wire.records import HEADER, PAYLOAD, RECORD, Opener, Sealer

KEY = bytes(range(32))


def sealed(payloads: list[bytes], key: bytes = KEY) -> list[bytes]:
    sealer = Sealer(key)
    return [bytes(sealer.seal(16, payload)) for payload in payloads]


@given(st.lists(st.binary(max_size=100), max_size=8))
def test_what_is_sealed_opens_in_order(payloads: list[bytes]) -> None:
    opener = Opener(KEY)
    assert [opener.open(record) for record in sealed(payloads)] == payloads


def test_the_largest_record_opens_into_the_receivers_memory() -> None:
    payload = bytes(range(256)) * (PAYLOAD // 256)
    (record,) = sealed([payload])
    assert len(record) == RECORD
    out = bytearray(PAYLOAD)
    Opener(KEY).open_into(record, memoryview(out))
    assert out == payload
    with pytest.raises(WireError, match="at most"):
        sealed([bytes(PAYLOAD + 1)])
    with pytest.raises(WireError, match="at most"):
        Opener(KEY).open_into(bytes(RECORD + 1), memoryview(bytearray(PAYLOAD + 1)))
    with pytest.raises(ValueError, match="for a payload of"):
        Opener(KEY).open_into(record, memoryview(bytearray(PAYLOAD - 1)))


def test_a_record_counts_once_and_gaps_are_allowed() -> None:
    first, second, third = sealed([b"1", b"2", b"3"])
    opener = Opener(KEY)
    assert opener.open(first) == b"1"
    with pytest.raises(WireError, match="replayed"):
        opener.open(first)
    assert opener.open(third) == b"3"
    with pytest.raises(WireError, match="out of order"):
        opener.open(second)


def test_a_spoiled_record_changes_nothing() -> None:
    first, second = sealed([b"payload", b"next"])
    opener = Opener(KEY)
    for position in range(len(first)):
        spoiled = bytearray(first)
        spoiled[position] ^= 1
        with pytest.raises(WireError):
            opener.open(bytes(spoiled))
    for length in range(len(first)):
        with pytest.raises(WireError):
            opener.open(first[:length])
    assert opener.open(first) == b"payload"
    assert opener.open(second) == b"next"
    with pytest.raises(WireError, match="authenticate"):
        Opener(bytes(32)).open(first)


@given(st.binary(max_size=80))
def test_any_bytes_raise_nothing_but_the_wire_error(junk: bytes) -> None:
    with pytest.raises(WireError):
        Opener(KEY).open(junk)


def test_the_kind_is_authenticated() -> None:
    (record,) = sealed([b"x"])
    with pytest.raises(WireError):
        Opener(KEY).open(bytes([17]) + record[1:])


def test_both_sides_rekey_by_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "REKEY_SHIFT", 2)
    payloads = [bytes([n]) for n in range(11)]
    parts = sealed(payloads)
    opener = Opener(KEY)
    assert [opener.open(record) for record in parts] == payloads
    with pytest.raises(InvalidTag):
        AESGCM(KEY).decrypt(bytes(4) + parts[4][1:9], parts[4][9:], parts[4][:9])
    # A gap may cross into the next key, but not skip one: that would be a counter nobody sent.
    opener = Opener(KEY)
    assert opener.open(parts[5]) == payloads[5]
    opener = Opener(KEY)
    with pytest.raises(WireError, match="too far ahead"):
        opener.open(parts[8])
    assert opener.open(parts[0]) == payloads[0]


def test_the_next_key_is_noises_rekey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "REKEY_SHIFT", 0)
    record = sealed([b"old key", b"new key"])[1]
    cipher = CipherState(NoiseProtocol(PROTOCOL, DefaultNoiseBackend()))
    cipher.initialize_key(KEY)
    cipher.rekey()
    cipher.n = 1
    assert bytes(cipher.decrypt_with_ad(record[:HEADER], record[HEADER:])) == b"new key"
