"""What is averaged of what has come, where models travel compressed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from p2pfl_me.compression import Compression
from p2pfl_me.gossip.exchange import Compressed, Content
from p2pfl_me.message import MAX_WEIGHT, Vector
from tests.compression.pairs import ALL

SIZE = 600
ROW = {1: 0.3, 2: 0.3}


@pytest.mark.parametrize("kind", sorted(ALL))
def test_a_compressed_model_larger_than_anybody_trains_on_is_left_out(kind: str) -> None:
    """Each of its values is one that passes; together they ended their reader's training."""
    reader, *others = (_end(ALL[kind], me, met) for me, met in ((0, (1, 2)), (1, (0,)), (2, (0,))))
    random = np.random.default_rng(1)
    honest, own = (random.normal(size=SIZE).astype(np.float32) for _ in range(2))
    liar = np.where(honest > 0, 0.2, -0.2).astype(np.float32) * np.float32(MAX_WEIGHT)
    for round in range(4):
        sent, got = _meet(reader, others, round, own, {1: liar, 2: honest})
        got = {peer: each for peer, each in got.items() if not reader.fault(peer, round, each)}
        mixture = reader.average(own, ROW, round, sent, got)
        assert float(np.linalg.norm(mixture.params)) < MAX_WEIGHT and 2 in mixture.weights
        own = mixture.params
    sent, got = _meet(reader, others, 4, own, {1: liar})
    if not reader.fault(1, 4, got[1]):
        assert float(np.linalg.norm(own + reader.correction(1, 4, 0.3, own, sent[1], got[1]))) < MAX_WEIGHT


def _end(compression: Compression, me: int, met: tuple[int, ...]) -> Compressed:
    return Compressed(me, met, compression, SIZE, 7, {}, ((SIZE,),))


def _meet(
    reader: Compressed, others: list[Compressed], round: int, own: Vector, models: Mapping[int, Vector]
) -> tuple[dict[int, Content], dict[int, Content]]:
    sent = {peer: reader.pack(peer, round, own) for peer in models}
    got = {peer: others[peer - 1].pack(0, round, model) for peer, model in models.items()}
    for peer, model in models.items():
        others[peer - 1].average(model, {0: 0.0}, round, {0: got[peer]}, {0: sent[peer]})
    return sent, got
