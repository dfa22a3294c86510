"""What each form makes of the same models, round by round, as approved: ends of other versions must read each other.

Whoever changes it means to, and writes it down by `P2PME_APPROVE=1 pytest tests/compression/test_approved.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.compression.pairs import ALL, SIZE, ends, model

APPROVED = Path(__file__).parent / "approved_payloads.json"
ROUNDS = 4
BY_BYTES = {name for name in ALL if name.startswith(("float16", "int", "topk"))}
"""Those whose bytes follow from comparisons and roundings of single values; sums may differ in their last bits."""


def lived(name: str, size: int) -> list[list[object]]:
    """Of each round of two peers: the payload, and the low end's correction as seen from three directions."""
    low, high = ends(ALL[name], size)
    x, y = model(1, size), model(2, size)
    directions = np.stack([model(seed, size) for seed in (7, 8, 9)])
    rounds: list[list[object]] = []
    for round in range(ROUNDS):
        sent, received = low.encode(round, x), high.encode(round, y)
        at_low, at_high = low.exchange(round, x, sent, received), high.exchange(round, y, received, sent)
        said = hashlib.sha256(sent).hexdigest()[:16] if name in BY_BYTES else len(sent)
        rounds.append([said, *(directions @ at_low).astype(float).tolist()])
        x, y = x + at_low / 3 + model(20 + round, size, 0.1), y + at_high / 3
    return rounds


@pytest.mark.parametrize("size", [SIZE, 700])
@pytest.mark.parametrize("name", ALL)
def test_models_are_packed_and_corrected_as_approved(name: str, size: int) -> None:
    found, key = lived(name, size), f"{name} {size}"
    approved = json.loads(APPROVED.read_text()) if APPROVED.exists() else {}
    if os.environ.get("P2PME_APPROVE"):
        approved[key] = [[each if isinstance(each, str | int) else round(each, 6) for each in row] for row in found]
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sorted(approved.items()))
        APPROVED.write_text(f"{{\n{rows}\n}}\n")
    for row, wanted in zip(found, approved[key], strict=True):
        assert row[0] == wanted[0] and row[1:] == pytest.approx(wanted[1:], rel=1e-3, abs=1e-3), key
