"""Everything that is looked at, in the order in which a run would fail on it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, digest
from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.counting import many
from p2pfl_me.data.clip import SPLITS, Clip
from p2pfl_me.data.contents import contents_of
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.source import peer_clips
from p2pfl_me.doctor import machine
from p2pfl_me.doctor.calling import Absent, Linked, Met, Refused, call, reached
from p2pfl_me.doctor.finding import Finding, bad, good, left_open, note, refusals
from p2pfl_me.doctor.folders import folders, going_on
from p2pfl_me.doctor.line import Line, weigh
from p2pfl_me.errors import PeerError
from p2pfl_me.files import open_regular
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.home import cache_dir
from p2pfl_me.peer.checkpoint import Checkpoint
from p2pfl_me.peer.directory import Directory, directory_of
from p2pfl_me.peer.going_on import agreed_since
from p2pfl_me.peer.opening import require_files
from p2pfl_me.peer.own_clips import ANYWAY, mark, other_than_before, summary_of
from p2pfl_me.peer.payments import privacy_ledger
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.slots import versions
from p2pfl_me.peer.spent import Spent
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.cut import cut_warning
from p2pfl_me.wire.identity import fingerprint

ELSEWHERE = (
    "is this peer running already? Stop it; or listen at another port with --listen, here and in `p2pme peer`, to "
    "which that of the contract is forwarded; or agree on another address with the other labs"
)
"""What to do about a taken port where the contract names each lab's address."""
PATIENCE_S = 10.0
"""How long neighbours that are there have to answer."""


def examine(settings: PeerSettings, patience_s: float = PATIENCE_S, bits_per_s: float | None = None) -> list[Finding]:
    """Look at all that this peer's run would need; `bits_per_s` is believed of lines that cannot be measured."""
    found = list[Finding]()
    with refusals("folder", found):
        settings, words = agreed_since(settings)
        if words:
            found.append(note("contract", words))
    contract = settings.contract
    schema = schema_of(contract, contract.model.layout)
    sent = schema.packed or 4 * schema.size
    with refusals("contract", found):
        plan = plan_of(contract)
        size = f"{many(plan.size, 'peer')}, {many(contract.training.rounds, 'round')}"
        about = f"{contract.name}: {contract.topology.kind}, {size}"
        found.append(good("contract", f"{about}; digest {digest(contract).hex()[:16]} (the same for all)"))
        for warning in filter(None, (cut_warning(contract), noise_warning(contract))):
            found.append(note("contract", warning))
        with refusals("key", found):
            directory = directory_of(settings, plan)
            found.append(good("key", f"private, and the contract's: {fingerprint(directory.identity.public)}"))
            with refusals("open files", found):
                require_files(len(directory.neighbours))
                found += _neighbours(settings, directory, sent, patience_s, bits_per_s)
            found += going_on(settings, directory)
        found += folders(settings)
        found.append(machine.disk(settings, 4 * contract.model.layout.size, len(plan.neighbours(settings.peer))))
    found += _data(settings)
    found += _privacy(settings)
    found += _weights(contract, settings.weights)
    found.append(machine.memory(4 * contract.model.layout.size))
    found.append(machine.clock())
    with refusals("network", found):
        contract.model.backbone.require()
        found += machine.device(settings.device, contract)
    return found


def _neighbours(
    settings: PeerSettings, directory: Directory, sent: int, patience_s: float, bits_per_s: float | None
) -> Iterator[Finding]:
    """The port, and each neighbour. Nobody is called in the name of a peer that runs: it would lose its links."""
    if not directory.neighbours:
        yield note("neighbours", "the contract gives this peer none: it would train alone")
        return
    if running := _runs(settings):
        yield left_open("neighbours", running, f"`p2pme status {settings.run}` says how its links are")
        return
    yield from _relays(directory)
    try:
        met = asyncio.run(call(settings.contract, directory, patience_s))
    except PeerError as error:
        fix = error.fix if settings.contract.peers.loopback else ELSEWHERE
        yield bad("port", f"{error.where}: {error.what}", fix)
        return
    yield good("port", f"free: {directory.listen}" if directory.listen else "none: this peer calls, and is not called")
    unmeasured = 0
    for peer, each in met.items():
        finding = _met(settings.contract, peer, each, sent)
        unmeasured += not (isinstance(each, Linked) and each.line)
        yield finding
    if unmeasured and bits_per_s is not None:
        line = Line.of_rate(bits_per_s)
        yield weigh("line", settings.contract, sent, line, shared_by=unmeasured)


def _relays(directory: Directory) -> Iterator[Finding]:
    """The relays where neighbours are met that cannot be called: one that answers is enough."""
    addresses = list(dict.fromkeys(relay.address for each in directory.neighbours for relay in each.relays))
    why = asyncio.run(reached(addresses))
    some = not all(why.values())
    for address in addresses:
        if not why[address]:
            yield good("relay", f"{address}: somebody listens; whether it is the relay, a neighbour met there shows")
        elif some:
            yield note("relay", why[address], "another one answers, and that is enough while it does")
        else:
            yield left_open("relay", why[address], "have `p2pme relay` run there, then ask again")


def _met(contract: Contract, peer: int, met: Met, sent: int) -> Finding:
    about = f"peer {peer}"
    match met:
        case Linked(None):
            return note(
                about, "linked: key and contract are the same", "its p2pme is older and measures no lines; update it"
            )
        case Linked(line) if line:
            found = weigh(about, contract, sent, line)
            return Finding(about, found.verdict, f"linked, {1e3 * line.trip_s:.3g} ms away. {found.says}", found.fix)
        case Refused(why):
            return bad(about, why, "compare contract, digest and fingerprints with that lab")
        case Absent(why, certain=True):
            return bad(about, why, "correct the address in all peers' contract, or this machine's name service")
        case Absent(why) | Linked(why):
            return left_open(
                about, str(why), "have `p2pme doctor` or `p2pme peer` run there at the same time, then ask again"
            )


def _runs(settings: PeerSettings) -> str:
    """Whether this peer runs now in the folder of its run: its log is claimed then."""
    path = RunFolder(settings.run).log(settings.peer)
    if not path.exists():
        return ""
    log = EventLog(path)
    try:
        log.claim()
    except PeerError:
        return f"peer {settings.peer} runs now in {settings.run}"
    finally:
        log.close()
    return ""


def _data(settings: PeerSettings) -> list[Finding]:
    """Its clips against the contract's classes."""
    contract, found = settings.contract, list[Finding]()
    if settings.data is None:
        return [note("data", "no --data: this peer would train on drawn faces", "name its clips with --data")]
    with refusals("data", found):
        clips = peer_clips(
            contract, settings.peer, settings.data, settings.test, cache_dir(settings.home), settings.rules
        )
        training = Counter(clip.label for clip in clips if clip.split == "train")
        if not training:
            return [bad("data", f"{settings.data}: no clips to train on", "give it some, or leave this peer out")]
        named = ", ".join(f"{label} {count}" for label, count in sorted(training.items()))
        found.append(good("data", f"{many(sum(training.values()), 'clip')} to train on: {named}"))
        if lacking := [label for label in contract.model.classes if label not in training]:
            found.append(note("data", f"none of {', '.join(lacking)}: this lab learns of them from the others"))
        found += _other_clips(settings, [clip for clip in clips if clip.split in SPLITS])
    return found


def _other_clips(settings: PeerSettings, clips: Sequence[Clip]) -> Iterator[Finding]:
    """Whether the run that lies in the folder would go on with them."""
    run, peer, recipe = settings.run, settings.peer, recipe_of(settings.contract.model)
    if not any(path.exists() for path in versions(RunFolder(run).checkpoint(peer))):
        return
    own = mark(clips, contents_of(clips, recipe), str(recipe), settings.home)
    if words := other_than_before(run, peer, own, summary_of(clips)):
        yield bad("data", f"the run in {run} has trained on other clips: {words}", ANYWAY)


def _privacy(settings: PeerSettings) -> list[Finding]:
    """What is left to spend, and whether the ledger is the one that this lab has paid into."""
    contract, found = settings.contract, list[Finding]()
    budget = contract.privacy.budget
    if not contract.privacy.spends or budget is None or _runs(settings):
        return []
    begins = Checkpoint(settings.peer, 0, np.zeros(0, np.float32), Progress(), "", "")
    with refusals("privacy", found):
        spent, payments = 0.0, 0
        if not settings.run.exists():  # a look leaves no folder
            with closing(Spent(settings.home, contract, settings.peer, settings.run)) as before:
                before.require(())
        elif ledger := privacy_ledger(contract, settings.run, begins, home=settings.home):
            spent, payments = ledger.epsilon, len(ledger.entries)
            ledger.close()
        says = f"epsilon {spent:.3g} of {budget.epsilon:g} is spent, in {many(payments, 'payment')}"
        found.append(good("privacy", f"{says} (delta {budget.delta:g}, per {contract.privacy.unit})"))
    return found


def _weights(contract: Contract, path: Path | None) -> list[Finding]:
    """The file of frozen layers, where the contract names one."""
    if contract.model.weights.source != "file":
        return []
    if path is None:
        return [bad("weights", "the contract names a file of weights, and none was given", "name it with --weights")]
    try:
        with open_regular(path, None) as file:
            here = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return [bad("weights", f"{path}: {error.strerror}", "name the file with --weights")]
    wanted = contract.model.weights.sha256
    if here != wanted:
        return [
            bad(
                "weights",
                f"{path}: SHA-256 {here[:16]}, and the contract has {str(wanted)[:16]}",
                "get the other labs' file",
            )
        ]
    return [good("weights", f"{path}: the contract's")]
