"""Build the network of a run on all ranks: with its initial weights, or for stored ones."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models.classifier import is_assessing, let_assess
from models.preprocessing import Preprocessing
from models.pretrained import (
    WeightsUnavailableError,
    architecture_of,
    build,
    load_assessment,
)
from models.zoo import Model, resolve
from utils.common.cli import prompts
from utils.common.labels import CLASSES
from utils.training.processes.world import World
from utils.training.settings import RunSettings, Settings, complete
from utils.training.step.classifier import can_learn_to_assess, features_shape


@dataclass(frozen=True, slots=True)
class Built:
    """A network with what goes with it.

    Attributes:
        network: On the CPU.
        preprocessing: Preprocessing of the network.
        settings: Settings of the run, completed with the model's defaults.
    """

    network: nn.Module
    preprocessing: Preprocessing
    settings: RunSettings


def build_network(asked: Settings, world: World) -> Built:
    """Build a network with its initial weights, which rank 0 alone looks for.

    Args:
        asked: Settings as given, with batch size, workers and model.
        world: The processes that train together.

    Raises:
        ModelError: If the weights are not available, and random ones are not wanted.
    """
    assert asked.model is not None
    model = resolve(asked.model)
    built: list[nn.Module] = []

    def build_first() -> tuple[str, bool, Preprocessing]:
        network, preprocessing, pretrained = _with_weights(asked, model)
        name = model.name
        if model.is_sourced:
            name = architecture_of(network, len(CLASSES), preprocessing.size)
            print(f"{model.name} is a {name}; its run is named after that.")
            # As it is resumed and stored: a description may also tell rates of dropout.
            plain = _build_untrained(name, preprocessing, asked)
            plain.load_state_dict(network.state_dict())
            network = plain
        built.append(network)
        return name, pretrained, preprocessing

    name, pretrained, preprocessing = world.broadcast(build_first)
    model = resolve(name)
    network = built[0] if built else _build_untrained(name, preprocessing, asked)
    _let_assess(network, preprocessing, asked.assessment_weight, model.name)
    if built and asked.pretrained_path and is_assessing(network):
        load_assessment(network, Path(asked.pretrained_path))
    world.broadcast_tensors(network.state_dict().values())
    has_features = features_shape(network, preprocessing) is not None
    settings = complete(asked, model, pretrained=pretrained, has_features=has_features)
    return Built(network, preprocessing, settings)


def rebuild_network(settings: RunSettings, stored: Preprocessing) -> Built:
    """Build the network of a stored run, whose weights are still to be loaded.

    Args:
        settings: Settings of the run.
        stored: Preprocessing of the run, which tells the size of the network's input.
    """
    network = _build_untrained(settings.model, stored, settings)
    _let_assess(network, stored, settings.assessment_weight, settings.model)
    return Built(network, stored, settings)


def _build_untrained(name: str, preprocessing: Preprocessing, asked: Settings) -> nn.Module:
    """Build a network of timm's own list, whose weights are still to be loaded."""
    size, is_growing = preprocessing.size, asked.progressive_resizing
    return build(resolve(name), len(CLASSES), False, "", 0, size, is_growing)[0]


def _let_assess(network: nn.Module, preprocessing: Preprocessing, weight: float, name: str) -> None:
    """Add the layer that assesses pictures if its loss has a weight, and say where it cannot be."""
    if not weight:
        return
    if can_learn_to_assess(network, preprocessing):
        let_assess(network)
    else:
        print(
            f"{name} has no single linear classifier, beside which a layer could learn what is "
            "wrong with a picture: it learns the classes alone."
        )


def _with_weights(asked: Settings, model: Model) -> tuple[nn.Module, Preprocessing, bool]:
    """Build the network; where weights are not available, never silently train something else.

    Returns:
        The network, its preprocessing, and whether it has pretrained weights.
    """
    arguments = (
        *(asked.pretrained_path, asked.seed),
        *(asked.size_of_input, asked.progressive_resizing),
    )
    try:
        return *build(model, len(CLASSES), asked.pretrained, *arguments), asked.pretrained
    except WeightsUnavailableError as error:
        if model.is_sourced or not prompts.can_be_asked():
            raise
        print(error)
        answers = {"y": True, "yes": True, "n": False, "no": False}
        if not prompts.ask_choice(
            "Train from random weights instead? [y/n]: ", answers, "--no-pretrained"
        ):
            raise
        return *build(model, len(CLASSES), False, *arguments), False
