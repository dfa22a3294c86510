"""How a laboratory comes into a run on its way: a ticket of a member, and the run folder that is made of it.

A ticket holds the view that lets the newcomer in, with the members' approvals, and the contract before it, by whose
keys they are counted. Nothing in it is secret; whoever could exchange it on its way would have to make the approvals
anew, with keys of its own: compare the members' fingerprints by phone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.contract import Contract, contract_from_yaml, dump_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.files import private_folder, read_regular, read_text, refusing
from p2pfl_me.membership.agreed import Standing, Witness, agreed, contract_in
from p2pfl_me.membership.certificates import Book
from p2pfl_me.membership.views import LONGEST, View, as_text, from_text
from p2pfl_me.message import MAX_ROUND
from p2pfl_me.parsed import json_of
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.wire.identity import Identity, public_from_text

FORM = "p2pme ticket 1"
NOTHING = Book()


@dataclass(frozen=True, slots=True)
class Ticket:
    """For the peer that will have the id `peer`, from the member `by`."""

    peer: int
    by: int
    before: Contract
    view: View

    @property
    def contract(self) -> Contract:
        return contract_in(self.view, "the ticket")

    def __str__(self) -> str:
        values = {
            "form": FORM,
            "peer": self.peer,
            "by": self.by,
            "before": dump_contract(self.before),
            "view": as_text(self.view),
        }
        return json.dumps(values, indent=1) + "\n"


def read_ticket(path: Path) -> Ticket:
    """The ticket in a file.

    Raises
    ------
    ContractError
        There is none.
    """
    try:
        text = read_regular(path, 3 * LONGEST).decode()
        values = json_of(text)
        if values["form"] != FORM:
            raise ValueError("another form")
        view = from_text(str(values["view"]), str(path))
        before = contract_from_yaml(str(values["before"]), name=str(path))
        peer, by = values["peer"], values["by"]
        if any(type(each) is not int or not 0 <= each <= MAX_ROUND for each in (peer, by)):
            raise ValueError("ids that nobody has")
        return Ticket(peer, by, before, view)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ContractError(
            "is no ticket of p2pme", where=str(path), fix="ask a member for one (`p2pme ticket`)"
        ) from error


def ticket_for(standing: Standing, view: View, peer: int, by: int) -> Ticket:
    """A ticket for the newcomer `peer` of an approved view.

    Raises
    ------
    ContractError
        The view lets no such peer in, or is not the next of this run.
    """
    new = contract_in(view, f"view {view.number}")
    if view.number != standing.number + 1 or peer in standing.contract.peers.present or peer not in new.peers.present:
        raise ContractError(
            f"peer {peer} does not come in by the view {view.number}",
            fix="name the id of the new member, and make the ticket before the run has come to that round",
        )
    return Ticket(peer, by, standing.contract, view)


def prepare(ticket: Ticket, run: Path, identity: Identity, book: Book = NOTHING) -> Contract:
    """The run folder of a newcomer, and its contract. A folder that was prepared before stays as it is.

    `book`: what it believes of the members' keys.

    Raises
    ------
    ContractError
        Too few members approve as far as the holder of this key can see, it is not the invited one, or the folder
        cannot be written or belongs to another run.
    """
    folder = RunFolder(run)
    number = ticket.view.number
    new = agreed(Standing(number - 1, ticket.before), ticket.view, Witness((identity.private,), book))
    member = new.peers.member(ticket.peer)
    if not member.public_key or public_from_text(member.public_key) != identity.public:
        raise ContractError(
            f"this key is not the one that was let in as peer {ticket.peer}", where=str(run), fix="give the right --key"
        )
    with refusing(ContractError, run, "name another folder with --out"):
        private_folder(run)
        if folder.ticket.exists():
            if read_text(folder.ticket) != str(ticket):
                raise ContractError("was made with another ticket", where=str(run), fix="name another with --out")
        elif folder.contract.exists():
            raise ContractError("holds a run already", where=str(run), fix="name another with --out")
        if not folder.checkpoint.all():
            # The ticket is there before the contract: a folder with a contract and no ticket is another run's.
            write_whole(folder.ticket, str(ticket), sync=True)
            write_whole(folder.earlier_contract(number), dump_contract(ticket.before), sync=True)
            write_whole(folder.view(number), as_text(ticket.view), sync=True)
            write_whole(folder.contract, dump_contract(new), sync=True)
    return new
