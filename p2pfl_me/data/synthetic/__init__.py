"""The built-in clips: drawn faces with subjects and laboratories, for first results and tests.

Every subject is a function of (seed, number) alone, so a peer draws only its own. Clips lie in the cache, each
subject's folder moved into place once it is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from p2pfl_me.contract import derive_seed
from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
from p2pfl_me.data.manifest import Clip, Manifest
from p2pfl_me.data.synthetic.clip import CAMERAS, draw_clip, expose
from p2pfl_me.data.synthetic.expression import draw_style
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.errors import DataError

VERSION = 2
"""Raise it when the drawing changes, so that no cache holds clips of two kinds."""
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
            clips.append(Clip(path, dataset, f"{dataset}/s{number:03d}", f"c{index:02d}", label))
    return Manifest(Path("synthetic"), tuple(clips))


def synthesise(spec: Synthetic, seed: int, cache: Path, *, split: Manifest) -> Manifest:
    """Draw the subjects of `split` that are not in the cache yet; the same clips with real paths and frame numbers.

    Raises
    ------
    DataError
        The cache cannot be written.
    """
    key = hashlib.sha256(f"{VERSION} {seed} {spec.clips_per_subject} {spec.amplitude}".encode()).hexdigest()[:16]
    folder = cache / f"synthetic-{key}"
    by_subject: dict[str, list[Clip]] = {}
    for clip in split.clips:
        by_subject.setdefault(clip.path.parts[0], []).append(clip)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, clips in by_subject.items():
            if not (folder / name).exists():
                _draw_subject(folder, name, clips, spec, seed)
    except OSError as error:
        raise DataError(
            f"the drawn clips cannot be written: {error.strerror}",
            where=str(folder),
            fix="free some space, or move P2PME_HOME to a larger disk",
        ) from error
    found = (_with_frames(folder, clip) for clip in split.clips)
    return Manifest(folder, tuple(found))


def _draw_subject(folder: Path, name: str, clips: Sequence[Clip], spec: Synthetic, seed: int) -> None:
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # local peers share the test subjects: one draws, the others wait
        if (folder / name).exists():
            return
        number = int(name[1:])
        random = np.random.default_rng(derive_seed(seed, "synthetic", number, "face"))
        face, style = draw_face(random), draw_style(random)
        camera = CAMERAS[clips[0].dataset]
        exposed = expose(face, camera)
        draft = folder / f".{name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        for clip in clips:
            stream = np.random.default_rng(derive_seed(seed, "synthetic", number, clip.clip))
            drawn = draw_clip(face, exposed, style, clip.label, camera.noise, spec.amplitude, stream)
            place = draft / clip.clip
            place.mkdir(parents=True)
            for index, frame in enumerate(drawn.frames, 1):
                pixels = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
                ok, data = cv2.imencode(".png", pixels, PNG)
                if not ok:
                    raise OSError(f"a frame of {clip.subject} cannot be encoded")
                (place / f"img{index:03d}.png").write_bytes(data.tobytes())
            (place / "frames.txt").write_text(f"{drawn.onset} {drawn.apex} {drawn.offset}\n")
        draft.rename(folder / name)


def _with_frames(folder: Path, clip: Clip) -> Clip:
    place = folder / clip.path
    onset, apex, offset = (int(text) for text in (place / "frames.txt").read_text().split())
    return replace(clip, path=place, onset=onset, apex=apex, offset=offset)
