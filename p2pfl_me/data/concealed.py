"""Pictures of a film that its decoder made up: it conceals what it cannot read, and calls that success.

Motion JPEG is asked picture by picture, as files are. In H.264 and HEVC no three zero bytes stand within a unit
(emulation prevention, H.264 7.4.1), so a hole of zeros, as a copy that failed leaves it, is seen in the file itself.
Where PyAV is installed, FFmpeg's decoders are asked, too: they know of most flipped bits and lost packets. VP9, AV1 and
what falls into step again by itself leave no trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path

import cv2

from p2pfl_me.data.capture import next_picture, open_capture
from p2pfl_me.data.damage import damage_of
from p2pfl_me.data.opened import opened

MOTION_JPEG = "MJPG"
UNITS = frozenset(("h264", "H264", "avc1", "hevc", "HEVC", "hvc1", "hev1"))
"""Codecs whose pictures come in units parted by start codes."""
STARTS = (b"\0\0\1", b"\0\0\0\1")
HOLE = re.compile(rb"\x00{3,}[\x02-\xff]|\x00\x00\x02")
"""What stands in no unit and between none; zeros before a start code, or at the end, may."""


def made_up(path: Path) -> Generator[bool, None, None]:
    """Whether a picture was made up, of one after the other as they are decoded; ends where nobody knows more."""
    ways = [_packets(path), _flagged(path)]
    while ways:
        known = list[bool]()
        for way in tuple(ways):
            if (found := next(way, None)) is None:
                ways.remove(way)
            else:
                known.append(found)
        if known:
            yield any(known)


def _packets(path: Path) -> Generator[bool, None, None]:
    """By the bytes of each picture, of the codecs whose bytes tell."""
    capture = open_capture(path)
    try:
        code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        name = code.to_bytes(4, "little").decode("ascii", errors="replace")
        tell: Callable[[bytes], bool]
        if name == MOTION_JPEG:
            tell = _jpeg
        elif name in UNITS:
            tell = _units
        else:
            return
        if not capture.set(cv2.CAP_PROP_FORMAT, -1):
            return
        while (packet := next_picture(capture)) is not None:
            yield tell(packet.tobytes())
    finally:
        capture.release()


def _jpeg(packet: bytes) -> bool:
    return damage_of(packet) is not None


def _units(packet: bytes) -> bool:
    return packet.startswith(STARTS) and HOLE.search(packet) is not None


def _flagged(path: Path) -> Generator[bool, None, None]:
    """By FFmpeg's decoder, through PyAV where it is installed."""
    if find_spec("av") is None:
        return
    import av

    try:
        with opened(path) as file:
            lost = False
            for packet in file.demux(file.streams.video[0]):
                lost = lost or packet.is_corrupt
                for frame in packet.decode():
                    yield lost or frame.is_corrupt
                    lost = False
    except (av.FFmpegError, IndexError):
        return  # a film that breaks off is told by whoever counts its pictures
