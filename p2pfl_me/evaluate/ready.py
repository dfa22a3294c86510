"""The contract that an evaluation starts from where its user names none."""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.contract.template import contract_text

GRAPH = "exponential"
"""Peers with few clips take a step or two a round; a ring mixes those too slowly."""
SETTINGS = ("gossip.protocol=qg_dsgdm", "training.dropout=0.2")
"""What differs from that graph's ready contract. Chosen by subjects that were not tested (docs/measurements.md)."""


def ready_contract(overrides: Sequence[str] = (), *, another_network: bool = False) -> Contract:
    """The ready contract, with the user's `section.key=value` texts put in place.

    Raises
    ------
    ContractError
        An override is wrong.
    """
    text = contract_text(GRAPH, name="evaluate", overrides=SETTINGS)
    return contract_from_yaml(text, overrides=overrides, another_network=another_network)
