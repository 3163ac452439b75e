"""Check weights for NaN and infinity, and whether a stored state fits a trainer."""

from collections.abc import Mapping
from typing import Any

import torch

from utils.common.labels import CLASSES, TRAIN, VAL
from utils.training.engine import Trainer

MAX_MICRO_BATCHES = 2**32


def find_non_finite(trainer: Trainer) -> list[str]:
    """Return the names of weights and running statistics that are NaN or infinite.

    Waits for the device.
    """
    networks = [trainer.network, *([trainer.average.module] if trainer.average else [])]
    names = (
        name
        for network in networks
        for name, tensor in network.state_dict().items()
        if not torch.isfinite(tensor).all()
    )
    return list(dict.fromkeys(names))


class UnusableError(ValueError):
    """A part of a stored state that cannot be used, named in a few words."""


def check_tensors(state: Mapping[str, Any], trainer: Trainer) -> None:
    """Compare a state with that of a trainer made from the same settings.

    Raises:
        UnusableError: If names, shapes, dtypes or options differ, or a number is NaN or infinite.
    """
    _check_like("weights", state["weights"], trainer.network.state_dict())
    if trainer.average is not None:
        _check_like("average", state["average"], trainer.average.module.state_dict())
    _check_optimizer(state["optimizer"], trainer.train_step.optimizer)
    scaler = trainer.train_step.scaler
    if scaler.is_enabled():
        _check_scaler(state["scaler"], scaler.state_dict())
    _require(type(state["parts"]) is int and 1 <= state["parts"] <= MAX_MICRO_BATCHES, "parts")
    own = {"totals": trainer.sums.totals, "confusion": trainer.sums.confusion}
    _check_like("sums", state["sums"], own)
    _require(all(bool((state["sums"][name] >= 0).all()) for name in own), "sums below 0")
    shape = len(trainer.loader.pictures.splits[VAL]), len(CLASSES)
    _check_val_logits(state["val_logits"], state["progress"]["epoch"], shape)
    steps = trainer.loader.steps(TRAIN)
    step = state["progress"]["step"]
    _require(step <= steps, f"step {step} of an epoch of {steps}")


def _check_like(title: str, stored: Any, own: Mapping[str, torch.Tensor]) -> None:
    """Compare tensors by name, shape and dtype, and refuse NaN and infinity."""
    _require(isinstance(stored, Mapping) and stored.keys() == own.keys(), f"{title} by name")
    for name, expected in own.items():
        _check_tensor(f"{title} of {name}", stored[name], expected)


def _check_tensor(title: str, stored: Any, expected: torch.Tensor) -> None:
    _check_form(title, stored, expected.shape, expected.dtype)
    _require(bool(torch.isfinite(stored).all()), f"{title}, which are NaN or infinite")


def _check_form(title: str, stored: Any, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    is_alike = (
        isinstance(stored, torch.Tensor)
        and stored.layout == torch.strided
        and stored.shape == shape
        and stored.dtype == dtype
        and stored.device.type == "cpu"
    )
    _require(is_alike, f"{title} by shape or dtype")


def _check_val_logits(stored: Any, num_epochs: int, shape: tuple[int, int]) -> None:
    """Check the logits of val, one table for each epoch; an epoch's may be NaN or infinite."""
    _require(isinstance(stored, list) and len(stored) == num_epochs, "logits of val by epoch")
    for logits in stored:
        _check_form("logits of val", logits, shape, torch.float32)


def _check_optimizer(stored: Any, optimizer: torch.optim.Optimizer) -> None:
    """Compare the options, which follow from the settings, and check the moments."""
    own = optimizer.state_dict()["param_groups"]
    groups, moments = stored["param_groups"], stored["state"]
    _require(isinstance(groups, list) and len(groups) == len(own), "groups of the optimizer")
    for group, expected in zip(groups, own, strict=True):
        _require(isinstance(group, dict), "groups of the optimizer")
        _require(not group.keys() - expected.keys(), "options of the optimizer")
        for name, value in group.items():
            if name == "lr":  # set anew before each step
                is_known = _is_rate(value)
            else:
                is_known = type(value) is type(expected[name]) and value == expected[name]
            _require(is_known, f"{name} of the optimizer")
        _require("params" in group and "lr" in group, "groups of the optimizer")
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    _require(isinstance(moments, dict), "moments of the optimizer")
    for number, kept in moments.items():
        _require(type(number) is int and 0 <= number < len(weights), "moments of no weight")
        _check_moments(kept, weights[number])


def _check_moments(kept: Any, weight: torch.Tensor) -> None:
    names = {"step", "exp_avg", "exp_avg_sq"}
    _require(isinstance(kept, dict) and kept.keys() == names, "moments by name")
    for name in names - {"step"}:
        _check_tensor("moments", kept[name], weight)
    _check_tensor("steps of the optimizer", kept["step"], torch.zeros(()))
    is_sound = bool((kept["exp_avg_sq"] >= 0).all()) and bool(kept["step"] >= 0)
    _require(is_sound, "moments below 0")


def _is_rate(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.dtype == torch.float32 and value.shape == () and bool(torch.isfinite(value))
    return isinstance(value, float) and value >= 0


def _check_scaler(stored: Any, own: Mapping[str, Any]) -> None:
    _require(isinstance(stored, dict) and stored.keys() == own.keys(), "scaler by name")
    for name in own.keys() - {"scale", "_growth_tracker"}:
        _require(stored[name] == own[name], f"{name} of the scaler")
    scale, tracker = stored["scale"], stored["_growth_tracker"]
    _require(isinstance(scale, float) and 0 < scale < float("inf"), "scale of the scaler")
    _require(type(tracker) is int and 0 <= tracker <= own["growth_interval"], "scaler's counter")


def _require(is_sound: bool, what: str) -> None:
    if not is_sound:
        raise UnusableError(what)
