#!/usr/bin/env python
"""The container file's steps and the unit's line of docs/deploy.md, as they stand, in a root of their own: no daemon.

python scripts/bench/own_root.py            # Linux, as root; writes nothing outside a folder that it takes away again

The root is this machine's under an overlay, in namespaces of its own: what is installed, added and written there is
gone at the end. There is no network but loopback: pip finds the dependencies installed. The unit's process runs as
its user, with its umask, no new privileges, the system read-only but for what the unit names, and empty homes; it is
killed with -9 after three rounds, begun again, stopped by SIGTERM, gone on with to its end, and begun once more. Exit
code 1: an end was another.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.test_deploy_page import LAB, ROOT, Machine, step, steps, unit

VENV, SYSTEM = Path(sys.prefix), Path(f"/usr/bin/python3.{sys.version_info.minor}")
INSIDE, ROUNDS = "inside", 40
STRICT = (
    "mount --bind / / && mount -o remount,bind,ro / && mount --bind {0} {0} && mount -o remount,bind,rw {0} && "
    'for home in /home /root; do mount -t tmpfs none $home; done && exec "$@"'
)


def main() -> int:
    if sys.argv[1:2] == [INSIDE]:
        return _inside(Path(sys.argv[2]))
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, INSIDE, folder]
        return subprocess.run(["unshare", "-m", "-n", "--propagation", "private", *words], check=False).returncode


def _inside(folder: Path) -> int:
    """In a namespace of our own: lay the root out, change into it, and live there."""
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    root = _overlay(folder, "root", Path("/"))
    lab = folder / "lab"
    lab.mkdir()
    Machine(lab, ROUNDS)
    sources = [words.split() for name, words in steps() if name == "COPY"]
    for *names, to in sources:
        for name in names:
            _copy(ROOT / name, root / to.lstrip("/") if len(names) == 1 else root / to.lstrip("/") / name)
    for name in ("etc/p2pme", "srv/films", "var/lib/p2pme"):
        _copy(lab / name, root / name)
    _overlay(folder, "venv", VENV, root / VENV.relative_to("/"))
    for mount in (["-t", "proc", "proc", root / "proc"], ["--rbind", "/dev", root / "dev"]):
        subprocess.run(["mount", *mount], check=True)
    os.chroot(root)
    os.chdir("/")
    return _live()


def _overlay(folder: Path, name: str, lower: Path, at: Path | None = None) -> Path:
    at = at or folder / name
    for each in (folder / f"{name}.up", folder / f"{name}.work", at):
        each.mkdir(parents=True, exist_ok=True)
    given = f"lowerdir={lower},upperdir={folder / name}.up,workdir={folder / name}.work"
    subprocess.run(["mount", "-t", "overlay", "none", "-o", given, at], check=True)
    return at


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def _live() -> int:
    for python in (VENV / "bin").glob("python*"):  # another user reads the system's, not one in somebody's home
        python.unlink()
        python.symlink_to(SYSTEM)
    config = VENV / "pyvenv.cfg"
    config.write_text(re.sub(r"^home = .*", f"home = {SYSTEM.parent}", config.read_text(), flags=re.MULTILINE))
    for name in ("passwd", "group"):  # who has the container's number here
        kept = [line for line in Path("/etc", name).read_text().splitlines() if ":1000:" not in line]
        Path("/etc", name).write_text("\n".join(kept) + "\n")
    path = f"{VENV}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    run = step("RUN").replace("pip install", "pip install --no-index --no-deps --no-build-isolation --quiet")
    subprocess.run(["sh", "-ec", run], check=True, env={"PATH": path})
    words = [*json.loads(step("ENTRYPOINT")), *json.loads(step("CMD")), "--rounds", "2"]
    name, _, value = step("ENV").partition("=")
    code = _as(step("USER"), words, step("WORKDIR"), {"PATH": path, name: value}).wait()
    print(f"container: {shlex.join(words)} ended with {code}", flush=True)
    ends = [code == 0]
    for code, wanted, what in _unit():
        print(f"unit: {what} ended with {code}", flush=True)
        ends.append(code == wanted)
    return 0 if all(ends) else 1


def _as(user: str, words: list[str], folder: str, environment: dict[str, str], *before: str) -> subprocess.Popen[bytes]:
    ids = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
    return subprocess.Popen([*before, *ids, *words], cwd=folder, env=environment, start_new_session=True)


def _unit() -> list[tuple[int, int, str]]:
    service = unit()["Service"]
    user, writes = service["User"], service["ReadWritePaths"]
    line = shlex.split(service["ExecStart"].replace("/srv/films", "/srv/films/clips.safetensors"))
    Path(line[0]).parent.mkdir(parents=True)
    Path(line[0]).symlink_to(VENV / "bin" / "p2pme")
    shutil.chown(writes, user)
    shutil.chown("/etc/p2pme/lab.key", user)
    subprocess.run(["chmod", "-R", "a+rX", "/srv", "/etc/p2pme/ring.yaml"], check=True)
    os.umask(int(service["UMask"], 8))
    most = min(int(service["LimitNOFILE"]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    environment = {"PATH": "/usr/bin:/bin", "HOME": f"/home/{user}", **dict([service["Environment"].split("=", 1)])}
    log, ends = Path(writes, "run", f"peer-{LAB}.jsonl"), []

    def begin() -> subprocess.Popen[bytes]:
        return _as(user, line, "/", environment, "unshare", "-m", "sh", "-ec", STRICT.format(writes), "sh")

    for number, what in ((signal.SIGKILL, "kill -9"), (signal.SIGTERM, "SIGTERM")):
        before, process = _rounds(log), begin()
        while _rounds(log) < before + 3 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        ends.append((process.wait(), -9 if number is signal.SIGKILL else 130, what))
    whats = "gone on to its end, which it", "begun again after that, it"
    return ends + [(begin().wait(), 4, what) for what in whats]  # nobody was there to train with


def _rounds(log: Path) -> int:
    return log.read_text().count('"event":"round"') if log.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
