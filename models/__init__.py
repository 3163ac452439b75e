"""Build networks with their preprocessing, and load trained ones as a gate that classifies.

from models import load
gate = load("runs/resnet18-1")
gate("photo.jpg")
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.gate import Gate


def load(
    folder: str | Path,
    device: str = "auto",
    amp: bool = False,
    prior: str | Path | Mapping[str, float] = "equal",
) -> "Gate":
    """Load a trained model, which is called with pictures: `gate(pictures)`.

    No code from the folder is run and nothing is downloaded, so a stranger's model is safe to load.

    Args:
        folder: A run's folder, or a folder with its `best.safetensors` and `best.json`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        amp: Whether to compute in 16 bits where the hardware is fast at it.
        prior: How common each class is where the pictures come from: "equal", "train", a number for
            each class by its name, or a JSON file with such numbers.

    Raises:
        ModelError: If the two files are missing, damaged or do not belong together.
        SettingsError: If there is no such device, or no such prior.
    """
    # PyTorch takes seconds to import; --help and a wrong name need not wait for it.
    from models.bundle import read_bundle
    from models.device import Compute, choose_device, choose_precision
    from models.gate import Gate
    from models.prior import prior_of, read_prior

    shares = read_prior(prior)
    chosen = choose_device(device)
    compute = Compute(chosen, choose_precision(chosen, None if amp else False))
    card, network = read_bundle(Path(folder))
    return Gate(card, network, compute, prior_of(shares, card))
