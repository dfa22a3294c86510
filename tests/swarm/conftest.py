"""What the swarms of this room's tests learn from, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small import write_vectors


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vectors(tmp_path_factory.mktemp("swarm") / "vectors.safetensors", range(12))
