"""A word of a round that the contract has not is refused, whatever it is; of the last one it is not."""

from __future__ import annotations

import pytest

from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.gossip.protocol import Finish, Refuse, Train
from p2pfl_me.message import Kind, Message
from p2pfl_me.topology import plan_of
from tests.gossip.swarms import contract_of
from tests.gossip.test_protocols import RING, apart

LAST = 6
SECONDS = {Kind.LATER, Kind.WAITS}
"""Their second number is no round, but how long somebody takes."""


def speaks_of_rounds(kind: Kind, *, common: bool) -> tuple[bool, bool]:
    """Whether the first and the second number of a message are rounds."""
    if kind is Kind.PRESENT or (not common and kind in {*SECONDS, Kind.REST, Kind.WORK}):
        return False, False
    return True, kind not in SECONDS and (common or kind is not Kind.PUSH)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_speaks_of_a_round_beyond_the_last_is_refused(protocol: str) -> None:
    contract = contract_of(RING, 5, LAST, {"protocol": protocol})
    plan, common = plan_of(contract), PROTOCOLS.of(protocol).common_rounds

    def refused(kind: Kind, round: int, at: int) -> list[str]:
        core = core_of(contract, 0, plan, Start(apart(5)[0]))
        core.start(0.0)
        for peer in (1, 4):
            core.on_peer(1.0, peer, True)
            core.on_message(1.0, peer, Message(Kind.HELLO, 0, 0))
        core.on_message(1.0, 1, Message(Kind.BEGUN, 0))
        said = core.on_message(2.0, 4, Message(kind, round, at))
        assert core.on_message(2.0, 3, Message(kind, round, at)) == [], "of whom is no neighbour nothing is heard"
        return [each.reason for each in said if isinstance(each, Refuse) and each.peer == 4]

    for kind in Kind:
        words = [f"{kind.value} speaks of a round beyond the contract's last"]
        first, second = speaks_of_rounds(kind, common=common)
        assert words[0] not in refused(kind, LAST, LAST)
        assert (refused(kind, LAST + 1, 0) == words) is first, kind
        assert (refused(kind, 0, LAST + 1) == words) is second, kind


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_has_all_rounds_behind_it_trains_none(protocol: str) -> None:
    contract = contract_of(RING, 5, LAST, {"protocol": protocol})
    for completed in (LAST - 1, LAST):
        core = core_of(contract, 0, plan_of(contract), Start(apart(5)[0], completed))
        said = core.start(0.0)
        for peer in (1, 4):
            said += core.on_peer(1.0, peer, True)
            said += core.on_message(1.0, peer, Message(Kind.HELLO, completed, completed))
        trained = [each.round for each in said if isinstance(each, Train)]
        ended = [each.reason for each in said if isinstance(each, Finish)]
        assert (trained, ended) == (([], ["rounds"]) if completed == LAST else ([LAST - 1], []))
