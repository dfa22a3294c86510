"""What the swarms of this room's tests learn from, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.fixture import unsaved
from tests.small import write_vectors


@pytest.fixture(autouse=True)
def no_pictures_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written and their pictures drawn; to save each in three formats is dear, and tested with the report."""
    monkeypatch.setattr("p2pfl_me.report.write.files_of", unsaved)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vectors(tmp_path_factory.mktemp("swarm") / "vectors.safetensors", range(12))
