"""ZMTP 3.0 by hand, over a plain TCP socket: what a stranger may send and no ZeroMQ library would."""

from __future__ import annotations

import socket
import struct

MORE, LARGE, COMMAND = 1, 2, 4


def connect(address: str, mechanism: bytes) -> socket.socket:
    """A connection on which both greetings have been exchanged."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    stranger = socket.create_connection((host, int(port)), timeout=20)
    stranger.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + bytes(32))
    stranger.recv(64, socket.MSG_WAITALL)
    return stranger


def ready(kind: bytes = b"DEALER") -> bytes:
    """The NULL mechanism's READY."""
    return command(b"READY", property_(b"Socket-Type", kind) + property_(b"Identity", b""))


def hello(username: bytes, password: bytes) -> bytes:
    """The PLAIN mechanism's HELLO."""
    return command(b"HELLO", bytes([len(username)]) + username + bytes([len(password)]) + password)


def command(name: bytes, data: bytes) -> bytes:
    body = bytes([len(name)]) + name + data
    return bytes([COMMAND, len(body)]) + body


def property_(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def part(size: int) -> bytes:
    """A part of a message after which another comes."""
    return bytes([LARGE | MORE]) + struct.pack(">Q", size) + bytes(size)
