"""What becomes of one's own model and the neighbours': one rule a file, for real peers, simulator and lockstep alike.

Pure functions of arrays: no socket, clock, file or torch. A rule is a kind in `rules/` that the contract chooses as
`gossip.aggregation`; what it needs of the exchange is `rule.Neighbourhood`, what it says is `rule.Mixture`.
"""

from p2pfl_me.aggregation.mixing import mix
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import Registry

AGGREGATIONS = Registry(Aggregation, "p2pfl_me.aggregation.rules")
"""Every rule by the name that a contract chooses it by."""

__all__ = ["AGGREGATIONS", "Aggregation", "Mixture", "Neighbourhood", "mix"]
