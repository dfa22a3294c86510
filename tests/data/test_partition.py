"""Every rule deals all clips, each subject to one peer, none to nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract.model import Partition
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.partition import partition, with_validation
from p2pfl_me.errors import DataError
from tests.data.make import clips
from tests.data.test_split import SIZES

RULES = st.builds(
    Partition, by=st.sampled_from(["subject", "dataset", "dirichlet", "labels"]), alpha=st.floats(0.05, 20)
)


def subjects(shard: tuple[Clip, ...]) -> set[str]:
    return {clip.subject for clip in shard}


@given(SIZES, RULES, st.integers(0, 99), st.data())
def test_all_clips_are_dealt_and_subjects_stay_whole(
    sizes: dict[str, int], rule: Partition, seed: int, data: st.DataObject
) -> None:
    found = clips(sizes)
    peers = data.draw(st.integers(1, len(sizes)))
    shards = partition(found, peers, rule, seed)
    assert len(shards) == peers and all(shards)
    assert sorted(str(clip.path) for shard in shards for clip in shard) == sorted(str(clip.path) for clip in found)
    assert sum(len(subjects(shard)) for shard in shards) == len(sizes)
    again = partition(tuple(reversed(found)), peers, rule, seed)
    assert list(map(subjects, again)) == list(map(subjects, shards))  # the order of the rows decides nothing


@given(SIZES, st.integers(0, 99), st.data())
def test_by_dataset_no_peer_mixes_data_sets_unless_there_are_fewer_peers(
    sizes: dict[str, int], seed: int, data: st.DataObject
) -> None:
    found = clips(sizes)
    datasets = {clip.dataset for clip in found}
    peers = data.draw(st.integers(1, len(sizes)))
    shards = partition(found, peers, Partition(by="dataset"), seed)
    if peers >= len(datasets):
        assert all(len({clip.dataset for clip in shard}) == 1 for shard in shards)
    else:
        homes = [{peer for peer, shard in enumerate(shards) if name in {c.dataset for c in shard}} for name in datasets]
        assert all(len(home) == 1 for home in homes)


@given(SIZES, st.integers(0, 99), st.data())
def test_by_subject_loads_differ_by_one_subject_at_most(sizes: dict[str, int], seed: int, data: st.DataObject) -> None:
    peers = data.draw(st.integers(1, len(sizes)))
    loads = [len(shard) for shard in partition(clips(sizes), peers, Partition(), seed)]
    assert max(loads) - min(loads) <= max(sizes.values())


def test_a_small_alpha_is_more_unequal() -> None:
    found = clips({f"a/{index}": 3 for index in range(60)})

    def spread(alpha: float) -> float:
        rule = Partition(by="dirichlet", alpha=alpha)
        return sum(max(map(len, partition(found, 6, rule, seed))) for seed in range(8)) / 8

    assert spread(0.1) > 1.5 * spread(50)


@pytest.mark.parametrize("by", ["subject", "dataset", "dirichlet", "labels"])
def test_more_peers_than_subjects_are_refused_with_the_number_that_works(
    by: Literal["subject", "dataset", "dirichlet", "labels"],
) -> None:
    with pytest.raises(DataError, match=r"use at most 3 peers .*count=3.*--peers 3"):
        partition(clips({"a/0": 4, "a/1": 4, "b/0": 4}), 4, Partition(by=by), 1)


def test_validation_subjects_go_where_their_data_set_is_trained_on() -> None:
    shards = partition(
        clips({f"{name}/{index}": 3 for name in "ab" for index in range(4)}), 4, Partition(by="dataset"), 1
    )
    watching = clips({"a/8": 2, "a/9": 2, "b/8": 2, "c/8": 2})
    dealt = with_validation(shards, watching)
    added = [subjects(after) - subjects(before) for before, after in zip(shards, dealt, strict=True)]
    assert set().union(*added) == subjects(watching) and max(map(len, added)) <= 2
    for before, new in zip(shards, added, strict=True):
        assert {subject[0] for subject in new} - {"c"} <= {clip.dataset for clip in before}


def skewness(shards: tuple[tuple[Clip, ...], ...]) -> float:
    """Mean over peers of the largest class's share of their clips."""
    return float(np.mean([max(Counter(clip.label for clip in shard).values()) / len(shard) for shard in shards]))


def one_class_subjects() -> tuple[Clip, ...]:
    """Sixty subjects of four clips, each of one of three classes: so shares of classes can be met."""
    made = clips({f"a/{index}": 4 for index in range(60)})
    labels = ("negative", "positive", "surprise")
    numbers = {subject: place for place, subject in enumerate(sorted({clip.subject for clip in made}))}
    return tuple(replace(clip, label=labels[numbers[clip.subject] % 3]) for clip in made)


def test_by_labels_a_small_alpha_gives_each_peer_few_classes_and_a_large_one_all() -> None:
    found = one_class_subjects()
    steep, flat = (
        np.mean([skewness(partition(found, 6, Partition(by="labels", alpha=alpha), seed)) for seed in range(8)])
        for alpha in (0.05, 100.0)
    )
    assert steep > 0.75
    assert flat < 0.45


def test_by_labels_shares_are_met_to_a_subject_or_so() -> None:
    """As the draw says, where subjects of one class let it be so."""
    found = one_class_subjects()
    for seed in range(8):
        random = np.random.default_rng(derive_seed(seed, "partition"))
        random.permutation(60)
        shares = random.dirichlet([1.0] * 6, 3)
        shards = partition(found, 6, Partition(by="labels", alpha=1.0), seed)
        for row, label in zip(shares, ("negative", "positive", "surprise"), strict=True):
            counts = [sum(clip.label == label for clip in shard) for shard in shards]
            np.testing.assert_allclose(counts, 80 * row, atol=8)
