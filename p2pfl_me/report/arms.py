"""The ways of training that pages set side by side: their names in files, in words, and their colours."""

from __future__ import annotations

from enum import StrEnum


class Arm(StrEnum):
    """A way to come by a model.

    `isolated`: each peer on its own clips. `gossip`: each peer's own model after the last exchange. `average`: the mean
    of the gossip models. `fedavg`: the same shards with a server. `pooled`: one model on all training clips in one
    place. The arms of the own peer ask, for each clip, the peer to whom its subject belongs, which is what that
    laboratory would see of a new subject of its own.
    """

    ISOLATED = "isolated"
    GOSSIP = "gossip"
    AVERAGE = "average"
    FEDAVG = "fedavg"
    POOLED = "pooled"
    ISOLATED_OWN_PEER = "isolated_own_peer"
    GOSSIP_OWN_PEER = "gossip_own_peer"

    @property
    def words(self) -> str:
        return _WORDS[self]

    def of(self, *, alone: bool) -> str:
        """The same, of the only peer there is: it gossips with nobody."""
        return _ALONE.get(self, self.words) if alone else self.words


IN_A_RUN = (Arm.ISOLATED, Arm.GOSSIP, Arm.AVERAGE, Arm.FEDAVG, Arm.POOLED)
"""Those that a run may hold, in the order of its tables."""
BASELINES = (Arm.ISOLATED, Arm.FEDAVG, Arm.POOLED)
"""Those that gossip has no part in."""
_ALONE = {Arm.ISOLATED: "Isolated", Arm.GOSSIP: "The peer"}
_WORDS = {
    Arm.ISOLATED: "Isolated peers",
    Arm.GOSSIP: "Gossip peers",
    Arm.AVERAGE: "Average of the gossip models",
    Arm.FEDAVG: "FedAvg with a server",
    Arm.POOLED: "Pooled training",
    Arm.ISOLATED_OWN_PEER: "Isolated, the subject's own peer",
    Arm.GOSSIP_OWN_PEER: "Gossip, the subject's own peer",
}
