"""Any folder of images, for pretraining: a class a sub-folder, or no labels at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.audit.alike import Signature, signature_of
from p2pfl_me.data.audit.pictures import pixel_digest
from p2pfl_me.data.blank import read_shown
from p2pfl_me.data.frames import is_mirror, place_on_disk
from p2pfl_me.data.images import BESIDE, FILMS, IMAGES, Image
from p2pfl_me.data.labels import alike_words
from p2pfl_me.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """`images` uint8 (n, S, S, 3) RGB; `labels` int64 (n,) of `classes`, both empty without labels.

    `paths` are theirs, `digests` and `signatures` (of those that are not flat) what tells them again.
    """

    images: npt.NDArray[np.uint8] = field(repr=False)
    labels: npt.NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    paths: tuple[Path, ...] = field(repr=False)
    digests: tuple[bytes, ...] = field(repr=False)
    signatures: tuple[Signature, ...] = field(repr=False)
    copies: int = 0
    """Files that were left out because others are pixel by pixel the same: one would be learned, and held out."""
    unread: tuple[Path, ...] = ()
    """Pictures of kinds that are not read, films, and files of which nobody knows what they are."""


def read_folder(folder: Path, size: int, *, labelled: bool) -> ImageFolder:
    """All images below `folder`, brought to size x size.

    Parameters
    ----------
    labelled:
        Each image's class is the sub-folder of `folder` that it lies in; images beside them are left out.

    Raises
    ------
    DataError
        No images, one class only or one in two spellings, an image that cannot be read or shows nothing, or stands
        under two classes.
    """
    if not folder.is_dir():
        raise DataError("is not a folder", where=str(folder), fix="name a folder of images")
    there, passed = sorted(_files(folder)), IMAGES | BESIDE - FILMS
    paths = [path for path in there if path.suffix.lower() in IMAGES]
    unread = tuple(path for path in there if path.suffix.lower() not in passed)
    classes: tuple[str, ...] = ()
    if labelled:
        paths = [path for path in paths if path.parent != folder]
        classes = tuple(sorted({_class_of(path, folder) for path in paths}))
        if len(classes) < 2:
            raise DataError(
                f"has {len(classes)} sub-folder{'' if len(classes) == 1 else 's'} with images, and each is a class",
                where=str(folder),
                fix="put two classes or more into sub-folders, or take --self-supervised",
            )
        if words := alike_words(classes):
            raise DataError(words, where=str(folder), fix="bring their images into one sub-folder")
    if len(paths) < 2:
        raise DataError("holds fewer than two images", where=str(folder), fix=f"known endings: {', '.join(IMAGES)}")
    squares: list[Image] = []
    digests: list[bytes] = []
    signatures: list[Signature] = []
    first: dict[bytes, Path] = {}
    for path in paths:
        image = read_shown(path)
        digest = pixel_digest(image)
        if (other := first.setdefault(digest, path)) != path:
            if labelled and _class_of(other, folder) != _class_of(path, folder):
                what = f"is the image of {other}, under another class"
                raise DataError(what, where=str(path), fix="keep it under the one that is right")
            continue
        squares.append(_square(image, size))
        digests.append(digest)
        if (signature := signature_of(image)) is not None:
            signatures.append(signature)
    kept = tuple(first.values())
    if len(kept) < 2:
        raise DataError("holds one image in several copies", where=str(folder), fix="bring images that differ")
    labels = [classes.index(_class_of(path, folder)) for path in kept] if labelled else []
    return ImageFolder(
        np.stack(squares),
        np.array(labels, dtype=np.int64),
        classes,
        kept,
        tuple(digests),
        tuple(signatures),
        len(paths) - len(kept),
        unread,
    )


def _files(folder: Path) -> Iterator[Path]:
    """Every file below that is no system's own, each folder once however many links lead there."""

    def refuse(error: OSError) -> None:
        raise DataError(
            f"cannot be read: {error.strerror}", where=str(error.filename), fix="see who may read it, or move it away"
        ) from error

    seen: set[str] = set()
    for place, below, names in os.walk(folder, onerror=refuse, followlinks=True):
        below[:] = sorted(name for name in below if not is_mirror(name))
        if (disk := place_on_disk(Path(place))) in seen:
            below.clear()
            continue
        seen.add(disk)
        yield from (Path(place, name) for name in names if not is_mirror(name))


def _class_of(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0]


def _square(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    way = cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), dtype=np.uint8)
