"""`p2pme members`: the cards of a federation's laboratories, from one folder to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import say_object, short_json_option
from p2pfl_me.cli.shared import Commands, examples

if TYPE_CHECKING:
    from p2pfl_me.cli.objects import Lab, Labs
    from p2pfl_me.federation.folder import LabFolder


@click.group(cls=Commands)
def members() -> None:
    """Bring in the other laboratories' cards; with the last one the contract is written."""


@members.command(
    epilog=examples(
        "p2pme members add lab-a lab-b/cards/lab-1.card",
    )
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("cards", metavar="CARD...", nargs=-1, required=True)
def add(folder: Path, cards: tuple[str, ...]) -> None:
    """Take other labs' cards into FOLDER: their files, or their one line between quotes."""
    from p2pfl_me.errors import ContractError
    from p2pfl_me.federation.card import LONGEST, MARK, read_card
    from p2pfl_me.federation.folder import add_card, open_folder
    from p2pfl_me.files import open_text

    lab = open_folder(folder)
    for given in cards:
        if given.startswith(MARK):
            text, where = given, "the card"
        else:
            try:
                with open_text(Path(given), encoding="utf-8") as file:
                    text, where = file.read(10 * LONGEST), given
            except (OSError, UnicodeDecodeError) as error:
                raise ContractError(
                    "cannot be read as a card", where=given, fix="name a lab's .card file, or give its line in quotes"
                ) from error
        add_card(lab, read_card(text, where), where)
    say_next(lab)


@members.command(
    "list",
    epilog=examples(
        "p2pme members list lab-a",
        "p2pme members list lab-a --json",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@short_json_option
def list_members(folder: Path, as_json: bool) -> None:
    """Show whose cards are in FOLDER, with the fingerprints to compare over the phone."""
    from p2pfl_me.federation.folder import open_folder

    lab = open_folder(folder)
    if not as_json:
        say_next(lab)
        return
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.wire.identity import fingerprint, public_from_text

    members: list[Lab] = []
    for number, card in sorted(lab.cards().items()):
        key = card.member.public_key or ""
        seal = fingerprint(public_from_text(key))
        members.append(
            {
                "id": number,
                "address": card.member.address,
                "dial_only": card.member.dial_only,
                "public_key": key,
                "fingerprint": seal,
                "words": as_words(seal),
                "this_lab": number == lab.lab,
            }
        )
    missing = list(lab.missing())
    whole = None if missing else str(lab.contract)
    told: Labs = {"labs": lab.draft.labs, "members": members, "missing": missing, "contract": whole}
    say_object(told)


def say_next(lab: LabFolder) -> None:
    """The labs with their fingerprints, and what is to be done now."""
    from p2pfl_me.federation.folder import CONTRACT
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.wire.identity import fingerprint, public_from_text

    for number, card in sorted(lab.cards().items()):
        key = card.member.public_key or ""
        whose = "this lab" if number == lab.lab else "compare by phone"
        click.echo(f"lab {number}  {card.member.address or 'only dials'}  ({whose})")
        click.echo(f"       {as_words(fingerprint(public_from_text(key)))}")
    if missing := lab.missing():
        names = ", ".join(map(str, missing))
        click.echo(f"no card yet of lab{'s' * (len(missing) > 1)} {names}; when it comes:")
        click.echo(f"  p2pme members add {lab.path} THEIR.card")
        return
    every = "both" if lab.draft.labs == 2 else f"all {lab.draft.labs}"
    click.echo(f"{every} labs are in {lab.path / CONTRACT}; it is the same in every lab. Now, here:")
    run = f"p2pme peer --id {lab.lab} --topology {lab.contract} --key {lab.key} --out {lab.path / 'run'}"
    # As it stands it can be typed: a word in brackets, or one to be replaced, would be an error of the shell.
    click.echo(f"  {run}")
    click.echo("It trains on built-in drawn faces, to try things out; --data FOLDER after it takes your clips.")
