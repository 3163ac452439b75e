"""Build a network with its weights and its preprocessing, from the hub, a file or at random."""

import copy
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.classifier import is_of_assessment
from models.inference import outputs_and_activations
from models.novelty import PREFIX
from models.preprocessing import Preprocessing
from models.sizes import Size, is_about_size, own_size, size_arguments, with_size
from models.weights import Found, find_weights, first_line, read_weights_file
from models.zoo import Model, resolve
from utils.common.errors import ModelError, shortlist
from utils.common.seeds import stable_hash

HUB_TIMEOUT_S = 5.0
HUB_CONFIG = "config.json"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
OTHER_WEIGHTS = (
    "Give --pretrained-path FILE with weights for this model, or --no-pretrained to train from "
    "random weights"
)

PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Dtypes of the weights that are taken; smaller ones mean nothing without scales of their own."""

SMALL = 0.01
"""Absolute value below which all weights of a tensor together change hardly anything."""


class WeightsUnavailableError(ModelError):
    """Pretrained weights are not available here and now."""


def build(
    model: Model,
    num_classes: int,
    pretrained: bool,
    pretrained_path: str = "",
    seed: int = 0,
    size: Size | None = None,
    is_growing: bool = False,
) -> tuple[nn.Module, Preprocessing]:
    """Build a network with `num_classes` outputs, and its preprocessing.

    Args:
        model: The model, an entry of the zoo.
        num_classes: Outputs of its classifier.
        pretrained: Load timm's weights from the hub, or from its cache on this computer.
        pretrained_path: Load this .safetensors, .pth or .pt file instead.
        seed: Seed of random weights; a new classifier of a pretrained network begins with zeros.
        size: Height and width of its input, in pixels; None for its own.
        is_growing: Whether it has to accept smaller pictures, too; see `sizes.stages_of`.

    Raises:
        WeightsUnavailableError: If the hub's weights are not available.
        ModelError: If the file's weights are not for this model, or it does not support the size.
    """
    from_hub = pretrained and not pretrained_path
    make = partial(_from_source if model.is_sourced else _create, model, num_classes=num_classes)
    with torch.random.fork_rng(devices=[]):
        full = size
        if size is None and is_growing:
            with torch.device("meta"):
                full = own_size(model) or Preprocessing.of_model(make()).size
        arguments = {} if full is None else size_arguments(model, make, full, is_growing)
        torch.manual_seed(stable_hash(seed, "weights") >> 1)
        if model.is_sourced:
            network = make(pretrained=from_hub, **arguments)
        elif from_hub:
            network = _from_hub(model, num_classes=num_classes, **arguments)
        else:
            network = make(**arguments)
    if pretrained_path:
        load_weights_file(network, Path(pretrained_path), model)
    elif from_hub and _config_of(network).get("num_classes") != num_classes:
        _begin_at_zero(network)  # timm has left out the classifier for other classes
    return network, with_size(Preprocessing.of_model(network), size)


def architecture_of(network: nn.Module, num_classes: int, size: Size | None = None) -> str:
    """Return the name in timm's own list of a network that came from elsewhere.

    It is stored under that name alone, so that loading it needs nobody's page on the hub.

    Args:
        network: A network made by `build`.
        num_classes: Outputs of its classifier.
        size: Height and width of its input, in pixels; None for its own.

    Raises:
        ModelError: If it was modified, so that the name alone would build another network.
    """
    name = str(_config_of(network)["architecture"])
    other = partial(build, resolve(name), num_classes, pretrained=False, size=size)
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in other()[0].state_dict().items()}
    is_own = {k: v.shape for k, v in network.state_dict().items()} == shapes
    if not is_own or not _compute_alike(
        network, other()[0], size or Preprocessing.of_model(network).size
    ):
        raise ModelError(
            f"This model is a modified {name}, which cannot be stored",
            expected="an architecture of timm's own list",
            todo=f"Take --model {name}, if necessary with --pretrained-path FILE",
        )
    return name


def _compute_alike(network: nn.Module, other: nn.Module, size: Size) -> bool:
    """Return whether two networks of the same shapes make the same of a picture.

    Pooling, activations and the like have no weights that would tell.
    """
    weights = {name: _without_small(one) for name, one in other.state_dict().items()}
    picture = torch.linspace(-2, 2, 3 * size[0] * size[1]).view(1, 3, *size)
    found = []
    for one in (copy.deepcopy(network), other):
        one.load_state_dict(weights)
        with torch.no_grad():
            found.append(outputs_and_activations(one.eval(), picture))
    return all(
        torch.allclose(own, plain, rtol=1e-4, atol=1e-5, equal_nan=True)
        for own, plain in zip(*found, strict=True)
    )


def _without_small(initial: torch.Tensor) -> torch.Tensor:
    """Return random weights without zeros, and instead of all small ones larger ones.

    An initial zero, or a scale of a layer that begins at 1e-6, would hide what comes before it.
    """
    if not initial.is_floating_point():
        return initial
    is_small = initial.abs() < SMALL
    return initial.masked_fill(is_small if is_small.all() else initial == 0, 0.1)


def _from_source(model: Model, **arguments: Any) -> nn.Module:
    """Build a network from somebody's description on the hub or in a folder."""
    from huggingface_hub import get_session, hf_hub_url, try_to_load_from_cache

    source, _, place = model.timm_name.partition(":")
    try:
        hub_id = place.partition("@")[0]
        if source == "hf-hub" and not isinstance(try_to_load_from_cache(hub_id, HUB_CONFIG), str):
            get_session().head(hf_hub_url(hub_id, HUB_CONFIG), timeout=HUB_TIMEOUT_S)
        return _create(model, **arguments)
    except Exception as error:  # as below, and whatever a stranger's description causes
        if is_about_size(error):
            raise
        raise WeightsUnavailableError(
            f"{model.name} is not available: {first_line(error)}",
            expected="a model of timm with its config.json",
            todo="Check the name, or give that of its architecture with --pretrained-path FILE",
        ) from error


def _create(model: Model, **arguments: Any) -> nn.Module:
    import timm

    return timm.create_model(model.timm_name, **arguments)


def _from_hub(model: Model, **arguments: Any) -> nn.Module:
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
    # The hub's client and timm raise whatever their HTTP library raises.
    try:
        if hub_id and not overlay:
            # The hub's own client would retry for most of a minute before it fails.
            get_session().head(hf_hub_url(hub_id, HUB_FILES[0]), timeout=HUB_TIMEOUT_S)
        return _create(model, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except Exception as error:
        raise WeightsUnavailableError(
            f"The pretrained weights of {model.name} are not available: {first_line(error)}",
            expected="an answer from the model hub",
            todo=OTHER_WEIGHTS,
        ) from error


def load_weights_file(network: nn.Module, path: Path, model: Model) -> None:
    """Load a weights file; only a classifier for other classes may differ, with a message.

    A message also names what else the file holds among these weights.

    Raises:
        ModelError: If the file is not a weights file or its weights are not for this model.
    """
    found = find_weights(read_weights_file(path), network)
    if not found:
        raise ModelError(f"{path} holds no weights", expected="a state dict: tensors by name")
    checked = [(one, *_check(one, network)) for one in found]
    fitting = [entry for entry in checked if not entry[-1]]
    chosen, weights, is_new, faults = (fitting or checked)[0]
    if faults:
        raise ModelError(
            f"{path} does not hold the weights of {model.name}: {shortlist(faults)}",
            todo="Give the file that belongs to this model, or another --model",
        )
    network.load_state_dict(weights, strict=False)
    _tell(path, chosen, [one for one, *_ in fitting if one.is_renamed == chosen.is_renamed])
    if is_new:
        _begin_at_zero(network)
        print(f"The classifier in {path.name} is for other classes; a new one is trained.")


def _begin_at_zero(network: nn.Module) -> None:
    """Set the weights of a network's classifier to zero.

    From random ones it would keep some weight for every direction in which training pictures hardly
    vary and others do. docs/measured.md tells what that costs on pictures of other origins.
    """
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.startswith(_head_prefixes(network)):
                weight.zero_()


def load_assessment(network: nn.Module, path: Path) -> None:
    """Load the weights of the layer that assesses pictures if a weights file has them.

    Args:
        network: A network that assesses pictures, whose other weights were loaded from the file.
        path: A file that `load_weights_file` has accepted.
    """
    own = {k: v for k, v in network.state_dict().items() if is_of_assessment(k)}
    stored = find_weights(read_weights_file(path), network)[0].weights
    if all(
        name in stored and stored[name].shape == tensor.shape and not _fault(stored[name], tensor)
        for name, tensor in own.items()
    ):
        network.load_state_dict({name: stored[name] for name in own}, strict=False)


def _tell(path: Path, chosen: Found, fitting: list[Found]) -> None:
    """Print which weights were taken where there is a choice, and which were ignored."""
    names = [one.name for one in fitting]
    if len(names) > 1:
        kind = "the average over the steps" if chosen.is_average else "the first that fits"
        print(
            f"{path.name} holds {len(names)} sets of weights for this model ({shortlist(names)}): "
            f"{chosen.name}, {kind}, is used."
        )
    taken = tuple(one.beginning for one in fitting if one.place == chosen.place)
    strangers = [name for name in chosen.others if not name.startswith(taken)]
    if strangers:
        told = shortlist(strangers)
        print(f"{path.name} also holds weights that this model does not have: {told}.")


def _check(found: Found, network: nn.Module) -> tuple[dict[str, torch.Tensor], bool, list[str]]:
    """Return the weights to load, whether the classifier is left out, and what is wrong."""
    weights = {
        name: tensor
        for name, tensor in found.weights.items()
        if not name.startswith(PREFIX) and not is_of_assessment(name)
    }
    own = network.state_dict()
    head = [name for name in own if name.startswith(_head_prefixes(network))]
    is_new = any(name not in weights or weights[name].shape != own[name].shape for name in head)
    if is_new:
        weights = {k: v for k, v in weights.items() if not k.startswith(_head_prefixes(network))}
    expected = set(own) - set(head) if is_new else set(own)
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    faults = [
        *(f"{name} is missing" for name in sorted(expected - counters - set(weights))),
        *(f"{name} is unknown" for name in sorted(set(weights) - set(own))),
        *(
            f"{name} is {_shape(weights[name])} instead of {_shape(own[name])}"
            for name in sorted(set(weights) & expected)
            if weights[name].shape != own[name].shape
        ),
        *(
            f"{name} {fault}"
            for name in sorted(weights)
            if (fault := _fault(weights[name], own.get(name, weights[name])))
        ),
    ]
    return weights, is_new, faults


def _head_prefixes(network: nn.Module) -> tuple[str, ...]:
    """Return how the names of the classifier's weights start, such as ("fc.",)."""
    names = _config_of(network).get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _config_of(network: nn.Module) -> Mapping[str, Any]:
    """Return the configuration that timm keeps on a network that it built."""
    config: Mapping[str, Any] = vars(network)["pretrained_cfg"]
    return config


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _fault(tensor: torch.Tensor, own: torch.Tensor) -> str:
    """Return why a tensor cannot be copied into a network's own; "" if it can."""
    if tensor.is_meta or tensor.layout is not torch.strided:
        return f"has no plain numbers ({'meta' if tensor.is_meta else tensor.layout})"
    is_whole = own.is_floating_point() and not tensor.is_floating_point()
    is_tiny = tensor.is_floating_point() and tensor.dtype not in PRECISIONS
    if is_whole or is_tiny or tensor.is_quantized or tensor.is_complex():
        return f"is {_dtype(tensor)} instead of {_dtype(own)}"
    is_finite = not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
    return "" if is_finite else "is NaN or infinite"


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
