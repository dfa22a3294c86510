"""What the README says to type: every command is one that there is; with `-m readme` each is run as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, ZshComplete

from p2pfl_me.cli.main import cli
from tests.cli.test_grammar import parsed

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("## What do you want to do?")[2].partition("\n## ")[0]
ROWS = [
    command for row in TABLE.splitlines() if row.startswith("| ") for command in re.findall(r"`(p2pme [^`]+)`", row)
]
LABS = [
    line.partition("#")[0].strip()
    for line in README.partition("## One peer per laboratory")[2].partition("\n## ")[0].splitlines()
    if line.startswith("    p2pme ")
]
OTHERS = [line.partition("#")[0].strip() for line in README.splitlines() if line.startswith("    p2pme ")]
IN_WORDS = [
    command for command in re.findall(r"`(p2pme [^`]+)`", README) if " -" in command and "COMMAND" not in command
]
NOTEBOOK = README.partition("```python\n")[2].partition("```")[0]
OPEN_ENDED = ("p2pme live", "p2pme watch")


def test_nothing_is_missed() -> None:
    assert len(ROWS) >= 14 and len(LABS) == 6
    assert [line for line in TABLE.splitlines() if line.startswith("| ")][1:]  # the table is where it is looked for
    compile(NOTEBOOK, "README.md", "exec")


@pytest.mark.parametrize("command", dict.fromkeys([*ROWS, *OTHERS, *IN_WORDS]))
def test_each_command_is_one_that_there_is(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "p2pme"
    parsed(words)


def test_it_shows_the_report_and_every_picture_is_shown_somewhere() -> None:
    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))]
    shown = {Path(target).name for page in pages for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)}
    assert "](docs/pictures/report.png)" in README
    assert {each.name for each in (ROOT / "docs" / "pictures").iterdir()} == shown


def test_the_shell_completes_by_the_line_it_gives() -> None:
    assert '    eval "$(_P2PME_COMPLETE=bash_source p2pme)"\n' in README
    for shell in (BashComplete, ZshComplete):
        completes = shell(cli, {}, "p2pme", "_P2PME_COMPLETE")
        assert f"_P2PME_COMPLETE={shell.name}_complete" in completes.source_template % completes.source_vars()
        assert {each.value for each in completes.get_completions([], "da")} == {"data"}
        assert "--rounds" in {each.value for each in completes.get_completions(["swarm"], "--ro")}
        assert "lockstep" in {each.value for each in completes.get_completions(["compare", "--engine"], "lo")}


@pytest.mark.readme
def test_each_row_runs_as_it_stands(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    for command in ROWS:
        print(command, flush=True)
        code, said = run(command, tmp_path)
        assert code == 0, f"{command}\n{said[-3000:]}"


@pytest.mark.readme
def test_two_labs_on_one_machine_train_together(tmp_path: Path) -> None:
    *first, one, other = LABS
    for command in first:
        code, said = run(command, tmp_path)
        assert code == 0, f"{command}\n{said}"
    peers = [subprocess.Popen(shlex.split(each), cwd=tmp_path, env=environment(tmp_path)) for each in (one, other)]
    assert [peer.wait(timeout=600) for peer in peers] == [0, 0]
    assert (tmp_path / "runs" / "latest").resolve() == tmp_path / "runs" / "federation"


@pytest.mark.readme
def test_the_notebooks_lines_run(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=tmp_path, env=environment(tmp_path), check=True, timeout=600)


def environment(folder: Path) -> dict[str, str]:
    beside = str(Path(sys.executable).parent)
    return {**os.environ, "P2PME_HOME": str(folder / "home"), "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}


def run(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and what was said; what goes on until it is stopped is stopped once its page is there."""
    words = shlex.split(command)
    if not command.startswith(OPEN_ENDED):
        done = subprocess.run(
            words, cwd=folder, env=environment(folder), text=True, capture_output=True, timeout=1800, check=False
        )
        return done.returncode, done.stdout + done.stderr
    process = subprocess.Popen(
        [*words, "--no-open"], cwd=folder, env=environment(folder), text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = ""
    for _, line in zip(count(), process.stdout, strict=False):
        said += line
        if "http://" in line:
            process.send_signal(signal.SIGINT)
    return (0 if process.wait(timeout=60) in (0, 130) else 1), said
