"""Decoders under a hundred hostile inputs each; `scripts/bench/fuzz.py` runs a million."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from p2pfl_me.privacy.ckks import has_ckks
from tests.fuzzing import targets
from tests.mutating import Target, attack

NAMES = [
    "header", "frames", "greeting", "hello", "introduction", "reply", "answer", "word of an unknown key",
    "its answer", "record", "standing", "session",
    "packed session", "views", "changes", "certificate", "card", "lives", "pledge", "masked", "sight",
    "call for a neighbour", "word of a relay", "checkpoint", "sealed checkpoint", "log", "ledger", "privacy ledger",
    "manifest", "contract", "recorded input", "ticket", "identity", "sealed key", "public key", "laboratory", "outcome",
    "mark", "cell", "scores", "vectors", "weights' origin", "list of clips", "chosen clips", "rows to forget",
    "persons", "split", "picture file", "picture's extent", "ask of a chain",
    "weights, pth", "weights, safetensors", "camera's picture", "film", "film's index", "TIFF's fields", "workbook",
    "workbook's sheet",
    *(["weights, h5"] if find_spec("h5py") else []),
    *(["exported model"] if find_spec("onnx") and find_spec("onnxruntime") else []),
    *(["ciphertext", "receiver's key"] if has_ckks() else []),
]  # fmt: skip
SLOW = {
    "views": 100,
    "changes": 40,
    "ticket": 60,
    "privacy ledger": 60,
    "session": 120,
    "ciphertext": 60,
    "receiver's key": 60,
    "film": 60,
    "workbook": 60,
    "workbook's sheet": 60,
}
"""How many of those that read contracts, wait for a disk, or hear whole conversations."""


@pytest.fixture(scope="module")
def found() -> Iterator[Mapping[str, Target]]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield targets(Path(folder))


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_raises_nothing_but_its_declared_error(name: str, found: Mapping[str, Target]) -> None:
    slowest = max(seconds for _, seconds in attack(found[name], seed=7, count=SLOW.get(name, 120)))
    assert slowest < 5


def test_every_compression_refuses_in_words_what_no_honest_peer_sends(found: Mapping[str, Target]) -> None:
    for name, target in found.items():
        if name.startswith("compression"):
            assert sum(1 for _ in attack(target, seed=7, count=100)) == 100


def test_no_decoder_is_left_out(found: Mapping[str, Target]) -> None:
    assert {name for name in found if not name.startswith("compression")} == set(NAMES)
