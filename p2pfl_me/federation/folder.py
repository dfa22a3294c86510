"""One laboratory's folder: its key, its card, the cards of the others, and the contract once all are there.

What is drafted (kind of graph, number of labs, name, settings) is the same for all. Its digest stands on every card, so
labs that drafted differently learn it before they connect. The contract follows from draft and cards alone: each lab
writes its own, and all come out alike.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.contract.load import load_contract
from p2pfl_me.contract.members import BASE_PORT, Member
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.federation.card import DIALS, MARK, Card, read_card
from p2pfl_me.files import private_folder, read_json, read_text, refusing
from p2pfl_me.wire.identity import new_identity, save_identity

DRAFT, CARDS, KEY, CONTRACT = "draft.json", "cards", "lab.key", "contract.yaml"


@dataclass(frozen=True, slots=True)
class Draft:
    """What all labs agree on before they know each other's keys."""

    kind: str
    labs: int
    name: str
    settings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits; equal for equal drafts."""
        values = [self.kind, self.labs, self.name, sorted(self.settings)]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class LabFolder:
    """`lab` is this laboratory's id."""

    path: Path
    draft: Draft
    lab: int

    @property
    def key(self) -> Path:
        return self.path / KEY

    @property
    def contract(self) -> Path:
        return self.path / CONTRACT

    def card_path(self, lab: int) -> Path:
        return self.path / CARDS / f"lab-{lab}.card"

    def cards(self) -> dict[int, Card]:
        """The cards that are there, by id.

        Raises
        ------
        ContractError
            One of them cannot be read.
        """
        paths = [self.card_path(lab) for lab in range(self.draft.labs)]
        return {lab: _card_in(path) for lab, path in enumerate(paths) if path.exists()}

    def missing(self) -> tuple[int, ...]:
        """The labs whose cards are not there."""
        return tuple(sorted(set(range(self.draft.labs)) - self.cards().keys()))


def _card_in(path: Path) -> Card:
    try:
        with refusing(ContractError, path, "ask for it again", "cannot be read"):
            return read_card(read_text(path), str(path))
    except UnicodeDecodeError as error:
        raise ContractError("not the card of a laboratory", where=str(path), fix="ask for it again") from error


def found(path: Path, draft: Draft, lab: int, address: str = "", *, dial_only: bool = False) -> LabFolder:
    """Make a laboratory's folder with a key and a card of its own.

    `address`: where the others reach it; without one, this machine's loopback, for trying it out. `dial_only`: nobody
    can reach it, it calls all its neighbours.

    Raises
    ------
    P2pmeError
        The folder is in use, there is no such lab or graph, or an address or a setting is wrong.
    """
    if not 0 <= lab < draft.labs:
        raise ContractError(f"there is no lab {lab} among {draft.labs}", where="--id", fix=f"0 to {draft.labs - 1}")
    if (path / DRAFT).exists():
        raise RunError("holds a laboratory already", where=str(path), fix="name another folder")
    _require_sound(draft)
    address = DIALS if dial_only else address or f"tcp://127.0.0.1:{BASE_PORT + lab}"
    folder = LabFolder(path, draft, lab)
    private_folder(path)
    identity = new_identity()
    card = read_card(str(_card(draft, lab, address, identity.public_text)), "--address")
    save_identity(folder.key, identity)
    private_folder(path / CARDS)
    write_whole(folder.card_path(lab), f"{card}\n".encode())
    values = {"kind": draft.kind, "labs": draft.labs, "name": draft.name, "settings": draft.settings, "lab": lab}
    write_whole(path / DRAFT, (json.dumps(values, indent=1) + "\n").encode())
    _conclude(folder)
    return folder


def open_folder(path: Path) -> LabFolder:
    """The laboratory in a folder that `found` made.

    Raises
    ------
    RunError
        There is none, or its draft cannot be read.
    """
    try:
        values = read_json(path / DRAFT)
        draft = Draft(str(values["kind"]), int(values["labs"]), str(values["name"]), tuple(values["settings"]))
        return LabFolder(path, draft, int(values["lab"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunError("holds no laboratory", where=str(path), fix=f"make one with `p2pme init {path}`") from error


def add_card(folder: LabFolder, card: Card, where: str) -> bool:
    """Take in another lab's card; whether the contract could be written.

    Raises
    ------
    ContractError
        The card is for another draft, for this lab itself, for a lab that has another card, or shares a key or an
        address with one.
    """
    lab = card.member.id
    if card.draft != folder.draft.digest:
        raise ContractError(
            "the card is for another draft",
            where=where,
            fix=f"both sides take the same --labs, --kind, --name and --set; here: {_options(folder.draft)}",
        )
    if lab >= folder.draft.labs:
        raise ContractError(
            f"the card of lab {lab}, and there are {folder.draft.labs}", where=where, fix="ask for the right card"
        )
    for other, there in folder.cards().items():
        if other == lab and there != card:
            if lab == folder.lab:
                fix = "give each lab an --id of its own"
                raise ContractError("the card of this lab itself", where=where, fix=fix)
            raise ContractError(
                f"the card of lab {lab}, whose card is here already and says otherwise",
                where=where,
                fix=f"ask which one is theirs; remove {folder.card_path(lab)} if it is this one",
            )
        if other != lab and there.member.public_key == card.member.public_key:
            raise ContractError(f"the key of lab {other}", where=where, fix="each lab makes a key of its own")
        if other != lab and card.member.address and there.member.address == card.member.address:
            raise ContractError(
                f"the address of lab {other}, {card.member.address}",
                where=where,
                fix="one of them takes another --address",
            )
    write_whole(folder.card_path(lab), f"{card}\n".encode())
    return _conclude(folder)


def _conclude(folder: LabFolder) -> bool:
    """Write the contract if all cards are there."""
    if folder.missing():
        return False
    members = [card.member for _, card in sorted(folder.cards().items())]
    text = contract_text(folder.draft.kind, name=folder.draft.name, overrides=folder.draft.settings, members=members)
    write_whole(folder.contract, text.encode())
    load_contract(folder.contract)
    return True


def _require_sound(draft: Draft) -> None:
    """Refuse now what would be refused when all cards are there; some settings need members (`peers.approve`)."""
    stand_ins = [
        Member(id=lab, address=f"tcp://lab-{lab}.invalid:{BASE_PORT}", public_key=new_identity().public_text)
        for lab in range(draft.labs)
    ]
    contract_text(draft.kind, name=draft.name, overrides=draft.settings, members=stand_ins)


def _card(draft: Draft, lab: int, address: str, key: str) -> str:
    return f"{MARK} {lab} {address} {key} {draft.digest}"


def _options(draft: Draft) -> str:
    settings = "".join(f" --set {each}" for each in draft.settings)
    return f"--labs {draft.labs} --kind {draft.kind} --name {draft.name}{settings}"
