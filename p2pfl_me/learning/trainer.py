"""Local training and evaluation of one peer's model on cached features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.data.vectors import require_width
from p2pfl_me.errors import DataError, DivergedError
from p2pfl_me.learning.device import device_of_peer
from p2pfl_me.learning.losses import Loss, make_loss
from p2pfl_me.learning.metrics import Metrics, People, confusion_matrix
from p2pfl_me.learning.steps import TrainingStep, make_step
from p2pfl_me.message import MAX_WEIGHT, Vector
from p2pfl_me.privacy.ledger import Entry
from p2pfl_me.widths import held

if TYPE_CHECKING:
    from p2pfl_me.learning.protections import Means

EVALUATION_BATCH = 256
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a feature bank, which may be mapped from a file and hold others' rows, too.

    `bank` is float32 (N, D), `rows` int64 (n,), `labels` int64 (n,) in the order of the contract's classes. `clips`
    int64 (n,) numbers the clip that each sample belongs to: a clip may give several samples, all of one label.
    Samples are trained on; clips are what is counted. `variants` int64 (n, V) are the rows of each sample's augmented
    variants, the original among them, of which training takes one at random a sample and epoch. `subjects` int64 (n,)
    numbers the person that each sample shows, where that is known. `people` says whom each clip shows, where scores are
    wanted by person and data set.
    """

    bank: Vector = field(repr=False)
    rows: Labels = field(repr=False)
    labels: Labels = field(repr=False)
    clips: Labels = field(repr=False)
    variants: Labels | None = field(default=None, repr=False)
    subjects: Labels | None = field(default=None, repr=False)
    people: People | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a peer trains on, watches (patience) and is measured on."""

    train: Part
    validation: Part | None = None
    test: Part | None = None


@dataclass(frozen=True, eq=False)
class ClipLogits:
    """What a model says of each clip of a part, in the order in which the clips first appear in it.

    `clips` int64 (c,) are the part's clip numbers, `logits` float32 (c, K) the mean over each clip's samples, `labels`
    int64 (c,) the true classes.
    """

    clips: Labels = field(repr=False)
    logits: Vector = field(repr=False)
    labels: Labels = field(repr=False)


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a round's local epochs: a new vector float32 (P,), the mean loss of the last epoch, the steps.

    `loss` is None where nobody was drawn to train on (`dp_trainer`): 0 would be a model without a fault.
    `spent`: what was paid of a privacy budget before it.
    """

    params: Vector = field(repr=False)
    loss: float | None
    steps: int
    spent: Entry | None = None


class Trainer(Protocol):
    """What a peer needs of a learner."""

    @property
    def device(self) -> torch.device: ...
    def train(self, params: Vector, round: int) -> Trained: ...
    def evaluate(self, params: Vector, part: str) -> Metrics | None: ...


class FeatureTrainer:
    """Adam over mini-batches; every shuffle and mask is drawn from (seed, peer, round).

    With a `width` below 1 it trains the slice of that width, and the vectors that it takes and gives hold zeros beside
    it; evaluation is the same, for units of zeros say nothing.

    Raises
    ------
    DataError
        There is nothing to train on, or the features don't have the contract's width.
    """

    def __init__(
        self, contract: Contract, peer: int, samples: Samples, device: torch.device, width: float = 1.0
    ) -> None:
        self.device = device
        self._seed, self._peer, self._training = contract.seed, peer, contract.training
        self._classes = len(contract.model.classes)
        self._samples = samples
        if not len(samples.train):
            raise DataError(
                f"peer {peer} has no clips to train on", fix="give it some, or leave it out of the contract"
            )
        require_width(samples.train.bank.shape[1], contract.model)
        self._bank = torch.from_numpy(samples.train.bank).to(device)
        self._rows = torch.from_numpy(samples.train.rows).to(device)
        self._labels = torch.from_numpy(samples.train.labels).to(device)
        self._variants = None
        if samples.train.variants is not None:
            self._variants = torch.from_numpy(samples.train.variants).to(device)
        weights = None
        if contract.training.class_weights == "balanced":
            weights = balanced_weights(samples.train.labels, self._classes).to(device)
        loss = make_loss(contract.training, weights)
        self._slice = None if width == 1 else np.flatnonzero(held(contract.model.layout.dimensions, width))
        self._step = self._made_step(contract, loss, width)
        self._scorer = self._step if width == 1 else make_step(contract, loss, device, batch=1)

    def _made_step(self, contract: Contract, loss: Loss, width: float) -> TrainingStep:
        return make_step(contract, loss, self.device, batch=contract.training.batch_size, width=width)

    def train(self, params: Vector, round: int) -> Trained:
        """Local epochs from `params` (left as it is).

        Raises
        ------
        DivergedError
            The loss or the parameters are no longer finite, or the model is larger than anybody takes.
        """
        if self._slice is None:
            out = params.copy()
            return Trained(out, *self.train_in_place(out, round))
        own, out = params[self._slice], np.zeros_like(params)
        loss, steps = self.train_in_place(own, round)
        out[self._slice] = own
        return Trained(out, loss, steps)

    def train_in_place(self, params: Vector, round: int) -> tuple[float | None, int]:
        """Local epochs on `params` themselves, those of the slice where there is one: the mean loss and the steps.

        Raises
        ------
        DivergedError
            As in `train`; `params` are of no use then.
        """
        flat = torch.from_numpy(params).to(self.device)  # shares their memory on the CPU
        # Of the processor whatever the device: a run on a GPU draws what one on the processor draws.
        random = torch.Generator()
        random.manual_seed(derive_seed(self._seed, "train", self._peer, round))
        mean, steps = self._epochs(flat, round, random)
        if self.device.type != "cpu":
            params[:] = flat.cpu().numpy()
        with np.errstate(all="ignore"):  # that weights are too large is told there, in words
            length = float(np.dot(params, params))
        refuse_diverged(mean, length, round, self._peer, self._training.learning_rate)
        return mean, steps

    def _epochs(self, flat: Tensor, round: int, random: torch.Generator) -> tuple[float | None, int]:
        """A round's epochs on `flat` itself: the mean loss of the last one, if any sample was seen, and the steps."""
        step, size, epochs = self._step, self._training.batch_size, self._training.local_epochs
        step.begin(flat, self._training.learning_rate, epochs * -(-len(self._rows) // size))
        total = torch.zeros((), device=self.device)
        steps = 0
        for _ in range(epochs):
            rows, labels = self._epoch(random)
            total.zero_()
            for some, their_labels in zip(torch.split(rows, size), torch.split(labels, size), strict=True):
                loss = step.forward_backward(self._bank, some, their_labels, random)
                total.add_(loss, alpha=some.shape[0])
                step.update()
                steps += 1
        step.end()
        return float(total) / len(self._rows), steps

    def _epoch(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows and labels of one epoch: the samples in a new order."""
        return self._rows_of(torch.randperm(len(self._rows), generator=random).to(self.device), random)

    def _rows_of(self, order: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows and labels of these samples, int64 (n,): of each the original or a variant."""
        if self._variants is None:
            return self._rows[order], self._labels[order]
        drawn = torch.randint(self._variants.shape[1], (len(order),), generator=random)
        return self._variants[order, drawn.to(self.device)], self._labels[order]

    def evaluate(self, params: Vector, part: str) -> Metrics | None:
        """Score `params` on the clips of "validation" or "test"; None where the peer has no such part."""
        found = self.clip_logits(params, part)
        samples = self._samples.test if part == "test" else self._samples.validation
        if found is None or samples is None:
            return None
        logits, labels, loss = torch.from_numpy(found.logits), torch.from_numpy(found.labels), 0.0
        for begin in range(0, len(labels), EVALUATION_BATCH):
            chunk = slice(begin, begin + EVALUATION_BATCH)
            loss += float(torch.nn.functional.cross_entropy(logits[chunk], labels[chunk], reduction="sum"))
        named = logits.argmax(1).numpy()
        counts = confusion_matrix(found.labels, named, self._classes)
        whom = samples.people
        by_subject = whom.counts(found.clips, found.labels, named, self._classes) if whom else {}
        return Metrics(counts, loss / len(labels), by_subject)

    def clip_logits(self, params: Vector, part: str) -> ClipLogits | None:
        """What `params` say of each clip of "validation" or "test"; None where the peer has no such part."""
        samples = self._samples.test if part == "test" else self._samples.validation
        if samples is None or not len(samples):
            return None
        self._scorer.attach(torch.from_numpy(params).to(self.device))
        chunks = np.split(samples.rows, range(EVALUATION_BATCH, len(samples), EVALUATION_BATCH))
        features = (torch.from_numpy(_side_by_side(samples.bank, chunk)).to(self.device) for chunk in chunks)
        logits = torch.cat([self._scorer.logits(each).cpu() for each in features])
        return by_clip(logits.numpy(), samples.labels, samples.clips)


def refuse_diverged(loss: float | None, squares: float, round: int, peer: int, learning_rate: float) -> None:
    """Refuse what a peer's training came to: its mean loss, and the sum of its weights' squares.

    Raises
    ------
    DivergedError
        One is no longer finite, or the model is larger than anybody takes.
    """
    if (loss is None or np.isfinite(loss)) and squares <= MAX_WEIGHT**2:  # NaN is not
        return
    norm = f"{math.sqrt(squares):.3g}" if np.isfinite(squares) else "not finite"
    mean = "unknown" if loss is None else f"{loss:.3g}"
    raise DivergedError(
        f"training diverged in round {round + 1}: loss {mean}, norm of the weights {norm}, "
        f"where {MAX_WEIGHT:g} is the most that anybody takes",
        where=f"peer {peer}",
        fix=f"lower training.learning_rate in the contract ({learning_rate:g}), for all peers, and begin a new run",
    )


def _side_by_side(bank: Vector, rows: Labels) -> Vector:
    """The `rows` (n,) of a bank (N, D) as an array (n, D); those that lie so already are not copied."""
    first = int(rows[0])
    return bank[first : first + len(rows)] if (np.diff(rows) == 1).all() else bank[rows]


def by_clip(logits: Vector, labels: Labels, clips: Labels) -> ClipLogits:
    """The mean of the `logits` (n, K) of each clip's samples. A clip of one sample keeps its bits."""
    if (np.diff(clips) > 0).all():  # no clip has two
        return ClipLogits(clips, logits, labels)
    numbers, first, place = np.unique(clips, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    total = np.zeros((len(numbers), logits.shape[1]), dtype=np.float32)
    np.add.at(total, rank[place], logits)
    counts = np.bincount(rank[place]).astype(np.float32)
    return ClipLogits(numbers[order], total / counts[:, None], labels[first[order]])


def balanced_weights(labels: Labels, classes: int) -> Tensor:
    """n / (K n_c) for each class, 0 for one that does not occur: float32 (K,). They stay with the peer."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.divide(len(labels), classes * counts, out=np.zeros(classes), where=counts > 0)
    return torch.from_numpy(weights.astype(np.float32))


def make_trainer(
    contract: Contract,
    peer: int,
    samples: Samples,
    device: str = "auto",
    *,
    width: float = 1.0,
    means: Means | None = None,
) -> Trainer:
    """The trainer that a contract asks for, of the whole model or of a slice of it, behind its protections.

    Parameters
    ----------
    means:
        What protections are made of; by default noise of the operating system, and no ledger.
    """
    where = device_of_peer(device, contract, peer)
    if not contract.privacy.protects:
        return FeatureTrainer(contract, peer, samples, where, width)
    from p2pfl_me.learning.protections import protected  # which is built on what stands above

    return protected(contract, peer, samples, where, width, means)
