"""The words of `--protect`: what they set, and what is no protection."""

from __future__ import annotations

import pytest

from p2pfl_me.compare.protections import parse_protections
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import ContractError

TEXT = (
    "version: 1\nname: words\ntopology: {kind: mesh}\npeers: {loopback: {count: 5}}\nprivacy: {exchange: masks}\n"
    "training: {class_weights: none}\n"
)


def test_each_word_is_the_whole_section_of_a_contract() -> None:
    words = "plain,masks,dp:8,dp-subject:3,noise:8,decor:1.5,zip,zip:0.2"
    found = {each.name: contract_from_yaml(TEXT, "words", each.overrides).privacy for each in parse_protections(words)}
    assert [*found] == words.split(",")
    assert not found["plain"].exchange.needs_keys and not found["plain"].protects
    assert not found["dp:8"].exchange.needs_keys, "of what the contract said, nothing is left"
    assert found["masks"].exchange.sums_only and found["zip"].exchange.own_noise
    assert found["zip:0.2"].exchange != found["zip"].exchange
    spending = {name: each.budget.epsilon for name, each in found.items() if each.budget}
    assert spending == {"dp:8": 8, "dp-subject:3": 3, "noise:8": 8, "decor:1.5": 1.5}
    assert [found[name].unit for name in spending] == ["clip", "subject", "lab", "lab"]


@pytest.mark.parametrize(
    "words", ["", "dp", "decor", "dp:0", "dp:x", "dp:inf", "masks:3", "ckks", "plain,plain", "a,b"]
)
def test_what_is_no_protection_is_refused_with_those_that_are(words: str) -> None:
    with pytest.raises(ContractError, match="--protect"):
        parse_protections(words)
