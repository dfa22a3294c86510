"""Whose predictions are compared."""

from __future__ import annotations

from enum import StrEnum


class Arm(StrEnum):
    """A way to come by a model; the first four are trained, the others follow from them.

    `isolated`: each peer on its own clips. `gossip`: each peer's own model after the last exchange. `average`: the mean
    of the gossip models. `pooled`: one model on all clips that are not held out. The `home` arms ask, for each clip,
    the peer to whom its subject belongs, which is what that laboratory would see of a new subject of its own.
    """

    ISOLATED = "isolated"
    GOSSIP = "gossip"
    AVERAGE = "average"
    POOLED = "pooled"
    ISOLATED_HOME = "isolated_home"
    GOSSIP_HOME = "gossip_home"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Arm.ISOLATED: "isolated peers, mean",
    Arm.GOSSIP: "gossip peers, mean",
    Arm.AVERAGE: "average of the gossip models",
    Arm.POOLED: "pooled",
    Arm.ISOLATED_HOME: "isolated, the subject's own peer",
    Arm.GOSSIP_HOME: "gossip, the subject's own peer",
}
HOME_OF = {Arm.ISOLATED_HOME: Arm.ISOLATED, Arm.GOSSIP_HOME: Arm.GOSSIP}
