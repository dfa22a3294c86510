"""The ways of training that pages set side by side: their names in files, in words, and their colours."""

from __future__ import annotations

from enum import StrEnum


class Arm(StrEnum):
    """A way to come by a model.

    `isolated`: each peer on its own clips. `gossip`: each peer's own model after the last exchange. `average`: the mean
    of the gossip models. `fedavg`: the same shards with a server. `pooled`: one model on all training clips in one
    place. The `home` arms ask, for each clip, the peer to whom its subject belongs, which is what that laboratory would
    see of a new subject of its own.
    """

    ISOLATED = "isolated"
    GOSSIP = "gossip"
    AVERAGE = "average"
    FEDAVG = "fedavg"
    POOLED = "pooled"
    ISOLATED_HOME = "isolated_home"
    GOSSIP_HOME = "gossip_home"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Arm.ISOLATED: "Isolated peers",
    Arm.GOSSIP: "Gossip peers",
    Arm.AVERAGE: "Average of the gossip models",
    Arm.FEDAVG: "FedAvg with a server",
    Arm.POOLED: "Pooled training",
    Arm.ISOLATED_HOME: "Isolated, the subject's own peer",
    Arm.GOSSIP_HOME: "Gossip, the subject's own peer",
}
