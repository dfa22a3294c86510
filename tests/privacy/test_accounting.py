"""Epsilon is the kept accountant's, whatever else counts it."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.privacy.accounting import Account, Release, epsilon_of, least_noise, of_group

CASES = (Release(1.1, 0.1, 200), Release(2.0, 0.5, 100), Release(8.0, 0.5, 100), Release(3.0, 1.0, 20))


@pytest.mark.parametrize("release", CASES, ids=str)
def test_epsilon_is_within_a_percent_of_the_accountants_finest_orders(release: Release) -> None:
    import dp_accounting as dp
    from dp_accounting import rdp

    finest = rdp.RdpAccountant()
    finest.compose(dp.PoissonSampledDpEvent(release.rate, dp.GaussianDpEvent(release.noise)), release.steps)
    ours = epsilon_of([release], 1e-5)
    assert finest.get_epsilon(1e-5) <= ours * (1 + 1e-9) <= 1.01 * finest.get_epsilon(1e-5)


@pytest.mark.few(1)
@pytest.mark.parametrize("release", CASES[1:3], ids=str)
def test_another_librarys_accountant_promises_no_less(release: Release) -> None:
    """Opacus bounds one direction of the two that dp-accounting looks at; where they differ ours is the larger."""
    accountants = pytest.importorskip("opacus.accountants", reason="opacus is not installed: pip install opacus")
    other = accountants.RDPAccountant()
    other.history = [(release.noise, release.rate, release.steps)]
    assert 0.999 * other.get_epsilon(1e-5) <= epsilon_of([release], 1e-5) <= 1.04 * other.get_epsilon(1e-5)


def test_composition_does_not_mind_the_order_and_nothing_costs_nothing() -> None:
    assert epsilon_of([], 1e-5) == 0
    account = Account(1e-5)
    for release in CASES:
        assert account.epsilon_with(release) > account.epsilon
        account.add(release)
    assert account.epsilon == pytest.approx(epsilon_of(reversed(CASES), 1e-5))


def test_the_least_noise_keeps_the_budget_and_a_hundredth_less_does_not() -> None:
    def releases(noise: float) -> list[Release]:
        return [Release(noise, 0.5, 40)]

    noise = least_noise(4.0, 1e-5, releases)
    assert epsilon_of(releases(noise), 1e-5) <= 4.0 < epsilon_of(releases(0.99 * noise), 1e-5)


@pytest.mark.thorough
def test_a_group_of_clips_is_worth_more_than_one_and_less_than_so_much_less_noise() -> None:
    release = Release(10.0, 0.5, 2)
    one, four = of_group(release, 1, 1e-5), of_group(release, 4, 1e-5)
    full = of_group(Release(10.0, 1.0, 2), 4, 1e-5)
    assert one < four < full
    assert full == pytest.approx(epsilon_of([Release(2.5, 1.0, 2)], 1e-5))
    assert math.isfinite(four)
