"""`p2pme peer`: one peer, here, with its own data and key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfl_me.cli.json_output import json_option
from p2pfl_me.cli.numbers import Whole
from p2pfl_me.cli.one_peer import live, peer_options, say_whose
from p2pfl_me.cli.shared import examples, own_network, require_network, stop_at_once
from p2pfl_me.output import put

if TYPE_CHECKING:
    from p2pfl_me.data.identity_rules import IdentityRules


@click.command(
    epilog=examples(
        "p2pme peer --id 0 --topology lab-a/contract.yaml --key lab-a/lab.key --data /films",
        "p2pme peer --id 3 --topology ring",
    )
)
@peer_options
@own_network
@click.option(
    "--from", "model", metavar="MODEL", type=click.Path(path_type=Path), help="Begin with this checkpoint's model."
)
@click.option(
    "--view", metavar="FILE", type=click.Path(path_type=Path), help="The members' approvals of a changed contract."
)
@click.option("--threads", metavar="N", type=Whole(1), help="torch threads (default: 1 on loopback).")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the run folder, or not at all.")
@click.option("--fresh", is_flag=True, help="Begin anew; what this peer left in the run folder is put aside.")
@click.option("--other-data", is_flag=True, help="Go on although its clips are not those that it began with.")
@click.option("--seal", is_flag=True, help="Keep the model here under a passphrase (docs/security.md).")
@json_option
def peer(
    peer_id: int,
    topology: Path,
    data: Path | None,
    test: Path | None,
    key: Path | None,
    weights: Path | None,
    model: Path | None,
    view: Path | None,
    network: str | None,
    trained: tuple[str, ...],
    out: Path | None,
    device: str,
    threads: int | None,
    listen: str | None,
    resume: bool,
    fresh: bool,
    record: bool,
    other_data: bool,
    seal: bool,
    overrides: tuple[str, ...],
    rules: IdentityRules,
    as_json: bool,
) -> None:
    """Run one peer of the contract to its end.

    Without --data it trains on its share of the built-in drawn faces. Faces stay here; only trained weights leave,
    encrypted, to the neighbours that the contract names, and RUN/egress-K.jsonl lists each message. The same command
    begins or goes on, as the run folder says: give it again after a stop, a crash or a reboot.
    """
    from p2pfl_me.contract.privacy import unrecorded_note
    from p2pfl_me.contract.ready import read_contract
    from p2pfl_me.errors import DataError, P2pmeError

    if test and not data:
        raise DataError("--test goes with --data", fix="name this peer's own clips, too, or leave --test out")
    if resume and fresh:
        raise P2pmeError("--resume and --fresh exclude each other", fix="leave both out: the run folder knows")
    require_network(network, trained)
    contract = read_contract(topology, overrides, another_network=network is not None)
    # Ctrl-C in the seconds of imports below would end in whatever they were doing; nothing is lost yet.
    stop_at_once()
    if contract.peers.count > 1:
        # Before torch is imported: peers that share a machine take one thread each.
        os.environ.setdefault("OMP_NUM_THREADS", str(threads or 1))
    from p2pfl_me.home import home
    from p2pfl_me.peer.settings import Begin, PeerSettings
    from p2pfl_me.run.latest import RUNS

    begin = Begin.RESUME if resume else Begin.FRESH if fresh else Begin.AS_THE_FOLDER_SAYS
    if network:
        from p2pfl_me.learning.own import with_network

        contract = with_network(contract, network, trained=trained)
    contract.model.backbone.require()
    say_whose(peer_id, contract, data)
    if not record and not seal and (note := unrecorded_note(contract)):
        put(f"note: {note}")
    settings = PeerSettings(
        peer=peer_id,
        contract=contract,
        run=out or RUNS / contract.name,
        home=home(),
        data=data,
        test=test,
        key=key,
        weights=weights,
        model=model,
        view=view,
        device=device,
        threads=threads,
        listen=listen,
        begin=begin,
        record=record,
        seal=seal,
        other_data=other_data,
        rules=rules,
        console_log=True,
    )
    live(settings, as_json=as_json)
