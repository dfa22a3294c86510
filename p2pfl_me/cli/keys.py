"""`p2pme keys`: make a private key, show its public half, compare fingerprints, follow one by another."""

from __future__ import annotations

from pathlib import Path

import click

from p2pfl_me.cli.key_changes import accept, revoke, rotate
from p2pfl_me.cli.shared import Commands, examples


@click.group(cls=Commands)
def keys() -> None:
    """Make keys, show them, compare fingerprints, follow one by another."""


for command in (rotate, revoke, accept):
    keys.add_command(command)


@keys.command(
    epilog=examples(
        "p2pme keys new -o lab.key",
        "p2pme keys new -o sealed.key --seal",
    )
)
@click.option(
    "-o", "--out", metavar="FILE", type=click.Path(path_type=Path), default=Path("p2pme.key"), show_default=True
)
@click.option("--seal", is_flag=True, help="Under a passphrase, which is asked for (see `keys seal`).")
def new(out: Path, seal: bool) -> None:
    """Make a private key (mode 0600) and print the public key that goes into the contract."""
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.passphrase import new_passphrase
    from p2pfl_me.wire.identity import fingerprint, new_identity, save_identity

    identity = new_identity()
    save_identity(out, identity, new_passphrase(out.name) if seal else None)
    click.echo(f"private key   {out} (keep it here, and secret)")
    click.echo(f"public_key    {identity.public_text}")
    click.echo(f"fingerprint   {fingerprint(identity.public)}")
    click.echo(f"  in words    {as_words(fingerprint(identity.public))}")
    click.echo("Send the public key to the other laboratories, and compare the fingerprint over the phone.")


@keys.command(
    epilog=examples(
        "p2pme keys show lab.key",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Print the public key of the private key in FILE."""
    from p2pfl_me.wire.identity import load_identity

    click.echo(load_identity(file).public_text)


@keys.command(
    epilog=examples(
        "p2pme keys seal lab.key",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def seal(file: Path) -> None:
    """Put the private key in FILE under a passphrase: who steals the disk has no key.

    The passphrase is asked for at the terminal, or taken from the first line of the private file that
    P2PME_PASSPHRASE_FILE names, or of the open descriptor P2PME_PASSPHRASE_FD. Copies that lie elsewhere stay open.
    """
    from p2pfl_me.errors import IdentityError
    from p2pfl_me.passphrase import new_passphrase
    from p2pfl_me.wire.identity import is_sealed_file, load_identity, replace_identity

    if is_sealed_file(file):
        raise IdentityError("is sealed already", where=str(file), fix="open it first, with `p2pme keys unseal`")
    replace_identity(file, load_identity(file), new_passphrase(file.name))
    click.echo(f"{file} opens with its passphrase alone; whoever forgets that needs a new key")


@keys.command(
    epilog=examples(
        "p2pme keys unseal sealed.key",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def unseal(file: Path) -> None:
    """Take the passphrase away from the private key in FILE."""
    from p2pfl_me.errors import IdentityError
    from p2pfl_me.wire.identity import is_sealed_file, load_identity, replace_identity

    if not is_sealed_file(file):
        raise IdentityError("is not sealed", where=str(file), fix="seal it with `p2pme keys seal`")
    replace_identity(file, load_identity(file), None)
    click.echo(f"{file} opens without a passphrase")


@keys.command(
    "fingerprint",
    epilog=examples(
        "p2pme keys fingerprint lab.key --words",
    ),
)
@click.argument("key", metavar="FILE|PUBLIC_KEY")
@click.option("--words", is_flag=True, help="As words, which are easier to say.")
def show_fingerprint(key: str, words: bool) -> None:
    """Print the fingerprint of a private key's file or of a public key."""
    from p2pfl_me.federation.words import as_words
    from p2pfl_me.wire.identity import fingerprint, load_identity, public_from_text

    is_public = len(key) == 44 and key.endswith("=") and not Path(key).exists()
    found = fingerprint(public_from_text(key) if is_public else load_identity(Path(key)).public)
    click.echo(as_words(found) if words else found)
