"""A run's model as an ONNX file that is written only if it says what PyTorch says on clips of other subjects."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pfl_me.atomic import write_whole
from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.data.preprocess.inputs import images_of
from p2pfl_me.deploy.clips import ExportClips, export_clips
from p2pfl_me.errors import WeightsError
from p2pfl_me.files import refusing
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.metrics import Metrics, confusion_matrix
from p2pfl_me.learning.network import assemble
from p2pfl_me.learning.onnx_file import Precision, quantise, require_onnx, write_onnx
from p2pfl_me.learning.onnx_recogniser import OnnxRecogniser
from p2pfl_me.learning.recogniser import Image, Recogniser, TorchRecogniser, clip_scores
from p2pfl_me.learning.run_models import final_params, run_contract, run_network, run_warnings, whose
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given

FLOAT32_DIFFERENCE = 1e-3
"""Largest difference of a probability between two float32 computations that counts as rounding."""


@dataclass(frozen=True)
class Agreement:
    """What PyTorch and the file say of the same `clips` of `subjects` that the model was not trained on, as far as that
    is known (`strangers`).

    `difference` is the largest between two probabilities of a class, `changed` the clips that got another class.
    """

    clips: int
    subjects: int
    difference: float
    changed: int
    uf1_torch: float
    uf1_onnx: float
    strangers: bool = True

    @property
    def of(self) -> str:
        """What it was checked on, in words."""
        known = (
            "that it was not trained on"
            if self.strangers
            else "that its contract keeps from training (which clips it learned from, the run folder does not say)"
        )
        return f"{many(self.clips, 'clip')} of {many(self.subjects, 'subject')} {known}"


@dataclass(frozen=True)
class Exported:
    path: Path
    precision: Precision
    source: str
    classes: tuple[str, ...]
    agreement: Agreement
    warnings: tuple[str, ...] = ()
    """What must be known of the run that trained it; the file says it, too."""


def export_model(
    run: Path,
    out: Path,
    *,
    precision: Precision = Precision.FLOAT32,
    peer: int | None = None,
    data: Path | None = None,
    home: Path,
    weights: Path | None = None,
    network: Given | None = None,
    max_loss: float = 0.01,
) -> Exported:
    """Write the model of a run folder (its peers' average, or one peer's) to `out`.

    Parameters
    ----------
    data:
        The clips to calibrate and check on; by default those of the run.
    max_loss:
        The UF1 that int8 may lose on the checked clips.

    Raises
    ------
    RunError, DataError, WeightsError
        There is no such model, no clips to check it on, or the file disagrees with PyTorch and is not written.
    """
    require_onnx()
    contract = run_contract(run, network)
    source = f"run {run.resolve().name}, {whose(run, contract, peer)}"
    module = assemble(contract, final_params(run, contract, peer), cache=cache_dir(home), weights=weights)
    clips, warnings = export_clips(contract, run, data, home), run_warnings(run)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "float32.onnx"
        write_onnx(module, contract, source, draft, warnings, run_network(run, contract))
        if precision is Precision.INT8:
            plain, draft = draft, Path(folder) / "int8.onnx"
            quantise(plain, draft, np.concatenate([images_of(contract, clip) for clip in clips.calibration]))
        agreement = _compare(contract, TorchRecogniser(contract, module), OnnxRecogniser(draft), clips)
        _refuse_disagreement(agreement, precision, max_loss, out)
        _move(draft, out)
    return Exported(out, precision, source, contract.model.classes, agreement, warnings)


def _compare(contract: Contract, torch: Recogniser, onnx: Recogniser, given: ExportClips) -> Agreement:
    clips = given.check
    truth = [contract.model.classes.index(clip.label) for clip in clips]
    inputs = [images_of(contract, clip) for clip in clips]
    one, two = (_by_clip(recogniser, inputs) for recogniser in (torch, onnx))
    uf1 = [Metrics(confusion_matrix(truth, scores.argmax(1), scores.shape[1])).uf1 for scores in (one, two)]
    return Agreement(
        clips=len(clips),
        subjects=len({clip.subject for clip in clips}),
        difference=float(np.abs(one - two).max()),
        changed=int((one.argmax(1) != two.argmax(1)).sum()),
        uf1_torch=uf1[0],
        uf1_onnx=uf1[1],
        strangers=given.strangers,
    )


def _by_clip(recogniser: Recogniser, inputs: Sequence[Image]) -> Vector:
    """Probabilities by clip, float32 (c, K); samples go through the network in one stream."""
    scores = recogniser.scores(np.concatenate(inputs))
    ends = np.cumsum([len(images) for images in inputs])[:-1]
    return np.stack([clip_scores(part) for part in np.split(scores, ends)])


def _refuse_disagreement(found: Agreement, precision: Precision, max_loss: float, out: Path) -> None:
    if precision is Precision.FLOAT32 and not found.difference <= FLOAT32_DIFFERENCE:
        raise WeightsError(
            f"is not written: ONNX Runtime's probabilities differ from PyTorch's by up to {found.difference:.4f}",
            where=str(out),
            fix="please report it, with the versions of torch, onnx and onnxruntime",
        )
    lost = found.uf1_torch - found.uf1_onnx
    if lost > max_loss:
        raise WeightsError(
            f"is not written: it loses {lost:.3f} UF1 on {found.clips} clips "
            f"({found.uf1_torch:.3f} in PyTorch, {found.uf1_onnx:.3f} in {precision.value})",
            where=str(out),
            fix="check on more clips with --data, accept it with --max-loss, or export float32",
        )


def _move(draft: Path, out: Path) -> None:
    """Into the folder of `out` first, then over it: a reader sees a whole file or none."""
    with refusing(WeightsError, out, "name another file, or free some space"):
        write_whole(out, draft.read_bytes(), public=True)
