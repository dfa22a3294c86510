"""What a notebook may hold and nothing can be learned from: each is told in words, and nothing is taken for a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import p2pfl_me
from p2pfl_me import Clips, contract
from p2pfl_me.engines import EngineName
from p2pfl_me.errors import DataError, P2pmeError
from tests.wire.peers import free_base

IMAGES, TEXTS, PEOPLE = np.zeros((3, 8, 8, 3), np.uint8), ["a", "b", "a"], ["s1", "s2", "s3"]
ROWS = np.ones((3, 4))


@pytest.mark.parametrize(
    ("where", "x", "y", "subjects", "more"),
    [
        ("x", np.array([[1.0, 1e300]] * 3), TEXTS, PEOPLE, {}),  # float32 has no such number
        ("x", np.array([[1.0, np.nan]] * 3), TEXTS, PEOPLE, {}),
        ("x", torch.zeros(3, 4, device="meta"), TEXTS, PEOPLE, {}),
        ("x", torch.zeros(3, 4).to_sparse(), TEXTS, PEOPLE, {}),
        ("x", np.ma.zeros(3, dtype="f4,i4"), TEXTS, PEOPLE, {}),
        ("x", [[1.0], [1.0, 2.0], [3.0]], TEXTS, PEOPLE, {}),
        ("x", np.array([object()] * 3), TEXTS, PEOPLE, {}),
        ("x", iter(ROWS), TEXTS, PEOPLE, {}),
        ("y", ROWS, ["a", None, "b"], PEOPLE, {}),
        ("y", ROWS, np.array(["a", float("nan"), "b"], dtype=object), PEOPLE, {}),
        ("y", ROWS, np.array(["a", "b", ""]), PEOPLE, {}),
        ("y", ROWS, ["a", "\ud800", "b"], PEOPLE, {}),
        ("y", ROWS, np.array([b"a", b"b", b"a"]), PEOPLE, {}),
        ("y", ROWS, [0, 1, 2**40], PEOPLE, {}),  # a class for each number would fill the memory
        ("y", ROWS, np.array([0, 1, 2**64 - 1], dtype=np.uint64), PEOPLE, {}),
        ("y", ROWS, [1, 2, 1], PEOPLE, {}),  # class 0 would count in every mean over classes, with nothing right
        ("y", ROWS, [0, 2, 0], PEOPLE, {}),
        ("y", ROWS, ["a", "b", "c"], PEOPLE, {"classes": ["a", "\ud800"]}),
        ("classes", ROWS, [0, 1, 0], PEOPLE, {"classes": ["a", "\ud800"]}),
        ("subjects", ROWS, TEXTS, ["s1", "s\n2", "s3"], {}),
        ("subjects", ROWS, TEXTS, ["s1", "\udfff", "s3"], {}),
        ("subjects", ROWS, TEXTS, ["s1", " ", "s3"], {}),
        ("dataset", ROWS, TEXTS, PEOPLE, {"dataset": "\ud800"}),
    ],
)  # fmt: skip
def test_it_is_refused_in_words_that_can_be_shown(where: str, x: Any, y: Any, subjects: Any, more: Any) -> None:
    with pytest.raises(P2pmeError) as caught:
        Clips.from_arrays(x, y, subjects, **more)
    assert where in str(caught.value) and str(caught.value).encode()


VIEWS: list[Any] = [
    lambda x: x[::-1],
    np.asfortranarray,
    lambda x: np.broadcast_to(x[:1], x.shape),
    lambda x: x.astype(">f4"),
    lambda x: x.astype(np.float16),
]


@pytest.mark.parametrize("view", VIEWS)
def test_any_memory_layout_is_taken_for_what_it_holds(view: Any) -> None:
    x = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    clips = Clips.from_arrays(x, TEXTS, PEOPLE)
    assert clips.x.dtype == np.float32 and clips.x.flags.c_contiguous
    np.testing.assert_array_equal(clips.x, np.array(x.tolist(), np.float32))
    assert clips.digest == Clips.from_arrays(np.array(x.tolist()), TEXTS, PEOPLE).digest


@pytest.mark.parametrize(
    "subjects",
    [["S1", "s01"], ["é", "e"], ["sub 3", "03"], ["mylab/7", "7"]],
)
def test_rows_keep_no_names_so_who_could_be_one_person_is_asked_about_at_once(subjects: list[str]) -> None:
    rows = np.random.default_rng(1).standard_normal((4, 8))
    with pytest.raises(P2pmeError, match="may be one person") as caught:
        Clips.from_arrays(rows, ["a", "b", "a", "b"], [*subjects, *subjects], "mylab")
    assert "name one otherwise" in caught.value.fix
    told = Clips.from_arrays(rows, ["a", "b", "a", "b"], ["e\u0301 1", "\u00e9 1", "S1", "S11"], "mylab")
    assert len(set(told.subjects)) == 3, "composed or not, it is one person"


@pytest.mark.parametrize("nobody", ["?", "nan", "#N/A", "-", -1])
def test_what_stands_for_a_lost_name_is_nobody(nobody: object) -> None:
    rows = np.random.default_rng(1).standard_normal((4, 8))
    people = np.array([nobody, 1, 2, 3]) if isinstance(nobody, int) else [nobody, "A", "B", "C"]
    with pytest.raises(P2pmeError, match="is nobody"):
        Clips.from_arrays(rows, ["a", "b", "a", "b"], people)


@pytest.mark.parametrize("labels", [["Happy", "happy"], ["a", "a "], ["fear", "fe\u0301ar"]])
def test_labels_that_may_be_one_class_are_asked_about_where_nobody_named_the_classes(labels: list[str]) -> None:
    rows = np.random.default_rng(1).standard_normal((4, 8))
    with pytest.raises(P2pmeError, match="may be one class"):
        Clips.from_arrays(rows, labels * 2, [1, 2, 3, 4])
    assert Clips.from_arrays(rows, labels * 2, [1, 2, 3, 4], classes=labels).classes == tuple(labels)
    with pytest.raises(P2pmeError, match="which is no label"):
        Clips.from_arrays(rows, ["nan", "b"] * 2, [1, 2, 3, 4])


@pytest.mark.parametrize("engine", ["processes", "simulate", "lockstep"])
def test_rows_of_another_length_than_the_network_takes_are_refused_before_anything_runs(
    engine: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    rows = np.random.default_rng(0).random((12, 3, 30, 30), np.float32)
    wide = Clips.from_arrays(rows, ["a", "b", "c"] * 4, [f"p{i}" for i in range(12)])
    agreed = contract("small", peers=3, training__rounds=1, peers__loopback__base_port=free_base(3))
    with pytest.raises(DataError, match="2700 values where ststnet takes 2352"):
        p2pfl_me.run(agreed, data=wide, engine=engine, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
