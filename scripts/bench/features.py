"""The feature pass: VGG16's frozen layers over new images, then the same again from the cache.

    python scripts/bench/features.py [--images 512]

The reference, in the same run and with the same threads, is torchvision's own VGG16 in its default memory layout.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.features import BATCH, feature_rows, normalise

CONTRACT = "version: 1\nname: bench\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"


def image(index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=512)
    count = parser.parse_args().images
    torch.set_num_threads(os.cpu_count() or 1)
    contract = contract_from_yaml(CONTRACT)
    pairs = [(index.to_bytes(32, "big"), partial(image, index)) for index in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        feature_rows(contract, pairs[:BATCH], cache=cache, device="cpu")  # backbone made, libraries warm
        begun = time.perf_counter()
        feature_rows(contract, pairs[BATCH:], cache=cache, device="cpu")
        fresh = (count - BATCH) / (time.perf_counter() - begun)
        begun = time.perf_counter()
        feature_rows(contract, pairs, cache=cache, device="cpu")
        kept = count / (time.perf_counter() - begun)
    plain = architecture_of("vgg16").build().eval()
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.01)
    batches = max(1, count // BATCH // 4)
    with torch.inference_mode():
        plain(normalise(np.stack([image(index) for index in range(BATCH)])))
        begun = time.perf_counter()
        for batch in range(batches):
            plain(normalise(np.stack([image(batch * BATCH + index) for index in range(BATCH)])))
    reference = batches * BATCH / (time.perf_counter() - begun)
    print(f"machine      {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"feature pass {fresh:8.1f} images/s")
    print(f"from cache   {kept:8.0f} images/s")
    print(f"torchvision  {reference:8.1f} images/s in its default layout; ratio {fresh / reference:.2f}")


if __name__ == "__main__":
    main()
