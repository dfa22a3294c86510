"""Giving a laboratory another key, and taking one back: the files of it, in an order that a kill at any instant leaves
good. No torch here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.contract import Contract
from p2pfl_me.errors import IdentityError
from p2pfl_me.files import read_regular, refusing
from p2pfl_me.membership.certificates import Revocation, Rotation, as_text, until_after
from p2pfl_me.passphrase import known_passphrase
from p2pfl_me.peer.directory import next_key
from p2pfl_me.peer.trust import Trust, member_keys, read_certificate
from p2pfl_me.wire.identity import (
    Identity,
    earlier_path,
    is_sealed_file,
    load_identity,
    new_identity,
    save_identity,
)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation left: the new key at `key`, the old one at `earlier`, the certificate that says so."""

    certificate: Rotation
    key: Path
    earlier: Path


def rotate(path: Path, contract: Contract, home: Path, days: float, out: Path) -> Rotated:
    """Put a new key at `path`, signed by the one that is there, which moves aside; the certificate goes to `out`.

    Given again after a kill, it ends with the key that it had begun with.

    Raises
    ------
    IdentityError
        The key there is no member's of the contract, or no good any more; the contract pairs keys, and takes no
        follower of one; or a file cannot be written.
    """
    if contract.privacy.pairs_keys:
        raise IdentityError(
            "this contract makes masks or noise of the keys that it names, and no peer of it starts with one that "
            "follows; nothing was changed",
            where=contract.name,
            fix=f"make one with `p2pme keys new -o {next_key(path)}`, and put its public key into the contract of all "
            "members (`p2pme propose` says how they agree)",
        )
    trust = Trust(home)
    passphrases: dict[str, str] = {}

    def asked(what: str) -> str:
        return passphrases.setdefault("", known_passphrase(what))

    old, draft = load_identity(path, asked), path.with_name(f"{path.name}.new")
    begun = load_identity(draft, asked).public if draft.exists() else None
    newest = {keys[0] for keys in member_keys(trust.book, contract, time.time()).values() if keys}
    if not newest.intersection({old.public, begun}):
        raise IdentityError(
            "is not the key by which a member of this contract is known now",
            where=str(path),
            fix="name the right contract with --topology; a key that is revoked or over has no follower",
        )
    if not draft.exists():
        save_identity(draft, new_identity(), passphrases.get("") if is_sealed_file(path) else None)
    new = load_identity(draft, asked)
    made = Rotation(old.public, new.public, until_after(time.time(), days))
    made = made.sealed(old.private, new.private, _verifiers(trust, contract) | {new.public})
    after = trust.book.with_rotation(made)
    made = after.rotations[old.public]
    earlier = earlier_path(path)
    with refusing(IdentityError, out, "name another file with --out"):
        write_whole(out, as_text(made), public=True, sync=True)
    trust.keep(made)
    with refusing(IdentityError, path, "mend that, and give the command again"):
        write_whole(earlier, read_regular(path, own=True), sync=True)
        draft.replace(path)
    return Rotated(made, path, earlier)


def revoke(key: bytes, by: Identity, contract: Contract, home: Path, out: Path) -> Revocation:
    """Seal the revocation of `key` with the key `by`, beside the seals that the file `out` has already.

    Raises
    ------
    P2pmeError
        `out` holds something else, or cannot be written.
    """
    given = Revocation(key)
    if out.exists():
        found = read_certificate(out)
        if not isinstance(found, Revocation) or found.key != key:
            raise IdentityError("is the certificate of another change", where=str(out), fix="name another file")
        given = found
    made = given.sealed(by.private, _verifiers(Trust(home), contract))
    with refusing(IdentityError, out, "name another file with --out"):
        write_whole(out, as_text(made), public=True, sync=True)
    return made


def _verifiers(trust: Trust, contract: Contract) -> frozenset[bytes]:
    """The good keys of all members: who has just changed its key may hold the old one or the new one."""
    return frozenset(key for keys in member_keys(trust.book, contract, time.time()).values() for key in keys)
