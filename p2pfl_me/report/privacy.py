"""The section of a report that a data protection officer reads: what left the building, and what was spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pfl_me.contract import Contract
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.report.document import Block, Bullets, Paragraph, Table
from p2pfl_me.report.events import PeerLog
from p2pfl_me.report.run import Run
from p2pfl_me.report.traffic import no_model_left, nobody_began

HIDES = {
    Unit.CLIP: "one clip: whether any single clip was among those that a lab trained on. A subject with k clips is "
    "protected k times less at best; `p2pme audit-privacy` says by how much",
    Unit.SUBJECT: "one subject: whether any single person, with all clips of theirs, was among those that a lab "
    "trained on",
    Unit.LAB: "all data of a lab, and with them each of its subjects and clips",
}
NOISE = (
    " The noise was drawn from the contract's seed, so that equal seeds give equal runs; between labs it comes from "
    "the operating system."
)


def left_the_building(run: Run, shown: bool) -> Iterator[Block]:
    """What left, in words that follow from the contract, and each peer's account of its budget."""
    paid = [log for log in run.peers if log.spent]
    several = run.contract.peers.count > 1
    if several and run.manifest.rehearsed:
        yield Paragraph(
            f"This was a rehearsal (engine {run.manifest.engine}): nothing left this machine, nothing was encrypted, "
            f"and bytes are counted as they would have travelled.{NOISE if paid else ''} Between labs this would leave:"
        )
    if several and nobody_began(run):
        yield Bullets(("Nothing: every peer ended before it had a link.",))
    elif several and no_model_left(run):
        yield Bullets(("No model: words of the exchange alone, as of who is there.",))
    else:
        yield Bullets(tuple(_what_left(run.contract)))
    if paid:
        yield _account(paid)


def _what_left(contract: Contract) -> Iterator[str]:
    privacy = contract.privacy
    if contract.peers.count == 1:
        yield "Nothing: the only peer has no neighbour."
        return
    yield "Weights, to the neighbours in the graph and to nobody else, encrypted on the way: no clip, picture or name."
    if privacy.budget and privacy.spends:
        budget, delta = privacy.budget.epsilon, privacy.budget.delta
        yield (
            f"Differentially private: whoever sees everything that a peer sends tells two data sets that differ in one "
            f"unit apart with odds of at most e^{budget:g}, but for a chance of {delta:g}."
        )
        yield f"What is hidden is {HIDES[privacy.unit]}."
    elif privacy.noise is not None:
        yield f"Noise of kind {privacy.noise} lay over the models; it is not differentially private."
    elif privacy.exchange.sums_only:
        yield (
            f"Under {privacy.exchange}: a neighbour learns the weighted sum of all models around it and no single one. "
            "What the sum says of single clips, it still says."
        )
    elif privacy.exchange.own_noise:
        yield (
            f"Under {privacy.exchange}: every neighbour saw the models under noise of its own. This is not "
            "differentially private, and no epsilon is claimed."
        )
    elif privacy.exchange.parts_only:
        yield (
            f"Under {privacy.exchange}: a neighbour saw one part in {privacy.exchange.part_count} of each model, the "
            "same in every round, and no other value. What that part says of single clips, it still says."
        )
    else:
        yield (
            "The models themselves: each neighbour sees what training made of this lab's clips. Encryption keeps "
            "strangers out, not neighbours."
        )


def _account(paid: Sequence[PeerLog]) -> Table:
    rows = []
    for log in paid:
        last = log.spent[-1]
        again = len(log.spent) - len({each.round for each in log.spent})
        rows.append(
            (
                str(log.peer),
                f"{last.epsilon:.3g}",
                f"{last.budget:g}",
                f"{last.delta:g}",
                last.unit,
                str(last.payments),
                str(again),
                f"{last.noise:.3g}",
                f"{last.rate:.3g}",
                str(last.steps),
            )
        )
    header = (
        "peer", "epsilon spent", "budget", "delta", "hides one", "payments", "paid again", "noise", "rate", "steps",
    )  # fmt: skip
    return Table(
        header,
        tuple(rows),
        "Of each peer's privacy ledger. Noise is in multiples of what one unit can add; rate is the chance of a unit "
        "to be in a step's sample; steps are those of a round. What a second life trained again was paid again.",
    )
