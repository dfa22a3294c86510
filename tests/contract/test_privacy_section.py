"""The section `privacy`: off without a trace in the digest, refused where its promise would be untrue."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import digest
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import ContractError

PLAIN = """
version: 1
name: private
topology: {kind: ring}
peers: {loopback: {count: 4}}
"""
DP_SGD = ("privacy.training=dp_sgd", "privacy.budget.epsilon=8")


def test_a_contract_without_the_section_keeps_its_digest() -> None:
    assert digest(contract_from_yaml(PLAIN)) == digest(contract_from_yaml(PLAIN + "privacy: {}\n"))
    assert "privacy" not in contract_from_yaml(PLAIN).model_dump(mode="json")
    assert digest(contract_from_yaml(PLAIN)) != digest(contract_from_yaml(PLAIN, overrides=DP_SGD))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("privacy.training=dp_sgd",), "no budget"),
        (("privacy.budget.epsilon=8",), "bounds nothing"),
        ((*DP_SGD, "privacy.noise=before_sharing"), "twice"),
        ((*DP_SGD, "training.class_weights=balanced"), "class_weights"),
        ((*DP_SGD, "model.backbone=ststnet"), "normalisation: group"),
        ((*DP_SGD, "gossip.patience.rounds=3", "data.validation_fraction=0.2"), "patience"),
        ((*DP_SGD, "privacy.training.norm=0"), "norm"),
        (("privacy.noise=before_sharin",), "before_sharing"),
    ],
)
def test_what_would_break_the_promise_is_refused_with_what_to_write(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract_from_yaml(PLAIN, overrides=overrides)
    assert said in str(caught.value) and caught.value.fix
