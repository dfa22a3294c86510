"""A peer that is done hands out its final model, without data and without training: `p2pme serve`. No torch here."""

from __future__ import annotations

import asyncio

from p2pfl_me.contract import digest
from p2pfl_me.errors import P2pmeError, PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.gossip.cores import Start, handing_out
from p2pfl_me.gossip.ended import Ended
from p2pfl_me.gossip.protocol import Finish
from p2pfl_me.message import Vector
from p2pfl_me.output import put, wait_for_no_reader
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint
from p2pfl_me.peer.directory import Directory, directory_of
from p2pfl_me.peer.duty import Untold
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.opening import links_of
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.stopping import heard_by
from p2pfl_me.run import events
from p2pfl_me.run.beginning import contracts_of
from p2pfl_me.run.events import AnyEvent, Reason
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog, Ledger
from p2pfl_me.run.reading import read_log
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.links import Links

DONE = {Reason.ROUNDS, Reason.TIME, Reason.WORK, Reason.PATIENCE, Reason.HANDED}


def serve(settings: PeerSettings, seconds: float | None = None) -> Exit:
    """Hand out the final model that lies in the run folder, for `seconds` or what the contract says.

    Raises
    ------
    P2pmeError
        The peer is not done, its contract knows no handing out, or key, port or folder cannot be used.
    """
    contract, peer, folder = settings.contract, settings.peer, RunFolder(settings.run)
    if not contract.stays_s:
        raise PeerError(
            "nobody would ask: gossip.hand_out is 0 in this run's contract",
            where=str(folder.contract),
            fix="set it to some seconds in all peers' contract",
        )
    layout = contract.model.layout
    kept = load_checkpoint(
        settings.run,
        peer,
        contract_digest=digest(contract).hex(),
        layout_digest=layout.digest().hex(),
        earlier=contracts_of(settings.run),
    )
    last = next((each.event for each in reversed(read_log(folder, peer).events) if _is_finish(each.event)), None)
    if not isinstance(last, events.Finish) or last.reason not in DONE:
        raise PeerError(
            f"peer {peer} is not done: {kept.completed} of {contract.training.rounds} rounds are behind it",
            where=str(settings.run),
            fix="go on with `p2pme peer`, which stays to hand out its model when it is done",
        )
    log = EventLog(folder.log(peer))
    ledger = Ledger(folder.ledger(peer))
    try:
        log.claim()
        for_s = contract.stays_s if seconds is None else seconds
        directory = directory_of(settings, plan_of(contract))  # a wrong key is told before anything is promised
        wait_for_no_reader()
        put(f"peer {peer} hands out its final model ({kept.completed} rounds) for up to {for_s:g} s")
        end = asyncio.run(_serve(settings, directory, kept, for_s, log, ledger))
        log.write(last)  # how the run ended stands again, or its status would say for good that it hands out
        return end
    finally:
        ledger.close()
        log.close()


async def _serve(
    settings: PeerSettings, directory: Directory, kept: Checkpoint, seconds: float, log: EventLog, ledger: Ledger
) -> Exit:
    contract, plan = settings.contract, plan_of(settings.contract)
    start = Start(kept.params, kept.completed, kept.progress, kept.memory, contract.personal_ranges)
    core = handing_out(contract, Ended(kept.progress, kept.completed), plan.neighbours(settings.peer), start, seconds)
    work = _Nothing(log)

    def connect(host: Host) -> Links:
        return links_of(contract, directory, contract.model.layout, host, ledger.write)

    host = Host(core, work, connect)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        host.stop()

    with heard_by(loop, stop):
        await host.run()
    return Exit.STOPPED if stopped.is_set() else Exit.DONE


class _Nothing(Untold):
    """The work of one who only answers. Its links stand in the log, and every model that leaves in the ledger."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        raise P2pmeError("a peer that is done trains nothing")

    def conclude(self, mixed: object, sent: int, received: int) -> float | None:
        return None

    def note(self, event: AnyEvent) -> None:
        if not isinstance(event, events.Traffic):
            self._log.write(event)

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        """Its end stands in the log already."""


def _is_finish(event: AnyEvent) -> bool:
    return isinstance(event, events.Finish)
