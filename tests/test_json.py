"""JSON that somebody hands over is nested as deep as its writer likes: it is read by one function, which says so."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.data.trained_on import TRAINED_ON, read_trained_on
from p2pfl_me.data.vectors import vectors_bank, vectors_manifest
from p2pfl_me.errors import P2pmeError
from p2pfl_me.learning import onnx_recogniser
from p2pfl_me.parsed import json_of

ROOT = Path(__file__).parent.parent / "p2pfl_me"
DEEP = "[" * 100_000
EMPTY = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}


def test_json_is_parsed_by_the_one_function() -> None:
    readers = [path.name for path in ROOT.rglob("*.py") if "json.load" in path.read_text(encoding="utf-8")]
    assert readers == ["parsed.py"]
    assert json_of('{"a": [1]}') == json_of(b'{"a": [1]}') == {"a": [1]}
    for text in (DEEP, DEEP.encode(), "{", b"\xff"):
        with pytest.raises(ValueError):
            json_of(text)


def file_of(path: Path, header: str) -> Path:
    """What safetensors reads: a header, and a few bytes of tensors."""
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(64))
    return path


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (DEEP, vectors_bank),
        (json.dumps({"__metadata__": {"classes": DEEP}}), lambda path: vectors_manifest(path, None)),
        (
            json.dumps(
                {
                    "__metadata__": {f"{TRAINED_ON}.datasets": DEEP},
                    **{f"{TRAINED_ON}.{name}": EMPTY for name in ("subjects", "digests", "sketches")},
                }
            ),
            read_trained_on,
        ),
    ],
    ids=["vectors", "their classes", "data sets of weights"],
)
def test_a_file_that_is_nested_without_end_is_refused_in_words(
    header: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    with pytest.raises(P2pmeError):
        read(file_of(tmp_path / "given.safetensors", header))


def test_so_are_the_warnings_of_a_model() -> None:
    with pytest.raises(ValueError):
        onnx_recogniser._warnings(DEEP)
