"""Five classes in, a network with its preprocessing out; stored ones are loaded as a gate.

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
    """Load a trained model, which then answers with `gate(pictures)`.

    No code from the folder is run and nothing is fetched, so a stranger's model can be loaded.

    Args:
        folder: A run's folder, or a copy of its `best.safetensors` and `best.json`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        amp: Compute in 16 bit where the hardware is fast at it.
        prior: How common each class is where the pictures come from: "equal", "train", a number for
            each class by its name, or a JSON file with such numbers.

    Raises:
        ModelError: If the two files are missing, torn or do not belong together.
        SettingsError: If there is no such device, or no such prior.
    """
    # PyTorch takes seconds to import; who only asks for a name or for --help need not wait.
    from models.bundle import read_bundle
    from models.device import Compute, choose_device, choose_precision
    from models.gate import Gate
    from models.prior import prior_of, read_prior

    shares = read_prior(prior)
    chosen = choose_device(device)
    compute = Compute(chosen, choose_precision(chosen, None if amp else False))
    card, network = read_bundle(Path(folder))
    return Gate(card, network, compute, prior_of(shares, card))
