"""What is evaluated: the clips of a manifest with all their samples; under the frame split, each sample by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.frames import frame_files
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.images import file_bytes
from p2pfl_me.data.manifest import Clip, Manifest
from p2pfl_me.data.source import prepare
from p2pfl_me.data.synthetic import DRAWN
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.learning.features import Progress
from p2pfl_me.learning.samples import read_samples
from p2pfl_me.learning.trainer import Labels, Part
from p2pfl_me.progress import showing


@dataclass(frozen=True, eq=False)
class Items:
    """The units of evaluation, in the order of the manifest.

    `clips` holds the clip of each item, `labels` int64 (m,) its class; `samples` all samples of all items, whose
    `clips` are item numbers.
    """

    clips: tuple[Clip, ...]
    labels: Labels = field(repr=False)
    samples: Part = field(repr=False)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def names(self) -> tuple[str, ...]:
        """One name an item: the clip's, and the sample's number where a clip stands more than once."""
        seen: dict[Clip, int] = {}
        many = len(set(self.clips)) < len(self.clips)
        names = []
        for clip in self.clips:
            seen[clip] = seen.get(clip, 0) + 1
            names.append(f"{clip.clip}#{seen[clip]}" if many else clip.clip)
        return tuple(names)

    def part(self, items: Iterable[int]) -> Part:
        """The samples of some items, in the order of the manifest."""
        wanted = np.zeros(len(self), dtype=bool)
        wanted[list(items)] = True
        chosen = wanted[self.samples.clips]
        samples = self.samples
        variants = samples.variants[chosen] if samples.variants is not None else None
        subjects = samples.subjects[chosen] if samples.subjects is not None else None
        labels, clips = samples.labels[chosen], samples.clips[chosen]
        return Part(samples.bank, samples.rows[chosen], labels, clips, variants, subjects)


def read_clips(
    contract: Contract, data: Path | None, cache: Path, rules: IdentityRules = ASK, read: Manifest | None = None
) -> tuple[Clip, ...]:
    """All clips, `read` if they have been; a split that they bring is not asked: the protocol says what is held out.

    Raises
    ------
    DataError
        The manifest cannot be used.
    """
    hints = contract.data.model_copy(update={"test_fraction": 0.0, "validation_fraction": 0.0})
    with showing(DRAWN) as (drawing,):
        everything = prepare(contract.model_copy(update={"data": hints}), data, cache, rules, read, drawing).clips
    return tuple(replace(clip, split="train") for clip in everything)


def read_items(
    contract: Contract,
    clips: Sequence[Clip],
    protocol: HoldOut,
    *,
    cache: Path,
    weights: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    preparing: Progress | None = None,
) -> Items:
    """The clips' samples, their features from the cache or computed now.

    Parameters
    ----------
    device:
        Where frozen layers compute what is missing.
    progress, preparing:
        Called with (done, total) of the samples whose features, and of the clips whose images, had to be computed.

    Raises
    ------
    DataError
        Clips cannot be read.
    """
    part = read_samples(
        contract, clips, cache=cache, weights=weights, device=device, progress=progress, preparing=preparing
    ).samples.train
    if protocol.leaks:
        own = replace(part, clips=np.arange(len(part), dtype=np.int64))
        return Items(tuple(clips[number] for number in part.clips), part.labels, own)
    labels = np.array([contract.model.classes.index(clip.label) for clip in clips], dtype=np.int64)
    if missing := np.flatnonzero(np.bincount(part.clips, minlength=len(clips)) == 0).tolist():
        raise DataError(f"clip {clips[missing[0]].clip} gives no sample", where=str(clips[missing[0]].path))
    return Items(tuple(clips), labels, part)


def clips_digest(clips: Iterable[Clip]) -> str:
    """SHA-256 (hex) of the clips alone, whatever network looks at them: two papers with the same one used the same.

    Of each clip data set, subject, name, label and coded frames, and what lies on the disk: of a folder the names of
    its frames and the bytes of the first and the last, of a file all its bytes.
    """
    files: dict[Path, bytes] = {}
    rows = []
    for clip in clips:
        if clip.path not in files:
            files[clip.path] = _content(clip.path)
        coded = (clip.dataset, clip.subject, clip.clip, clip.label, clip.onset, clip.apex, clip.offset)
        rows.append(hashlib.sha256("\x1f".join(map(str, coded)).encode() + files[clip.path]).digest())
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


def _content(path: Path) -> bytes:
    if not path.is_dir():
        return hashlib.sha256(file_bytes(path)).digest()
    frames = list(frame_files(path).values())
    ends = b"".join(hashlib.sha256(file_bytes(frame)).digest() for frame in (frames[0], frames[-1]))
    return hashlib.sha256("/".join(frame.name for frame in frames).encode() + ends).digest()


def features_digest(items: Items) -> str:
    """SHA-256 (hex) of who is evaluated and of the very features that are trained on: it changes with the network."""
    digest = hashlib.sha256()
    for clip in items.clips:
        digest.update(f"{clip.dataset}\x1f{clip.subject}\x1f{clip.clip}\x1f{clip.label}\n".encode())
    samples = items.samples
    digest.update(samples.clips.tobytes())
    for row in samples.rows:
        digest.update(np.ascontiguousarray(samples.bank[row]).data)
    return digest.hexdigest()
