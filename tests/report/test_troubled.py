"""Pages on runs in which much went wrong, or nearly nothing happened, word by word, as approved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.report import course_picture
from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Document
from p2pfl_me.report.groups import methods_of
from p2pfl_me.report.methods import Comparison, Method, Setting, course_of
from p2pfl_me.report.run import Run, read_run
from p2pfl_me.report.style import house_style
from p2pfl_me.report.summary import as_lines, as_object
from tests.report.approving import approve, page_words
from tests.report.fixture import append, scores, write_run

SMALL = {"count": 5, "rounds": 4, "classes": ("anger", "joy", "fear"), "support": (9, 5, 0)}


def page(*runs: Run) -> Document:
    with house_style():
        return compose(Comparison((Setting("", methods_of(runs)),)), in_full=True)


def manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def finish(folder: Path, peer: int, reason: str, detail: str = "") -> None:
    """Another end than that of the fixture."""
    path = folder / f"peer-{peer}.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"event": "finish"' not in line]
    path.write_text("\n".join(lines) + "\n")
    append(path, {"event": "finish", "reason": reason, "detail": detail})


def test_a_run_in_which_nobody_began_claims_neither_clips_nor_weights(tmp_path: Path) -> None:
    """Two labs, both of whose ports were taken: nothing was read, and nothing left."""
    run = write_run(tmp_path / "run", count=2, kind="mesh", rounds=3, average=False, baselines=False)
    for each in run.iterdir():
        if each.name != "contract.yaml":
            each.unlink()
    for peer in (0, 1):
        append(run / f"peer-{peer}.jsonl", {"event": "finish", "reason": "error", "detail": "cannot listen"})
    words = page_words(page(read_run(run)))
    assert "2 peers, mesh topology. No peer began." in words and "own clips" not in words
    assert "Nothing: every peer ended before it had a link." in words and "Weights, to the neighbours" not in words
    (run / "peer-1.jsonl").unlink()  # kept by the other lab: what left it is not known here
    assert "Weights, to the neighbours" in page_words(page(read_run(run)))


def link(neighbour: int, state: str, reason: str = "") -> dict[str, Any]:
    return {"event": "link", "neighbour": neighbour, "state": state, "reason": reason}


def troubled(folder: Path) -> Run:
    """Of eight peers only one came to its end in order."""
    write_run(folder, **{**SMALL, "count": 8}, killed={1: 2, 2: 0, 3: 4}, finished=False, baselines=False)
    manifest(folder, exit={"0": 0, "1": -9, "2": 143, "3": 134, "4": 0, "5": 0, "6": 1, "7": -11}, cpu_count=None)
    log = [folder / f"peer-{peer}.jsonl" for peer in range(8)]
    append(log[0], link(1, "down", "reset"), link(1, "down", "reset"), link(7, "left"), link(7, "down"))
    finish(folder, 0, "rounds")
    append(log[1], {"event": "refused", "neighbour": None, "reason": ""}, *[{"event": "refused", "neighbour": 0}] * 3)
    append(log[3], link(2, "refused", "another contract"), link(4, "quarantined"), link(4, "up"), link(4, "down"))
    append(log[3], {"event": "start", "resumed_round": None}, {"event": "start", "resumed_round": 3})
    append(log[3], {"event": "catch_up", "t": 0, "from_round": 1, "to_round": 2})
    finish(folder, 4, "diverged", "loss is NaN")
    finish(folder, 5, "budget", "epsilon 8")
    finish(folder, 6, "error", "the disk is full")
    finish(folder, 7, "stopped")
    with log[5].open("a") as file:
        file.write("not JSON\n")
    return read_run(folder)


def quiet(folder: Path) -> Run:
    """Nobody completed a round; nobody was scored, and two of three peers left no log."""
    write_run(folder, **{**SMALL, "count": 3, "rounds": 1}, part=None, average=False, baselines=False, killed={0: 0})
    for peer in (1, 2):
        for name in ("peer", "egress"):
            (folder / f"{name}-{peer}.jsonl").unlink()
    manifest(folder, p2pme="", started="some day", platform="")
    return read_run(folder)


def validated(folder: Path, seed: int = 1) -> Run:
    """Stopped by patience, on validation clips; each peer has its own and one ended without company."""
    write_run(folder, **SMALL, part="validation", source="casme2", seed=seed, baselines=False)
    for peer, (reason, detail) in enumerate((("patience", ""), ("alone", "had nobody"), ("time", ""), ("work", ""))):
        finish(folder, peer, reason, detail)
    own = scores(np.diag([3, 1, 0]))
    said = {
        "event": "round",
        "round": 3,
        "validation": own,
        "test": None,
        "weights": {},
        "missing": {"1": "", "3": "late"},
    }
    append(folder / "peer-4.jsonl", said)
    finish(folder, 4, "handed")
    data = json.loads((folder / "manifest.json").read_text())["data"]
    data |= {"train": 1504, "validation": 14, "test": 0, "subjects": 0}
    manifest(folder, data=data, finished="2026-03-02T09:00:00+00:00", network="drawn, says the swarm")
    return read_run(folder)


KINDS = (troubled, quiet, validated)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_the_page_on_a_run(kind: Any, tmp_path: Path) -> None:
    run = kind(tmp_path / "run")
    told = json.dumps({**as_object([run])["runs"][0], "folder": ""}, indent=0)
    lines = as_lines([run])
    approve(f"run-{kind.__name__}", page_words(page(run)) + "\n".join([told, *lines]) + "\n")


def test_the_page_on_repeats_and_namesakes(tmp_path: Path) -> None:
    """One set-up with two seeds of which one was run again, and another of the same name."""
    runs = [validated(tmp_path / "one"), validated(tmp_path / "two", 2), validated(tmp_path / "again")]
    runs.append(read_run(write_run(tmp_path / "mesh", **SMALL, kind="mesh", source="casme2")))
    document = page(*runs)
    names = [method.name for method in methods_of(runs)]
    heads = [document.title, document.subtitle, document.verdict, *map(str, document.facts)]
    sections = [
        f"{each.title} #{each.anchor} in {each.folder!r} {each.level} {each.folded}" for each in document.sections
    ]
    (notes,) = [block.items for each in document.sections for block in each.blocks if each.anchor == "notes"]
    lines = [*as_lines(runs), *as_lines(runs[:2])]
    approve("run-repeats", "\n".join([*names, *heads, *sections, *notes, *lines]) + "\n")


@pytest.mark.parametrize(("sent", "seconds"), [(True, False), (False, True), (True, True), (False, False)])
def test_a_cost_that_nobody_counted_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bool, seconds: bool
) -> None:
    run = validated(tmp_path / "run")
    whole = course_of(Method("m", (run,)))
    assert whole is not None
    nothing = np.full(len(whole.rounds), np.nan)
    partly = replace(whole, sent=whole.sent if sent else nothing, seconds=whole.seconds if seconds else nothing)
    monkeypatch.setattr(course_picture, "course_of", lambda method: partly)
    setting = Setting("", (Method("m", (run,)),))
    assert (course_picture.scores_by_megabytes(setting) is not None) == sent
    assert (course_picture.scores_by_seconds(setting) is not None) == seconds
