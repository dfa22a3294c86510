"""Inversion: what of a peer's inputs a neighbour can put together from the first model that it is shown.

All start from the contract's initial model, which everybody can draw; so what the first exchange shows, less that, is
the sum of a round's steps. Two attacks:

- **ratio**: of a linear layer with a bias, each unit's gradient of weights over its gradient of bias is the mean of the
  inputs that it was active for, weighed by what came back; of a single input, the input itself (Phong et al., IEEE TIFS
  2018). Adam's steps and many clips blur that, and this measures how much.
- **descent**: inputs of which the start's gradient points along the change (Geiping et al., NeurIPS 2020), by a few
  hundred steps along signs; it is given more than a neighbour knows, the number of clips and their labels. For networks
  of few parameters: it takes as long as so many steps of training on all clips, twice over.

A guess is worth something where it is more like a clip than the clips that the attacker has itself; there are no more
guesses than those, so that noise is not right by their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.learning.steps import whole_module
from p2pfl_me.message import Vector
from p2pfl_me.networks import Group, Whole
from p2pfl_me.networks.layout import Layout
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit.games import Board, seen_by_neighbours

STEPS, RATE, SMOOTH = 300, 0.05, 0.01
"""Of descent; the last weighs how much neighbouring pixels differ."""
LARGEST = 20_000
"""Parameters of a network that descent is tried on."""
MOST_PEERS, MOST_CLIPS = 2, 64
"""Peers that descent is tried on, and the most clips it tries to put together at once."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """What came of it under one contract, over the units of all peers that were tried.

    `likeness`: the median over units of the correlation of the best guess with a clip of the unit, `quarters`: what the
    middle half of the units lies between; `nearest`: the median for the best of all clips that other peers have;
    `closer`: the share of units whose guess is the better one.
    """

    name: str
    unit: Unit
    units: int
    by: str
    likeness: float
    quarters: tuple[float, float]
    nearest: float
    closer: float


def invert(name: str, contract: Contract, board: Board, unit: Unit, start: Vector) -> Inversion | None:
    """Try to put a board's inputs together; None where no attack here fits the network.

    Raises
    ------
    P2pmeError
        A peer cannot be trained, or diverges.
    """
    layout, network = contract.model.layout, contract.model.backbone
    width = board.parts[0].bank.shape[1]
    first = _first_linear(layout, width)
    if first is None and not (isinstance(network, Whole) and layout.size <= LARGEST):
        return None
    everything = [np.ones(count, dtype=np.bool_) for count in board.counts]
    views = seen_by_neighbours(contract, board, everything, start, game=-1)
    tried = range(len(views)) if first is not None else range(min(MOST_PEERS, len(views)))
    best: list[float] = []
    other: list[float] = []
    for peer in tried:
        own = _inputs(board, peer)
        others = np.concatenate([_inputs(board, each) for each in range(len(views)) if each != peer])
        if not views[peer]:
            guesses = np.empty((0, width), np.float32)
        elif first is not None:
            change = layout.views(views[peer][0] - start)
            guesses = ratio_guesses(change[f"{first}.weight"], change[f"{first}.bias"], len(others))
        else:
            labels = board.parts[peer].labels[:MOST_CLIPS]
            guesses = descent_guesses(contract, start, views[peer][0] - start, labels, width)
        best += _of_units(_likeness(own, guesses), board, peer)
        other += _of_units(_likeness(own, others), board, peer)
    closer = float(np.mean(np.array(best) > np.array(other)))
    by = "ratio" if first is not None else "descent"
    low, middle, high = (float(each) for each in np.quantile(best, (0.25, 0.5, 0.75)))
    return Inversion(name, unit, len(best), by, middle, (low, high), float(np.median(other)), closer)


def ratio_guesses(weight: Vector, bias: Vector, most: int) -> Vector:
    """Inputs by a linear layer's change, `weight` (H, D) over `bias` (H,), of the `most` units that moved furthest:
    float32 (n, D)."""
    order = np.argsort(-np.abs(bias), kind="stable")[:most]
    moved = order[np.abs(bias[order]) > 1e-12]
    guesses: Vector = (weight[moved] / bias[moved, None]).astype(np.float32)
    return guesses


def descent_guesses(contract: Contract, start: Vector, change: Vector, labels: np.ndarray, width: int) -> Vector:
    """Inputs (n, `width`) whose gradient at `start` points along -`change`, both float32 (P,), for `labels` (n,)."""
    network, layout = contract.model.backbone, contract.model.layout
    assert isinstance(network, Whole)
    module = whole_module(contract.model, 0.0).train()
    state = {name: torch.from_numpy(view.copy()) for name, view in layout.views(start).items()}
    module.load_state_dict(state, strict=False)
    names = [name for name, _ in module.named_parameters()]
    parameters = [parameter for _, parameter in module.named_parameters()]
    wanted = layout.views(-change)
    target = torch.cat([torch.from_numpy(wanted[name].copy()).ravel() for name in names])
    random = np.random.default_rng(derive_seed(contract.seed, "inversion"))
    drawn = 0.1 * random.standard_normal((len(labels), *network.shape(contract.model.use)))
    guess = torch.from_numpy(drawn.astype(np.float32)).requires_grad_()
    told, adam = torch.from_numpy(labels.copy()), torch.optim.Adam([guess], RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(guess), told)
        gradient = torch.cat([each.ravel() for each in torch.autograd.grad(loss, parameters, create_graph=True)])
        aim = 1 - torch.nn.functional.cosine_similarity(gradient, target, dim=0) + SMOOTH * _roughness(guess)
        aim.backward()  # type: ignore[no-untyped-call]
        assert guess.grad is not None
        guess.grad.sign_()
        adam.step()
    found: Vector = guess.detach().numpy().reshape(len(labels), width)
    return found


def _roughness(images: torch.Tensor) -> torch.Tensor:
    """Of images (n, C, H, W) the mean absolute difference of neighbours, both ways; 0 of what is no image."""
    if images.dim() < 4:
        return torch.zeros(())
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()


def _first_linear(layout: Layout, width: int) -> str | None:
    """The layer with a bias that takes the inputs themselves, of `width` values, if there is one."""
    shapes = dict(layout.shapes)
    for (name, shape), group in zip(layout.shapes, layout.groups, strict=True):
        stem = name.removesuffix(".weight")
        if name.endswith(".weight") and len(shape) == 2 and shape[1] == width and f"{stem}.bias" in shapes:
            return stem if group is not Group.NORMALISATION else None
    return None


def _inputs(board: Board, peer: int) -> Vector:
    part = board.parts[peer]
    rows: Vector = part.bank[part.rows]
    return rows


def _likeness(inputs: Vector, guesses: Vector) -> Vector:
    """The best correlation of each input (n, D) with any guess (m, D), (n,); 0 where there is none."""
    if not len(guesses):
        return np.zeros(len(inputs), np.float32)
    found: Vector = (_standard(inputs) @ _standard(guesses).T).max(axis=1)
    return found


def _standard(rows: Vector) -> Vector:
    centred = rows - rows.mean(axis=1, keepdims=True)
    out: Vector = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return out


def _of_units(likeness: Vector, board: Board, peer: int) -> list[float]:
    """Of each unit the clip that is put together best."""
    out = np.full(board.counts[peer], -1.0)
    np.maximum.at(out, board.units[peer], likeness)
    return [float(each) for each in out]
