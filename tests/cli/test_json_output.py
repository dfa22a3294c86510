"""`--json`: one object on standard output, all other words on standard error, and null for what is no number."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import subprocess, sys
from p2pfl_me.cli.json_output import set_aside
with set_aside(True) as tell:
    print("said")
    subprocess.run([sys.executable, "-c", "print('said by a child')"], check=True)
    tell({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (None, "\\u00e9")}})
"""


def test_the_object_stands_alone_on_standard_output() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], text=True, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {"format": 1, "a": None, "b": [1.5, None], "c": {"d": [None, "\u00e9"]}}
    assert done.stdout.count("\n") == 1
    assert "said\n" in done.stderr and "said by a child\n" in done.stderr
