"""Every network that a contract may name: its input, how its trained values lie in one vector, its module.

One file a network (`kinds/`), found by itself. Floor 0 of the house: reading a contract needs names, sizes and layouts,
so torch is imported where a module is built and nowhere else. How a network is trained is `learning`'s.
"""

from p2pfl_me.choice.registry import Registry
from p2pfl_me.networks.layout import Group, Layout, Ranges
from p2pfl_me.networks.network import Frozen, Network, Step, Use, Whole

NETWORKS: Registry[Network] = Registry(Network, "p2pfl_me.networks.kinds")
"""All networks by their name in `model.backbone`."""

__all__ = ["NETWORKS", "Frozen", "Group", "Layout", "Network", "Ranges", "Step", "Use", "Whole"]
