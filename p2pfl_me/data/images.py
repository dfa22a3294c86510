"""Image files as they lie on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.damage import damage_of
from p2pfl_me.data.extent import BMP, GIF, JPEG, PNG, RIFF, extent_of
from p2pfl_me.data.extent import LARGEST as LARGEST_EXTENT
from p2pfl_me.data.several import pictures_in
from p2pfl_me.data.tiff import HEADS, unread
from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]
LEAST = 8
"""Pixels that the shorter side of a picture must have; in fewer nobody would know a face."""
LARGEST = 1 << 30
"""Bytes of a picture's file; one with holes has as many without filling any disk, and would fill the memory."""
UPPER = 14
"""Bits within which a picture of sixteen bits is none: cameras of 10, 12 and 14 bits leave the upper ones empty."""
FILMS = {
    *(".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".m4v", ".mts", ".m2ts", ".ts", ".dv", ".3gp"),
    *(".flv", ".f4v", ".ogv", ".vob", ".mxf", ".asf", ".divx", ".m2v", ".h264", ".264", ".hevc", ".h265", ".y4m"),
}
KINDS = {PNG: "PNG", JPEG: "JPEG", BMP: "BMP", RIFF: "WebP", GIF: "GIF"}
"""By their first bytes."""
IMAGES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
UNREAD = {
    *(".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".gif", ".tga", ".psd", ".exr", ".hdr"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".pcx", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw"),
    *(".orf", ".jpf", ".rw2", ".raf", ".pef", ".srw", ".x3f"),
}
"""Pictures of kinds that are not taken for frames, and that nobody passes over: a telephone's, a camera's raw ones."""
BESIDE = FILMS | {
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".log", ".md", ".html"),
    *(".pts", ".xmp", ".thm", ".doc", ".docx", ".pdf", ".xls", ".xlsx", ".db", ".wav", ".mp3", ".m4a", ".flac"),
}
"""What lies beside pictures under their numbers and is surely none: notes, landmarks, a sheet, film or sound."""


def read_image(path: Path) -> Image:
    """An image file as uint8 RGB (H, W, 3); grey is repeated, 16 bits are reduced to 8, transparency is dropped.

    Raises
    ------
    DataError
        Missing, no image, damaged, several pictures, next to no pixels or too many, or brightness that eight bits
        cannot hold.
    """
    data = file_bytes(path)
    extent = extent_of(data)
    if extent is None:  # of another format, whatever its name says: what its decoder would take is not known
        raise _no_image(data, path)
    if extent[0] * extent[1] > LARGEST_EXTENT:
        raise DataError(
            f"says that it is {extent[0]}x{extent[1]} pixels, more than {LARGEST_EXTENT:,} in all",
            where=str(path),
            fix="save it again, smaller, or leave its clip out: no frame of a face is as large",
        )
    if data.startswith(HEADS) and (why := unread(data)):
        raise DataError(f"is a TIFF that {why}", where=str(path), fix="save it again as a PNG of 8 bits")
    image = _decoded(data, path)
    if image is None:
        raise _no_image(data, path)
    if damage := damage_of(data):
        raise DataError(
            f"is damaged, and what its decoder shows is partly made up ({damage})",
            where=str(path),
            fix="copy it anew, or leave its clip out; `p2pme data check` lists all such files",
        )
    if (count := pictures_in(data)) > 1:
        raise DataError(
            f"holds {count} pictures, as an animation or a TIFF with pages does, and a frame is one",
            where=str(path),
            fix="save each as a file of its own, numbered in the order of time",
        )
    if min(image.shape[:2]) < LEAST:
        raise DataError(
            f"is {image.shape[1]}x{image.shape[0]} pixels, and no face can be seen in it",
            where=str(path),
            fix=f"bring a picture of {LEAST}x{LEAST} at the very least",
        )
    return np.asarray(cv2.cvtColor(_eight_bits(image, path), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _decoded(data: bytes, path: Path) -> npt.NDArray[np.generic] | None:
    """Its pixels, in blue, green and red, of as many bits as the file has."""
    pixels = np.frombuffer(data, dtype=np.uint8)
    try:
        image = cv2.imdecode(pixels, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if pixels.size else None
    except cv2.error as error:  # sizes beyond OpenCV's limits
        raise DataError(f"cannot be decoded: {error.err}", where=str(path), fix="save it again, smaller") from error
    return None if image is None else np.asarray(image)


def _no_image(data: bytes, path: Path) -> DataError:
    if data.startswith(HEADS):
        what, fix = (
            "is a TIFF that OpenCV cannot read, or whose samples are no whole numbers of 8 or 16 bits",
            "save it",
        )
        return DataError(what, where=str(path), fix=f"{fix} again as a PNG of 8 bits")
    if path.suffix.lower() in FILMS:
        write = f"`ffmpeg -i {path.name} {path.stem}/%04d.png` writes one"
        what = f"is a film, and a clip is a folder of its pictures ({write})"
        return DataError(what, where=str(path), fix="name that folder in the film's place")
    kind = next((name for head, name in KINDS.items() if data.startswith(head)), "")
    if not data:
        why, fix = "it is empty", "copy it anew"
    elif kind:
        why, fix = f"it begins as a {kind} does, and is cut off or damaged", "copy it anew"
    else:
        why, fix = "PNG, JPEG, BMP, TIFF, WebP and GIF are read, and it begins as none of them", "save it as a PNG"
    return DataError(
        f"is not an image that can be read: {why}",
        where=str(path),
        fix=f"{fix}; `p2pme data check` lists all such files",
    )


def _eight_bits(image: npt.NDArray[np.generic], path: Path) -> Image:
    """The upper eight of sixteen bits, if those are where the picture is."""
    if image.dtype == np.uint8:
        return np.asarray(image, dtype=np.uint8)
    if image.dtype != np.uint16:
        raise DataError(f"has samples of type {image.dtype}", where=str(path), fix="save it again with 8 bits")
    most = int(image.max())
    if most < 1 << UPPER:
        bits = max(8, most.bit_length())
        raise DataError(
            f"has 16 bits a sample, of which {bits} are used (the brightest is {most:,} of 65,535): as a camera of "
            f"{bits} bits writes, and eight bits of it would be next to black",
            where=str(path),
            fix=f"save it again with 8 bits, every value divided by {1 << (bits - 8)} in all frames alike",
        )
    return np.asarray(np.asarray(image, dtype=np.uint16) >> 8, dtype=np.uint8)


def file_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises
    ------
    DataError
        It cannot be read.
    """
    return _bytes(path, None)


def file_ends(path: Path, most: int) -> bytes:
    """The first and the last `most` bytes of a file; all of a shorter one.

    Raises
    ------
    DataError
        It cannot be read.
    """
    return _bytes(path, most)


def _bytes(path: Path, most: int | None) -> bytes:
    try:
        # Without O_NONBLOCK a pipe would be waited for. No call is made that need not be: small files come in masses.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            info = os.fstat(file)
            if not stat.S_ISREG(info.st_mode):
                raise DataError("is not a file", where=str(path), fix="correct the path")
            if most is None and info.st_size > LARGEST:
                raise DataError(f"has {info.st_size:,} bytes, as no picture has", where=str(path), fix="copy it anew")
            if most is None or info.st_size <= most:
                return _read(file, info.st_size)
            return _read(file, most) + os.pread(file, most, max(most, info.st_size - most))
        finally:
            os.close(file)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), fix="correct the path") from error


def _read(file: int, size: int) -> bytes:
    """So many bytes, fewer where the file was cut meanwhile; the system may hand them over in parts."""
    data = os.read(file, size)
    if len(data) == size:
        return data
    parts = [data]
    while parts[-1] and (left := size - sum(map(len, parts))):
        parts.append(os.read(file, left))
    return b"".join(parts)


def resized(image: Image, size: int) -> Image:
    """An image (H, W, 3) as (size, size, 3), stretched to a square."""
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) > size
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), dtype=np.uint8)
