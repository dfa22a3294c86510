"""Two set-ups under two seeds, written once for all files of this room."""

from __future__ import annotations

import pytest

from p2pfl_me.report.run import Run, read_run
from tests.report.fixture import write_run
from tests.report.marks import SMALL


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Run, ...]]:
    """Two set-ups under two seeds; the ring of the first seed lost a peer after its first round."""
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, tuple[Run, ...]] = {}
    for name, offset in (("ring", 0.0), ("mesh", 0.2)):
        folders = [
            write_run(
                folder / f"{name}-{seed}",
                **SMALL,
                name=name,
                kind=name,
                seed=seed,
                offset=offset,
                killed={2: 1} if name == "ring" and seed == 1 else {},
            )
            for seed in (1, 2)
        ]
        found[name] = tuple(read_run(each) for each in folders)
    return found
