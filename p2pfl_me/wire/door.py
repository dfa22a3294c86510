"""The door of a listening socket: while it is shut, the system lets nobody in and turns nobody away.

ZeroMQ accepts whoever calls as fast as its thread can, whether or not there was time for those before; each one costs
memory and a descriptor until we have settled with it. A shut door is a filter at the listening socket that no packet
passes: a caller's own system calls again, after one, three and seven seconds. What has been accepted is a socket of
its own, and goes on; but for one that was accepted in the very moment of shutting, which inherits the filter and has to
be freed of it. Linux knows such filters (SO_ATTACH_FILTER, socket(7)); elsewhere the door stays open.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import sys

ATTACH_FILTER, DETACH_FILTER = 26, 27
NOTHING_PASSES = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
"""A program of one step for the system's packet filter: return 0, which is how many bytes of the packet to keep."""


def held(descriptor: int) -> socket.socket:
    """The socket of a descriptor under one of our own, which nobody else closes.

    Raises
    ------
    OSError
        There is no such descriptor, it is no socket's, or none is left for us.
    """
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def let_in(accepted: socket.socket) -> None:
    """Have what its caller sends reach a socket that may have been accepted while the door was closing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it has no filter, as nearly all
            accepted.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)


class Door:
    """Of the listening socket with this descriptor, which stays its owner's."""

    def __init__(self, descriptor: int) -> None:
        self._socket: socket.socket | None = None
        self.is_shut = False
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # no descriptor is left
                self._socket = held(descriptor)

    def shut(self, *, shut: bool) -> None:
        """Shut or open it, if it is not so already."""
        if self._socket is None or shut == self.is_shut:
            return
        with contextlib.suppress(OSError):  # a system without filters
            if shut:
                program = struct.pack("@HP", 1, ctypes.addressof(NOTHING_PASSES))
                self._socket.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, DETACH_FILTER, 0)
            self.is_shut = shut

    def close(self) -> None:
        """Let go of it."""
        if self._socket is not None:
            self._socket.close()
