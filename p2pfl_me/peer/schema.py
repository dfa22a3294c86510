"""What a message of a contract's protocol carries. No torch here: light commands need it, too."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import exchanged_size, largest_norm, largest_value, packed_limit
from p2pfl_me.networks.layout import Layout
from p2pfl_me.wire.codec import Schema


def schema_of(contract: Contract, layout: Layout) -> Schema:
    """The shape of the models that travel."""
    gossip, size, personal = contract.gossip, layout.size, contract.personal_ranges
    exchanged = exchanged_size(gossip, size, personal)
    # Slices differ in length from edge to edge, as compressed models do: the core knows which is due.
    packed = 4 * exchanged if contract.peers.widths else packed_limit(contract, size, personal, layout.dimensions)
    return Schema(exchanged, layout.digest(), packed, largest_value(gossip), largest_norm(contract))
