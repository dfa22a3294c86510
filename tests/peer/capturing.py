"""What an eavesdropper on loopback sees of some ports, and the bytes that it must not have seen."""

from __future__ import annotations

import ctypes
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.data.source import peer_clips
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import make_trainer

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
"""Linux's numbers, which the module does not name."""


def _passing(ports: Collection[int]) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """A classic BPF program (Linux's filter.h) that lets packets from and to these ports through, and its length."""
    load, same, end = 0x28, 0x15, 0x06  # half a word at a place; jump if equal; return
    accepted = 2 * len(ports) + 3
    steps: list[tuple[int, int, int, int]] = []
    for place in (34, 36):  # behind the 14 bytes of Ethernet and 20 of IPv4
        steps.append((load, 0, 0, place))
        steps += [(same, accepted - len(steps) - 1 - each, 0, port) for each, port in enumerate(sorted(ports))]
    steps += [(end, 0, 0, 0), (end, 0, 0, 1 << 18)]
    return ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps)), len(steps)


@contextmanager
def captured(ports: Collection[int]) -> Iterator[bytearray]:
    """All packets from and to these ports of 127.0.0.1; complete once the block has ended."""
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        tap.bind(("lo", 0))
    except (PermissionError, AttributeError):
        pytest.skip("capturing loopback needs root and Linux")
    # What the other tests say over loopback meanwhile would fill the kernel's queue, which then loses packets.
    program, size = _passing(ports)
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", size, ctypes.addressof(program)))
    found, over = bytearray(), threading.Event()
    tap.settimeout(0.2)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    with suppress(PermissionError):  # the kernel grants much less unless it is made to, and loses packets beyond
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)

    def capture() -> None:
        while True:
            try:
                packet = tap.recv(1 << 17)
            except TimeoutError:
                if over.is_set():  # and all that waited has been read
                    return
                continue
            # Behind the 14 bytes of Ethernet and 20 of IPv4: other programs on this machine talk over loopback, too.
            if {int.from_bytes(packet[34:36], "big"), int.from_bytes(packet[36:38], "big")} & set(ports):
                found.extend(packet)

    thread = threading.Thread(target=capture)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        tap.close()


def first_models(contract: Contract, folder: Path, cache: Path) -> list[bytes]:
    """What each peer sent in round 0, checked against its ledger: training is a function of the seed."""
    sent = {
        entry["sha256"]
        for peer in range(contract.peers.count)
        for line in (folder / "run" / f"egress-{peer}.jsonl").read_text().splitlines()
        if (entry := json.loads(line))["kind"] in {"offer", "answer"}
    }
    found = []
    for peer in range(contract.peers.count):
        clips = peer_clips(contract, peer, folder / f"own-{peer}.safetensors", folder / "test.safetensors", cache)
        trainer = make_trainer(contract, peer, samples_of(contract, clips, cache=cache), "cpu")
        found.append(trainer.train(initial_params(contract, cache=cache), 0).params.tobytes())
        assert hashlib.sha256(found[-1]).hexdigest() in sent
    return found


def shows(capture: bytes, model: bytes, places: int = 100) -> bool:
    """Whether any of so many places of a model stands there."""
    pieces = [model[at : at + 12] for at in range(0, len(model), len(model) // places)]
    return any(piece in capture for piece in pieces if np.frombuffer(piece, np.float32).all())
