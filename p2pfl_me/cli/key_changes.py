"""`p2pme keys rotate`, `revoke`, `accept`: keys change while the contract stands."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.apart import require_apart
from p2pfl_me.cli.numbers import Number
from p2pfl_me.cli.shared import examples

CONTRACT = click.option(
    "--topology", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The contract of the members."
)


@click.command(epilog=examples("p2pme keys rotate lab.key --topology contract.yaml --days 7 -o lab-b.rotation"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@CONTRACT
@click.option(
    "--days",
    type=Number(0, 365, min_open=True),
    default=7.0,
    show_default=True,
    help="For so long the old key is good beside the new one.",
)
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The certificate.")
def rotate(file: Path, topology: Path, days: float, out: Path) -> None:
    """Put a new private key into FILE, signed by the one that is there, and write a certificate for the others.

    The contract stays as it is. The old key moves to FILE.1 (or 2, 3, ...) and is needed until its time is over: others
    who have not taken the certificate in yet still call it. Start your peer again with the same command, and send the
    certificate to the others: `p2pme keys accept`.
    """
    from p2pfl_me.contract import load_contract
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.home import home
    from p2pfl_me.peer.rotating import rotate as rotated
    from p2pfl_me.wire.identity import fingerprint

    require_apart(out, file, topology)
    done = rotated(file, load_contract(topology), home(), days, out)
    click.echo(f"new key       {done.key} (keep it here, and secret)")
    click.echo(f"old key       {done.earlier}, good until {_date(done.certificate.until)}; then remove it")
    click.echo(f"fingerprint   {fingerprint(done.certificate.new)}")
    click.echo(f"  in words    {as_words(fingerprint(done.certificate.new))}")
    click.echo(f"Start your peer again. Send {out} to the others, and read them the words over the phone:")
    click.echo(f"  p2pme keys accept {out.name} --topology {topology.name} --key lab.key")


@click.command(
    epilog=examples(
        "p2pme keys revoke stolen.key --topology contract.yaml -o lab-b.revocation",
        "p2pme keys revoke PUBLIC_KEY --key lab.key --topology contract.yaml -o lab-b.revocation",
    )
)
@click.argument("what", metavar="FILE|PUBLIC_KEY")
@CONTRACT
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), help="Seal as a member, with this key.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), required=True, help="The certificate.")
def revoke(what: str, topology: Path, key: Path | None, out: Path) -> None:
    """Write that a key is good no more: sealed by the key in FILE itself, or by members, one after the other.

    Whoever has lost the key asks the members: each adds a seal to the same file with --key, and it counts when the
    contract's share of them has (peers.approve). Those who take it in (`p2pme keys accept`) refuse the key at once and
    for good. Rotate first, where the key is still yours: a key that is revoked has no follower.
    """
    from p2pfl_me.contract import load_contract
    from p2pfl_me.errors import IdentityError
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.home import home
    from p2pfl_me.peer.rotating import revoke as revoked
    from p2pfl_me.wire.identity import fingerprint, load_identity, public_from_text

    require_apart(out, topology, key, Path(what))
    contract = load_contract(topology)
    if len(what) == 44 and what.endswith("=") and not Path(what).exists():
        if key is None:
            fix = "name yours with --key: a member's seal is made with the member's key"
            raise IdentityError("a public key alone revokes nothing", where=what, fix=fix)
        public, by = public_from_text(what), load_identity(key)
    else:
        by = load_identity(Path(what))
        public = by.public
        if key is not None:
            raise IdentityError("FILE seals by itself", where=str(key), fix="leave --key out")
    made = revoked(public, by, contract, home(), out)
    click.echo(f"revoked       {fingerprint(public)}")
    click.echo(f"  in words    {as_words(fingerprint(public))}")
    many = len(made.seals)
    click.echo(f"{out}: sealed by {many} key{'s' * (many > 1)}; each lab, this one too, takes it in:")
    click.echo(f"  p2pme keys accept {out.name} --topology {topology.name} --key lab.key")


@click.command(epilog=examples("p2pme keys accept lab-b.rotation --topology contract.yaml --key lab.key"))
@click.argument("certificate", metavar="CERTIFICATE", type=click.Path(path_type=Path))
@CONTRACT
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), required=True, help="This lab's private key.")
def accept(certificate: Path, topology: Path, key: Path) -> None:
    """Take in another lab's rotation or revocation, for all contracts of this user, running peers included.

    It counts within a second in peers that run, and after every restart. Compare the words over the phone before.
    """
    from p2pfl_me.contract import load_contract
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.home import home
    from p2pfl_me.membership.certificates import Rotation
    from p2pfl_me.peer.trust import Trust, believe, read_certificate
    from p2pfl_me.wire.identity import earlier_identities, fingerprint, load_identity

    given, trust = read_certificate(certificate), Trust(home())
    mine = (load_identity(key), *earlier_identities(key))
    news = believe(trust, given, load_contract(topology), mine, str(certificate))
    click.echo("taken in" if news else "known already: nothing changes")
    if isinstance(given, Rotation):
        click.echo(f"new key       {as_words(fingerprint(given.new))}")
        click.echo(f"follows       {as_words(fingerprint(given.old))}, which is good until {_date(given.until)}")
        return
    click.echo(f"revoked       {as_words(fingerprint(given.key))}")
    if follower := trust.read().rotations.get(given.key):
        click.echo(f"still good    {as_words(fingerprint(follower.new))}, which followed it: have it revoked, too, if")
        click.echo("              the laboratory did not make it")


def _date(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
