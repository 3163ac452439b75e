"""All that is to be shown on a GPU, by one command: its tests, then every benchmark of training.

python -m benchmarks.speed.gpu              or: make gpu
python -m benchmarks.speed.gpu --quick      to see that it works
"""

import argparse
import subprocess
import sys

import torch

from benchmarks.tools.measuring import ROOT, machine
from utils.common.errors import SettingsError, run_script
from utils.training.settings import RAM

TESTS = ("-m", "pytest", "-q", "-m", "gpu", "tests/training")
BENCHMARKS = (("loader",), ("train_step", "--cache", RAM), ("memory",))
"""A fast GPU outruns the decoding of the tree by four workers."""


def main() -> int:
    """Run everything; the exit code is 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the benchmarks in their short form")
    flags = ["--quick"] if parser.parse_args().quick else []
    if not torch.cuda.is_available():
        raise SettingsError(
            "PyTorch finds no CUDA device",
            todo="On a CPU run each module of benchmarks/ by itself",
        )
    print(machine(torch.device("cuda")))
    failed = []
    for arguments in (
        TESTS,
        *(("-m", f"benchmarks.speed.{n}", *own, *flags) for n, *own in BENCHMARKS),
    ):
        print(f"\n$ python {' '.join(arguments)}", flush=True)
        if subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode:
            failed.append(arguments[1] if arguments is not TESTS else "tests")
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nAll parts ran to their end.")
    return int(bool(failed))


if __name__ == "__main__":
    run_script(main)
