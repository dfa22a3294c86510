"""How many bytes a message takes on a real link, found by packing one."""

from __future__ import annotations

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.learning.layout import layout_of
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.simulation.carriage import Plain


def model_bytes(contract: Contract) -> int:
    """A whole model of the contract, with header, seals and lengths."""
    schema = schema_of(contract, layout_of(contract.model))
    model = np.zeros(schema.size, dtype=np.float32)
    return sum(size for _, size in Plain(1, 0, schema).pack(Message(Kind.OFFER, 1, 1, model)))
