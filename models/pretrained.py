"""A model's row of the zoo in, the network with its weights and its preprocessing out."""

import logging
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.calibration import PREFIX
from models.preprocessing import Preprocessing
from models.zoo import Model
from utils.common.errors import ModelError, shortlist
from utils.common.seeds import stable_hash

HUB_TIMEOUT_S = 5.0
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
WRAPPERS = ("state_dict_ema", "state_dict", "model")
OTHER_WEIGHTS = (
    "Give --pretrained-path FILE with weights for this model, or --no-pretrained to train from "
    "random weights"
)


class WeightsUnavailableError(ModelError):
    """Pretrained weights that cannot be had here and now."""


def build(
    model: Model, num_classes: int, pretrained: bool, pretrained_path: str = "", seed: int = 0
) -> tuple[nn.Module, Preprocessing]:
    """Make a network with `num_classes` outputs.

    Args:
        model: A row of the zoo.
        num_classes: Outputs of its classifier.
        pretrained: Load timm's weights from the hub, or from its cache on this computer.
        pretrained_path: Load this .safetensors, .pth or .pt file instead.
        seed: Random weights, those of a new classifier too, follow from it.

    Raises:
        WeightsUnavailableError: If the hub's weights cannot be had.
        ModelError: If the file's weights are not for this model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "weights") >> 1)
        if pretrained and not pretrained_path:
            network = _from_hub(model, num_classes)
        else:
            network = _create(model, num_classes=num_classes)
    if pretrained_path:
        load_weights_file(network, Path(pretrained_path), model)
    return network, Preprocessing.of_model(network)


def _create(model: Model, **arguments: Any) -> nn.Module:
    import timm

    return timm.create_model(model.timm_name, **arguments)


def _from_hub(model: Model, num_classes: int) -> nn.Module:
    import timm
    from huggingface_hub import get_session, hf_hub_url, try_to_load_from_cache

    config = timm.get_pretrained_cfg(model.timm_name)
    hub_id = config.hf_hub_id if config else None
    if config is None or not (hub_id or config.url or config.file):
        raise WeightsUnavailableError(
            f"timm has no pretrained weights for {model.name}", todo=OTHER_WEIGHTS
        )
    overlay = None
    if hub_id:
        cached = (try_to_load_from_cache(hub_id, name) for name in HUB_FILES)
        found = next((path for path in cached if isinstance(path, str)), None)
        if found:
            overlay = {"file": found}
    # The hub's client and timm report failures as whatever their HTTP library of the day raises.
    try:
        if hub_id and not overlay:
            # The hub's own client would retry for most of a minute before it says so.
            get_session().head(hf_hub_url(hub_id, HUB_FILES[0]), timeout=HUB_TIMEOUT_S)
        return _create(
            model, num_classes=num_classes, pretrained=True, pretrained_cfg_overlay=overlay
        )
    except Exception as error:
        raise WeightsUnavailableError(
            f"The pretrained weights of {model.name} cannot be had: {_first_line(error)}",
            expected="an answer from the model hub",
            todo=OTHER_WEIGHTS,
        ) from error


def load_weights_file(network: nn.Module, path: Path, model: Model) -> None:
    """Load a weights file; only a classifier of another class count may differ, and is told.

    Raises:
        ModelError: If the file is no weights file or its weights are not for this model.
    """
    stored = _read_weights(path)
    weights = {name: stored[name] for name in stored if not name.startswith(PREFIX)}
    weights = _checkpoint_layout(weights, network)
    own = network.state_dict()
    head = [name for name in own if name.startswith(_head_prefixes(network))]
    new_head = any(name not in weights or weights[name].shape != own[name].shape for name in head)
    if new_head:
        weights = {k: v for k, v in weights.items() if not k.startswith(_head_prefixes(network))}
    expected = set(own) - set(head) if new_head else set(own)
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    faults = [
        *(f"{name} is missing" for name in sorted(expected - counters - set(weights))),
        *(f"{name} is unknown" for name in sorted(set(weights) - set(own))),
        *(
            f"{name} is {_shape(weights[name])} instead of {_shape(own[name])}"
            for name in sorted(set(weights) & expected)
            if weights[name].shape != own[name].shape
        ),
    ]
    if faults:
        raise ModelError(
            f"{path} does not hold the weights of {model.name}: {shortlist(faults)}",
            todo="Give the file that belongs to this model, or another --model",
        )
    network.load_state_dict(weights, strict=False)
    if new_head:
        print(f"The classifier in {path.name} is for other classes; it is trained anew.")


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is no file of tensors, or would run code when loaded",
            expected="a .safetensors file, or a .pth or .pt file of tensors alone",
        ) from error
    except Exception as error:  # zip, safetensors and system errors have no common base
        raise ModelError(
            f"{path} cannot be read as weights: {_first_line(error)}",
            expected="a .safetensors file, or a .pth or .pt file of tensors alone",
        ) from error
    while isinstance(content, dict):
        inner = next((content[name] for name in WRAPPERS if name in content), None)
        if not isinstance(inner, dict):
            break
        content = inner
    if not isinstance(content, dict) or not all(torch.is_tensor(v) for v in content.values()):
        raise ModelError(f"{path} holds no table of weights", expected="names with tensors")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def _checkpoint_layout(
    weights: dict[str, torch.Tensor], network: nn.Module
) -> dict[str, torch.Tensor]:
    """Rename the weights of an original release as timm does it for this architecture."""
    if set(weights) >= {name for name, _ in network.named_parameters()}:
        return weights
    rename = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if rename is None:
        return weights
    try:
        return rename(weights, network)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError, AttributeError):
        logging.getLogger(__name__).debug("not an original release either", exc_info=True)
        return weights


def _head_prefixes(network: nn.Module) -> tuple[str, ...]:
    """Return how the names of the classifier's weights start, such as ("fc.",)."""
    names = network.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
