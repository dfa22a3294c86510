"""Small manifests, pictures and films for the tests of this room."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data.manifest import Clip

CLASSES = ("negative", "positive", "surprise")
BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


def contract(extra: str = "") -> Contract:
    """A ring of three; `extra` adds whole sections."""
    return contract_from_yaml(BASE + extra)


def picture(seed: int, side: int = 28) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, size=(side, side, 3), dtype=np.uint8)


def save(path: Path, image: npt.NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def rows(path: Path, table: Sequence[Mapping[str, object]], *, columns: Sequence[str] = ()) -> Path:
    """Write a manifest; the columns are those of the first row unless named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns or list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


def row(path: str, subject: str = "01", label: str = "positive", **more: object) -> dict[str, object]:
    return {"path": path, "dataset": "lab", "subject": subject, "clip": path, "label": label, **more}


def good(folder: Path, subjects: int = 4, datasets: Sequence[str] = ("lab",)) -> list[dict[str, object]]:
    """Pictures that differ, three a subject, one of each class; the rows of their manifest."""
    table = []
    for subject in range(subjects):
        for index, label in enumerate(CLASSES):
            name = f"{subject}-{index}.png"
            save(folder / name, picture(10 * subject + index))
            table.append({**row(name, f"{subject:02d}", label), "dataset": datasets[subject % len(datasets)]})
    return table


def clips(sizes: Mapping[str, int], labels: Sequence[str] = CLASSES) -> tuple[Clip, ...]:
    """So many clips for each "dataset/subject", their labels in turn; no files."""
    return tuple(
        Clip(Path(f"{subject}-{index}.png"), subject.split("/")[0], subject, str(index), labels[index % len(labels)])
        for subject, count in sizes.items()
        for index in range(count)
    )
