"""Keys change while a contract stands: who is believed, who is not, and what a kill in between leaves."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.keys import keys
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import ContractError, IdentityError, P2pmeError
from p2pfl_me.membership.certificates import Book, Revocation, Rotation, as_text, from_text
from p2pfl_me.peer.directory import directory_of
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.trust import TRUST, Trust, believe
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.identity import Identity, load_identity, new_identity, save_identity

DAY = 86_400.0


class Labs:
    """Four labs, each with a home of its own; half of them can revoke a key."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, approve: str = "approve: 0.5") -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        for k in range(4):
            save_identity(self.key(k), new_identity())
        rows = [
            f"    - {{id: {k}, address: 'tcp://lab-{k}.example:4000', public_key: '{self.identity(k).public_text}'}}"
            for k in range(4)
        ]
        self.topology = folder / "contract.yaml"
        head = f"version: 1\nname: labs\ntopology: {{kind: ring}}\npeers:\n  {approve}\n  members:\n"
        self.topology.write_text(head + "\n".join(rows) + "\n")
        self.contract = load_contract(self.topology)

    def home(self, k: int) -> Path:
        return self.folder / f"home-{k}"

    def key(self, k: int) -> Path:
        return self.folder / f"lab-{k}" / "lab.key"

    def identity(self, k: int) -> Identity:
        return load_identity(self.key(k))

    def trust(self, k: int, days: float = 0.0) -> Trust:
        return Trust(self.home(k), lambda: time.time() + DAY * days)

    def keys(self, k: int, *words: str | Path) -> Result:
        self.monkeypatch.setenv("P2PME_HOME", str(self.home(k)))
        told = [str(word) for word in words]
        return CliRunner().invoke(keys, [*told, "--topology", str(self.topology)])

    def rotate(self, k: int, name: str, days: float = 7) -> Path:
        out = self.folder / name
        done = self.keys(k, "rotate", self.key(k), "--days", str(days), "-o", out)
        assert done.exit_code == 0, done.output + str(done.exception)
        return out

    def accept(self, k: int, certificate: Path) -> Result:
        return self.keys(k, "accept", certificate, "--key", self.key(k))


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Labs:
    return Labs(tmp_path, monkeypatch)


def refused(result: Result) -> str:
    assert result.exit_code and isinstance(result.exception, P2pmeError), result.output
    assert result.exception.what and result.exception.fix
    return str(result.exception)


def test_a_new_key_is_good_beside_the_old_one_until_its_time_and_alone_after_it(labs: Labs) -> None:
    old = labs.identity(1).public
    rotation = labs.rotate(1, "one.rotation", days=7)
    new = labs.identity(1).public
    assert new != old and load_identity(labs.key(1).with_name("lab.key.1")).public == old
    assert not labs.key(1).with_name("lab.key.new").exists()
    taken = labs.accept(0, rotation)
    assert taken.exit_code == 0 and "taken in" in taken.output
    assert labs.trust(0).good(old) == (new, old) == labs.trust(1).good(old), "its own lab knows it, too"
    assert labs.trust(0, days=8).good(old) == (new,)
    assert labs.trust(2).good(old) == (old,), "who has not heard of it goes on as before"
    running = labs.trust(0)
    assert "known already" in labs.accept(0, rotation).output
    assert not running.look()


def test_a_lab_starts_with_the_key_that_follows_and_with_no_other(labs: Labs) -> None:
    def start(key: Path) -> None:
        settings = PeerSettings(1, labs.contract, run=labs.folder, home=labs.home(1), key=key)
        found = directory_of(settings, plan_of(labs.contract))
        assert found.identity.public == load_identity(key).public

    start(labs.key(1))
    labs.rotate(1, "one.rotation")
    start(labs.key(1))
    start(labs.key(1).with_name("lab.key.1"))
    stranger = labs.folder / "other.key"
    save_identity(stranger, new_identity())
    with pytest.raises(IdentityError, match="is not the one the contract names"):
        start(stranger)
    made = labs.keys(1, "revoke", labs.key(1).with_name("lab.key.1"), "-o", labs.folder / "old.revocation")
    assert made.exit_code == 0, str(made.exception)
    assert labs.accept(1, labs.folder / "old.revocation").exit_code == 0
    start(labs.key(1))
    with pytest.raises(IdentityError, match="revoked or over"):
        start(labs.key(1).with_name("lab.key.1"))


PAIRED = ["exchange: masks", "exchange: ckks", "noise: decor, budget: {epsilon: 8}"]


@pytest.mark.parametrize("privacy", PAIRED)
def test_masks_are_of_the_contracts_keys_so_another_key_is_refused_in_words(labs: Labs, privacy: str) -> None:
    labs.rotate(1, "one.rotation")
    _pair_keys(labs, privacy)
    contract = load_contract(labs.topology)
    settings = PeerSettings(1, contract, run=labs.folder, home=labs.home(1), key=labs.key(1))
    with pytest.raises(IdentityError, match="makes masks or noise of those it names"):
        directory_of(settings, plan_of(contract))


@pytest.mark.parametrize("privacy", PAIRED)
def test_where_no_other_key_will_do_none_is_put_in_the_keys_place(labs: Labs, privacy: str) -> None:
    """It had been, and then the peer did not start."""
    _pair_keys(labs, privacy)
    before = labs.key(1).read_bytes()
    made = labs.keys(1, "rotate", labs.key(1), "-o", labs.folder / "one.rotation")
    assert "lab.key.next" in refused(made) and "nothing was changed" in str(made.exception)
    assert labs.key(1).read_bytes() == before and [each.name for each in labs.key(1).parent.iterdir()] == ["lab.key"]
    assert not (labs.folder / "one.rotation").exists() and not labs.trust(1).book.rotations


def _pair_keys(labs: Labs, privacy: str) -> None:
    text = labs.topology.read_text() + f"privacy: {{{privacy}}}\n"
    labs.topology.write_text(text.replace("kind: ring", "kind: mesh"))


def test_an_old_rotation_said_again_after_a_newer_one_changes_nothing(labs: Labs) -> None:
    stated = labs.identity(1).public
    first, second = labs.rotate(1, "one", days=1), labs.rotate(1, "two", days=3)
    newest = labs.identity(1).public
    assert labs.accept(0, first).exit_code == labs.accept(0, second).exit_code == 0
    assert "known already" in labs.accept(0, first).output
    assert labs.trust(0).good(stated)[0] == newest and len(labs.trust(0).good(stated)) == 3
    assert labs.trust(0, days=2).good(stated)[0] == newest and len(labs.trust(0, days=2).good(stated)) == 2
    assert labs.trust(0, days=4).good(stated) == (newest,)
    # In the other order the newer one speaks of a key that nobody has heard of.
    assert "no member of the contract has or had" in refused(labs.accept(2, second))
    assert labs.accept(2, first).exit_code == labs.accept(2, second).exit_code == 0
    assert labs.trust(2).good(stated)[0] == newest


def forged(labs: Labs, signer: int, verifier: int) -> Rotation:
    """A rotation of lab 1's key to one of lab 3's making, sealed by lab `signer`."""
    new = new_identity()
    made = Rotation(labs.identity(1).public, new.public, int(time.time() + DAY))
    return made.sealed(labs.identity(signer).private, new.private, [labs.identity(verifier).public])


def without_possession(labs: Labs) -> Rotation:
    """Lab 1 says that lab 2's key follows its own: it would speak in lab 2's name."""
    made = Rotation(labs.identity(1).public, labs.identity(2).public, int(time.time() + DAY))
    return made.sealed(labs.identity(1).private, labs.identity(1).private, [labs.identity(0).public])


def for_another(labs: Labs) -> Rotation:
    return forged(labs, 1, 2)


def later(labs: Labs) -> Rotation:
    made = forged(labs, 1, 0)
    return replace(made, until=made.until + 1)


def unsealed(labs: Labs) -> Rotation:
    return replace(forged(labs, 1, 0), seals={})


LIES: dict[str, Callable[[Labs], Rotation]] = {
    "signed by another member": lambda labs: forged(labs, 3, 0),
    "to a key that its maker does not hold": without_possession,
    "sealed for another lab": for_another,
    "with a later end": later,
    "sealed by nobody": unsealed,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_rotation_that_the_old_key_and_the_new_one_did_not_seal_is_refused(labs: Labs, lie: str) -> None:
    stated = labs.identity(1).public
    path = labs.folder / "lie.rotation"
    path.write_text(as_text(LIES[lie](labs)))
    assert "not sealed for this laboratory" in refused(labs.accept(0, path))
    assert labs.trust(0).good(stated) == (stated,)
    path.write_text(as_text(forged(labs, 1, 0)))
    assert labs.accept(0, path).exit_code == 0, "the same words with the right seals are believed"


def test_of_two_rotations_from_one_key_the_second_is_refused_and_two_that_lie_there_count_neither(labs: Labs) -> None:
    stated = labs.identity(1).public
    paths = [labs.folder / f"{k}.rotation" for k in range(2)]
    both = [forged(labs, 1, 0) for _ in paths]
    for path, each in zip(paths, both, strict=True):
        path.write_text(as_text(each))
    assert labs.accept(0, paths[0]).exit_code == 0
    assert "two different keys claim to follow" in refused(labs.accept(0, paths[1]))
    assert labs.trust(0).good(stated) == (both[0].new, stated)
    book = Book.of(both)
    assert book.good(stated, time.time()) == (stated,) and book.contested == {stated}
    with pytest.raises(IdentityError, match="two different keys"):
        book.with_rotation(both[0])


def test_a_key_that_is_revoked_by_itself_is_refused_by_all_who_know_and_has_no_follower(labs: Labs) -> None:
    stated, out = labs.identity(1).public, labs.folder / "one.revocation"
    running = labs.trust(0)
    assert labs.keys(1, "revoke", labs.key(1), "-o", out).exit_code == 0
    assert labs.accept(0, out).exit_code == 0
    assert running.look() and running.good(stated) == (), "at once, in a process that runs"
    assert labs.trust(0).good(stated) == (), "and after a restart"
    rotation = labs.rotate(1, "late.rotation")
    assert "is revoked" in refused(labs.accept(0, rotation))
    assert labs.accept(1, out).exit_code == 0
    assert "known now" in refused(labs.keys(1, "rotate", labs.key(1).with_name("lab.key.1"), "-o", out)), "nor at home"


def test_a_follower_that_was_believed_before_stays_and_is_named(labs: Labs) -> None:
    stated, out = labs.identity(1).public, labs.folder / "one.revocation"
    rotation = labs.rotate(1, "one.rotation")
    assert labs.accept(0, rotation).exit_code == 0
    assert labs.keys(1, "revoke", labs.key(1).with_name("lab.key.1"), "-o", out).exit_code == 0
    told = labs.accept(0, out)
    assert told.exit_code == 0 and "still good" in told.output
    assert labs.trust(0).good(stated) == (labs.identity(1).public,)


def test_members_revoke_by_the_contracts_share_and_one_alone_does_not(labs: Labs) -> None:
    stolen, out = labs.identity(1), labs.folder / "one.revocation"
    for signer, many in ((2, 1), (2, 1), (3, 2)):
        done = labs.keys(signer, "revoke", stolen.public_text, "--key", labs.key(signer), "-o", out)
        assert done.exit_code == 0 and f"sealed by {many} key" in done.output
        if many < 2:
            assert "2 of 4 members must seal it (peers.approve), and 2 did" in refused(labs.accept(0, out))
    assert labs.accept(0, out).exit_code == 0
    assert labs.trust(0).good(stolen.public) == ()
    assert labs.accept(2, out).exit_code == 0, "a signer counts its own seal"


def test_a_member_counts_once_whatever_keys_it_has_had(labs: Labs) -> None:
    out = labs.folder / "one.revocation"
    rotation = labs.rotate(2, "two.rotation")
    assert labs.accept(0, rotation).exit_code == 0
    for key in (labs.key(2), labs.key(2).with_name("lab.key.1")):
        done = labs.keys(2, "revoke", labs.identity(1).public_text, "--key", key, "-o", out)
        assert done.exit_code == 0, str(done.exception)
    assert "and 2 did" in refused(labs.accept(0, out))


def test_without_a_stated_share_only_the_key_itself_revokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labs, out = Labs(tmp_path, monkeypatch, approve="widths: {}"), tmp_path / "one.revocation"
    for signer in (0, 2, 3):
        labs.keys(signer, "revoke", labs.identity(1).public_text, "--key", labs.key(signer), "-o", out)
    assert "names no share of members" in refused(labs.accept(0, out))


@pytest.mark.parametrize("moved", ["another signer", "another key"])
def test_seals_of_a_revocation_cannot_be_moved(labs: Labs, moved: str) -> None:
    made = Revocation(labs.identity(1).public).sealed(labs.identity(2).private, [labs.identity(0).public])
    seals = next(iter(made.seals.values()))
    if moved == "another signer":
        lie = replace(made, seals={labs.identity(k).public_text: seals for k in (1, 2, 3)})
    else:
        lie = replace(made, key=labs.identity(3).public)
    with pytest.raises(IdentityError, match="must seal it"):
        believe(labs.trust(0), lie, labs.contract, [labs.identity(0)], "lie")


def test_a_rotation_that_was_killed_half_way_ends_with_the_key_that_it_began_with(
    labs: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = labs.identity(1).public
    draft = labs.key(1).with_name("lab.key.new")
    kept = Trust.keep

    def killed(self: Trust, certificate: Rotation) -> Path:
        kept(self, certificate)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trust, "keep", killed)
    out = labs.folder / "one.rotation"
    assert labs.keys(1, "rotate", labs.key(1), "-o", out).exit_code
    monkeypatch.setattr(Trust, "keep", kept)
    new = load_identity(draft).public
    assert labs.identity(1).public == stated, "the old key is still where it was"
    shutil.copy(out, labs.folder / "first.rotation")
    again = labs.rotate(1, "again.rotation")
    assert labs.identity(1).public == new
    assert labs.accept(0, labs.folder / "first.rotation").exit_code == labs.accept(0, again).exit_code == 0
    assert labs.trust(0).good(stated)[0] == new


def test_a_sealed_key_is_followed_by_a_sealed_one(labs: Labs) -> None:
    secret = labs.folder / "secret"
    secret.write_text("five words that do not belong\n")
    secret.chmod(0o600)
    labs.monkeypatch.setenv("P2PME_PASSPHRASE_FILE", str(secret))
    assert CliRunner().invoke(keys, ["seal", str(labs.key(1))]).exit_code == 0
    labs.rotate(1, "one.rotation")
    for path in (labs.key(1), labs.key(1).with_name("lab.key.1")):
        assert "sealed" in path.read_text() and load_identity(path)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "null", '{"form": "p2pme rotation 1"}', '{"form": "p2pme revocation 1", "key": "x", "seals": {}}',
     "[" * 5000, '{"form": "p2pme rotation 1", "old": 1, "new": 2, "until": true, "seals": {}}'],
)  # fmt: skip
def test_what_is_no_certificate_is_refused_in_words_and_one_that_is_damaged_at_home_ends_the_start(
    labs: Labs, text: str
) -> None:
    path = labs.folder / "odd"
    path.write_text(text)
    assert "is no certificate" in refused(labs.accept(0, path))
    running = labs.trust(0)
    folder = labs.home(0) / "trust"
    folder.mkdir(parents=True, mode=0o700)
    shutil.copy(path, folder / "odd.json")
    with pytest.raises(ContractError, match="is no certificate"):
        labs.trust(0)
    assert running.look() and "is no certificate" in running.trouble
    assert running.good(labs.identity(1).public), "a process that runs goes on with what it knew"


def test_certificates_are_read_as_they_were_written(labs: Labs) -> None:
    for made in (
        forged(labs, 1, 0),
        Revocation(labs.identity(1).public).sealed(labs.identity(2).private, [b"\1" * 32]),
    ):
        assert from_text(as_text(made), "x") == made
        assert json.loads(as_text(made))


def test_what_a_killed_command_left_half_written_among_the_certificates_hinders_no_start(tmp_path: Path) -> None:
    """A draft that nobody gave its name is nobody's word; before, no peer of this user could start any more."""
    folder = tmp_path / TRUST
    folder.mkdir(mode=0o700)
    (folder / ".4934561442dbbba1.json.sznimeb6.draft.json").write_text('{"form": "p2pme rot')
    assert Trust(tmp_path).book == Book()
    (folder / "4934561442dbbba1.json").write_text('{"form": "p2pme rot')
    with pytest.raises(P2pmeError, match="is no certificate"):
        Trust(tmp_path)
