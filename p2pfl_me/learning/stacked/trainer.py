"""Local training and evaluation of many learners at once, on one device: `trainer.FeatureTrainer` for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.learning.metrics import Metrics, People
from p2pfl_me.learning.stacked.adam import StackedAdam
from p2pfl_me.learning.stacked.draws import Draws
from p2pfl_me.learning.stacked.head import StackedHead
from p2pfl_me.learning.stacked.losses import StackedLoss, cross_entropies
from p2pfl_me.learning.stacked.step import Batch, StackedStep
from p2pfl_me.learning.stacked.streams import StackedStreams
from p2pfl_me.learning.trainer import Labels, Part, balanced_weights, refuse_diverged
from p2pfl_me.machine import cores
from p2pfl_me.message import MAX_WEIGHT, Vector
from p2pfl_me.networks import Step

ROOM = {"cuda": 6 << 30, "cpu": 24 << 20}
"""Bytes of work that learners in one batch may take: a GPU wants many at once, a core what its cache holds."""
ASKED = 256
"""Samples that models are asked about at a time."""
LINE = 16
"""Float32 values in 64 bytes: a row of models begins on such a line, as products of matrices want it."""


@dataclass(frozen=True, eq=False)
class Learner:
    """Whose random streams it draws from, and what it trains on."""

    peer: int
    part: Part = field(repr=False)


def step_of(contract: Contract) -> StackedStep | None:
    """The stacked step of a contract's network; None where nobody has written one."""
    model, training = contract.model, contract.training
    network, layout, loss = model.backbone, model.layout, StackedLoss(training)
    kind = network.step(model.use)
    if kind is Step.HEAD:
        return StackedHead(layout, model.input_width, training.dropout, loss)
    if kind is Step.STREAMS:
        return StackedStreams(layout, model.input_size, training.dropout, loss)
    return None


def rows_for(count: int, size: int, device: torch.device) -> Tensor:
    """Zeros for `count` models of `size` values, float32 (n, S): S is `size` filled up to whole cache lines."""
    return torch.zeros(count, -(-size // LINE) * LINE, device=device)


class StackedTrainer:
    """Trains `models` of all learners, a chunk of them at a time, sorted by their number of samples.

    Parameters
    ----------
    learners:
        Their banks may be one and the same array, which is then sent to the device once. All have equally many
        variants of a sample, or none.
    """

    def __init__(
        self, contract: Contract, step: StackedStep, learners: Sequence[Learner], device: torch.device
    ) -> None:
        self._contract, self._step, self._device = contract, step, device
        self._training, self._classes = contract.training, len(contract.model.classes)
        self._size = contract.model.layout.size
        parts = [each.part for each in learners]
        sizes = np.array([len(each) for each in parts], dtype=np.int64)
        order = np.argsort(-sizes, kind="stable")
        self._is_sorted = bool((np.diff(order) == 1).all())
        self._order = torch.from_numpy(order).to(device)
        self._sizes: list[int] = sizes[order].tolist()
        self._peers = [learners[place].peer for place in order]
        self._bank, begins = _banks(parts, device)
        self._rows = _padded([parts[place].rows + begins[place] for place in order], self._sizes).to(device)
        self._labels = _padded([parts[place].labels for place in order], self._sizes).to(device)
        variants = [part.variants for part in parts]
        self._variants, self._choices = None, 0
        if all(each is not None for each in variants):
            shifted = [np.asarray(variants[place]) + begins[place] for place in order]
            self._variants = _padded(shifted, self._sizes).to(device)
            self._choices = self._variants.shape[2]
        self._weights = None
        if self._training.class_weights == "balanced":
            each = [balanced_weights(parts[place].labels, self._classes) for place in order]
            self._weights = torch.stack(each).to(device)
        self._pool = ThreadPoolExecutor(cores()) if cores() > 1 else None

    def close(self) -> None:
        """Let its threads go."""
        if self._pool:
            self._pool.shutdown()

    def train(self, models: Tensor, round: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Local epochs of all learners on `models`, float32 (n, S) as `rows_for` makes them, in place.

        Returns the mean loss of each one's last epoch and its steps, by learner.

        Raises
        ------
        DivergedError
            As in `trainer.FeatureTrainer`; the models are of no use then.
        """
        count = len(self._sizes)
        losses, squares = torch.zeros(count, device=self._device), torch.zeros(count, device=self._device)
        with torch.inference_mode():
            for some in self._chunks():
                chosen = self._order[some]
                mine = models[some] if self._is_sorted else models[chosen]
                losses[some] = self._epochs(mine, some, round)
                squares[some] = torch.linalg.vector_norm(mine, dim=1).square_()
                if not self._is_sorted:
                    models[chosen] = mine
            found = [
                torch.zeros_like(each).index_copy_(0, self._order, each).cpu().numpy() for each in (losses, squares)
            ]
        steps = np.zeros(count, dtype=np.int64)
        batches = -(-np.array(self._sizes) // self._training.batch_size)
        steps[self._order.cpu().numpy()] = batches * self._training.local_epochs
        peers = dict(zip(self._order.tolist(), self._peers, strict=True))
        for place in np.flatnonzero(~np.isfinite(found[0]) | ~(found[1] <= MAX_WEIGHT**2)).tolist():
            refuse_diverged(
                float(found[0][place]), float(found[1][place]), round, peers[place], self._training.learning_rate
            )
        return found[0].astype(np.float64), steps

    def _chunks(self) -> list[slice]:
        """Learners that are trained at once, in the sorted order."""
        bound = slice(0, 0)
        out: list[slice] = []
        room = ROOM[self._device.type]
        while bound.stop < len(self._sizes):
            batch = min(self._sizes[bound.stop], self._training.batch_size)
            steps = -(-self._sizes[bound.stop] // self._training.batch_size)
            drawn = 16 * self._step.words(batch) * steps  # of one epoch, and the one before
            each = 16 * self._size + self._step.bytes_of(batch) + drawn
            bound = slice(bound.stop, min(len(self._sizes), bound.stop + max(1, room // each)))
            out.append(bound)
        return out

    def _epochs(self, models: Tensor, some: slice, round: int) -> Tensor:
        """A round's epochs on the rows of a chunk, float32 (c, S): the mean losses of the last one, (c,)."""
        sizes, batch, epochs = self._sizes[some], self._training.batch_size, self._training.local_epochs
        seeds = [derive_seed(self._contract.seed, "train", peer, round) for peer in self._peers[some]]
        draws = Draws(seeds, sizes, batch, self._step.words, self._choices, self._device, self._pool)
        plan = _plan(sizes, batch)
        adam = StackedAdam(models, plan.runs, [each * epochs for each in plan.steps], self._training.learning_rate)
        grads = torch.zeros_like(models)
        values, slopes = models[:, : self._size], grads[:, : self._size]
        self._step.prepare(values)
        words, total = self._step.words(batch), torch.zeros(len(sizes), device=self._device)
        counts = torch.tensor(sizes, device=self._device)
        for _ in range(epochs):
            drawn = draws.epoch()
            rows, labels = self._rows_of(drawn.order, drawn.variant, some)
            total.zero_()
            for number, (active, runs, width, is_full) in enumerate(plan.batches):
                begin = number * batch
                there = (counts[:active] - begin).clamp_(max=batch)
                valid = None
                if not is_full:
                    valid = (torch.arange(width, device=self._device) < there[:, None]).to(torch.float32)
                features = self._bank[rows[:active, begin : begin + width]]
                weights = None if self._weights is None else self._weights[some][:active]
                bits = drawn.words[:active, number * words : (number + 1) * words]
                of_step = Batch(features, labels[:active, begin : begin + width], there, valid, weights, bits)
                loss = self._step.forward_backward(values[:active], slopes[:active], of_step)
                total[:active] += loss * there
                adam.step(grads, runs)
        return total / counts

    def _rows_of(self, order: Tensor, variant: Tensor | None, some: slice) -> tuple[Tensor, Tensor]:
        """Rows of the bank and labels in an epoch's order, int64 (c, S)."""
        labels = self._labels[some].gather(1, order)
        if variant is None or self._variants is None:
            return self._rows[some].gather(1, order), labels
        learners = torch.arange(len(order), device=self._device)[:, None]
        return self._variants[some][learners, order, variant], labels


class StackedScorer:
    """Asks many models about one common part."""

    def __init__(self, step: StackedStep, part: Part, classes: int, device: torch.device) -> None:
        self._step, self._classes, self._device = step, classes, device
        bank = np.ascontiguousarray(part.bank[part.rows])
        self._features = torch.from_numpy(bank).to(device)
        numbers, first, place = np.unique(part.clips, return_index=True, return_inverse=True)
        self._clips = torch.from_numpy(place.reshape(-1)).to(device)
        self._counts = torch.from_numpy(np.bincount(place.reshape(-1)).astype(np.float32)).to(device)
        self._labels = torch.from_numpy(part.labels[first]).to(device)
        self._each = len(numbers) == len(part) and bool((np.diff(part.clips) > 0).all())
        self._people = part.people or People(("",), np.zeros(int(part.clips.max()) + 1, dtype=np.int64))
        self._are_known = part.people is not None
        self._of = torch.from_numpy(self._people.of[numbers]).to(device)

    def logits(self, models: Tensor) -> Tensor:
        """Mean class scores of each clip, float32 (n, C, K), clips in rising order of their numbers."""
        asked = [self._step.logits(models, some) for some in torch.split(self._features, ASKED)]
        logits = asked[0] if len(asked) == 1 else torch.cat(asked, 1)
        if self._each:
            return logits
        total = logits.new_zeros(len(models), len(self._labels), logits.shape[2])
        return total.index_add_(1, self._clips, logits).div_(self._counts[:, None])

    def scores(self, models: Tensor) -> list[Metrics]:
        """Of `models`, float32 (n, P)."""
        parts = len(self._people.datasets)
        each = 3 * self._step.bytes_of(min(ASKED, len(self._features)))
        counts, losses = [], []
        with torch.inference_mode():
            for some in torch.split(models, max(1, ROOM[self._device.type] // each)):
                logits = self.logits(some)
                losses.append(cross_entropies(logits, self._labels))
                pairs = (self._of * self._classes + self._labels) * self._classes + logits.argmax(2)
                found = torch.zeros(len(some), parts * self._classes**2, dtype=torch.int64, device=self._device)
                counts.append(found.scatter_add_(1, pairs, torch.ones_like(pairs)).cpu())
        confusions = torch.cat(counts).numpy().reshape(-1, parts, self._classes, self._classes)
        means = (torch.cat(losses).cpu().numpy() / len(self._labels)).tolist()
        return [
            Metrics(each.sum(0), loss, self._people.by_dataset(each) if self._are_known else {})
            for each, loss in zip(confusions, means, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a chunk goes through an epoch. `runs`: where runs of learners with equally many steps end; `steps` of each.

    `batches`, one a step: (learners that still have samples, runs of them, samples of the largest batch, whether all
    batches are as large).
    """

    runs: list[int]
    steps: list[int]
    batches: list[tuple[int, int, int, bool]]


def _plan(sizes: Sequence[int], batch: int) -> _Plan:
    runs: list[int] = []
    steps: list[int] = []
    for needed, group in itertools.groupby(sizes, key=lambda size: -(-size // batch)):
        runs.append((runs[-1] if runs else 0) + len(list(group)))
        steps.append(needed)
    batches = []
    for number in range(steps[0]):
        at_work = sum(needed > number for needed in steps)
        active = runs[at_work - 1]
        width, least = (min(batch, size - number * batch) for size in (sizes[0], sizes[active - 1]))
        batches.append((active, at_work, width, width == least))
    return _Plan(runs, steps, batches)


def _banks(parts: Sequence[Part], device: torch.device) -> tuple[Tensor, list[int]]:
    """All banks on the device as one, each once, and where the rows of each part's begin."""
    begins: dict[int, int] = {}
    distinct: list[Vector] = []
    length = 0
    for part in parts:
        if id(part.bank) not in begins:
            begins[id(part.bank)] = length
            distinct.append(part.bank)
            length += len(part.bank)
    bank = distinct[0] if len(distinct) == 1 else np.concatenate(distinct)
    return torch.from_numpy(bank).to(device), [begins[id(part.bank)] for part in parts]


def _padded(arrays: Sequence[Labels], sizes: Sequence[int]) -> Tensor:
    """Arrays (n_i, ...) as one (n, max n_i, ...), zeros beyond each one's end."""
    if len(set(sizes)) == 1:
        return torch.from_numpy(np.stack(arrays))
    out = np.zeros((len(arrays), max(sizes), *arrays[0].shape[1:]), dtype=np.int64)
    for place, each in enumerate(arrays):
        out[place, : len(each)] = each
    return torch.from_numpy(out)
