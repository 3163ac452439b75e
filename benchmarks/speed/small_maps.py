"""What it gains where the weights of convolutions learn from small maps in our own way.

    python -m benchmarks.speed.small_maps
    python -m benchmarks.speed.small_maps --model resnet50 --input-sizes 128 224 --pairs 10

On a processor with AVX2 alone, in float32. Two networks, one as PyTorch has it, take the same
forward and backward pass on the same random pixels in turns, on one thread; told is the median
ratio of the processor time of each pair, with the quartiles. Elsewhere both are the same, and a
line says so.
"""

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.tools.measuring import machine
from models.convolution import SmallMapConv2d, learn_fast_from_small_maps
from models.device import memory_format
from models.pretrained import build
from models.zoo import resolve
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.labels import CLASSES

NUM_WARM_UP = 2


def main() -> None:
    """Time both for each input size and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet18", help="a timm name (default: resnet18)")
    parser.add_argument("--input-sizes", type=int, nargs="+", default=[96, 128, 160, 224])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=20, help="passes of each (default: 20)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine(torch.device("cpu")))
    network, _ = build(resolve(given.model), len(CLASSES), pretrained=False)
    usual = network.to(memory_format=memory_format(network)).train()
    ours = copy.deepcopy(usual)
    learn_fast_from_small_maps(ours)
    if not any(isinstance(module, SmallMapConv2d) for module in ours.modules()):
        raise SettingsError(
            f"Nothing of {given.model} is changed on this processor",
            expected="one with AVX2 alone, and a network with dense convolutions",
        )
    rows = []
    for side in given.input_sizes:
        ratios = [
            seconds(ours, pixels) / seconds(usual, pixels)
            for pixels in progress(
                [torch.rand(given.batch_size, 3, side, side)] * (NUM_WARM_UP + given.pairs),
                desc=f"{side} pixels", unit="pairs",
            )
        ][NUM_WARM_UP:]  # fmt: skip
        rows.append([side, *(f"{share:.3f}" for share in np.quantile(ratios, (0.5, 0.25, 0.75)))])
    print(f"{given.model}, batches of {given.batch_size}: ours, against PyTorch's own")
    print(table(["pixels", "time", "from", "to"], rows))


def seconds(network: nn.Module, pixels: torch.Tensor) -> float:
    """Return the processor time of a forward and a backward pass."""
    started = time.process_time()
    labels = torch.arange(len(pixels)) % len(CLASSES)
    F.cross_entropy(
        network(pixels.contiguous(memory_format=memory_format(network))), labels
    ).backward()
    return time.process_time() - started


if __name__ == "__main__":
    run_script(main)
