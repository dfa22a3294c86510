"""`p2pme audit-privacy`: what a neighbour would learn from one's messages, before anybody gets any."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.json_output import json_option, set_aside
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.shared import examples


@click.command(
    "audit-privacy",
    epilog=examples(
        "p2pme audit-privacy runs/latest",
        'p2pme audit-privacy runs/latest --beside "topology={kind: epidemic, meets: 2}" --unit clip',
        'p2pme audit-privacy runs/latest --beside "privacy.exchange=masks" --games 32',
    ),
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--games", type=Whole(4), default=8, show_default=True, help="How often the run is rehearsed.")
@click.option(
    "--unit",
    type=click.Choice(["clip", "subject", "both"]),
    default="both",
    show_default=True,
    help="What is to be told apart.",
)
@click.option(
    "--beside",
    metavar="OVERRIDE",
    multiple=True,
    help="Another contract beside it: section.key=value in place of the run's, more after `;`; repeatable.",
)
@click.option("--rounds", type=Whole(1), help="Play so many rounds instead of the contract's.")
@click.option(
    "--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone's file, if the run had one."
)
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to (default: RUN/privacy).",
)
@json_option
def audit_privacy(
    run: Path,
    games: int,
    unit: str,
    beside: tuple[str, ...],
    rounds: int | None,
    weights: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what a neighbour would learn from the messages of RUN's peers, by attacks on the clips that lie in it.

    The contract is rehearsed on random halves of the clips; a neighbour then guesses which clips, and which subjects,
    had been in. A page (RUN/privacy/report.html) says how well it guesses, by the run's own contract and by those
    beside it. A lab that has not joined yet rehearses first: p2pme swarm CONTRACT --data YOUR.csv. Nothing is sent.
    """
    from p2pfl_me.home import home
    from p2pfl_me.privacy_audit.audit import audit_run
    from p2pfl_me.privacy_audit.page import UNITS, as_lines, as_object, write_page

    with set_aside(as_json) as tell:
        audit = audit_run(
            run, home(), games=games, units=UNITS[unit], beside=beside, rounds=rounds, weights=weights,
            tell=lambda words: click.echo(words, err=True),
        )  # fmt: skip
        page = write_page(audit, out or run / "privacy")
        for line in as_lines(audit):
            click.echo(line)
        click.echo(page)
        tell(as_object(audit, page))
