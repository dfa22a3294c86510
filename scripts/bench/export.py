"""A run's model in ONNX float32 and int8 beside PyTorch: images a second, and what becomes of its scores.

p2pme swarm topologies/ring.yaml --out runs/ring
python scripts/bench/export.py runs/ring
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.deploy.export import export_model
from p2pfl_me.home import home
from p2pfl_me.learning.onnx_file import Precision
from p2pfl_me.learning.recogniser import Image, Recogniser, load_recogniser

REPEATS = 9
BATCHES = (1, 32)


def images_a_second(recogniser: Recogniser, images: Image) -> float:
    """The median of several calls, after one to warm up."""
    recogniser.scores(images)
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        recogniser.scores(images)
        seconds.append(time.perf_counter() - begun)
    return len(images) / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, help="clips to check on (default: the run's)")
    given = parser.parse_args()
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    print(f"{platform.machine()}, {cores} cores, torch {torch.__version__}, {torch.get_num_threads()} threads each")
    recognisers: dict[str, Recogniser] = {"PyTorch float32": load_recogniser(given.run, home=home())}
    with tempfile.TemporaryDirectory() as folder:
        for precision in Precision:
            path = Path(folder) / f"{precision}.onnx"
            found = export_model(
                given.run, path, precision=precision, data=given.data, home=home(), max_loss=1.0
            ).agreement
            recognisers[f"ONNX {precision}"] = load_recogniser(path, home=home())
            print(
                f"ONNX {precision}: {path.stat().st_size / 1e6:.1f} MB; on {found.clips} clips UF1 {found.uf1_onnx:.4f}"
                f" (PyTorch {found.uf1_torch:.4f}), largest difference {found.difference:.2g}, {found.changed} changed"
            )
        random = np.random.default_rng(0)
        for batch in BATCHES:
            images = random.integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
            rates = {name: images_a_second(each, images) for name, each in recognisers.items()}
            first = rates["PyTorch float32"]
            told = ", ".join(f"{name} {rate:.1f}/s ({rate / first:.2f})" for name, rate in rates.items())
            print(f"batches of {batch}: {told}")


if __name__ == "__main__":
    main()
