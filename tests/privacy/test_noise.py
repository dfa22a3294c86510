"""Noise before sharing: what it is worth on a graph, what it costs, and that neighbours' halves cancel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.contract.noise_graph import standing
from p2pfl_me.learning.protections import rehearsal
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.budget import Budget
from p2pfl_me.privacy.noise.before_sharing import BeforeSharing
from p2pfl_me.privacy.noise.decor import Decor, best_ratio, warning, worth
from p2pfl_me.privacy.noising import Cover, Place, cut

SIZE = 20_000


def contract(kind: str, count: int) -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: noisy\ntopology: {kind}\npeers: {{loopback: {{count: {count}}}}}\ntraining: {{rounds: 5}}\n"
    )


def covers(kind: BeforeSharing | Decor, agreed: Contract) -> list[Cover]:
    graph, rounds, count = standing(agreed), agreed.training.rounds, agreed.peers.count
    found = []
    for peer in range(count):
        means = rehearsal(agreed, peer)
        place = Place(peer, count, rounds, agreed.seed, Budget(epsilon=8), means.randomness, graph, means.shared)
        found.append(kind.at(place))
    return found


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "count", "outsider", "curious"),
    [
        ("{kind: ring}", 10, 0.745, 0.966),
        ("{kind: mesh}", 10, 0.100, 0.111),
        ("{kind: torus, rows: 4, columns: 4}", 16, 0.851, 0.967),
    ],
)
def test_what_cancelling_noise_leaves_on_a_graph(kind: str, count: int, outsider: float, curious: float) -> None:
    """As computed from DECOR's covariance by others."""
    graph = standing(contract(kind, count))
    assert worth(graph, best_ratio(graph, curious=False), curious=False)[1] == pytest.approx(outsider, abs=2e-3)
    assert worth(graph, best_ratio(graph))[1] == pytest.approx(curious, abs=2e-3)
    assert bool(warning(graph, Decor())) is (curious > 0.8), "whoever would be deceived by the name is told"


def test_neighbours_halves_cancel_and_what_is_paid_is_what_is_left() -> None:
    agreed, kind = contract("{kind: mesh}", 5), Decor(norm=0.5, noise=3.0, ratio=4.0)
    start = np.zeros(SIZE, np.float32)
    made = covers(kind, agreed)
    sent = np.stack([cover.over(0, False, start, start) for cover in made]).astype(np.float64)
    graph = standing(agreed)
    exposed, _ = worth(graph, 4.0)
    alone = 3.0 * 2 * 0.5 * np.sqrt(exposed.max())  # deviation of the independent part
    assert sent.mean(0).std() == pytest.approx(alone / np.sqrt(5), rel=0.05), "only the independent part is left"
    assert sent[0].std() == pytest.approx(alone * np.sqrt(1 + 4 * 16), rel=0.05)
    assert made[0].price(0, again=False) == Release(pytest.approx(3.0))  # type: ignore[arg-type]
    again = made[0].price(0, again=True)
    assert again is not None and again.noise == pytest.approx(alone / (2 * 0.5))
    assert made[0].over(0, True, start, start).std() == pytest.approx(alone, rel=0.05)


def test_a_change_is_cut_whatever_it_is() -> None:
    start = np.ones(100, np.float32)
    for trained in (start + 3, start * np.float32(np.inf), start * np.float32(np.nan), start + np.float32(3e38)):
        assert np.linalg.norm(cut(start, trained.astype(np.float32), 0.5) - start) <= 0.5 + 1e-5
    assert np.array_equal(cut(start, start, 0.5), start)


def test_so_many_peers_train_in_a_round_and_the_others_pay_nothing() -> None:
    agreed = contract("{kind: ring}", 6)
    made = covers(BeforeSharing(drawn=2), agreed)
    by_round: Callable[[int], int] = lambda round: sum(cover.trains(round) for cover in made)  # noqa: E731
    assert [by_round(round) for round in range(5)] == [2] * 5
    always, seldom = covers(BeforeSharing(), agreed)[0], made
    prices = [cover.price(0, False) for cover in seldom if sum(map(cover.trains, range(5))) < 5]
    full = always.price(0, False)
    assert full is not None and all(price is not None and price.noise < full.noise for price in prices)
