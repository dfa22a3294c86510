"""Decoders under a few hundred hostile inputs each; `scripts/bench/fuzz.py` runs a million."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import targets
from tests.mutating import attack

NAMES = [
    "header", "frames", "greeting", "hello", "introduction", "reply", "answer", "record", "standing", "session",
    "packed session", "views", "certificate", "ticket", "card", "lives", "pledge", "masked", "sight",
    "call for a neighbour", "word of a relay", "checkpoint", "vectors", "log", "ledger", "manifest", "contract",
    "identity", "public key",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_raises_nothing_but_its_declared_error(name: str, tmp_path: Path) -> None:
    count = 60 if name == "ticket" else 300  # two contracts in one
    slowest = max(seconds for _, seconds in attack(targets(tmp_path)[name], seed=7, count=count))
    assert slowest < 5


def test_every_compression_refuses_in_words_what_no_honest_peer_sends(tmp_path: Path) -> None:
    for name, target in targets(tmp_path).items():
        if name.startswith("compression"):
            assert sum(1 for _ in attack(target, seed=7, count=100)) == 100


def test_no_decoder_is_left_out(tmp_path: Path) -> None:
    assert {name for name in targets(tmp_path) if not name.startswith("compression")} == set(NAMES)
