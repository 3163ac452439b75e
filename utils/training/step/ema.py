"""Keep the exponential moving average (EMA) of a network's weights over the steps."""

from timm.utils import ModelEmaV3
from torch import nn

from utils.training.step.running_statistics import RunningStatistics
from utils.training.step.settling import Settling, settle_average


class WeightAverage:
    """The average of a network's weights, as a network of its own.

    Args:
        network: The network whose weights are averaged, on its device.
        decay: Decay of the average per step, 0-1; smaller in the first steps.
        settling: Settles batch norm's running statistics after a change of the input's size; None
            where the size never changes.
    """

    def __init__(self, network: nn.Module, decay: float, settling: Settling | None = None) -> None:
        self._ema = ModelEmaV3(network, decay, use_warmup=True)
        self._settling = settling
        self._network = network
        self._own, self._averaged = RunningStatistics(self.module), RunningStatistics(network)

    @property
    def module(self) -> nn.Module:
        """The network that holds the average."""
        module: nn.Module = self._ema.module
        return module

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0 over the whole training."""
        before = self._own.read() if self._settling else []
        self._ema.update(self._network, step=step)
        if self._settling and self._own:
            decay = self._ema.get_decay(step)
            settle_average(self._own, before, self._averaged, decay, self._settling.since_change)
