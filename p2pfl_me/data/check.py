"""Everything wrong with a manifest at once: its rows, its files, its subjects, images that stand in it twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.data.images import frame_files, read_image
from p2pfl_me.data.manifest import Clip, Manifest, Problem, scan_manifest
from p2pfl_me.data.vectors import is_vectors, vectors_bank, vectors_manifest
from p2pfl_me.errors import DataError


@dataclass(frozen=True)
class CheckReport:
    """`problems` must be mended; `notes` are worth knowing. Counts are of the rows that could be read."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    clips: int
    classes: dict[str, int]
    datasets: dict[str, int]
    subjects: int


@dataclass(frozen=True)
class _Look:
    """What one clip's files showed."""

    problems: tuple[Problem, ...]
    digest: str | None
    shape: tuple[int, ...] | None
    grey: bool


def check_manifest(path: Path, classes: Sequence[str]) -> CheckReport:
    """Read every row and every image.

    Raises
    ------
    DataError
        There is no manifest to check.
    """
    if is_vectors(path):
        manifest, found = vectors_manifest(path, classes), []
        vectors_bank(path)
        looks: list[_Look] = []
    else:
        manifest, rows = scan_manifest(path, classes)
        found = list(rows)
        with ThreadPoolExecutor() as pool:  # images decode outside the interpreter's lock
            looks = list(pool.map(_look, manifest.clips))
        found += [problem for look in looks for problem in look.problems]
        found += _duplicates(manifest.clips, looks)
    counts = Counter(clip.label for clip in manifest.clips)
    found += [Problem(0, "class", f"class {name} has no clip") for name in classes if not counts[name]]
    return CheckReport(
        tuple(sorted(found, key=lambda problem: problem.line)),
        _notes(manifest, looks),
        len(manifest.clips),
        {name: counts[name] for name in classes},
        dict(sorted(Counter(clip.dataset for clip in manifest.clips).items())),
        len({clip.subject for clip in manifest.clips}),
    )


def _look(clip: Clip) -> _Look:
    try:
        if not clip.path.exists():
            return _bad(clip, "missing", f"no such file: {clip.path}")
        if not clip.path.is_dir():
            return _seen(clip, [clip.path])
        frames = frame_files(clip.path)
        if not frames:
            return _bad(clip, "missing", f"no numbered images in {clip.path}")
        wanted = {"onset": clip.onset, "apex": clip.apex, "offset": clip.offset}
        absent = [f"{name} {number}" for name, number in wanted.items() if number is not None and number not in frames]
        if absent:
            span = f"{min(frames)} to {max(frames)}"
            return _bad(clip, "frame", f"{' and '.join(absent)} not among the frames {span} of {clip.path}")
        return _seen(clip, list(frames.values()))
    except (DataError, OSError) as error:
        return _bad(clip, "unreadable", f"{clip.path}: {error.what if isinstance(error, DataError) else error}")


def _seen(clip: Clip, files: Sequence[Path]) -> _Look:
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    image = read_image(files[0])
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    for file in files[1:]:
        read_image(file)
    return _Look((), digest.hexdigest(), image.shape, grey)


def _bad(clip: Clip, kind: str, text: str) -> _Look:
    return _Look((Problem(clip.line, kind, text),), None, None, False)


def _duplicates(clips: Sequence[Clip], looks: Sequence[_Look]) -> list[Problem]:
    first: dict[str, Clip] = {}
    found = []
    for clip, look in zip(clips, looks, strict=True):
        if look.digest is None:
            continue
        before = first.setdefault(look.digest, clip)
        if before is not clip:
            leak = "" if before.subject == clip.subject else f", and under another subject ({before.subject})"
            found.append(Problem(clip.line, "duplicate", f"the same images as line {before.line}{leak}"))
    return found


def _notes(manifest: Manifest, looks: Sequence[_Look]) -> tuple[str, ...]:
    notes = []
    if grey := sum(look.grey for look in looks):
        notes.append(f"{grey} clips are grey; they are repeated over three channels")
    shapes = Counter(look.shape[:2] for look in looks if look.shape)
    if len(shapes) > 1:
        common = ", ".join(f"{w}x{h} ({n})" for (h, w), n in shapes.most_common(4))
        notes.append(f"images of {len(shapes)} sizes: {common}; all are resized to the contract's")
    folders = [clip for clip in manifest.clips if clip.path.is_dir()]
    if unknown := sum(clip.apex is None for clip in folders):
        notes.append(f"{unknown} clips name no apex; the middle frame is taken")
    return tuple(notes)
