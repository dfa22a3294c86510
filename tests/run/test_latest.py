"""`runs/latest` leads to the newest run in `runs/`, and to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.run.latest import mark_latest


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ring-1", "ring-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)


def test_the_newest_run_is_found_and_nothing_else_is_left() -> None:
    mark_latest(Path("runs/ring-1"))
    mark_latest(Path("runs/ring-2"))
    assert Path("runs/latest").resolve() == Path("runs/ring-2").resolve()
    assert sorted(path.name for path in Path("runs").iterdir()) == ["latest", "ring-1", "ring-2"]


def test_runs_of_other_places_and_a_run_of_that_name_are_let_be(tmp_path: Path) -> None:
    mark_latest(tmp_path / "elsewhere")
    mark_latest(Path("runs/latest"))
    assert not Path("runs/latest").is_symlink()
    (tmp_path / "runs" / "latest").mkdir()
    mark_latest(Path("runs/ring-1"))
    assert Path("runs/latest").is_dir()
    assert not Path("runs/latest").is_symlink()


def test_a_link_that_leads_nowhere_is_replaced() -> None:
    Path("runs/latest").symlink_to("gone")
    mark_latest(Path("runs/ring-1"))
    assert Path("runs/latest").resolve().name == "ring-1"
