"""Every rule deals all clips, each subject to one peer, none to nobody."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.contract.model import Partition
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.partition import partition, with_validation
from p2pfl_me.errors import DataError
from tests.data.make import clips
from tests.data.test_split import SIZES

RULES = st.builds(Partition, by=st.sampled_from(["subject", "dataset", "dirichlet"]), alpha=st.floats(0.05, 20))


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


@pytest.mark.parametrize("by", ["subject", "dataset", "dirichlet"])
def test_more_peers_than_subjects_are_refused_with_the_number_that_works(
    by: Literal["subject", "dataset", "dirichlet"],
) -> None:
    with pytest.raises(DataError, match="use at most 3 peers"):
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
