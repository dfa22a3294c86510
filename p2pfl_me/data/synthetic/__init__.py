"""The built-in clips: drawn faces with subjects and laboratories, for first results and tests.

Every subject is a function of (seed, number) alone, so a peer draws only its own. Clips lie in the cache, each
subject's folder moved into place once it is whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
from p2pfl_me.data.drawn import MARK, mark_folder, signed
from p2pfl_me.data.manifest import Clip, Manifest, write_manifest
from p2pfl_me.data.synthetic.clip import CAMERAS, FRAMES, draw_apex, draw_clip, expose
from p2pfl_me.data.synthetic.expression import draw_style
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.errors import DataError
from p2pfl_me.files import locked
from p2pfl_me.progress import Progress

VERSION = 6
"""Raise it when the drawing changes, so that no cache holds clips of two kinds."""
DRAWN = "drawing faces of subjects"
"""What `progress.showing` calls the work of `synthesise`."""
NEUTRAL = "neutral"
PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
"""Noisy drawings hold no repeats to search for: half the time of the default, and smaller."""
DEALT = (
    *("others",) * 3,
    *("disgust",) * 3,
    *("happiness",) * 2,
    *("repression",) * 2,
    *("surprise",) * 2,
    "sadness",
    "fear",
)
"""Fourteen clips in the proportions, roughly, of CASME II."""


def subjects_manifest(spec: Synthetic, seed: int, classes: Sequence[str], *, neutral: int = 0) -> Manifest:
    """The clips there will be, none drawn yet; `neutral` more per subject show no expression.

    Raises
    ------
    DataError
        The contract's classes are not those of the drawn faces.
    """
    if missing := [label for label in CASME2_CLASSES if label not in classes]:
        raise DataError(
            f"the built-in clips show {', '.join(CASME2_CLASSES)}; the contract has no class `{missing[0]}`",
            where="model.classes",
            fix="name your own clips with --data, or take the seven classes",
        )
    clips = []
    for number in range(spec.subjects):
        random = np.random.default_rng(derive_seed(seed, "synthetic", number, "labels"))
        labels = [DEALT[index % len(DEALT)] for index in range(spec.clips_per_subject)]
        if spec.clips_per_subject < len(DEALT):
            labels = [str(label) for label in random.permutation(DEALT)[: spec.clips_per_subject]]
        dataset = list(CAMERAS)[number % len(CAMERAS)]
        for index, label in enumerate([*labels, *(NEUTRAL,) * neutral]):
            path = Path(f"s{number:03d}") / f"c{index:02d}"
            clips.append(Clip(path, dataset, f"{dataset}/s{number:03d}", f"c{index:02d}", label, drawn=True))
    return Manifest(Path("synthetic"), tuple(clips))


def synthesise(
    spec: Synthetic, seed: int, cache: Path, *, split: Manifest, progress: Progress | None = None
) -> Manifest:
    """Draw the subjects of `split` that are not in the cache yet; the same clips with real paths and frame numbers.

    `progress` is called with (done, total) of the subjects that had to be drawn.

    Raises
    ------
    DataError
        The cache cannot be written.
    """
    key = hashlib.sha256(f"{VERSION} {seed} {spec.clips_per_subject} {spec.amplitude}".encode()).hexdigest()[:16]
    folder = cache / f"synthetic-{key}"
    _draw(folder, spec, seed, split, progress)
    return Manifest(folder, tuple(_placed(folder, clip, seed) for clip in split.clips))


def write_synthetic(
    spec: Synthetic, seed: int, folder: Path, planned: Manifest, progress: Progress | None = None
) -> Manifest:
    """Draw `planned` into a new folder of the user's, with a manifest whose paths are relative, so that it can move.

    Raises
    ------
    DataError
        The folder holds something already, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("is no empty folder", where=str(folder), fix="name a new one with -o")
    _draw(folder, spec, seed, planned, progress)
    for lock in folder.glob(".*.lock"):
        lock.unlink()
    drawn = Manifest(folder / "manifest.csv", tuple(_placed(folder, clip, seed) for clip in planned.clips))
    write_manifest(drawn.source, drawn.clips, absolute=False)
    return drawn


def _draw(folder: Path, spec: Synthetic, seed: int, planned: Manifest, progress: Progress | None = None) -> None:
    by_subject: dict[str, list[Clip]] = {}
    for clip in planned.clips:
        by_subject.setdefault(clip.path.parts[0], []).append(clip)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / MARK).exists():
            mark_folder(folder, "built-in clips")
        missing = [name for name in by_subject if not (folder / name).exists()]
        for done, name in enumerate(missing, 1):
            _draw_subject(folder, name, by_subject[name], spec, seed)
            if progress:
                progress(done, len(missing))
    except OSError as error:
        raise DataError(
            f"the drawn clips cannot be written: {error.strerror}",
            where=str(folder),
            fix="free some space, or name another folder (P2PME_HOME moves the cache)",
        ) from error


def _draw_subject(folder: Path, name: str, clips: Sequence[Clip], spec: Synthetic, seed: int) -> None:
    with locked(folder / f".{name}.lock"):  # local peers share the test subjects: one draws, the others wait
        if (folder / name).exists():
            return
        random = np.random.default_rng(derive_seed(seed, "synthetic", int(name[1:]), "face"))
        face, style, camera = draw_face(random), draw_style(random), CAMERAS[clips[0].dataset]
        exposed = expose(face, camera)
        draft = folder / f".{name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        for clip in clips:
            stream = _stream(seed, clip)
            drawn = draw_clip(face, exposed, style, clip.label, camera.noise, spec.amplitude, stream)
            place = draft / clip.clip
            place.mkdir(parents=True)
            for index, frame in enumerate(drawn.frames, 1):
                _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), PNG)
                (place / f"img{index:03d}.png").write_bytes(signed(data.tobytes()))
        draft.rename(folder / name)


def _stream(seed: int, clip: Clip) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "synthetic", int(clip.path.parts[0][1:]), clip.clip))


def _placed(folder: Path, clip: Clip, seed: int) -> Clip:
    return replace(clip, path=folder / clip.path, onset=1, apex=draw_apex(_stream(seed, clip)), offset=FRAMES)
