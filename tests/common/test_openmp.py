"""OpenMP's variables are set by the scripts alone, before PyTorch, and only where nobody has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.common.system import openmp
from utils.common.system.openmp import FEW_SPINS, NUM_THREADS, SPINS, WAITING, share_processors

ROOT = Path(__file__).resolve().parents[2]

OF_A_SCRIPT = """
import os, runpy, sys
script, name = sys.argv[1:]
sys.argv[1:] = ["--help"]
try:
    runpy.run_path(script, run_name=name)
except SystemExit:
    pass
print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""

OF_A_LIBRARY = """
import os, sys
import launch_training_test, models, predict
import models.gate
print([name for name in sys.argv[1:] if name in os.environ])
"""

WEIGHTS = """
import hashlib, sys
from utils.common.system.openmp import share_processors
if sys.argv[1] == "set":
    share_processors()
import torch
from torch import nn
torch.manual_seed(0)
torch.set_num_threads(2)
network = nn.Sequential(
    nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5),
)
optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
pictures = torch.rand(4, 3, 64, 64)
for _ in range(2):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(pictures), torch.arange(4)).backward()
    optimizer.step()
digest = hashlib.sha256()
for tensor in network.state_dict().values():
    digest.update(tensor.numpy().tobytes())
print(digest.hexdigest())
"""


def run(code: str, *arguments: str, **variables: str) -> str:
    """Run it in a new process whose environment has no other variables of OpenMP's."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {*WAITING, NUM_THREADS}
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1] if done.stdout else ""


@pytest.fixture
def _whole_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "available_processors", lambda: 4)
    monkeypatch.setattr(openmp, "allowed_processors", lambda: 4)


@pytest.mark.usefixtures("_whole_machine")
def test_threads_wait_for_a_short_time() -> None:
    environment = {"HOME": "/root"}
    share_processors(environment)
    assert environment == {"HOME": "/root", SPINS: FEW_SPINS}


@pytest.mark.usefixtures("_whole_machine")
@pytest.mark.parametrize("name", WAITING)
def test_what_the_user_says_of_waiting_stays(name: str) -> None:
    environment = {name: "as the user says"}
    share_processors(environment)
    assert environment == {name: "as the user says"}


def test_a_container_gets_as_many_threads_as_it_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmp, "available_processors", lambda: 2)
    monkeypatch.setattr(openmp, "allowed_processors", lambda: 64)
    environment: dict[str, str] = {}
    share_processors(environment)
    assert environment[NUM_THREADS] == "2"
    environment[NUM_THREADS] = "1"  # as torchrun says
    share_processors(environment)
    assert environment[NUM_THREADS] == "1"


@pytest.mark.parametrize("script", ["launch_training_test.py", "predict.py"])
@pytest.mark.parametrize(("name", "spins"), [("__main__", FEW_SPINS), ("imported", "None")])
def test_a_script_sets_them_before_pytorch_but_not_where_it_is_imported(
    script: str, name: str, spins: str
) -> None:
    assert run(OF_A_SCRIPT, script, name) == f"{spins} False"


def test_a_script_leaves_the_users_own() -> None:
    assert run(OF_A_SCRIPT, "predict.py", "__main__", **{SPINS: "7"}) == "7 False"


@pytest.mark.slow
def test_what_uses_the_model_keeps_its_environment() -> None:
    assert run(OF_A_LIBRARY, *WAITING, NUM_THREADS) == "[]"


@pytest.mark.slow
def test_weights_are_the_same_to_the_last_bit() -> None:
    assert run(WEIGHTS, "set") == run(WEIGHTS, "not set") != ""
