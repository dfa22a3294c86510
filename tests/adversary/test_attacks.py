"""What each attack changes, by hand; and that whoever does not lie is left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import p2pfl_me
from p2pfl_me.adversary import ATTACKS, Attack, Lies, parse_lies
from p2pfl_me.adversary.attack import View
from p2pfl_me.adversary.attacks.poison import TRIGGER
from p2pfl_me.cli.main import cli
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.message import Kind, Message, Vector

HEARD: Mapping[int, Vector] = {
    peer: np.array(values, np.float32) for peer, values in ((0, [1, 2, 3]), (1, [4, 5, 6]), (2, [7, 8, 9]))
}
OWN = np.array([0.5, -1, 2], np.float32)


def view(heard: Mapping[int, Vector] = HEARD, liars: tuple[int, ...] = (3,)) -> View:
    """Peer 3 lies to peer 0, whose neighbours are 1, 2 and 3."""
    row = {1: 0.25, 2: 0.25, 3: 0.25}
    return View(3, 0, 5, OWN, 2 * OWN, heard, row, frozenset(liars), np.random.default_rng(1))


def told(attack: str, **options: Any) -> Vector:
    return ATTACKS.of(attack, **options).instead(view())


def test_crude_lies() -> None:
    np.testing.assert_array_equal(told("sign_flip"), -OWN)
    np.testing.assert_array_equal(told("zero"), 0 * OWN)
    np.testing.assert_array_equal(told("scale", factor=3), 3 * OWN)
    np.testing.assert_array_equal(told("replay"), 2 * OWN)
    long = np.full(10_000, 0.02, np.float32)
    noisy = ATTACKS.of("noise").instead(View(3, 0, 5, long, long, {}, {}, frozenset({3}), np.random.default_rng(1)))
    assert np.linalg.norm(noisy - long) == pytest.approx(10 * np.linalg.norm(long), rel=0.05)


def test_inner_product_and_alie_have_the_values_of_published_code() -> None:
    """byzfl 0.0.11: InnerProductManipulation(tau) is -tau mean; its ALIE takes the deviation of n, not of n - 1."""
    np.testing.assert_allclose(told("inner_product", epsilon=3), [-12, -15, -18], atol=1e-6)
    np.testing.assert_allclose(told("inner_product"), [-0.4, -0.5, -0.6], atol=1e-6)
    np.testing.assert_allclose(told("alie", z=1.5), np.array([4, 5, 6]) - 1.5 * 3, atol=1e-6)


def test_alie_hides_where_an_honest_majority_would() -> None:
    """n = 4, m = 1: s = 2, and the quantile of (4 - 1 - 2) / 3 is -0.43 (He et al.'s code by the same formula)."""
    np.testing.assert_allclose(told("alie"), np.array([4, 5, 6]) + 0.4307273 * 3, atol=1e-5)


def test_dissensus_undoes_what_honest_neighbours_bring() -> None:
    """With epsilon 1 and plain averaging, peer 0 is where it was."""
    lie = told("dissensus", epsilon=1.0)
    mixed = 0.25 * (HEARD[0] + HEARD[1] + HEARD[2] + lie)
    np.testing.assert_allclose(mixed, HEARD[0], atol=1e-6)
    far = told("dissensus", epsilon=2.0)
    assert np.linalg.norm(far - HEARD[0]) == pytest.approx(2 * np.linalg.norm(lie - HEARD[0]), rel=1e-6)


@pytest.mark.parametrize("kind", ["alie", "dissensus"])
def test_who_has_heard_nobody_says_its_own(kind: str) -> None:
    np.testing.assert_array_equal(ATTACKS.of(kind).instead(view(heard={})), OWN)


def test_lies_about_data() -> None:
    random = np.random.default_rng(2)
    bank = random.normal(size=(6, 2 * TRIGGER)).astype(np.float32)
    part = Part(bank, np.array([1, 3, 5]), np.array([0, 1, 2]), np.array([0, 0, 1]))
    test = Part(bank, np.array([0]), np.array([2]), np.array([0]))
    flipped = ATTACKS.of("label_flip").samples(Samples(part, test=test), 3)
    np.testing.assert_array_equal(flipped.train.labels, [2, 1, 0])
    assert flipped.test is test and part.labels.tolist() == [0, 1, 2]
    poisoned = ATTACKS.of("backdoor", target=1).samples(Samples(part, test=test), 3).train
    assert poisoned.labels.tolist() == [0, 1, 2, 1, 1, 1] and poisoned.clips.tolist() == [0, 0, 1, 2, 2, 3]
    np.testing.assert_array_equal(poisoned.bank[poisoned.rows[:3]], bank[part.rows])
    np.testing.assert_array_equal(poisoned.bank[poisoned.rows[3:], TRIGGER:], bank[part.rows, TRIGGER:])
    assert (poisoned.bank[3:, :TRIGGER] == bank[part.rows].max()).all()


def test_lies_about_the_protocol() -> None:
    offer, hello = Message(Kind.OFFER, 3, 3, OWN), Message(Kind.HELLO, 3, 3)
    assert ATTACKS.of("mute").message(offer) is None and ATTACKS.of("mute").message(hello) is hello
    claim = ATTACKS.of("round_claim")
    assert claim.message(offer) is offer
    claimed = claim.message(hello)
    assert claimed is not None and (claimed.round, claimed.at) == (3, 10**9)
    np.testing.assert_array_equal(ATTACKS.of("free_rider").trained(OWN, 2 * OWN), OWN)


def test_every_attack_changes_something_and_no_more_than_it_says() -> None:
    part = Part(np.ones((2, 64), np.float32), np.arange(2), np.array([0, 1]), np.arange(2))
    for kind in ATTACKS:
        attack, changed = ATTACKS.of(kind), 0
        changed += not np.array_equal(attack.instead(view()), OWN)
        changed += not np.array_equal(attack.trained(OWN, 2 * OWN), 2 * OWN)
        samples = Samples(part)
        changed += attack.samples(samples, 3) is not samples
        changed += any(attack.message(m) is not m for m in (Message(Kind.HELLO, 0), Message(Kind.OFFER, 0, 0, OWN)))
        assert changed == 1, kind
        assert attack.falsifies == (not np.array_equal(attack.instead(view()), OWN)), kind


def contract(gossip: str = "{}", count: int = 6, seed: int = 1) -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: t\nseed: {seed}\ntopology: {{kind: ring}}\npeers: {{loopback: {{count: {count}}}}}\n"
        f"gossip: {gossip}\n"
    )


def test_liars_follow_from_the_seed_and_more_of_them_are_the_same_and_others() -> None:
    agreed = contract(count=10)
    one, two = (Lies(ATTACKS.of("zero"), count).liars(agreed) for count in (1, 2))
    assert one < two and len(two) == 2
    assert two == Lies(ATTACKS.of("alie"), 2).liars(agreed)
    assert len({Lies(ATTACKS.of("zero"), 2).liars(contract(count=10, seed=seed)) for seed in range(8)}) > 3


@pytest.mark.parametrize(
    ("attack", "liars", "words"),
    [
        ("dissent", 1, "no attack `dissent`"),
        ("{kind: noise, loud: 3}", 1, "loud"),
        ("{kind: noise, times: -3}", 1, "times"),
        ("{times: 3}", 1, "no attack"),
        ("7", 1, "no attack"),
        ("[", 1, "cannot read"),
        ("zero", 0, "0 liars"),
    ],
)
def test_a_slip_is_told_in_words(attack: str, liars: int, words: str) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        parse_lies(attack, liars)
    assert caught.value.fix and caught.value.where in ("--attack", "--liars")


@pytest.mark.parametrize(
    ("gossip", "attack", "liars", "words"),
    [
        ("{}", "zero", 6, "leave nobody"),
        ("{compression: int8}", "zero", 1, "compression int8"),
        ("{protocol: push_sum}", "alie", 1, "push_sum"),
    ],
)
def test_what_cannot_be_lied_about_is_refused(gossip: str, attack: str, liars: int, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        parse_lies(attack, liars).require_fit(contract(gossip))
    parse_lies("label_flip", 1).require_fit(contract(gossip))


def test_a_peer_that_a_user_starts_cannot_lie() -> None:
    """No option of `p2pme peer`, and no module that it is made of knows the room."""
    result = CliRunner().invoke(cli, ["peer", "ring.yaml", "--id", "0", "--attack", "zero"])
    assert result.exit_code == 2 and "--attack" in result.output
    root = Path(p2pfl_me.__file__).parent
    knowing = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if "p2pfl_me.adversary" in path.read_text(encoding="utf-8")
    }
    assert knowing == {"adversary", "swarm", "simulation", "compare", "cli", "options.py"}
    with_lies = {path.name for path in (root / "cli").glob("*.py") if "adversary" in path.read_text(encoding="utf-8")}
    assert with_lies == {"swarm.py", "compare.py"}
    assert "deceit" not in (root / "cli" / "peer.py").read_text(encoding="utf-8")


def test_attack_is_declared_as_all_choices_are() -> None:
    assert all(issubclass(kind, Attack) and kind.name() == name for name, kind in ATTACKS.items())
    assert len(ATTACKS) == 13
