"""What weights were trained on, as a record inside their file, and which clips of an evaluation they have seen.

The record holds no picture and no subject's name: of each picture a digest of its pixels and 192 bits of a coarse
copy's differences, of each subject a digest of data set and name (canonical, so that another spelling is found). It is
made of tensors and metadata of the .safetensors file itself, which a contract's SHA-256 covers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from p2pfl_me.atomic import replacing, undrafted
from p2pfl_me.contract.network import Weights
from p2pfl_me.counting import many
from p2pfl_me.data.audit.alike import SIDE, Signature
from p2pfl_me.data.audit.pictures import key_pictures
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.identity import could_be
from p2pfl_me.data.reading import read_clips
from p2pfl_me.errors import WeightsError
from p2pfl_me.files import open_regular, read_text, require_regular
from p2pfl_me.parsed import json_of
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.tensors import tensor

Bytes = npt.NDArray[np.uint8]
TRAINED_ON = "trained_on"
"""The key of the metadata's sentence, and what the names of the record's tensors begin with."""
SEEN = "weights were trained on"
"""Of clips that they have seen: what every such warning begins with."""
DIGEST, BITS = 16, 192
APART = 19
"""Bits in which the sketches of one picture may differ: those of cosines from .98 on differ in 12 on average (two
deviations below), those of the closest two of 309 flow images, .89, in 29."""
BLOCK = 4096


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """`words` for people; `datasets` by name; digests of subjects and pictures, uint8 (m, 16) and (n, 16), and sketches
    of pictures, uint8 (k, 24)."""

    words: str
    datasets: tuple[str, ...]
    subjects: Bytes = field(repr=False)
    digests: Bytes = field(repr=False)
    sketches: Bytes = field(repr=False)

    def metadata(self) -> dict[str, str]:
        return {TRAINED_ON: self.words, f"{TRAINED_ON}.datasets": json.dumps(self.datasets)}

    def tensors(self) -> dict[str, Bytes]:
        named = {"subjects": self.subjects, "digests": self.digests, "sketches": self.sketches}
        return {f"{TRAINED_ON}.{name}": value for name, value in named.items()}


def subject_digest(clip: Clip) -> bytes:
    """16 bytes of who is in a clip, the same of every spelling that could be this person."""
    return hashlib.sha256(repr(could_be(clip)).encode()).digest()[:DIGEST]


def trained_on_of(
    words: str, digests: Sequence[bytes], signatures: Sequence[Signature], owners: Sequence[Clip]
) -> TrainedOn:
    """The record of pictures by `pixel_digest` and `signature_of`, and of clips that tell whose they are."""
    return TrainedOn(
        words,
        tuple(sorted({clip.dataset for clip in owners})),
        _rows({subject_digest(clip) for clip in owners}, DIGEST),
        _rows(set(digests), DIGEST),
        _rows({sketch_of(each).tobytes() for each in signatures}, BITS // 8),
    )


def learned_in(run: Path) -> TrainedOn | None:
    """What the models of a run learned from, all of its peers together: gossip carries each one's clips to all.

    None where the run left no list of it, so that nobody can say.

    Raises
    ------
    DataError
        The clips of its list are gone, or cannot be read.
    """
    paths = undrafted(RunFolder(run).shards.glob("*.csv"))
    learned = [
        clip
        for path in paths
        if len(read_text(path).splitlines()) > 1
        for clip in read_clips(path, None).clips
        if clip.split == "train"
    ]
    if not learned:
        return None
    pictures = [each for each in key_pictures(learned) if each]
    return trained_on_of(
        f"{many(len(learned), 'clip')} of {many(len({clip.subject for clip in learned}), 'subject')}",
        [digest for each in pictures for digest in each.digests],
        [signature for each in pictures for signature in each.signatures],
        learned,
    )


def holds_tensors(path: Path) -> bool:
    """Whether a file is of safetensors by its name or, whatever its name, by its first bytes."""
    try:
        with open_regular(path, None) as file:
            return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"
    except OSError:
        return path.suffix == ".safetensors"


def read_trained_on(path: Path) -> TrainedOn | None:
    """The record in a weights file; None of a file without one, whose origin is unknown.

    Raises
    ------
    WeightsError
        There is one, and it cannot be read.
    """
    if not holds_tensors(path):
        return None
    try:
        require_regular(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if f"{TRAINED_ON}.datasets" not in metadata:
                return None
            found: Mapping[str, Bytes] = {
                name: tensor(file, f"{TRAINED_ON}.{name}") for name in ("subjects", "digests", "sketches")
            }
            datasets = tuple(map(str, json_of(metadata[f"{TRAINED_ON}.datasets"])))
        widths = {"subjects": DIGEST, "digests": DIGEST, "sketches": BITS // 8}
        if any(value.dtype != np.uint8 or value.shape[1:] != (widths[name],) for name, value in found.items()):
            raise ValueError("its tensors are of another shape")
        if not len(found["digests"]):
            raise ValueError("it names no picture")
        return TrainedOn(metadata.get(TRAINED_ON, ""), datasets, **found)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"what it was trained on cannot be read: {error}", where=str(path), fix="fetch the file again"
        ) from error


def copy_trained_on(weights: Path, to: Path) -> None:
    """Keep a weights file's record, if it has one, where the file itself may be gone later.

    Raises
    ------
    WeightsError
        It cannot be read.
    """
    if record := read_trained_on(weights):
        with replacing(to) as draft:
            save_file(record.tensors(), draft, record.metadata())


def kept_trained_on(source: Weights, cache: Path) -> Path:
    """Where the record of a contract's file is kept."""
    return cache / f"trained-on-{str(source.sha256)[:32]}.safetensors"


def read_kept_trained_on(source: Weights, weights: Path | None, cache: Path) -> TrainedOn | None:
    """What the contract's weights file says that it was trained on, from the file, or kept from an earlier run.

    None where the weights are of no file, or the file does not say.

    Raises
    ------
    WeightsError
        It cannot be read.
    """
    if source.source != "file":
        return None
    kept = kept_trained_on(source, cache)
    return read_trained_on(weights) if weights else read_trained_on(kept) if kept.exists() else None


@dataclass(frozen=True)
class Seen:
    """Clips that weights have seen, by their places: their `subjects`, one of their `pictures`, one `alike`."""

    subjects: frozenset[int]
    pictures: frozenset[int]
    alike: frozenset[int]
    clips: int

    @property
    def places(self) -> frozenset[int]:
        return self.subjects | self.pictures | self.alike

    def words(self, clips: str = "clips") -> str:
        """What must stand on every page; nothing where none was seen."""
        if not self.places:
            return ""
        kinds = (("subjects", self.subjects), ("pictures", self.pictures), ("near-identical pictures", self.alike))
        what = " or ".join(kind for kind, found in kinds if found)
        return f"{SEEN} {what} of {len(self.places)} of {self.clips} {clips}"


def seen_of(record: TrainedOn, clips: Sequence[Clip], *, images: bool = True) -> Seen:
    """Which clips the weights have seen. Compared are pictures of each clip's onset, apex, middle and offset, as
    they are and in the mirror: folders are often doubled so for training."""
    subjects, digests = (set(map(bytes, each)) for each in (record.subjects, record.digests))
    known = frozenset(place for place, clip in enumerate(clips) if subject_digest(clip) in subjects)
    shown = [each for each in key_pictures(clips, mirrored=True) if each] if images else []
    same = frozenset(each.index for each in shown if each.digests & digests)
    rest = [(each.index, signature) for each in shown if each.index not in same for signature in each.signatures]
    alike = frozenset(rest[row][0] for row in _near(record.sketches, [signature for _, signature in rest]))
    return Seen(known, same, alike, len(clips))


def sketch_of(signature: Signature) -> Bytes:
    """Of a signature float32 (512,), the signs of 192 fixed projections, uint8 (24,); Charikar, STOC 2002."""
    return np.packbits(_projections() @ signature > 0)


def _near(sketches: Bytes, signatures: Sequence[Signature]) -> Iterator[int]:
    """Places of signatures whose sketch is one of those known, but for APART bits."""
    if not (len(sketches) and signatures):
        return
    known = np.unpackbits(sketches, axis=1).astype(np.float32) * 2 - 1
    asked = np.where(np.stack(signatures) @ _projections().T > 0, np.float32(1), np.float32(-1))
    for begin in range(0, len(asked), BLOCK):
        apart = (BITS - asked[begin : begin + BLOCK] @ known.T) / 2
        yield from (begin + int(row) for row in np.flatnonzero((apart <= APART).any(axis=1)))


@cache
def _projections() -> Signature:
    """Fixed signs, float32 (192, 512), out of a hash: no library's random numbers, which may change."""
    width = 2 * SIDE * SIDE
    stream = hashlib.shake_256(b"p2pfl_me sketch 1").digest(BITS * width // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8)).reshape(BITS, width)
    return bits.astype(np.float32) * 2 - 1


def _rows(values: set[bytes], width: int) -> Bytes:
    return np.frombuffer(b"".join(sorted(values)), dtype=np.uint8).reshape(-1, width).copy()
