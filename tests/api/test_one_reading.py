"""A run reads the list of its clips once, whichever engine, command or call it goes through."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import p2pfl_me
from p2pfl_me import Clips, Contract
from p2pfl_me.cli.main import cli
from p2pfl_me.compare import run as running_cells
from p2pfl_me.compare.request import Request
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import dump_contract
from p2pfl_me.data import reading, source
from p2pfl_me.engines import ENGINES, Engine
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate import run as running_folds
from p2pfl_me.options import RunOptions
from tests.api.test_front_door import arrays
from tests.data.make import good, rows

CLASSES = ["negative", "positive", "surprise"]


class Counts:
    """How often a list was read from its first row on, and how often its images were looked at for contradictions."""

    lists = 0
    contradictions = 0


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counts:
    found = Counts()
    written, contradictions = reading._written, source.contradictions

    def reads(*arguments: Any) -> Iterator[Any]:
        found.lists += 1
        return written(*arguments)

    def looks(*arguments: Any) -> Any:
        found.contradictions += 1
        return contradictions(*arguments)

    monkeypatch.setattr(reading, "_written", reads)
    monkeypatch.setattr(source, "contradictions", looks)
    monkeypatch.setattr(running_cells, "write_page", lambda *_: None)
    monkeypatch.setattr(running_folds, "write_results", lambda _, out: out)
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return rows(tmp_path / "own" / "manifest.csv", good(tmp_path / "own", subjects=9))


def small(kind: str = "ring", **more: Any) -> Contract:
    training = {"rounds": 1, "local_epochs": 1}
    values = {"model__backbone": "mlp", "model__input": "image", "model__classes": CLASSES, **more}
    return p2pfl_me.contract(kind, peers=3, training=training, **values)


@pytest.mark.few(2)
@pytest.mark.parametrize("engine", ["simulate", "lockstep"])
@pytest.mark.parametrize("classes", [CLASSES, None], ids=["chosen", "of the clips"])
def test_a_run(engine: Any, classes: Any, own: Path, counts: Counts) -> None:
    contract = small() if classes else p2pfl_me.contract("ring", peers=3, training__rounds=1, model__backbone="mlp")
    result = p2pfl_me.run(contract, data=own, engine=engine)
    assert result.exit_code == 0 and result.classes == tuple(CLASSES)
    assert (counts.lists, counts.contradictions) == (1, 1)


def test_arrays(counts: Counts) -> None:
    x, y, subjects = arrays()
    assert p2pfl_me.run(
        small(model__classes=["0", "1", "2"]), data=Clips.from_arrays(x, y, subjects), engine="lockstep"
    )
    assert (counts.lists, counts.contradictions) == (1, 1)


def test_an_evaluation(own: Path, counts: Counts) -> None:
    p2pfl_me.evaluate(small(), data=own, protocol="kfold", folds=2, peers=2, seeds=2, jobs=1)
    assert (counts.lists, counts.contradictions) == (1, 1)


@pytest.mark.thorough
def test_a_comparison_of_many_cells(own: Path, counts: Counts) -> None:
    found = p2pfl_me.compare([small(), small("mesh")], data=own, seeds=2)
    assert {name: len(runs) for name, runs in found.runs.items()} == {"ring": 2, "mesh": 2}
    assert (counts.lists, counts.contradictions) == (1, 1)


def test_a_comparison_that_varies_the_classes_themselves(own: Path, tmp_path: Path, counts: Counts) -> None:
    path = tmp_path / "ring.yaml"
    path.write_text(dump_contract(small()))
    varied = "model.classes=[negative,positive,surprise],[surprise,positive,negative]"
    request = Request(
        (path,), tmp_path / "out", seeds=1, baselines=False, engine="lockstep", data=own, varied=(varied,)
    )
    found = running_cells.compare(request, Console(io.StringIO()))
    assert found.code == 0 and len(found.done) == 2
    assert counts.lists == 1
    one, two = (group.read for group in found.grid.groups)
    assert one is not None and two is not None and one == two


def test_a_command(own: Path, tmp_path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real peers are other processes, which are handed their clips: what the launcher gets stands for them."""
    handed: list[RunOptions] = []

    def launch(contract: Contract, options: RunOptions, console: Console) -> int:
        handed.append(options)
        return 0

    monkeypatch.setitem(ENGINES, "processes", Engine(launch, "json"))
    (tmp_path / "ring.yaml").write_text(dump_contract(small()))
    done = CliRunner().invoke(cli, ["swarm", "ring.yaml", "--data", str(own), "--seeds", "2", "--no-report"])
    assert done.exit_code == 0, done.output
    assert [len(options.read.clips) for options in handed if options.read] == [27, 27]
    assert (counts.lists, counts.contradictions) == (1, 1)


@pytest.mark.few(1)
@pytest.mark.parametrize("call", ["run", "evaluate", "compare"])
def test_who_is_who_is_said_in_every_call(call: str, own: Path, tmp_path: Path, counts: Counts) -> None:
    table = good(tmp_path / "own", subjects=9)
    rows(own, [*table, {**table[0], "path": table[0]["path"], "clip": "again", "subject": "S00"}])

    def ask(**said: Any) -> object:
        match call:
            case "run":
                return p2pfl_me.run(small(), data=own, engine="lockstep", **said)
            case "evaluate":
                return p2pfl_me.evaluate(small(), data=own, protocol="kfold", folds=2, peers=2, seeds=1, jobs=1, **said)
        return p2pfl_me.compare([small()], data=own, seeds=1, **said)

    with pytest.raises(DataError, match="S00"):
        ask()
    with pytest.raises(DataError, match="with another subject"):
        ask(different=["00=S00"])  # two people, and the same picture under both
    assert ask(same=["00=S00"])
