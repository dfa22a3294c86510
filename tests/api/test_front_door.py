"""The front door: own arrays and an own module, every engine, callbacks that stop, results in the notebook's forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

import p2pfl_me
from p2pfl_me import Clips, Contract
from p2pfl_me.api.comparing import Comparison
from p2pfl_me.compare import run as running_cells
from p2pfl_me.contract import dump_contract
from p2pfl_me.errors import ContractError, DataError, NetworkError, P2pmeError
from p2pfl_me.evaluate import run as running_folds
from p2pfl_me.run import latest
from tests.networks import mylab
from tests.wire.peers import free_base


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def arrays(count: int = 60, side: int = 16) -> tuple[Any, Any, Any]:
    """Images that show their class, of ten subjects."""
    random = np.random.default_rng(0)
    y = np.arange(count) % 3
    x = random.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
    for klass in range(3):
        x[y == klass, 5 * klass : 5 * klass + 5] += 120
    return x, y, np.arange(count) // 6


def small(engine_rounds: int = 3, **more: Any) -> Contract:
    return p2pfl_me.contract(
        "ring", peers=3, training={"rounds": engine_rounds, "local_epochs": 1}, model__input="image", **more
    )


def test_a_contract_without_a_file() -> None:
    contract = p2pfl_me.contract("ring", peers=7, training__rounds=np.int64(5), **{"gossip.protocol": "qg_dsgdm"})
    assert contract.peers.count == 7 and contract.training.rounds == 5 and contract.gossip.protocol.kind == "qg_dsgdm"
    assert contract.training.local_epochs == 2, "a section given in part keeps the rest"
    for slip in ({"peers": 0}, {"peers": "many"}, {"training__round": 3}, {"model__classes": {1, 2}}, {"kind": "rong"}):
        with pytest.raises(ContractError) as caught:
            p2pfl_me.contract(slip.pop("kind", "ring"), **slip)  # type: ignore[arg-type]
        assert caught.value.fix


@pytest.mark.few(1)
@pytest.mark.parametrize("engine", ["simulate", "lockstep"])
def test_own_arrays_and_an_own_module_in_every_engine(engine: Any, tmp_path: Path) -> None:
    x, y, subjects = arrays()
    clips = Clips.from_arrays(x, y, subjects, "mine", classes=["low", "middle", "high"])

    def build(classes: int) -> nn.Module:
        return mylab.Net(classes, 16)

    build.input_size = 16  # type: ignore[attr-defined]
    heard = []
    result = p2pfl_me.run(
        small(), data=clips, network=build, engine=engine, folder=tmp_path / "r", on_round=heard.append
    )
    assert result.exit_code == 0 and not result.stopped
    assert [news.round for news in heard] == [1, 2, 3] and heard[0].rounds == 3
    assert len(heard[-1].peers) == 3 and 0 <= (heard[-1].mean("uf1") or 0) <= 1 and heard[0].mean("loss") is not None
    assert result.classes == ("low", "middle", "high") and result.scores("uf1").shape == (3, 3)
    assert result.confusion.sum() > 0
    probabilities = p2pfl_me.predict(result, x[:4])
    assert probabilities.shape == (4, 3) and np.allclose(probabilities.sum(axis=1), 1)
    page = result._repr_html_()
    assert "own" in page and "3 of 3" in page
    axes = result.plot()
    assert len(axes.lines) == 4 and axes.get_ylabel() == "UF1"
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), result.scores().mean(axis=1))


def test_an_own_network_is_part_of_the_contract_and_follows_the_clips_classes(tmp_path: Path) -> None:
    x, y, subjects = arrays()
    contract = small(1, network=mylab.build, trained=["fc"])
    assert contract.model.layout.size == 7 * 6 + 7, "of the ready contract's seven classes"
    result = p2pfl_me.run(contract, data=Clips.from_arrays(x, y, subjects), engine="lockstep", folder=tmp_path / "r")
    assert result.params(0).shape == (3 * 6 + 3,) and p2pfl_me.predict(result, x[:2]).shape == (2, 3)
    with pytest.raises(ContractError, match="nothing is left to exchange"):
        small(1, network=mylab.build, trained=["fc"], gossip__personal=True)
    with pytest.raises(ContractError, match="names normalisation"):
        small(1, network=mylab.build, trained=["fc"], gossip__personal="normalisation")


def test_the_engines_end_with_the_same_bits(tmp_path: Path) -> None:
    x, y, subjects = arrays()
    clips = Clips.from_arrays(torch.from_numpy(x), torch.from_numpy(y), subjects)
    contract = small(2, model__backbone="ststnet")
    found = [
        p2pfl_me.run(contract, data=clips, engine=engine, folder=tmp_path / engine)
        for engine in ("simulate", "lockstep")
    ]
    assert (found[0].params(1) == found[1].params(1)).all()
    assert found[0].params().shape == (1_715,)


@pytest.mark.few(2)
@pytest.mark.parametrize("engine", ["simulate", "lockstep", "processes"])
def test_a_listener_may_stop_a_run_which_keeps_what_it_has(engine: Any, tmp_path: Path) -> None:
    x, y, subjects = arrays()
    clips = Clips.from_arrays(x.astype(np.float32) / 255, y, subjects)
    heard = []

    def listen(news: p2pfl_me.RoundNews) -> None:
        heard.append(news.round)
        if news.round == 2:
            news.stop()

    # More rounds than real peers could do before they hear of the end, however busy the machine.
    rounds = 100_000 if engine == "processes" else 20
    contract = small(rounds, peers__loopback__base_port=free_base(3))
    result = p2pfl_me.run(
        contract, data=clips, network=mylab.flat_rows, engine=engine, folder=tmp_path / "run", on_round=listen
    )
    assert result.stopped and heard == [1, 2]
    assert 2 <= len(result.scores()) < rounds and result.params(0).size
    assert "stopped" in result._repr_html_()


def test_frames_name_classes_and_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    x, y, subjects = arrays()
    clips = Clips.from_arrays(x, ["abc"[each] for each in y], [f"s{each}" for each in subjects])
    result = p2pfl_me.run(small(2, model__backbone="mlp"), data=clips, engine="lockstep")
    frame = result.to_frame()
    assert list(frame.columns) == ["round", "peer", "loss", "uf1", "uar", "accuracy", "macro_f1", "weighted_f1"]
    assert len(frame) == 6
    np.testing.assert_allclose(frame.pivot(index="round", columns="peer", values="uf1"), result.scores("uf1"))
    assert list(result.confusion_frame().columns) == ["a", "b", "c"] and isinstance(frame, pandas.DataFrame)


def test_frames_say_that_faces_are_drawn_in_each_row_and_when_they_are_put_together(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    contract = small(1, model__backbone="mlp", data__synthetic={"subjects": 6, "clips_per_subject": 2})
    result = p2pfl_me.run(contract, engine="lockstep", folder=tmp_path / "run")
    comparison = Comparison(tmp_path, {"one": (result,), "other": (result,)})
    assert result.warnings == ("drawn faces",)
    for frame in (result.to_frame(), comparison.to_frame()):
        assert set(frame["warning"]) == {"drawn faces"} and frame[frame["round"] > 0].attrs == frame.attrs
        assert "drawn faces" in frame._repr_html_() and frame.attrs == {"warnings": ["drawn faces"]}
    assert result.confusion_frame().attrs == {"warnings": ["drawn faces"]}


def test_evaluate_and_compare_from_the_front_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_cells, "write_page", lambda *_: None)
    monkeypatch.setattr(running_folds, "write_results", lambda _, out: out)
    x, y, subjects = arrays()
    clips = Clips.from_arrays(x, y, subjects)
    contract = small(2, model__backbone="mlp")
    found = p2pfl_me.evaluate(contract, data=clips, protocol="kfold", folds=2, peers=2, seeds=1, jobs=1)
    assert set(found.arms) >= {"gossip", "pooled", "isolated"}
    mean, low, high = found.score("pooled") or (0, 0, 0)
    assert low <= mean <= high and found.confusion("pooled").sum() == 60
    assert "page: " in found._repr_html_() and "Gossip peers reach" in found._repr_html_()
    assert "pooled" in found._repr_html_() and len(found.plot().get_yticks()) == len(found.arms)
    with pytest.raises(DataError, match="there is no arm `x`"):
        found.score("x")
    both = {
        name: p2pfl_me.contract(
            name, peers=4, training={"rounds": 2, "local_epochs": 1}, model__backbone="mlp", model__input="image"
        )
        for name in ("ring", "mesh")
    }
    page = p2pfl_me.compare(both, data=clips, seeds=1)
    assert set(page.runs) == {"ring", "mesh"} and all(len(values) == 1 for values in page.final().values())
    assert "mesh" in page._repr_html_() and len(page.plot().lines) == 2
    assert page.verdict in page._repr_html_()
    assert "cannot tell the set-ups apart" in page.verdict, "one seed ranks nobody"
    axes = [page.plot(), page.runs["ring"][0].plot()]
    for curve in (line for each in axes for line in each.lines):
        assert np.asarray(curve.get_xdata()).tolist() == [1, 2], "rounds count from 1, as everywhere"
    assert all(each.get_ylim() == (0, 1.03) and each.get_ylabel() == "UF1" for each in axes), "no axis is stretched"
    assert len({line.get_linestyle() for line in axes[0].lines}) == 2, "no colour alone tells them apart"
    assert found.plot().get_xlim() == (0, 1.03)
    plt.close("all")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.zeros((3, 4, 4, 3), np.int64)}, "can be neither"),
        ({"x": np.zeros((60, 4, 4), np.uint8)}, "is no batch of images"),
        ({"x": np.full((60, 5), np.nan, np.float32)}, "NaN"),
        ({"x": np.zeros((0, 4, 4, 3), np.uint8), "y": [], "subjects": []}, "holds no sample"),
        ({"y": np.zeros(3, np.int64)}, "x has 60 samples"),
        ({"subjects": [1, 2]}, "x has 60 samples"),
        ({"y": np.full(60, -1)}, "classes go from 0"),
        ({"y": np.full(60, 5), "classes": ["a", "b"]}, "classes go from 0 to 1"),
        ({"y": ["q"] * 60, "classes": ["a", "b"]}, "names `q`"),
        ({"y": np.zeros(60)}, "are no labels"),
        ({"classes": ["a", "a", "b"]}, "are no classes"),
        ({"y": np.zeros(60, np.int64)}, "are no classes"),
        ({"classes": "abc"}, "is one text"),
        ({"subjects": None}, "have the shape"),
        ({"subjects": [*range(59), np.nan]}, "`nan` is nobody"),
        ({"subjects": np.arange(60) / 2}, "is nobody"),
        ({"subjects": [*map(str, range(59)), None]}, "`None` is nobody"),
        ({"subjects": [*map(str, range(59)), ""]}, "is nobody"),
        ({"x": np.ma.masked_less(np.zeros((60, 5), np.float32), 1)}, "behind a mask"),
        ({"dataset": " "}, "no name of a data set"),
    ],
)
def test_arrays_that_do_not_fit_are_told_in_words(change: dict[str, Any], says: str) -> None:
    x, y, subjects = arrays()
    with pytest.raises(DataError, match=says) as caught:
        Clips.from_arrays(**{"x": x, "y": y, "subjects": subjects, **change})
    assert caught.value.where and caught.value.fix


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"data": np.zeros((4, 8, 8, 3))}, "a ndarray is no clips"),
        ({"data": 3}, "a int is no clips"),
        ({"engine": "fast"}, "there is no engine `fast`"),
        ({"engine": "lockstep", "baselines": True}, "trains no baselines"),
        ({"trained": ["fc"]}, "names parts of no network"),
        ({"network": nn.Linear(3, 3)}, "asks for `input`|cannot be built|gives a"),
        ({"network": 3}, "a function or a class"),
        ({"data": "nowhere.csv"}, "no such"),
        ({"folder": 3}, "a int is no path"),
        ({"subjects": 3}, "a int is no path"),
        ({"trained": "fc"}, "is one text"),
        ({"trained": 3}, "a int is no list"),
        ({"same": [1]}, "`1` is no text"),
        ({"different": None}, "a NoneType is no list"),
        ({"on_round": 3}, "cannot be called"),
        ({"on_round": lambda: None}, "does not take the news"),
    ],
)
def test_slips_are_answered_as_on_the_command_line(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(P2pmeError, match=says) as caught:
        p2pfl_me.run(small(), **{"engine": "lockstep", **arguments})
    assert caught.value.fix
    with pytest.raises(ContractError, match="is no contract"):
        p2pfl_me.run(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: p2pfl_me.contract(None), "a NoneType is no path"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.contract("ring", peers=2.5), "no number of peers"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.load(7), "a int is no path"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.predict(None, "a.png"), "a NoneType is no path"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.predict("nowhere", "a.png", peer="0"), "`0` is no peer"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.evaluate(small(), seeds=0), "no number of seeds"),
        (lambda: p2pfl_me.evaluate(small(), seeds=[1]), "no number of seeds"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.evaluate(small(), folds=1), "no number of folds"),
        (lambda: p2pfl_me.evaluate(small(), jobs=-1), "no number of jobs"),
        (lambda: p2pfl_me.evaluate(small(), device="tpu"), "no device `tpu`"),
        (lambda: p2pfl_me.compare(small()), "no set of contracts"),  # type: ignore[arg-type]
        (lambda: p2pfl_me.compare([3]), "a int is no contract"),  # type: ignore[list-item]
        (lambda: p2pfl_me.compare({"a": small()}, seeds=-2), "no number of seeds"),
        (lambda: p2pfl_me.compare({"a": small()}, jobs=0), "no number of jobs"),
    ],
)
def test_slips_of_the_other_calls_are_answered_too(call: Callable[[], object], says: str) -> None:
    with pytest.raises(P2pmeError, match=says) as caught:
        call()
    assert caught.value.where and caught.value.fix


def test_what_a_listener_raises_is_its_own(tmp_path: Path) -> None:
    def listen(news: p2pfl_me.RoundNews) -> None:
        raise KeyError(news.round)

    x, y, subjects = arrays()
    clips = Clips.from_arrays(x, y, subjects)
    contract = small(2, model__backbone="mlp")
    with pytest.raises(KeyError, match="1"):
        p2pfl_me.run(contract, data=clips, engine="lockstep", folder=tmp_path / "run", on_round=listen)


def test_two_of_one_second_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "datetime", SimpleNamespace(now=lambda: datetime(2026, 1, 2, 3, 4, 5)))
    found = []
    for _ in range(3):
        found.append(latest.dated(tmp_path, "ring"))
        found[-1].mkdir(parents=True)
    assert [path.name for path in found] == [f"ring-20260102-030405{more}" for more in ("", "-2", "-3")]
    assert latest.dated(tmp_path).name == "20260102-030405"


def test_real_peers_need_a_network_that_lies_in_a_file(tmp_path: Path) -> None:
    x, y, subjects = arrays()
    with pytest.raises(NetworkError, match="where other processes cannot find it"):
        p2pfl_me.run(small(), data=Clips.from_arrays(x, y, subjects), network=lambda classes: mylab.Net(classes, 16))


def test_a_stated_network_without_its_code_is_refused_before_anything_begins(tmp_path: Path) -> None:
    x, y, subjects = arrays()
    clips = Clips.from_arrays(x, y, subjects)
    own = small(1, network=mylab.build, model__classes=["0", "1", "2"])
    path = tmp_path / "own.yaml"
    path.write_text(dump_contract(own))
    with pytest.raises(NetworkError, match="each lab's own code"):
        p2pfl_me.run(path, data=clips, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    result = p2pfl_me.run(path, data=clips, network=mylab.build, engine="lockstep", folder=tmp_path / "run")
    assert result.exit_code == 0
    with pytest.raises(ContractError, match="hold no code"):
        p2pfl_me.compare({"own": own}, data=clips)


def test_equal_arrays_are_kept_once_and_privately(tmp_path: Path) -> None:
    x, y, subjects = arrays(12)
    one, two = (Clips.from_arrays(x, y, subjects).path() for _ in range(2))
    assert one == two and Clips.from_arrays(x, y, subjects, "other").path() != one
    assert all(each.stat().st_mode & 0o077 == 0 for each in one.iterdir())
