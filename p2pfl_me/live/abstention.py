"""When to name nothing: the threshold that validation clips set, whose subjects the model never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.preprocess.inputs import images_of
from p2pfl_me.data.reading import read_clips

if TYPE_CHECKING:
    from p2pfl_me.learning.recogniser import Recogniser

WANTED = 0.8
"""Share of the named validation clips that shall be named rightly."""
FEWEST = 10
"""Named clips below which a share means nothing."""
NEVER = 1.01
"""No probability reaches it."""


def threshold_of(probabilities: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], wanted: float = WANTED) -> float:
    """The least probability at which at least `wanted` of the clips that are named are named rightly.

    Parameters
    ----------
    probabilities:
        float32 (n, K), by clip.
    truth:
        int64 (n,), the clips' classes.

    Returns
    -------
    float
        NEVER, where no ten clips can be named so well.
    """
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    order = np.argsort(-best, kind="stable")
    named = np.arange(1, len(best) + 1)
    shares = np.cumsum(right[order]) / named
    # Clips of equal probability are named together or not at all.
    last = np.append(best[order][:-1] != best[order][1:], True) if len(best) else np.zeros(0, dtype=bool)
    good = np.flatnonzero((shares >= wanted) & (named >= FEWEST) & last)
    return float(best[order][good[-1]]) if len(good) else NEVER


def validated_threshold(recogniser: Recogniser, manifest: Path) -> float:
    """The threshold of the clips in a manifest.

    Raises
    ------
    DataError
        The manifest or its images cannot be read.
    """
    from p2pfl_me.learning.recogniser import clip_scores

    clips = read_clips(manifest, recogniser.classes).clips
    scores = [clip_scores(recogniser.scores(images_of(recogniser.contract, clip))) for clip in clips]
    truth = np.array([recogniser.classes.index(clip.label) for clip in clips], dtype=np.int64)
    return threshold_of(np.stack(scores), truth)
