"""Writes run folders like those of real peers, with numbers that hang together.

The models are small random vectors that are really mixed by Metropolis-Hastings weights, so that measured and
predicted consensus distances must agree; scores come from confusion matrices drawn around a learning curve.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.report.document import Picture
from p2pfl_me.report.style import WIDTH
from p2pfl_me.report.svg import Files
from p2pfl_me.run.codec import encode
from p2pfl_me.run.events import Finish, Link, LinkState, Reason, Refused, Traffic
from tests.run.making import a_round, start

CLASSES = ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise")
SUPPORT = (34, 12, 26, 48, 20, 10, 18)
BUCKETS = 1024
VALUES = 4 * BUCKETS


@dataclass(frozen=True)
class Recipe:
    """What to write. `killed` maps a peer to the rounds it completed; `offset` shifts all gossip scores."""

    name: str = "ring"
    kind: str = "ring"
    extra: str = ""
    count: int = 10
    rounds: int = 12
    seed: int = 1
    classes: tuple[str, ...] = CLASSES
    support: tuple[int, ...] = SUPPORT
    source: str = "synthetic"
    weights: str = "seed"
    killed: dict[int, int] = field(default_factory=dict)
    part: str | None = "test"
    baselines: bool = True
    average: bool = True
    finished: bool = True
    offset: float = 0.0


def unsaved(picture: Picture) -> Files:
    """Stands in for `files_of` where no test looks at pictures: they are drawn, but to save them takes much longer."""
    picture.figure(WIDTH)
    drawing = b'<svg viewBox="0 0 1 1"></svg>'
    return Files(b"\x89PNG", drawing, b"%PDF", None if picture.raster else drawing)


@contextmanager
def pictures_unsaved() -> Iterator[None]:
    """Whatever writes a page draws its pictures and saves none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("p2pfl_me.report.write.files_of", unsaved)
        yield


def write_run(folder: Path, recipe: Recipe | None = None, **changes: Any) -> Path:
    """Write one run folder for `recipe` (or Recipe(**changes)); gives back `folder`."""
    recipe = recipe or Recipe(**changes)
    folder.mkdir(parents=True)
    (folder / "contract.yaml").write_text(contract_text(recipe), encoding="utf-8")
    _write_json(folder / "manifest.json", _manifest(recipe))
    _write_peers(folder, recipe)
    random = np.random.default_rng(recipe.seed)
    if recipe.average and recipe.part == "test":
        test = scores(confusion(0.68 + recipe.offset, recipe, random))
        _write_json(folder / "average.json", {"peers": list(range(recipe.count)), "test": test})
    if recipe.baselines and recipe.part == "test":
        _write_json(folder / "baselines.json", _baselines(recipe, random))
    return folder


def contract_text(recipe: Recipe) -> str:
    return "\n".join(
        [
            "version: 1",
            f"name: {json.dumps(recipe.name)}",
            f"seed: {recipe.seed}",
            "topology:",
            f"  kind: {recipe.kind}",
            *(f"  {line}" for line in recipe.extra.splitlines()),
            "peers:",
            f"  loopback: {{count: {recipe.count}, base_port: 27100}}",
            f"model: {{input: flow, classes: {json.dumps(list(recipe.classes))}}}",
            f"training: {{rounds: {recipe.rounds}}}",
            "",
        ]
    )


def confusion(skill: float, recipe: Recipe, random: np.random.Generator) -> np.ndarray:
    """A confusion matrix of a model that is right with probability about `skill`, less so for rare classes."""
    size = len(recipe.classes)
    matrix = np.zeros((size, size), dtype=np.int64)
    for true, clips in enumerate(recipe.support):
        right = float(np.clip(skill - 0.12 + 0.24 * clips / max(max(recipe.support), 1), 0.02, 0.98))
        wrong = random.dirichlet(0.6 + 4 * np.array(recipe.support) / max(sum(recipe.support), 1))
        chances = (1 - right) * wrong
        chances[true] += right
        matrix[true] = random.multinomial(clips, chances / chances.sum())
    return matrix


def scores(matrix: np.ndarray) -> dict[str, Any]:
    """The JSON form of metrics."""
    hit, support, guessed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = np.where(support + guessed > 0, 2 * hit / np.maximum(support + guessed, 1), 0)
    recall = np.where(support > 0, hit / np.maximum(support, 1), 0)
    return {
        "loss": float(2 - f1.mean()),
        "accuracy": float(hit.sum() / max(matrix.sum(), 1)),
        "uf1": float(f1.mean()),
        "uar": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float((f1 * support).sum() / max(support.sum(), 1)),
        "confusion": matrix.tolist(),
        "by_subject": {"lab": [pairs(each) for each in by_person(matrix)]},
    }


def by_person(matrix: np.ndarray, people: int = 8) -> list[np.ndarray]:
    """The clips of a matrix in their order, dealt to so many people in turn."""
    cells = np.repeat(np.arange(matrix.size), matrix.ravel())
    dealt = [np.bincount(cells[person::people], minlength=matrix.size) for person in range(people)]
    return [each.reshape(matrix.shape) for each in dealt]


def pairs(matrix: np.ndarray) -> list[int]:
    """A cell, its clips, and so on."""
    return [int(value) for cell, count in enumerate(matrix.ravel()) if count for value in (cell, count)]


def mixing_matrix(recipe: Recipe) -> np.ndarray:
    """Metropolis-Hastings weights of a ring, or of the complete graph, written out by hand."""
    n = recipe.count
    if n == 1:
        return np.ones((1, 1))
    if recipe.kind == "mesh":
        return np.full((n, n), 1 / n)
    assert recipe.kind == "ring" and n > 2
    matrix = np.eye(n) / 3
    for peer in range(n):
        matrix[peer, (peer + 1) % n] = matrix[peer, (peer - 1) % n] = 1 / 3
    return matrix


def sketch(vector: np.ndarray) -> str:
    """The count sketch of a vector of VALUES numbers, as the peers log it."""
    signs = np.random.default_rng(7).choice([-1.0, 1.0], size=VALUES)
    sums = (signs * vector).reshape(-1, BUCKETS).sum(axis=0)
    return base64.b64encode(sums.astype("<f4").tobytes()).decode()


def append(path: Path, *events: dict[str, Any]) -> None:
    """Append lines; an event has ordinary values in what is not given."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({**ORDINARY.get(event.get("event", ""), {}), **event}) + "\n" for event in events)


ORDINARY = {
    said.NAME: json.loads(encode(1.77e9, said))
    for said in (start(), a_round(0), Link(1, LinkState.UP), Refused(1, ""), Traffic(0, 0), Finish(Reason.ROUNDS, None))
}


def _manifest(recipe: Recipe) -> dict[str, Any]:
    return {
        "p2pme": "0.1.0",
        "python": "3.11.9",
        "torch": "2.13.0",
        "numpy": "2.4.0",
        "platform": "Linux x86_64",
        "cpu_count": 2,
        "started": "2026-03-02T10:00:00+00:00",
        "finished": "2026-03-02T10:00:48+00:00" if recipe.finished else None,
        "command": f"p2pme swarm topologies/{recipe.kind}.yaml --baselines",
        "seed": recipe.seed,
        "contract_digest": "ab" * 32,
        "data": {
            "source": recipe.source,
            "digest": "cd" * 32,
            "train": 504,
            "validation": 0,
            "test": sum(recipe.support),
            "subjects": 48,
        },
        "peers": recipe.count,
        "exit": {str(peer): -9 if peer in recipe.killed else 0 for peer in range(recipe.count)},
    }


def _write_peers(folder: Path, recipe: Recipe) -> None:
    random = np.random.default_rng(1000 + recipe.seed)
    weights = mixing_matrix(recipe)
    models = np.repeat(random.normal(size=(1, VALUES)), recipe.count, axis=0)
    talent = random.normal(0, 0.035, size=recipe.count)
    logs: list[list[dict[str, Any]]] = [[_start(peer, recipe)] for peer in range(recipe.count)]
    for each in range(recipe.rounds):
        alive = [peer for peer in range(recipe.count) if recipe.killed.get(peer, recipe.rounds) > each]
        trained = models + random.normal(0, 0.22 / (1 + 0.15 * each), size=models.shape)
        effective = weights.copy()
        for i in range(recipe.count):
            for j in range(recipe.count):
                if i != j and effective[i, j] and not (i in alive and j in alive):
                    effective[i, i] += effective[i, j]
                    effective[i, j] = 0
        models = effective @ trained
        for peer in alive:
            skill = 0.22 + 0.42 * (1 - np.exp(-(each + 1) / 4)) + talent[peer] * np.exp(-each / 6)
            found = scores(confusion(skill + recipe.offset, recipe, random))
            part = {"test": None, "validation": None} | ({recipe.part: found} if recipe.part else {})
            links = np.flatnonzero(weights[peer]).tolist()
            links = [j for j in links if j != peer]
            logs[peer].append(
                {
                    "t": 1.77e9 + 2 * each,
                    "event": "round",
                    "round": each,
                    "loss": 1.9 * np.exp(-each / 6) + 0.1 * random.random(),
                    "steps": 10,
                    "train_seconds": 0.9 + 0.2 * random.random(),
                    "wait_seconds": 0.3 * random.random(),
                    "round_seconds": 1.3 + 0.3 * random.random(),
                    "seconds": 2.0 * (each + 1),
                    "weights": {str(j): weights[peer, j] for j in links if j in alive},
                    "missing": {str(j): "down" for j in links if j not in alive},
                    "distance": {},
                    "norm": float(np.linalg.norm(models[peer])),
                    **part,
                    "sketch_trained": sketch(trained[peer]),
                    "sketch_mixed": sketch(models[peer]),
                    "bytes_sent": (each + 1) * len(links) * 1_053_400,
                    "bytes_received": (each + 1) * len(links) * 1_053_350,
                    "digest": "ef" * 32,
                }
            )
    for peer, events in enumerate(logs):
        if peer not in recipe.killed:
            events.append({"t": 1.77e9, "event": "finish", "reason": "rounds", "rounds": recipe.rounds, "detail": ""})
        append(folder / f"peer-{peer}.jsonl", *events)
        done = len(events) - (1 if peer in recipe.killed else 2)
        links = int((weights[peer] > 0).sum()) - 1
        append(
            folder / f"egress-{peer}.jsonl",
            {"t": 0, "to": 1, "kind": "ping", "count": 40, "bytes": 0, "wire": 2400},
            *(
                {"t": 0, "to": 1, "kind": kind, "round": 2 * each // links, "bytes": 1_052_700, "wire": 1_053_300}
                for kind in ("offer", "answer")
                for each in range(done * links // 2)
            ),
        )


def _start(peer: int, recipe: Recipe) -> dict[str, Any]:
    return {
        "t": 1.77e9,
        "event": "start",
        "peer": peer,
        "pid": 100 + peer,
        "version": "0.1.0",
        "contract_digest": "",
        "layout_digest": "12" * 32,
        "parameters": 263_175,
        "device": "cpu",
        "threads": 1,
        "data": {"train": 50, "validation": 0, "test": sum(recipe.support), "subjects": 4, "classes": {}},
        "resumed_round": None,
    }


def _baselines(recipe: Recipe, random: np.random.Generator) -> dict[str, Any]:
    def curve(top: float) -> list[dict[str, Any]]:
        return [
            {
                "round": each,
                "test": scores(confusion(0.22 + (top - 0.22) * (1 - np.exp(-(each + 1) / 3)), recipe, random)),
            }
            for each in range(recipe.rounds)
        ]

    return {
        "isolated": {"peers": {str(peer): curve(0.44 + 0.04 * random.normal()) for peer in range(recipe.count)}},
        "pooled": {"rounds": curve(0.69)},
        "fedavg": {"rounds": curve(0.65)},
        "steps": {},
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
