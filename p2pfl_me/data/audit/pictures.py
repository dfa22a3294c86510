"""What a clip's pictures show: its onset, apex, the frame midway and its offset, or the picture itself, as digests of
pixels and as signatures that survive another size, format or light.

They are a set: a film that was slowed, cut at one end or turned round in time still shares one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pfl_me.data.audit.alike import Signature, signature_of
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.frames import Listing
from p2pfl_me.data.images import Image, read_image
from p2pfl_me.data.look import Images, Looker
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.errors import DataError
from p2pfl_me.machine import cores


@dataclass(frozen=True, eq=False)
class Seen:
    """What one clip's images showed: digests of their pixels, signatures of those that are not flat.

    `turned` are the signatures of what a mirror shows of the same pictures, in the same order.
    """

    index: int
    digests: frozenset[bytes]
    signatures: tuple[Signature, ...]
    turned: tuple[Signature, ...] = ()


def key_pictures(clips: Sequence[Clip], *, mirrored: bool = False) -> list[Seen | None]:
    """One for each clip, on all cores; None where its pictures cannot be read. `mirrored`: and what a mirror shows."""
    looker = Looker(Images.KEY)
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda pair: _look(pair[0], pair[1], looker, mirrored=mirrored), enumerate(clips)))


def pixel_digest(image: Image) -> bytes:
    """16 bytes of a picture (H, W, 3) as it was decoded."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()[:16]


def _look(index: int, clip: Clip, looker: Looker, *, mirrored: bool) -> Seen | None:
    if is_vectors(clip.path):
        digest = looker.look(clip).digest
        return Seen(index, frozenset((digest,)), ()) if digest else None
    try:
        pictures = [read_image(path) for path in _key_frames(clip, looker.listing)]
    except (DataError, OSError):
        return None
    turned = [np.ascontiguousarray(image[:, ::-1]) for image in pictures]
    if mirrored:
        pictures, turned = [*pictures, *turned], [*turned, *pictures]
    digests = frozenset(map(pixel_digest, pictures))
    signed = ((signature_of(one), signature_of(other)) for one, other in zip(pictures, turned, strict=True))
    whole = [(one, one if other is None else other) for one, other in signed if one is not None]
    return Seen(index, digests, tuple(one for one, _ in whole), tuple(other for _, other in whole))


def _key_frames(clip: Clip, listing: Listing) -> Iterator[Path]:
    if not clip.path.is_dir():
        yield clip.path
        return
    frames = listing(clip.path)
    first = min(frames) if clip.onset is None else clip.onset
    last = max(frames) if clip.offset is None else clip.offset
    inside = [number for number in frames if first <= number <= last] or list(frames)
    midway = inside[len(inside) // 2]
    apex = midway if clip.apex not in frames or clip.apex is None else clip.apex
    yield from (frames[number] for number in sorted({inside[0], apex, midway, inside[-1]}))
