"""Hostile inputs: what a seeded mutator makes of samples, and a decoder that is fed with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from p2pfl_me.errors import P2pmeError, WireError

LONGEST = 1 << 16
"""Bytes of an input; what is longer is bounded by the same checks and takes longer to make."""
NEAR = 2048
"""How far from a place numbers are looked for; in all of a long input this took longer than many a decoder."""
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
            case 11 | 12 if kinds := [*KIND.finditer(data, max(0, at - NEAR), at + NEAR)]:
                first, last = random.choice(kinds).span()
                data[first:last] = random.choice((b"BF16", b"F8_E4M3", b"F4", b"C64", b"F16", b"BOOL"))
            case 9 | 10 if numbers := [*NUMBER.finditer(data, max(0, at - NEAR), at + NEAR)]:
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
