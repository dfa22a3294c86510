"""Units at another node: the answers of this machine, from its own clips or from what it was sent."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.cluster.hands import Need
from p2pfl_me.cluster.place import Place
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate import elsewhere
from p2pfl_me.evaluate.design import Design, make_design
from p2pfl_me.evaluate.elsewhere import _alone, _own_bench, _own_clips, outcomes_at
from p2pfl_me.evaluate.items import Items
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.learning.trainer import Part
from tests.evaluate.making import clip
from tests.evaluate.making import request as make_request
from tests.small import write_vectors


@dataclass
class OneNode:
    """A node with a home of its own, to which everything travels as bytes."""

    sent: list[tuple[object, ...]] = field(default_factory=list)
    need: Need | None = None

    def hands(self, place: Place, jobs: int, module: str, need: Need) -> OneNode:
        self.need = need
        return self

    def do(self, work: Any, shared: Callable[[Unit], Any], units: Sequence[Unit]) -> Iterator[tuple[Unit, Outcome]]:
        for unit in units:
            self.sent.append(shared(unit))
            given = pickle.loads(pickle.dumps((*self.sent[-1], unit)))
            yield unit, pickle.loads(pickle.dumps(work(*given)))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNode]:
    found = OneNode()
    monkeypatch.setattr(elsewhere, "hands_of", found.hands)
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home of the node"))
    for kept in (_own_bench, _own_clips):
        kept.cache_clear()
    yield found


def there(design: Design, *, send: bool) -> Design:
    return replace(design, request=replace(design.request, place=Place("auto", send)))


@pytest.mark.few(1)
@pytest.mark.parametrize("send", [False, True], ids=["own clips", "sent features"])
def test_a_node_answers_as_this_machine_does(node: OneNode, tmp_path: Path, send: bool) -> None:
    asked = make_request(tmp_path, "training.rounds=1", subjects=range(4), seeds=2, target=0.5)
    design = make_design(asked, tmp_path)
    units = design.units()
    local = dict(outcomes_at(design, units))
    assert not node.sent, "what is done here goes nowhere"
    found = dict(outcomes_at(there(design, send=send), units))
    for unit in units:
        one, other = found[unit], local[unit]
        assert (one.guesses, one.steps, one.distance) == (other.guesses, other.steps, other.distance)
        assert (one.course is None) == (other.course is None)
    assert len({id(given[0]) for given in node.sent}) == 1, "seeds that share features share one object"
    travelled = pickle.dumps(node.sent)
    for secret in (asked.out, asked.home, *(() if not send else [asked.data])):
        assert str(secret).encode() not in travelled, "where files lie here is no business of the nodes"
    rows, width = design.items.samples.bank.shape
    size = design.contract.model.layout.size
    assert rows == 48 and node.need == Need(700_000_000 + 2 * 4 * rows * width + 4 * (6 * 2 + 24) * size)
    assert list(outcomes_at(there(design, send=send), [])) == []


def test_a_node_that_has_other_clips_or_none_is_refused_by_name(node: OneNode, tmp_path: Path) -> None:
    design = there(make_design(make_request(tmp_path, subjects=range(4)), tmp_path), send=False)
    unit, data = design.units()[0], tmp_path / "vectors.safetensors"
    with pytest.raises(DataError, match=r"the same clips, and its processor makes other features of them\n.*--send"):
        errand = elsewhere._errand(design, [1])
        elsewhere._on_own_clips(replace(errand, features={1: "0" * 64}), unit)
    write_vectors(data, range(5))
    with pytest.raises(DataError, match=r"node .* has other clips there .*\n.*--send") as refused:
        _own_clips.cache_clear()
        elsewhere._on_own_clips(errand, unit)
    assert str(data) in str(refused.value)
    data.unlink()
    with pytest.raises(DataError, match=r"node .* has no clips there\n.*--send") as refused:
        elsewhere._on_own_clips(errand, unit)
    assert str(data) in str(refused.value)


@pytest.mark.parametrize("varied", [False, True])
def test_what_is_sent_holds_these_items_alone_and_gives_the_same_samples(varied: bool) -> None:
    random = np.random.default_rng(0)
    clips = tuple(clip("lab", number, number, "positive") for number in range(5))
    bank = random.normal(size=(40, 3)).astype(np.float32)
    rows, of_clip = np.array([30, 2, 2, 17, 8, 9]), np.array([0, 1, 2, 3, 4, 4])
    variants = np.stack([rows, np.array([31, 3, 2, 39, 8, 0])], axis=1) if varied else None
    items = Items(clips, np.zeros(5, np.int64), Part(bank, rows, np.zeros(6, np.int64), of_clip, variants))
    sent = _alone(items)
    samples = sent.samples
    np.testing.assert_array_equal(samples.bank[samples.rows], bank[rows])
    if variants is not None:
        assert samples.variants is not None
        np.testing.assert_array_equal(samples.bank[samples.variants], bank[variants])
    used = set(rows.tolist()) | (set() if variants is None else set(variants.ravel().tolist()))
    assert len(samples.bank) == len(used) and samples.bank.base is None
    assert [str(each.path) for each in sent.clips] == list("01234"), "two clips are two, and lie nowhere"
    assert [each.subject for each in sent.clips] == [each.subject for each in clips]
