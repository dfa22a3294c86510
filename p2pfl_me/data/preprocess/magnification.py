"""Eulerian video magnification of small motions, linear in the frames.

Wu, Rubinstein, Shih, Guttag, Durand, Freeman, "Eulerian video magnification for revealing subtle changes in the world",
ACM Transactions on Graphics 31(4) (SIGGRAPH), 2012: each level of a Laplacian pyramid is band-passed in time, amplified
and added. All of it is linear, so the band-pass is a weighted sum of frames, taken before the pyramid, and one needs as
many sums as frames that are looked at, not as many pyramids as the clip has frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]

SMALLEST = 6
"""Levels of the pyramid end above this side in pixels."""
CUTOFF = 1 / 12
"""Wavelength, in units of the picture's side, from which on motion is amplified in full: 16 pixels of 192."""
EXAGGERATION = 2.0
"""How much further than its own bound the paper's program amplifies (its `exaggeration_factor`)."""


def band_pass(frames: int, fps: float, low_hz: float, high_hz: float) -> Weights:
    """The ideal temporal filter, float64 (frames, frames): row t gives frame t of the band.

    It keeps the cosines of the discrete cosine transform (II) whose frequency k fps / (2 frames) lies in the band: the
    clip is continued by its mirror image, so its end does not jump back to its beginning as in a Fourier transform.
    """
    k, t = np.arange(frames), np.arange(frames)
    cosines = np.cos(np.pi / frames * np.outer(k, t + 0.5)) * np.sqrt(2 / frames)
    cosines[0] /= np.sqrt(2)
    hertz = k * fps / (2 * frames)
    kept = cosines[(hertz >= low_hz) & (hertz <= high_hz)]
    return np.asarray(kept.T @ kept, dtype=np.float64)


def magnify(frames: Iterable[Image], weights: Weights, wanted: Sequence[int], alpha: float) -> tuple[Image, ...]:
    """The `wanted` frames with `alpha` times their band of motion added.

    Parameters
    ----------
    frames:
        The whole clip in order, uint8 (S, S, 3) each; only one is held at a time, besides what is wanted.
    weights:
        From `band_pass`, for as many frames.
    """
    sums: list[Floats] = []
    kept: dict[int, Image] = {}
    for place, frame in enumerate(frames):
        if not sums:
            sums = [np.zeros(frame.shape, dtype=np.float32) for _ in wanted]
        for total, row in zip(sums, wanted, strict=True):
            total += np.float32(weights[row, place]) * frame
        if place in wanted:
            kept[place] = frame
    out = []
    for row, band in zip(wanted, sums, strict=True):
        sharper = kept[row] + _amplified(band, alpha)
        out.append(np.asarray(np.clip(np.rint(sharper), 0, 255), dtype=np.uint8))
    return tuple(out)


def level_gains(levels: int, alpha: float) -> tuple[float, ...]:
    """The amplification of each level, finest first.

    With d the motion for which `CUTOFF` may take all of alpha, (1 + alpha) d = cutoff / 8, a wavelength w takes at most
    w / (8 d) - 1. The finest level holds noise and the coarsest light, so they get none. As in the paper's program.
    """
    coarsest = np.sqrt(2) / 3  # in units of the side; a level's waves are twice as long as those of the one below it
    waves = [coarsest / 2 ** (levels - 1 - level) for level in range(levels)]
    gains = [min(alpha, max(0.0, EXAGGERATION * (wave / CUTOFF * (1 + alpha) - 1))) for wave in waves]
    return tuple(0.0 if level in {0, levels - 1} else float(gain) for level, gain in enumerate(gains))


def _amplified(band: Floats, alpha: float) -> Floats:
    """The weighted sum of a Laplacian pyramid's levels, float32 like `band`."""
    levels: list[Floats] = []
    while min(band.shape[:2]) >= 2 * SMALLEST:
        smaller = np.asarray(cv2.pyrDown(band), dtype=np.float32)
        back = cv2.pyrUp(smaller, dstsize=(band.shape[1], band.shape[0]))
        levels.append(np.asarray(band - back, dtype=np.float32))
        band = smaller
    levels.append(band)
    gains = level_gains(len(levels), alpha)
    out = np.asarray(gains[-1] * levels[-1], dtype=np.float32)
    for gain, level in zip(gains[-2::-1], levels[-2::-1], strict=True):
        out = np.asarray(cv2.pyrUp(out, dstsize=(level.shape[1], level.shape[0])), dtype=np.float32) + gain * level
    return np.asarray(out, dtype=np.float32)
