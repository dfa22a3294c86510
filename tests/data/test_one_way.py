"""A clip walks one way: rows, who is who, clips, their images by the recipe, features. No step calls an earlier one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType

import pytest

import p2pfl_me
from p2pfl_me.data.source import peer_clips
from p2pfl_me.learning.samples import samples_of
from tests.data.make import CLASSES, contract, good, rows

ROOT = Path(p2pfl_me.__file__).parent
WAY = {
    "rows": ("cells", "columns", "fields", "labels", "spelling", "manifest"),
    "who is who": ("identity_rules", "identity", "names", "overlaps"),
    "clips": ("datasets", "folder", "reading", "source", "split", "partition", "few_shot"),
    "images": ("preprocess",),
    "features": (),
}
"""The steps, and the modules of `data/` that do each; what all need (a clip, a picture file) belongs to none."""
STEPS = {f"p2pfl_me.data.{module}": step for step, modules in enumerate(WAY.values()) for module in modules}
STEPS["p2pfl_me.learning.features"] = len(WAY) - 1

HANDS_ON = "p2pfl_me.data.preprocess.prepare"
"""It keeps the images that were made, and reads them back one at a time as features ask."""


def step_of(module: str) -> int | None:
    return next((step for name, step in STEPS.items() if module == name or module.startswith(f"{name}.")), None)


def imported(path: Path) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return [str(node.module) for node in nodes]


@pytest.mark.parametrize("path", sorted((ROOT / "data").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_step_imports_a_later_one(path: Path) -> None:
    module = ".".join(("p2pfl_me", *path.relative_to(ROOT).with_suffix("").parts))
    if (own := step_of(module)) is not None:
        later = [name for name in imported(path) if (step := step_of(name)) is not None and step > own]
        assert later == []


def test_once_images_are_made_no_row_is_looked_at_and_once_there_are_features_no_image(tmp_path: Path) -> None:
    """Row by row, all rows become clips; clip by clip, all clips images; then all images become features."""
    rows(tmp_path / "data" / "manifest.csv", good(tmp_path / "data"))
    classes = ", ".join(CLASSES)
    agreed = contract(f"model: {{backbone: ststnet, input: flow, classes: [{classes}]}}\n")
    back, furthest = set[tuple[str, str]](), ""

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal furthest
        name = frame.f_globals.get("__name__", "")
        if event != "call" or (step := step_of(name)) is None or name == HANDS_ON:
            return
        stage = max(step, 2)  # rows become clips one at a time, so the first three steps take turns
        if furthest and stage < max(step_of(furthest) or 0, 2):
            back.add((furthest, name))
        else:
            furthest = name

    sys.setprofile(watch)
    try:
        clips = peer_clips(agreed, 0, tmp_path / "data", None, tmp_path / "cache")
        samples = samples_of(agreed, clips, cache=tmp_path / "cache")
    finally:
        sys.setprofile(None)
    assert len(samples.train.clips) and furthest == "p2pfl_me.learning.features"
    assert back == set()
