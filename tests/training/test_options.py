"""What each flag of the training step changes, and what it leaves as it is."""

import functools
import os

import pytest
import timm
import torch
import torch.nn.functional as F

from models.classifier import is_of_assessment, let_assess
from utils.common.errors import SettingsError
from utils.common.labels import TEST
from utils.training.data.batches import IGNORED
from utils.training.engine import Trainer
from utils.training.step import device
from utils.training.step.activation_checkpointing import (
    checkpoint_activations,
    recompute_hidden_activations,
)
from utils.training.step.cuda_graph import Recorder
from utils.training.step.device import blame_flag, prepare
from utils.training.step.optimisation import balanced_loss, class_weights, make_optimizer, set_rate
from utils.training.step.train_step import TrainStep


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def test_each_label_is_smoothed_alike_however_rare_its_class() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(10, 5), torch.randint(0, 5, (10,))
    weights = torch.tensor(class_weights([300, 10, 40, 1, 50]))
    targets = 0.9 * F.one_hot(labels, 5) + 0.1 / 5
    expected = -(weights[labels] * (targets * logits.log_softmax(1)).sum(1)).sum()
    torch.testing.assert_close(balanced_loss(logits, labels, weights, 0.1), expected)
    ignored = torch.cat((labels, torch.full((3,), IGNORED)))
    more = torch.cat((logits, torch.randn(3, 5)))
    torch.testing.assert_close(balanced_loss(more, ignored, weights, 0.1), expected)
    alike = torch.ones(5)
    torch.testing.assert_close(
        balanced_loss(logits, labels, alike, 0.1) / 10,
        F.cross_entropy(logits, labels, label_smoothing=0.1),
    )


def test_earlier_layers_learn_more_slowly() -> None:
    network = timm.create_model("test_vit", num_classes=5)
    let_assess(network)
    optimizer = make_optimizer(network, 1.0, 0.05, layer_decay=0.5)
    set_rate(optimizer, 1.0)
    rates = {
        id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]
    }
    ordered = [
        network.patch_embed.proj.weight, *(block.mlp.fc1.weight for block in network.blocks),
        network.head.weight,
    ]  # fmt: skip
    found = [rates[id(weight)] for weight in ordered]
    assert found == [0.5**number for number in reversed(range(len(found)))]
    assert rates[id(network.head.assessment.weight)] == found[-1]
    assert len(rates) == len(list(network.parameters()))
    decay = {
        id(w): group["weight_decay"] for group in optimizer.param_groups for w in group["params"]
    }
    assert (decay[id(network.pos_embed)], decay[id(network.head.weight)]) == (0, 0.05)


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_frozen_epochs_train_the_classifier_alone(make_trainer, model: str) -> None:
    trainer = make_trainer(model, freeze_epochs=1)
    start = state(trainer)
    list(trainer.train_epoch(0))
    frozen = state(trainer)
    changed = {name for name in start if not torch.equal(start[name], frozen[name])}
    classifier = "fc." if model == "test_resnet" else "head."
    assert changed == {
        name for name in start if name.startswith(classifier) and not is_of_assessment(name)
    }
    list(trainer.train_epoch(1))
    after = state(trainer)
    learnt = {name for name, _ in trainer.network.named_parameters()}
    assert all(not torch.equal(frozen[name], after[name]) for name in learnt)


def test_no_recording_outlives_a_change_of_what_learns(
    make_trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(freeze_epochs=1)
    step = trainer.train_step
    monkeypatch.setattr(TrainStep, "_make_recorder", lambda self, *_: Recorder(self.optimizer))
    recorders = [Recorder(step.optimizer)]
    step.recorder = recorders[0]
    for is_frozen in (True, True, False, False):
        trainer._freeze(is_frozen)
        recorders.append(step.recorder)
    assert recorders[1] is recorders[2] is not recorders[0]
    assert recorders[3] is recorders[4] is not recorders[2]


def test_the_average_of_the_weights_is_what_predicts(make_trainer) -> None:
    plain, averaged = make_trainer(), make_trainer(ema=0.9)
    expected = None
    for done, _ in enumerate(averaged.train_epoch(0)):
        decay = min(0.9, 1 - done ** (-2 / 3)) if done > 1 else 0.0
        now = state(averaged)
        if expected is None:
            expected = now
        for name, value in now.items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in averaged.average.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name])
    list(plain.train_epoch(0))
    assert all(torch.equal(value, state(averaged)[name]) for name, value in state(plain).items())
    answers = averaged.predictor().predict(TEST, "Test").logits
    assert (answers != plain.predictor().predict(TEST, "Test").logits).any()
    plain.network.load_state_dict(averaged.average.module.state_dict())
    assert (answers == plain.predictor().predict(TEST, "Test").logits).all()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_checkpointing_changes_no_bit_of_weights_and_statistics(make_trainer, model: str) -> None:
    plain, sparing = make_trainer(model), make_trainer(model, grad_checkpointing=True)
    for trainer in (plain, sparing):
        list(trainer.train_epoch(0))
    after = state(sparing)
    assert all(torch.equal(value, after[name]) for name, value in state(plain).items())


def test_hidden_activations_computed_again_change_no_bit_and_keep_less() -> None:
    gradients, kept = [], []
    for prepare_network in (lambda network: None, recompute_hidden_activations):
        torch.manual_seed(0)
        network = timm.create_model(
            "swin_base_patch4_window7_224", img_size=56, depths=(2, 2), embed_dim=16,
            num_heads=(2, 4), num_classes=5,
        )  # fmt: skip
        prepare_network(network)
        sizes: dict[int, int] = {}

        def note(tensor: torch.Tensor, sizes=sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            answers = network(torch.randn(2, 3, 56, 56))
        answers.square().sum().backward()
        kept.append(sum(sizes.values()))
        gradients.append([weight.grad for weight in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    assert kept[1] < 0.85 * kept[0]


def test_a_model_that_cannot_recompute_is_one_line() -> None:
    with pytest.raises(SettingsError, match="Linear does not support activation checkpointing"):
        checkpoint_activations(torch.nn.Linear(1, 1))


def test_attention_is_fused() -> None:
    network = timm.create_model("test_vit")
    assert all(block.attn.fused_attn for block in network.blocks)


@pytest.fixture
def cuda_switches(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Record what is switched on for a CUDA device; nothing of it outlives the test."""
    switched: dict[str, object] = {}
    monkeypatch.setattr(torch.cuda, "set_device", lambda chosen: switched.update(device=chosen))
    monkeypatch.setattr(
        torch, "set_float32_matmul_precision", lambda value: switched.update(matmul=value)
    )
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda value: switched.update(deterministic=value)
    )
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setenv(device.CUBLAS_VARIABLE, "")
    monkeypatch.delenv(device.CUBLAS_VARIABLE)
    return switched


def test_a_gpu_is_made_fast(cuda_switches) -> None:
    cuda = torch.device("cuda", 0)
    prepare(cuda, deterministic=False)
    assert cuda_switches == {"device": cuda, "matmul": "high"}
    assert torch.backends.cudnn.benchmark is True
    assert device.CUBLAS_VARIABLE not in os.environ


def test_a_gpu_is_made_exact(cuda_switches) -> None:
    torch.backends.cudnn.benchmark = True
    prepare(torch.device("cuda", 0), deterministic=True)
    assert cuda_switches["deterministic"] is True
    assert torch.backends.cudnn.benchmark is False
    assert os.environ[device.CUBLAS_VARIABLE] == ":4096:8"


def test_what_a_flag_cannot_do_here_is_one_line() -> None:
    error = RuntimeError(
        "adaptive_max_pool2d_backward_cuda does not have a deterministic implementation, but you "
        "set 'torch.use_deterministic_algorithms(True)'.\nMore words"
    )
    assert str(blame_flag(error)) == (
        "--deterministic is not possible with this model: adaptive_max_pool2d_backward_cuda has no "
        "such algorithm. Start anew without --deterministic, or with another model."
    )

    class InductorError(RuntimeError):
        __module__ = "torch._inductor.exc"

    assert str(blame_flag(InductorError("No C++ compiler.\nTrace"))) == (
        "--compile does not work here: No C++ compiler. Start anew without --compile."
    )
    assert blame_flag(RuntimeError("shapes do not match")) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the compiler are not ours
def test_a_compiled_model_trains_the_same(make_trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are captured and split as ever; writing them in C++ would take most of two minutes."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plain, compiled = make_trainer(), make_trainer(compile=True)
    for trainer in (plain, compiled):
        list(trainer.train_epoch(0))
    assert compiled.network.state_dict().keys() == plain.network.state_dict().keys()
    torch.testing.assert_close(compiled.sums.totals, plain.sums.totals, rtol=1e-2, atol=1e-2)
