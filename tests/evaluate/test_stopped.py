"""An evaluation that was stopped, at its very beginning or between two units, goes on to the same table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.errors import DataError, RunError
from p2pfl_me.evaluate import design, pool
from p2pfl_me.evaluate.train import do
from tests.evaluate.making import request as make_request
from tests.evaluate.making import run, without_page


@pytest.fixture(autouse=True)
def only_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.evaluate.run.write_results", without_page)


def stops_after(count: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, but for Ctrl-C instead of the call after so many."""
    calls = iter(range(count))

    def call(*given: object, **named: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return real(*given, **named)

    return call


def test_the_split_is_on_the_disk_before_features_are_made_and_the_folder_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make_request(tmp_path)
    with monkeypatch.context() as stopped:
        stopped.setattr(design, "read_items", stops_after(0, design.read_items))
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    early = (asked.out / "split.json").read_text()
    (asked.out / "split.json").rename(asked.out / ".split.json.abcd1234.draft.json")  # as a kill in its write leaves it
    with monkeypatch.context() as stopped:
        stopped.setattr(design, "read_items", stops_after(0, design.read_items))
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    (asked.out / ".split.json.abcd1234.draft.json").unlink()
    assert [path.name for path in asked.out.iterdir()] == ["split.json"]
    with monkeypatch.context() as stopped:
        stopped.setattr(pool, "do", stops_after(2, do))
        code, said = run(asked)
        assert code == 130 and "finished folds are kept" in said
    code, said = run(asked)
    assert code == 0 and re.search("2 of [0-9]+ units are finished already", said)
    assert (asked.out / "split.json").read_text() == early
    whole = replace(asked, out=tmp_path / "whole")
    assert run(whole)[0] == 0
    for name in ("predictions.csv", "scores.csv"):
        assert (asked.out / name).read_bytes() == (whole.out / name).read_bytes()


def test_clips_that_cannot_be_read_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = make_request(tmp_path)

    def no_images(*given: object, **named: object) -> None:
        assert (asked.out / "split.json").is_file()
        raise DataError("no image")

    monkeypatch.setattr(design, "read_items", no_images)
    with pytest.raises(DataError):
        run(asked)
    assert not asked.out.exists()


def test_a_folder_of_the_users_own_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    asked = make_request(tmp_path)
    asked.out.mkdir()
    (asked.out / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="not empty"):
        run(asked)
    assert [path.name for path in asked.out.iterdir()] == ["thesis.tex"]
