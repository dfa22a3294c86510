"""The mark of drawn faces: a file in the folder, a few bytes in every picture. It goes with them wherever they go.

A result on drawn faces says nothing about people, and a twin of a published data set looks like that data set to all
who read it. So whatever the drawing programs write says so, and whoever reads a clip looks for it: in its manifest, in
a file in the folders above it, and in the comments of its first picture. Films carry it as theirs (`drawn_films`).
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.images import FILMS, IMAGES, UNREAD, file_ends
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular

MARK = "DRAWN_FACES.txt"
"""The file that marks a folder and all below it."""
BEGIN = b"These faces were never alive"
"""Of its text, by which it is known under another name."""
SIGN = b"p2pfl_me: a drawn face, nobody's"
SEEN = 8192
"""Bytes at the head and at the end of a picture in which the sign is looked for: programs that save pictures again may
keep a comment, behind a colour profile or at the end."""
FILM_SEEN = 1 << 16
"""The same of a film, whose index may stand before the comment."""
WORDS = "shows drawn faces, which were never alive"
"""What is said of an input, behind its name."""
ASKED = 64
"""Files of a folder, beside those with `drawn` in their names, that are asked whether they are the mark; they are
opened for it, and a clip's folder may hold thousands."""
PROPERTIES = "docProps/core.xml"
"""Of a book (.xlsx), where programs keep its description when they save it again."""
LEVELS = 8
"""Folders above a clip in which the file is looked for."""
NEVER = IMAGES | UNREAD | FILMS
"""Endings under which no mark is looked for."""
PNG_HEAD = 33
"""Signature and IHDR, before which nothing may stand."""


def mark_folder(folder: Path, what: str) -> None:
    """Say in a file that what lies in `folder` is drawn.

    Raises
    ------
    OSError
        It cannot be written.
    """
    write_whole(folder / MARK, mark_text(what), public=True)


def mark_text(what: str) -> str:
    """What the mark of `what` says."""
    return f"{BEGIN.decode()}: {what}, drawn by p2pfl_me.\nA result on them says nothing about people.\n"


def is_sheet_drawn(path: Path) -> bool:
    """Whether a book says in its description that the faces of its rows are drawn."""
    try:
        with open_regular(path, None) as file, zipfile.ZipFile(file) as book, book.open(PROPERTIES) as said:
            return BEGIN in said.read(SEEN)
    except (DataError, OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return False  # of another kind; what is wrong with it, its reader says


def signed(picture: bytes) -> bytes:
    """An encoded PNG, JPEG or BMP with the sign in it; its pixels are the same."""
    if picture.startswith(b"\x89PNG"):
        body = b"tEXtComment\0" + SIGN
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return picture[:PNG_HEAD] + chunk + picture[PNG_HEAD:]
    if picture.startswith(b"\xff\xd8"):
        return picture[:2] + b"\xff\xfe" + struct.pack(">H", len(SIGN) + 2) + SIGN + picture[2:]
    assert picture.startswith(b"BM"), "no other pictures are drawn"
    (begin,) = struct.unpack_from("<I", picture, 10)  # where the pixels begin: room is made before them
    sizes = struct.pack("<IHHI", len(picture) + len(SIGN), 0, 0, begin + len(SIGN))
    return b"BM" + sizes + picture[14:begin] + SIGN + picture[begin:]


def drawn_words(clips: Iterable[Clip]) -> str:
    """What must stand on every page of results on these clips; nothing where no clip is drawn."""
    of_all = [clip.drawn for clip in clips]
    return words_of(sum(of_all), len(of_all))


def words_of(drawn: int, clips: int, what: str = "clips") -> str:
    """The same, of so many clips that are drawn."""
    if not drawn:
        return ""
    return "drawn faces" if drawn == clips else f"drawn faces in {drawn} of {clips} {what}"


class DrawnMarks:
    """Tells drawn clips by what lies on the disk, each folder looked at once."""

    def __init__(self) -> None:
        self._marked = lru_cache(1 << 16)(self._is_marked)
        self._near = lru_cache(1 << 10)(lambda folder: self._marked(Path(folder).absolute(), LEVELS))
        self._signed = lru_cache(1 << 10)(_is_signed)

    def on(self, clip: Clip) -> bool:
        """Whether the clip's own row, a folder above it, or its first picture says that it is drawn."""
        return clip.drawn if clip.drawn or is_vectors(clip.path) else self.at(clip.path)

    def at(self, path: Path) -> bool:
        """Whether a folder above a picture, a folder of pictures or a film says so, or the file itself."""
        above = os.path.dirname(path) or "."  # noqa: PTH120 - Path's own takes five times as long, for every clip
        led = os.path.islink(path) and self._near(os.path.dirname(os.path.realpath(path)))  # noqa: PTH114, PTH120
        return led or self._near(above) or self._signed(path)

    def _is_marked(self, folder: Path, levels: int) -> bool:
        if os.path.exists(folder / MARK) or _has_mark(folder, _names(folder)):  # noqa: PTH110 - no file's name is
            return True  # as long as one out of a sheet may be
        if levels > 1 and os.path.islink(folder) and self._marked(Path(os.path.realpath(folder)), levels - 1):  # noqa: PTH114
            return True
        return levels > 1 and folder != folder.parent and self._marked(folder.parent, levels - 1)


def drawn_input(path: Path) -> tuple[str, ...]:
    """What there is to say of a picture, a folder of pictures or a film, if it is drawn, to stand behind its name."""
    return (WORDS,) if DrawnMarks().at(path) or _has_mark(path, _names(path)) else ()


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208
    except (OSError, ValueError):  # of names that no file can have
        return []


def _has_mark(folder: Path, names: Iterable[str]) -> bool:
    """Whether one of a folder's files is the mark, whatever a person or a program named it."""
    others = sorted(name for name in names if os.path.splitext(name)[1].lower() not in NEVER)  # noqa: PTH122 - thousands
    called = [name for name in others if "drawn" in name.casefold()]
    return MARK in called or any(_says_so(folder / name) for name in (*called, *others[:ASKED]))


def _says_so(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return BEGIN in file.read(2 * len(BEGIN))  # behind a mark of UTF-8, or a blank line
    except (DataError, OSError):
        return False


def _is_signed(path: Path) -> bool:
    """Whether a picture, a folder or one of two pictures in it, or a film bears the sign. What cannot be read is told
    by its reader."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - a third of the time of Path's own, for every clip
            return SIGN in file_ends(path, SEEN if path.suffix.lower() in IMAGES else FILM_SEEN)
        names = os.listdir(path)  # noqa: PTH208
        if _has_mark(path, names):
            return True
        ends = ((os.path.splitext(name)[1].lower(), name) for name in names if name[0] != ".")  # noqa: PTH122
        pictures = sorted(name for end, name in ends if end in IMAGES)
        # Who saves a clip's onset or apex again leaves the others as they were.
        looked_at = dict.fromkeys(pictures[at] for at in (0, len(pictures) // 2) if pictures)
        return any(SIGN in file_ends(path / name, SEEN) for name in looked_at)
    except (DataError, OSError):
        return False
