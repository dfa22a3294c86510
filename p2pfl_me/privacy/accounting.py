"""What has been sent is worth in epsilon: a thin shell around dp-accounting, which keeps the mathematics.

Renyi differential privacy (Mironov, CSF 2017) of the Gaussian mechanism on a Poisson sample (Mironov, Talwar and Zhang
2019), composed over all releases. Whole orders are enough: for every budget below 40 the result is within one percent
of the accountant's own finer list, and fewer orders can only make epsilon larger.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from p2pfl_me.errors import P2pmeError

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = (*range(2, 64), 72, 80, 96, 128, 192, 256, 512, 1024)
LEAST, MOST = 0.05, 1e6
"""Noise multipliers between which a budget is met."""
INSTALL = "pip install 'p2pfl-me[privacy]'"


@dataclass(frozen=True, slots=True)
class Release:
    """Answers to `steps` questions about a sample of the units, each drawn with probability `rate`: a sum to which one
    unit adds at most a vector of norm 1, with Gaussian noise of deviation `noise`."""

    noise: float
    rate: float = 1.0
    steps: int = 1


class AccountantMissing(P2pmeError):
    """Nothing here can count what is spent, so nothing may be spent."""


def require_accountant() -> None:
    """See that the extra is installed.

    Raises
    ------
    AccountantMissing
        It is not.
    """
    _library()


class Account:
    """The sum of all releases so far, and what it or another one more is worth at `delta`."""

    def __init__(self, delta: float, releases: Iterable[Release] = ()) -> None:
        self._delta, self._steps = delta, Counter[tuple[float, float]]()
        self._accountant = self._of({})
        for each in releases:
            self._steps[each.noise, each.rate] += each.steps
        self._accountant = self._of(self._steps)

    def add(self, release: Release) -> None:
        """Count a release."""
        self._steps[release.noise, release.rate] += release.steps
        _compose(self._accountant, release)

    @property
    def epsilon(self) -> float:
        """0 where nothing was released."""
        return _epsilon(self._accountant, self._delta)

    def epsilon_with(self, release: Release) -> float:
        """What it would be after one more release; counts nothing."""
        trial = self._of(self._steps)
        _compose(trial, release)
        return _epsilon(trial, self._delta)

    def _of(self, steps: dict[tuple[float, float], int]) -> Any:
        accountant = _library().rdp.RdpAccountant(ORDERS)
        for (noise, rate), count in steps.items():
            _compose(accountant, Release(noise, rate, count))
        return accountant


def epsilon_of(releases: Iterable[Release], delta: float) -> float:
    """Of all of them together, at `delta`."""
    return Account(delta, releases).epsilon


def least_noise(epsilon: float, delta: float, releases: Callable[[float], Iterable[Release]]) -> float:
    """The least noise multiplier, to a thousandth and rounded up, with which `releases(noise)` stay within a budget.

    Raises
    ------
    P2pmeError
        No noise is enough.
    """

    def fits(noise: float) -> bool:
        return epsilon_of(releases(noise), delta) <= epsilon

    low, high = LEAST, 1.0
    while not fits(high):
        low, high = high, 2 * high
        if high > MOST:
            raise P2pmeError(
                f"no noise keeps these rounds within epsilon {epsilon:g} at delta {delta:g}",
                where="privacy.budget",
                fix="raise the budget, or take fewer rounds",
            )
    while high > 1.001 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return float(f"{high:.4g}") if fits(float(f"{high:.4g}")) else high


def of_group(release: Release, units: int, delta: float) -> float:
    """Epsilon of so many units together, say all clips of one subject, where a release hides only one of them.

    How many of the group are in a sample follows a binomial distribution, and each adds at most 1: a mixture of
    Gaussians, whose privacy loss dp-accounting has exactly (Ganesh 2024). Takes seconds.
    """
    if units <= 1:
        return epsilon_of([release], delta)
    library = _library()
    sizes = range(units + 1)
    chances = [math.comb(units, k) * release.rate**k * (1 - release.rate) ** (units - k) for k in sizes]
    if release.rate >= 1:
        return epsilon_of([replace(release, noise=release.noise / units)], delta)
    loss = library.pld.privacy_loss_distribution.from_mixture_gaussian_mechanism(
        release.noise, [float(k) for k in sizes], chances, value_discretization_interval=1e-3
    )
    return float(loss.self_compose(release.steps).get_epsilon_for_delta(delta))


def _compose(accountant: Any, release: Release) -> None:
    library = _library()
    event = library.GaussianDpEvent(release.noise)
    if release.rate < 1:
        event = library.PoissonSampledDpEvent(release.rate, event)
    with _quiet():
        accountant.compose(event, release.steps)


def _epsilon(accountant: Any, delta: float) -> float:
    with _quiet():
        return float(accountant.get_epsilon(delta))


@contextmanager
def _quiet() -> Iterator[None]:
    """Orders that do not converge are left out, which makes epsilon larger at most; nobody need read of it."""
    log = logging.getLogger("absl")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _library() -> Any:
    try:
        import dp_accounting
        from dp_accounting import pld, rdp  # noqa: F401 (submodules are found on the package once imported)
    except ImportError as error:
        raise AccountantMissing(
            "a privacy budget is kept by dp-accounting, which is not installed",
            where="privacy.budget",
            fix=INSTALL,
        ) from error
    return dp_accounting
