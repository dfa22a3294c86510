"""A backbone from other images: VGG16's block 5 learns their classes, or without labels by how far each is turned.

Gidaris et al., "Unsupervised representation learning by predicting image rotations", ICLR 2018: who tells an upright
face from a turned one has learned its parts. Blocks 1 to 4 stay as they are and run once an image and turn, which is
what a processor without a GPU can afford.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import save_file

from p2pfl_me import __version__
from p2pfl_me.atomic import replacing
from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import Loopback, Model, Peers, Training, Weights
from p2pfl_me.data.trained_on import TrainedOn
from p2pfl_me.errors import WeightsError
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.device import pick_device
from p2pfl_me.learning.features import frozen_layers, normalise
from p2pfl_me.learning.network import BLOCK5, initial_params
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.topology.graphs.ring import Ring

TURNS = ("0", "90", "180", "270")
HELD_OUT = 0.1
"""Share of the images that the accuracy is measured on."""
BATCH = 32

Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Told = Callable[[int, float, float], None]


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A whole VGG16 by torchvision's names (`features.0.weight`, ...), and the accuracy on what was held out: all
    images of some subjects (`by_subject`) or, where those are not known, some images."""

    tensors: dict[str, Vector] = field(repr=False)
    accuracy: float
    chance: float
    method: str
    by_subject: bool = False


def pretrain(
    images: Image,
    labels: Labels,
    classes: tuple[str, ...],
    *,
    epochs: int,
    seed: int,
    start: Literal["seed", "imagenet"] = "seed",
    cache: Path,
    device: str = "auto",
    told: Told | None = None,
    groups: Sequence[str | None] = (),
) -> Pretrained:
    """Train block 5 on images (n, 64, 64, 3) with labels (n,) of `classes`; without any (both empty) on turned ones.

    Parameters
    ----------
    start:
        Where all five blocks come from.
    told:
        Called after each epoch with (epoch, loss, accuracy).
    groups:
        Whose each image is (n,), where known: all images of one are held out together, others each by itself.

    Raises
    ------
    WeightsError
        ImageNet's weights cannot be had, or training diverged.
    """
    method = "labels" if classes else "rotations"
    contract = _contract(classes or TURNS, seed, start)
    backbone = load_backbone(contract, cache=cache)
    where = pick_device(device)
    layers = frozen_layers(backbone, "block5").to(where)
    turned = 1 if classes else len(TURNS)
    bank = np.concatenate([_block4(layers, np.rot90(images, turn, axes=(1, 2)), where) for turn in range(turned)])
    truth = labels if classes else np.repeat(np.arange(len(TURNS)), len(images))
    trainer = FeatureTrainer(contract, 0, _parts(bank, truth, len(images), seed, groups), where)
    params, accuracy = initial_params(contract, cache=cache), 0.0
    for epoch in range(epochs):
        trained = trainer.train(params, epoch)
        params, loss = trained.params, trained.loss
        assert loss is not None, "epochs over all samples see some"
        found = trainer.evaluate(params, "validation")
        accuracy = found.accuracy if found else 0.0
        if told:
            told(epoch + 1, loss, accuracy)
    tensors = {f"features.{name}": np.array(value) for name, value in backbone.tensors.items()}
    for name, view in contract.model.layout.views(params).items():
        layer, kind = name.split(".")
        if layer.startswith("conv5_"):
            tensors[f"features.{BLOCK5[int(layer[-1])]}.{kind}"] = view.copy()
    by_subject = len(set(groups) - {None}) > 1
    return Pretrained(tensors, accuracy, 1 / len(contract.model.classes), method, by_subject)


def require_new(path: Path) -> None:
    """See, before hours of training, that weights may be written there: contracts may name the digest of older ones.

    Raises
    ------
    WeightsError
        Another ending, by which they would not be read, or something is there already.
    """
    if path.suffix != ".safetensors":
        raise WeightsError("weights are written as .safetensors", where=str(path), fix="name it like that")
    if path.exists():
        raise WeightsError("is there already", where=str(path), fix="name a new file with -o")


def save_pretrained(found: Pretrained, path: Path, record: TrainedOn | None = None) -> None:
    """Write the weights such that `model.weights: {source: file}` takes them, with the record of what they saw.

    Raises
    ------
    WeightsError
        The file cannot be written.
    """
    try:
        with replacing(path, public=True) as draft:
            more = record.metadata() if record else {}
            tensors: dict[str, npt.NDArray[Any]] = {**found.tensors, **(record.tensors() if record else {})}
            save_file(tensors, draft, {"p2pme": __version__, "method": found.method, **more})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot be written: {error}", where=str(path), fix="name another file") from error


def _contract(classes: tuple[str, ...], seed: int, start: Literal["seed", "imagenet"]) -> Contract:
    """Pretraining is a peer's training with nobody to talk to."""
    return Contract(
        version=1,
        name="pretrain",
        seed=seed,
        topology=Ring(kind="ring"),
        peers=Peers(loopback=Loopback(count=2)),
        model=Model(weights=Weights(source=start), trainable="block5", classes=classes),
        training=Training(local_epochs=1, learning_rate=3e-4, batch_size=BATCH),
    )


def _block4(layers: torch.nn.Module, images: Image, device: torch.device) -> Vector:
    rows = []
    with torch.inference_mode():
        for begin in range(0, len(images), BATCH):
            batch = normalise(np.ascontiguousarray(images[begin : begin + BATCH])).to(device)
            rows.append(layers(batch).flatten(1).cpu().numpy())
    return np.concatenate(rows)


def _parts(bank: Vector, labels: Labels, images: int, seed: int, groups: Sequence[str | None] = ()) -> Samples:
    """An image is held out in all its turns or in none, and with all of its group, where there are several."""
    known = groups if len(set(groups) - {None}) > 1 else (None,) * images
    names = [image if name is None else name for image, name in enumerate(known)]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    group_of = np.array([places[name] for name in names])
    order = np.random.default_rng(derive_seed(seed, "pretrain")).permutation(len(places))
    sizes = np.bincount(group_of, minlength=len(places))[order]
    wanted = max(1, round(HELD_OUT * images))
    count = min(int(np.searchsorted(np.cumsum(sizes), wanted)) + 1, len(places) - 1)
    held = np.isin(group_of[np.arange(len(bank)) % images], order[:count])

    def part(rows: Labels) -> Part:
        return Part(bank, rows, labels[rows], np.arange(len(rows)))

    return Samples(part(np.flatnonzero(~held)), part(np.flatnonzero(held)))
