"""Everything wrong with a manifest at once: its rows, its files, its subjects, clips that stand in it twice.

Of a folder of frames only those from onset to offset are opened: several clips may lie in one long film.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pfl_me.data.images import frame_files, read_image
from p2pfl_me.data.manifest import Clip, Fault, Manifest, Problem, scan_manifest
from p2pfl_me.data.vectors import is_vectors, vectors_bank, vectors_manifest
from p2pfl_me.errors import DataError


@dataclass(frozen=True)
class CheckReport:
    """`problems` must be mended; `notes` are worth knowing. Counts are of clips in rows without a fault."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    clips: int
    classes: dict[str, int]
    datasets: dict[str, int]
    splits: dict[str, int]
    subjects: dict[str, int]


@dataclass(frozen=True)
class _Look:
    """What one clip's images showed: `digest` is of their pixels, `absent` counts frames between onset and offset."""

    problems: tuple[Problem, ...] = ()
    digest: bytes | None = None
    size: tuple[int, int] | None = None
    grey: bool = False
    absent: int = 0
    lone: bool = False


def check_manifest(path: Path, classes: Sequence[str]) -> CheckReport:
    """Read every row and look at every image.

    Raises
    ------
    DataError
        There is no manifest to check.
    """
    if is_vectors(path):
        manifest, found = vectors_manifest(path, classes), []
    else:
        manifest, rows = scan_manifest(path, classes)
        found = list(rows)
    looks = _look_at(manifest.clips)
    found += [problem for look in looks for problem in look.problems]
    found += _duplicates(manifest.clips, looks)
    counts = Counter(clip.label for clip in manifest.clips)
    found += [Problem(0, Fault.EMPTY, f"class {name} has no clip") for name in classes if not counts[name]]
    return CheckReport(
        tuple(sorted(found, key=lambda problem: problem.line)),
        tuple(_notes(manifest, looks)),
        len(manifest.clips),
        {name: counts[name] for name in classes},
        _sorted_counts(clip.dataset for clip in manifest.clips),
        _sorted_counts(clip.split for clip in manifest.clips if clip.split),
        _sorted_counts(clip.subject for clip in manifest.clips),
    )


def _look_at(clips: Sequence[Clip]) -> list[_Look]:
    banks = {path: vectors_bank(path) for path in {clip.path for clip in clips if is_vectors(clip.path)}}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # images decode outside the interpreter's lock
        return list(pool.map(lambda clip: _row(clip, banks[clip.path]) if clip.path in banks else _look(clip), clips))


def _row(clip: Clip, bank: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> _Look:
    """A row of a file of feature vectors."""
    if not clip.clip.isdigit() or int(clip.clip) >= len(bank):
        return _bad(clip, Fault.MISSING, f"{clip.path} has no row {clip.clip}; it has 0 to {len(bank) - 1}")
    row = bank[int(clip.clip)]
    if not np.isfinite(row).all():
        return _bad(clip, Fault.UNREADABLE, f"row {clip.clip} of {clip.path} holds NaN or infinite values")
    return _Look(digest=hashlib.sha256(row.tobytes()).digest())


def _look(clip: Clip) -> _Look:
    try:
        if not clip.path.is_dir():
            return _seen([clip.path])
        frames = frame_files(clip.path)
        if not frames:
            return _bad(clip, Fault.FRAMES, f"no numbered images in {clip.path}")
        named = {"onset": clip.onset, "apex": clip.apex, "offset": clip.offset}
        lost = [f"{name} {number}" for name, number in named.items() if number is not None and number not in frames]
        if lost:
            have = f"{min(frames)} to {max(frames)}"
            return _bad(clip, Fault.FRAMES, f"{' and '.join(lost)} not among the frames ({have}) of {clip.path}")
        first = min(frames) if clip.onset is None else clip.onset
        last = max(frames) if clip.offset is None else clip.offset
        used = [file for number, file in frames.items() if first <= number <= last]
        return _seen(used, absent=last - first + 1 - len(used), folder=True)
    except DataError as error:
        return _bad(clip, Fault.UNREADABLE, f"{error.where} {error.what}")
    except OSError as error:
        return _bad(clip, Fault.UNREADABLE, f"{clip.path}: {error.strerror}")


def _seen(files: Sequence[Path], *, absent: int = 0, folder: bool = False) -> _Look:
    digest, grey, size = hashlib.sha256(), True, (0, 0)
    for file in files:
        image = read_image(file)
        digest.update(repr(image.shape).encode() + image.tobytes())
        grey = grey and bool((image[..., :2] == image[..., 1:]).all())
        size = (image.shape[1], image.shape[0])
    return _Look((), digest.digest(), size, grey, absent, folder and len(files) == 1)


def _bad(clip: Clip, fault: Fault, text: str) -> _Look:
    return _Look((Problem(clip.line, fault, text),))


def _duplicates(clips: Sequence[Clip], looks: Sequence[_Look]) -> Iterator[Problem]:
    first: dict[bytes, Clip] = {}
    for clip, look in zip(clips, looks, strict=True):
        if look.digest is None:
            continue
        before = first.setdefault(look.digest, clip)
        if before is clip:
            continue
        differs = [name for name in ("subject", "label", "split") if getattr(before, name) != getattr(clip, name)]
        but = f", with another {' and '.join(differs)}" if differs else ""
        yield Problem(clip.line, Fault.DUPLICATE, f"the same pixels as line {before.line}{but}")


def _notes(manifest: Manifest, looks: Sequence[_Look]) -> Iterator[str]:
    if grey := sum(look.grey for look in looks):
        yield f"{grey} clips are grey: repeated over three channels"
    sizes = Counter(look.size for look in looks if look.size)
    if len(sizes) > 1:
        common = ", ".join(f"{width}x{height} ({count})" for (width, height), count in sizes.most_common(4))
        yield f"images of {len(sizes)} sizes, {common}: all are resized"
    if absent := [look.absent for look in looks if look.absent]:
        yield f"{len(absent)} clips lack {sum(absent)} frames between onset and offset"
    if unknown := sum(clip.apex is None and clip.path.is_dir() for clip in manifest.clips):
        yield f"{unknown} clips name no apex: the frame midway is taken"
    if lone := sum(look.lone for look in looks):
        yield f"{lone} clips have one frame only: no motion can be seen in them"
    people = defaultdict(set)
    for clip in manifest.clips:
        people[clip.label].add(clip.subject)
    if alone := sorted(label for label, subjects in people.items() if len(subjects) == 1):
        yield f"only one subject shows {', '.join(alone)}: nobody is left to test what is learned of it"


def _sorted_counts(names: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
