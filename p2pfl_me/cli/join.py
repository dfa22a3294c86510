"""`p2pme join`: a new lab comes into a run on its way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.identity import identity_options
from p2pfl_me.cli.json_output import json_option
from p2pfl_me.cli.numbers import Number, Whole
from p2pfl_me.cli.one_peer import live, say_whose
from p2pfl_me.cli.shared import data_option, examples, out_option, stop_at_once
from p2pfl_me.output import put

if TYPE_CHECKING:
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(epilog=examples("p2pme join lab-f.ticket --key lab-f/lab.key --data /films --out lab-f/run"))
@click.argument("ticket", metavar="TICKET", type=click.Path(path_type=Path))
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
@data_option("This lab's clips, as for `p2pme peer`.")
@click.option(
    "--test", metavar="PATH", type=click.Path(path_type=Path), help="A common test manifest, if there is one."
)
@click.option("--weights", metavar="FILE", type=click.Path(path_type=Path), help="The backbone file of the contract.")
@out_option("Run folder.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", metavar="N", type=Whole(1), help="torch threads (default: 1 on loopback).")
@click.option("--listen", metavar="HOST:PORT", help="As for `p2pme peer`.")
@click.option(
    "--patience",
    metavar="HOURS",
    type=Number(0, min_open=True),
    default=24.0,
    show_default=True,
    help="It waits so long for the others to let it in; then it ends with exit code 4.",
)
@click.option("--record", is_flag=True, help="Keep what this peer is fed, for `p2pme replay`.")
@identity_options
@json_option
def join(
    ticket: Path,
    key: Path,
    data: Path | None,
    test: Path | None,
    weights: Path | None,
    out: Path | None,
    device: str,
    threads: int | None,
    listen: str | None,
    patience: float,
    record: bool,
    rules: IdentityRules,
    as_json: bool,
) -> None:
    """Join the run that TICKET is for, with this lab's own clips.

    The ticket comes from a member (`p2pme ticket`). The peer waits until the others have come to the round in which
    they let it in, takes the model of one of them, and goes on with all. The same command goes on after a stop, or once
    its patience was over.
    """
    from p2pfl_me.errors import DataError
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.home import home
    from p2pfl_me.membership.agreed import keys_of
    from p2pfl_me.peer.joining import prepare, read_ticket
    from p2pfl_me.peer.trust import Trust
    from p2pfl_me.run.latest import RUNS
    from p2pfl_me.wire.identity import fingerprint, load_identity

    if test and not data:
        raise DataError("--test goes with --data", fix="name this lab's own clips, too, or leave --test out")
    found = read_ticket(ticket)
    run = out or RUNS / found.before.name
    contract = prepare(found, run, load_identity(key), Trust(home()).book)
    inviter = keys_of(found.before).get(found.by)
    if inviter:
        put(f"invited by peer {found.by}; compare its key by phone: {as_words(fingerprint(inviter))}")
    stop_at_once()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads or 1))
    from p2pfl_me.peer.settings import PeerSettings

    contract.model.backbone.require()
    say_whose(found.peer, contract, data)
    live(
        PeerSettings(
            peer=found.peer,
            contract=contract,
            run=run,
            home=home(),
            data=data,
            test=test,
            key=key,
            weights=weights,
            device=device,
            threads=threads,
            listen=listen,
            waits_s=3600.0 * patience,
            record=record,
            rules=rules,
            console_log=True,
        ),
        as_json=as_json,
    )
