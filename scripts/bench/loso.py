"""Leave one subject out over 40 subjects, isolated, gossip and pooled, head on features, one seed: the whole command.

    python scripts/bench/loso.py                       # 309 drawn feature vectors of two labs, two peers
    python scripts/bench/loso.py --data FOLDER --peers 10

The vectors have the numbers of clips and subjects that the composite's two labs have; what they say is noise. Target: 5
minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from p2pfl_me.data.manifest import Clip, write_manifest

CLASSES = ("negative", "positive", "surprise")
LABS = {"one": (145, 24), "other": (164, 16)}
"""Clips and subjects."""


def draw(folder: Path) -> Path:
    """One file of vectors, and a manifest that tells two labs apart."""
    random = np.random.default_rng(0)
    count = sum(clips for clips, _ in LABS.values())
    labels = random.integers(0, len(CLASSES), count)
    vectors = folder / "vectors.safetensors"
    features = random.normal(size=(count, 2048)).astype(np.float32)
    tensors = {"features": features, "labels": labels, "subjects": np.zeros(count, dtype=np.int64)}
    save_file(tensors, vectors, {"classes": '["negative", "positive", "surprise"]', "layer": "head"})
    who = [(lab, number % subjects) for lab, (clips, subjects) in LABS.items() for number in range(clips)]
    clips = [
        Clip(vectors, lab, f"{lab}/{subject}", str(row), CLASSES[labels[row]]) for row, (lab, subject) in enumerate(who)
    ]
    write_manifest(folder / "manifest.csv", clips)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peers", default="dataset")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    print(f"machine        {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or draw(Path(folder))
        command = [sys.executable, "-m", "p2pfl_me", "evaluate", "--data", str(data), "--seeds", "1"]
        command += ["--peers", arguments.peers, "--out", f"{folder}/out"]
        command += [word for override in arguments.overrides for word in ("--set", override)]
        begun = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - begun
    print(f"whole command  {seconds:.0f} s, {seconds / 300:.2f} of the 5 minutes that it may take")


if __name__ == "__main__":
    main()
