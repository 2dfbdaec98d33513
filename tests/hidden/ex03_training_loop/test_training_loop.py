"""Hidden suite of exercise 3.

The judge works every expected value out by itself: gradients by torch.autograd.grad or in closed form, SGD, momentum
and Adam by hand, in float64 unless a test is about float32. The drivers build the same network from the same state.
"""

import math
import time

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import NOTHING, check, check_close, check_equal, check_raises, check_tensor, same, show

State = dict[str, Tensor]
Batch = list[Tensor]  # [inputs, targets], as a DataLoader gives it

FEATURES, HIDDEN, CLASSES = 3, 5, 4


# ---------------------------------------------------------------------------------------------------------------------
# The judge's own network: Linear, Tanh, Linear
# ---------------------------------------------------------------------------------------------------------------------


def random_state(rng: torch.Generator) -> State:
    shapes = {"0.weight": (HIDDEN, FEATURES), "0.bias": (HIDDEN,), "2.weight": (CLASSES, HIDDEN), "2.bias": (CLASSES,)}
    return {name: torch.randn(shape, generator=rng, dtype=torch.float64) for name, shape in shapes.items()}


def random_batches(rng: torch.Generator, *sizes: int, classes: int = CLASSES) -> list[Batch]:
    """Each batch is twice as far out as the one before, so that their losses differ clearly."""
    return [
        [
            torch.randn(size, FEATURES, generator=rng, dtype=torch.float64) * 2.0**number,
            torch.randint(classes, (size,), generator=rng),
        ]
        for number, size in enumerate(sizes)
    ]


def logits_of(state: State, inputs: Tensor) -> Tensor:
    hidden = torch.tanh(inputs @ state["0.weight"].T + state["0.bias"])
    return hidden @ state["2.weight"].T + state["2.bias"]


def loss_and_gradients(state: State, batch: Batch) -> tuple[float, State]:
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    loss = F.cross_entropy(logits_of(leaves, batch[0]), batch[1])
    return loss.item(), dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def moved(state: State, gradients: State, lr: float) -> State:
    return {name: value - lr * gradients[name] for name, value in state.items()}


def sgd(state: State, batches: list[Batch], lr: float) -> tuple[list[float], State, State]:
    """The losses before each step, the weights at the end, the last step's gradients."""
    losses, gradients = [], {}
    for batch in batches:
        loss, gradients = loss_and_gradients(state, batch)
        losses.append(loss)
        state = moved(state, gradients, lr)
    return losses, state, gradients


def sample_mean(values: list[float], batches: list[Batch]) -> float:
    sizes = [len(targets) for _, targets in batches]
    return sum(value * size for value, size in zip(values, sizes, strict=True)) / sum(sizes)


def scores(state: State, batches: list[Batch]) -> tuple[float, float]:
    """Mean loss per sample and accuracy."""
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    logits = logits_of(state, inputs)
    return F.cross_entropy(logits, targets).item(), int((logits.argmax(1) == targets).sum()) / len(targets)


def check_state(got: State, expected: State, what: str, hint: str) -> None:
    check(
        type(got) is dict and list(got) == list(expected),
        expected=f"the model's {', '.join(expected)}",
        got=f"{', '.join(map(str, got)) if type(got) is dict else show(got)}",
        hint=hint,
    )
    for name, value in expected.items():
        check_tensor(got[name], value, rtol=1e-6, atol=1e-9, what=f"{what} {name}", hint=hint)


def modes_in_words(passes) -> str:
    """The mode of each forward pass, as far as its modules agree on one."""
    if type(passes) is not list or not all(type(flags) is list for flags in passes):
        return show(passes)
    words = ["training" if all(flags) else "mixed" if any(flags) else "evaluation" for flags in passes]
    return ", ".join(words) or "no forward pass"


def check_modes(got, expected: list[list[bool]], what: str, hint: str) -> None:
    """Each module's flag in each forward pass, told as one word for each pass."""
    check(same(got, expected), expected=f"{what}: {modes_in_words(expected)}", got=modes_in_words(got), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: train_step
# ---------------------------------------------------------------------------------------------------------------------


def take_steps(sub, state, batches, kind, settings, forget, stale):
    import torch
    from torch import nn

    hidden, features = state["0.weight"].shape
    model = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, len(state["2.bias"])))
    model.to(state["0.weight"])  # its dtype, its device
    model.load_state_dict(state)
    optimizer = getattr(torch.optim, kind)(model.parameters(), **settings)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, stale) if stale else None
    losses = [
        sub.train_step(model, inputs, targets, nn.functional.cross_entropy, optimizer, forget=forget)
        for inputs, targets in batches
    ]
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in model.named_parameters()
    }
    return {"losses": losses, "weights": dict(model.state_dict()), "gradients": gradients}


ORDER = "Three calls make a step. What does each of them read, and what does it write?"
STEP = "train_step(model, inputs, targets, F.cross_entropy, SGD(model.parameters(), lr=0.5))"


def run_steps(submission, state, batches, lr=0.5, forget=None, stale=0.0, call=STEP):
    return submission.run(take_steps, state, batches, "SGD", {"lr": lr}, forget, stale, call=call)


@pytest.mark.task(1)
def test_the_loss_before_the_step_is_returned_as_a_float(submission, rng):
    """A step returns the loss that it started from, a plain Python float."""
    state, batches = random_state(rng), random_batches(rng, 7)
    losses, _, _ = sgd(state, batches, lr=0.5)
    got = run_steps(submission, state, batches)
    hint = "Which loss did the forward pass give, before any weight moved? And is what you return a tensor or a number?"
    check_close(got["losses"][0], losses[0], what="the loss before the step", hint=hint)


@pytest.mark.task(1)
def test_a_step_moves_the_weights_against_the_gradient(submission, rng):
    """One step of SGD changes every weight by -lr times its gradient."""
    state, batches = random_state(rng), random_batches(rng, 6)
    _, weights, _ = sgd(state, batches, lr=0.5)
    got = run_steps(submission, state, batches)
    check_state(got["weights"], weights, "after one step,", ORDER)


@pytest.mark.task(1)
def test_each_of_several_steps_uses_its_own_gradient(submission, rng):
    """Three steps on three batches: the second and third must not remember the first."""
    state, batches = random_state(rng), random_batches(rng, 5, 4, 6)
    losses, weights, _ = sgd(state, batches, lr=0.25)
    got = run_steps(submission, state, batches, lr=0.25, call="train_step(model, ...), on three batches in a row")
    hint = "The first step may be right and the second wrong. What is in .grad when the second step begins?"
    for number, loss in enumerate(losses):
        check_close(got["losses"][number], loss, what=f"the loss before step {number + 1}", hint=hint)
    check_state(got["weights"], weights, "after three steps,", hint)


@pytest.mark.task(1)
def test_this_steps_gradient_is_left_in_grad(submission, rng):
    """After a step, .grad still holds the gradient that the step used."""
    state, batches = random_state(rng), random_batches(rng, 6, 3)
    _, _, gradients = sgd(state, batches, lr=0.5)
    got = run_steps(submission, state, batches, call="train_step(model, ...) twice, then parameter.grad")
    hint = "Whoever logs gradients reads .grad after the step. What in your step changes it, and when?"
    check_state(got["gradients"], gradients, "the gradient of", hint)


@pytest.mark.task(1)
def test_gradients_from_before_are_cleared_first(submission, rng):
    """Whatever gradients lie around before the call have no part in the step."""
    state, batches = random_state(rng), random_batches(rng, 6)
    _, weights, gradients = sgd(state, batches, lr=0.5)
    got = run_steps(submission, state, batches, stale=3.0, call="parameter.grad = ones * 3; train_step(model, ...)")
    hint = "Someone called backward before your step did. Does your step start from a clean .grad?"
    check_state(got["weights"], weights, "after one step,", hint)
    check_state(got["gradients"], gradients, "the gradient of", hint)


@pytest.mark.task(1)
def test_the_optimizer_decides_how_to_move_with_momentum(submission, rng):
    """With momentum the step is the optimiser's, not -lr times the gradient."""
    state, batches = random_state(rng), random_batches(rng, 5, 5, 2)
    weights, velocity = state, {name: torch.zeros_like(value) for name, value in state.items()}
    for batch in batches:
        _, gradients = loss_and_gradients(weights, batch)
        velocity = {name: 0.9 * velocity[name] + gradients[name] for name in velocity}
        weights = moved(weights, velocity, lr=0.1)
    call = "train_step(model, ..., SGD(model.parameters(), lr=0.1, momentum=0.9)), three times"
    got = submission.run(take_steps, state, batches, "SGD", {"lr": 0.1, "momentum": 0.9}, None, 0.0, call=call)
    hint = "How far to go is the optimiser's business. Who moves the weights in your step, and how often?"
    check_state(got["weights"], weights, "after three steps,", hint)


@pytest.mark.task(1)
def test_the_optimizer_decides_how_to_move_with_adam(submission, rng):
    """Adam works too: nothing in a step depends on the kind of optimiser."""
    state, batches = random_state(rng), random_batches(rng, 4, 6)
    weights = state
    mean, square = ({name: torch.zeros_like(value) for name, value in state.items()} for _ in range(2))
    for count, batch in enumerate(batches, start=1):
        _, gradients = loss_and_gradients(weights, batch)
        mean = {name: 0.9 * mean[name] + 0.1 * gradients[name] for name in mean}
        square = {name: 0.999 * square[name] + 0.001 * gradients[name] ** 2 for name in square}
        root = {name: (square[name] / (1 - 0.999**count)).sqrt() + 1e-8 for name in square}
        weights = moved(weights, {name: mean[name] / (1 - 0.9**count) / root[name] for name in mean}, lr=0.05)
    call = "train_step(model, ..., Adam(model.parameters(), lr=0.05)), twice"
    got = submission.run(take_steps, state, batches, "Adam", {"lr": 0.05}, None, 0.0, call=call)
    hint = "How far to go is the optimiser's business. Who moves the weights in your step, and how often?"
    check_state(got["weights"], weights, "after two steps,", hint)


def regression_step(sub, weight, bias, inputs, targets):
    import torch
    from torch import nn

    model = nn.Linear(weight.shape[1], weight.shape[0]).to(weight)
    model.load_state_dict({"weight": weight, "bias": bias})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = sub.train_step(model, inputs, targets, nn.MSELoss(), optimizer)
    return {"loss": loss, "weight": model.weight.detach(), "bias": model.bias.detach()}


@pytest.mark.task(1)
def test_any_loss_function_will_do(submission, rng):
    """Regression in float32 with nn.MSELoss: the loss function is an argument, and so are the kinds of targets."""
    weight, bias = torch.randn(2, 3, generator=rng), torch.randn(2, generator=rng)
    inputs, targets = torch.randn(5, 3, generator=rng), torch.randn(5, 2, generator=rng)
    residual = inputs.double() @ weight.double().T + bias.double() - targets.double()
    loss = residual.square().mean().item()
    weight_after = weight.double() - 0.1 * 2 * residual.T @ inputs.double() / residual.numel()
    bias_after = bias.double() - 0.1 * 2 * residual.sum(0) / residual.numel()
    call = "train_step(nn.Linear(3, 2), inputs, targets, nn.MSELoss(), SGD(lr=0.1))"
    got = submission.run(regression_step, weight, bias, inputs, targets, call=call)
    hint = "Which loss does your step use: the one that it was given, on the outputs and targets as they are?"
    check_close(got["loss"], loss, rel=1e-4, what="the loss", hint=hint)
    check_tensor(got["weight"], weight_after.float(), rtol=1e-4, atol=1e-5, what="the weight", hint=hint)
    check_tensor(got["bias"], bias_after.float(), rtol=1e-4, atol=1e-5, what="the bias", hint=hint)


def step_in_mode(sub, state, inputs, targets, lr, modes):
    import torch
    from torch import nn

    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(inputs.shape[1])
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(inputs.shape[1], len(state["head.bias"]))

        def forward(self, x):
            seen.append([module.training for module in self.modules()])
            return self.head(self.drop(self.norm(x)))

    model = Net().to(inputs)
    model.load_state_dict(state)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loss = sub.train_step(model, inputs, targets, nn.functional.cross_entropy, optimizer)
    after = [module.training for module in model.modules()]
    return {"loss": loss, "seen": seen, "after": after, "state": dict(model.state_dict())}


def normed_state(rng: torch.Generator) -> State:
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return {
        "norm.weight": draw(FEATURES),
        "norm.bias": draw(FEATURES),
        "norm.running_mean": draw(FEATURES),
        "norm.running_var": draw(FEATURES).exp(),
        "norm.num_batches_tracked": torch.tensor(11),
        "head.weight": draw(CLASSES, FEATURES),
        "head.bias": draw(CLASSES),
    }


def normed_logits(state: State, inputs: Tensor) -> Tensor:
    """BatchNorm with its running statistics, dropout that does nothing, then the head: evaluation mode by hand."""
    scaled = (inputs - state["norm.running_mean"]) / (state["norm.running_var"] + 1e-5).sqrt()
    return (scaled * state["norm.weight"] + state["norm.bias"]) @ state["head.weight"].T + state["head.bias"]


LEFT_ALONE = (
    "The caller has put this model, or a part of it, into evaluation mode on purpose. What in a step changes that?"
)


@pytest.mark.task(1)
def test_evaluation_mode_is_left_alone(submission, rng):
    """A model in evaluation mode takes its step in evaluation mode: BatchNorm keeps its statistics, dropout sleeps."""
    state, (batch,) = normed_state(rng), random_batches(rng, 6)
    trained = [name for name in state if not name.startswith(("norm.running", "norm.num"))]
    leaves = {name: state[name].clone().requires_grad_(name in trained) for name in state}
    loss = F.cross_entropy(normed_logits(leaves, batch[0]), batch[1])
    gradients = dict(zip(trained, torch.autograd.grad(loss, [leaves[name] for name in trained]), strict=True))
    expected = {name: value - 0.5 * gradients[name] if name in trained else value for name, value in state.items()}
    call = "model.eval(); train_step(model, ...)"
    got = submission.run(step_in_mode, state, *batch, 0.5, [False] * 4, call=call)
    what = "the training flags of model, BatchNorm, dropout and head afterwards"
    check_equal(got["after"], [False] * 4, what=what, hint=LEFT_ALONE)
    check_close(got["loss"], loss.item(), what="the loss in evaluation mode", hint=LEFT_ALONE)
    check_state(got["state"], expected, "after the step,", LEFT_ALONE)


@pytest.mark.task(1)
def test_a_frozen_part_is_left_alone(submission, rng):
    """A model that trains around a BatchNorm in evaluation mode stays exactly so, during the step and after."""
    state, (batch,) = normed_state(rng), random_batches(rng, 6)
    modes = [True, False, True, True]  # the model, its BatchNorm, its dropout, its head
    got = submission.run(step_in_mode, state, *batch, 0.5, modes, call="model.norm.eval(); train_step(model, ...)")
    what = "the training flags of model, BatchNorm, dropout and head"
    check_equal(got["after"], modes, what=f"{what} afterwards", hint=LEFT_ALONE)
    check_equal(got["seen"], [modes], what=f"{what} in the forward pass", hint=LEFT_ALONE)
    statistics = "norm.running_mean"
    check_tensor(got["state"][statistics], state[statistics], what="the frozen running mean", hint=LEFT_ALONE)


@pytest.mark.task(1)
def test_without_zero_grad_gradients_pile_up(submission, rng):
    """forget="zero_grad": each step goes along the sum of all gradients so far."""
    state, batches = random_state(rng), random_batches(rng, 5, 4, 3)
    losses, weights, pile = [], state, {name: torch.full_like(value, 0.5) for name, value in state.items()}
    for batch in batches:
        loss, gradients = loss_and_gradients(weights, batch)
        losses.append(loss)
        pile = {name: pile[name] + gradients[name] for name in pile}
        weights = moved(weights, pile, lr=0.1)
    call = 'train_step(model, ..., forget="zero_grad"), three times'
    got = run_steps(submission, state, batches, lr=0.1, forget="zero_grad", stale=0.5, call=call)
    hint = 'forget="zero_grad" leaves out one call. Which two are left, and does each of them still happen?'
    for number, loss in enumerate(losses):
        check_close(got["losses"][number], loss, what=f"the loss before step {number + 1}", hint=hint)
    check_state(got["weights"], weights, "after three steps,", hint)
    check_state(got["gradients"], pile, "the gradient of", hint)


@pytest.mark.task(1)
def test_without_backward_there_is_nothing_to_step_along(submission, rng):
    """forget="backward": old gradients are cleared, no new ones come, the weights stay, the loss is still returned."""
    state, batches = random_state(rng), random_batches(rng, 5, 4)
    losses = [loss_and_gradients(state, batch)[0] for batch in batches]
    nothing = {name: torch.zeros_like(value) for name, value in state.items()}
    call = 'train_step(model, ..., forget="backward"), twice'
    got = run_steps(submission, state, batches, forget="backward", stale=2.0, call=call)
    hint = 'forget="backward" leaves out one call. What do the other two do to .grad and to the weights then?'
    for number, loss in enumerate(losses):
        check_close(got["losses"][number], loss, what=f"the loss of step {number + 1}", hint=hint)
    check_state(got["weights"], state, "after two steps,", hint)
    check_state(got["gradients"], nothing, "the gradient of", hint)


@pytest.mark.task(1)
def test_without_step_the_weights_stay(submission, rng):
    """forget="step": the gradients are this step's, and the weights do not move."""
    state, batches = random_state(rng), random_batches(rng, 5, 4)
    losses = [loss_and_gradients(state, batch)[0] for batch in batches]
    gradients = loss_and_gradients(state, batches[-1])[1]
    call = 'train_step(model, ..., forget="step"), twice'
    got = run_steps(submission, state, batches, forget="step", stale=2.0, call=call)
    hint = 'forget="step" leaves out one call. What do the other two do to .grad, and what moves the weights?'
    for number, loss in enumerate(losses):
        check_close(got["losses"][number], loss, what=f"the loss of step {number + 1}", hint=hint)
    check_state(got["weights"], state, "after two steps,", hint)
    check_state(got["gradients"], gradients, "the gradient of", hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("forget", ["optimizer", "STEP", "zero_grad ", ""])
def test_an_unknown_call_to_forget_is_refused(submission, rng, forget):
    """Any other value of forget is a mistake of the caller's, and is said so with a ValueError."""
    state, batches = random_state(rng), random_batches(rng, 4)
    settings = {"lr": 0.5}
    hint = "Three names and None are all there is. What happens in your step to a name that it does not know?"
    call = f"train_step(model, ..., forget={forget!r})"
    check_raises(
        ValueError, submission.run, take_steps, state, batches, "SGD", settings, forget, 0.0, call=call, hint=hint
    )


# ---------------------------------------------------------------------------------------------------------------------
# Every function: the batches go to the model's device
# ---------------------------------------------------------------------------------------------------------------------


def batches_elsewhere(sub, name, state, batches):
    import torch
    from torch import nn
    from torch.utils._pytree import tree_leaves, tree_map

    class Elsewhere(torch.Tensor):
        """A tensor on another device than the model. The numbers are inside; `.to` gets them out."""

        __torch_function__ = torch._C._disabled_torch_function_impl

        @staticmethod
        def __new__(cls, inside):
            return torch.Tensor._make_wrapper_subclass(cls, inside.shape, dtype=inside.dtype, device="meta")

        def __init__(self, inside):
            self.inside = inside

        @classmethod
        def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            if any(tensor.dim() and not isinstance(tensor, cls) for tensor in tensors):
                raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices!")
            args, kwargs = tree_map(lambda leaf: leaf.inside if isinstance(leaf, cls) else leaf, (args, kwargs))
            result = operation(*args, **kwargs)
            if kwargs.get("device") is not None:
                return result
            return tree_map(lambda leaf: cls(leaf) if isinstance(leaf, torch.Tensor) else leaf, result)

    hidden, features = state["0.weight"].shape
    model = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, len(state["2.bias"])))
    model.to(state["0.weight"])
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss_fn = nn.functional.cross_entropy
    on_gpu = state["0.weight"].is_cuda
    loader = [[part.cpu() if on_gpu else Elsewhere(part) for part in batch] for batch in batches]
    if name == "train_step":
        got = sub.train_step(model, *loader[0], loss_fn, optimizer)
    elif name == "train_epoch":
        got = sub.train_epoch(model, loader, loss_fn, optimizer)
    elif name == "evaluate":
        got = sub.evaluate(model, loader, loss_fn)
    else:
        got = sub.fit(model, loader, loader, loss_fn, optimizer, 1)
    return {"result": got, "weights": dict(model.state_dict())}


DEVICE = "If this is right for batches beside the model: a loader does not know where the model lives. What tells you?"


def run_elsewhere(submission, name, state, batches):
    """The batches come on another device than the model's: on the CPU where the model is on a GPU, and where there is
    no GPU as tensors that behave as if they lay on a device of their own, and that any way of moving gets out of it."""
    call = f"{name}(...), the batches on another device than the model"
    return submission.run(batches_elsewhere, name, state, batches, call=call)


@pytest.mark.task(1)
def test_train_step_moves_the_batch_to_the_models_device(submission, rng):
    """The batch goes where the model is, whatever device it came on."""
    state, batches = random_state(rng), random_batches(rng, 4)
    losses, weights, _ = sgd(state, batches, lr=0.5)
    got = run_elsewhere(submission, "train_step", state, batches)
    check_close(got["result"], losses[0], what="the loss", hint=DEVICE)
    check_state(got["weights"], weights, "after the step,", DEVICE)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: train_epoch
# ---------------------------------------------------------------------------------------------------------------------


def train_epochs(sub, state, batches, lr, momentum, epochs, kind):
    import torch
    from torch import nn

    class Batches:
        """Can be gone through again and again, and has neither a length nor a data set."""

        def __iter__(self):
            return ((inputs, targets) for inputs, targets in batches)

    hidden, features = state["0.weight"].shape
    model = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, len(state["2.bias"])))
    model.to(state["0.weight"])
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    losses = []
    for _ in range(epochs):
        loader = {"list": batches, "generator": iter(Batches()), "iterable": Batches()}[kind]
        losses.append(sub.train_epoch(model, loader, nn.functional.cross_entropy, optimizer))
    return {"losses": losses, "weights": dict(model.state_dict())}


EPOCH = "train_epoch(model, loader, F.cross_entropy, SGD(model.parameters(), lr=0.25))"
WEIGHING = "Each loss is a mean over its batch. What must a small batch weigh, so that every sample counts the same?"


@pytest.mark.task(2)
def test_every_batch_trains_once_in_order(submission, rng):
    """One pass: a step for each batch, in the loader's order."""
    state, batches = random_state(rng), random_batches(rng, 5, 4, 6)
    _, weights, _ = sgd(state, batches, lr=0.25)
    got = submission.run(train_epochs, state, batches, 0.25, 0.0, 1, "list", call=EPOCH + " on three batches")
    hint = "An epoch sees every batch once, in order. How many steps did yours take, and on what?"
    check_state(got["weights"], weights, "after the epoch,", hint)


@pytest.mark.task(2)
def test_the_mean_is_of_the_losses_before_each_step(submission, rng):
    """The epoch's loss is the mean of what the steps returned, not a second look afterwards."""
    state, batches = random_state(rng), random_batches(rng, 4, 4, 4)
    losses, _, _ = sgd(state, batches, lr=0.25)
    got = submission.run(train_epochs, state, batches, 0.25, 0.0, 1, "list", call=EPOCH + " on three batches")
    hint = "Each batch's loss is taken before its step and after the steps of the batches before it. All of them count."
    check_close(got["losses"][0], sum(losses) / 3, what="the epoch's loss", hint=hint)


@pytest.mark.task(2)
def test_a_smaller_last_batch_counts_by_its_size(submission, rng):
    """Batches of 8, 8 and 1: the last one holds a 17th of the samples, not a third of the loss."""
    state, batches = random_state(rng), random_batches(rng, 8, 8, 1)
    losses, _, _ = sgd(state, batches, lr=0.25)
    got = submission.run(train_epochs, state, batches, 0.25, 0.0, 1, "list", call=EPOCH + " on batches of 8, 8, 1")
    check_close(got["losses"][0], sample_mean(losses, batches), what="the epoch's loss", hint=WEIGHING)


@pytest.mark.task(2)
@pytest.mark.parametrize("kind", ["generator", "iterable"])
def test_a_loader_needs_neither_length_nor_dataset(submission, rng, kind):
    """A generator, or any object with __iter__, is a loader too."""
    state, batches = random_state(rng), random_batches(rng, 3, 5, 2)
    losses, weights, _ = sgd(state, batches, lr=0.25)
    called = EPOCH + (", the loader a generator" if kind == "generator" else ", the loader an object with __iter__")
    got = submission.run(train_epochs, state, batches, 0.25, 0.0, 1, kind, call=called)
    hint = "All that you may do with a loader is go through it once. Whatever you must know, count on the way."
    check_close(got["losses"][0], sample_mean(losses, batches), what="the epoch's loss", hint=hint)
    check_state(got["weights"], weights, "after the epoch,", hint)


@pytest.mark.task(2)
def test_the_optimizers_memory_lasts_over_epochs(submission, rng):
    """With momentum the second epoch goes on where the first one ended."""
    state, batches = random_state(rng), random_batches(rng, 4, 3)
    weights, velocity = state, {name: torch.zeros_like(value) for name, value in state.items()}
    losses = []
    for batch in batches + batches:
        loss, gradients = loss_and_gradients(weights, batch)
        losses.append(loss)
        velocity = {name: 0.9 * velocity[name] + gradients[name] for name in velocity}
        weights = moved(weights, velocity, lr=0.1)
    call = "train_epoch(model, loader, F.cross_entropy, SGD(lr=0.1, momentum=0.9)), twice"
    got = submission.run(train_epochs, state, batches, 0.1, 0.9, 2, "list", call=call)
    hint = "The optimiser remembers its last steps. Is it the same one throughout, with the model's own weights?"
    check_close(got["losses"][1], sample_mean(losses[2:], batches), what="the second epoch's loss", hint=hint)
    check_state(got["weights"], weights, "after two epochs,", hint)


def watch_modes(sub, name, batches, epochs, start):
    import torch
    from torch import nn

    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(batches[0][0].shape[1])
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(batches[0][0].shape[1], 4)

        def forward(self, x):
            seen.append([module.training for module in self.modules()])
            return self.head(self.drop(self.norm(x)))

    model = Net().to(batches[0][0]).train(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    if name == "train_epoch":
        sub.train_epoch(model, batches, nn.functional.cross_entropy, optimizer)
    else:
        sub.fit(model, batches, batches[:1], nn.functional.cross_entropy, optimizer, epochs)
    return {"seen": seen, "tracked": int(model.norm.num_batches_tracked)}


@pytest.mark.task(2)
def test_an_epoch_trains_in_training_mode(submission, rng):
    """The model comes in evaluation mode, as it may after an evaluation, and is trained in training mode."""
    batches = random_batches(rng, 4, 4, 3)
    got = submission.run(watch_modes, "train_epoch", batches, 1, False, call="model.eval(); train_epoch(model, ...)")
    hint = "Dropout and BatchNorm ask their own flag how to behave. Who switches it on for training?"
    training = [[True] * 4] * 3
    check_modes(got["seen"], training, "the modes of the three forward passes", hint)
    check_equal(got["tracked"], 3, what="the number of batches that BatchNorm has counted", hint=hint)


def train_on_nothing(sub, generator):
    import torch
    from torch import nn

    model = nn.Linear(3, 2)
    loader = (batch for batch in ()) if generator else []
    return sub.train_epoch(model, loader, nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1))


@pytest.mark.task(2)
@pytest.mark.parametrize("generator", [False, True])
def test_training_on_an_empty_loader_is_refused(submission, generator):
    """There is no mean of nothing: an empty loader is a ValueError."""
    hint = "What is the mean of no losses at all? There is none: what should the caller hear instead?"
    call = "train_epoch(model, loader, ...), the loader " + ("an empty generator" if generator else "an empty list")
    check_raises(ValueError, submission.run, train_on_nothing, generator, call=call, hint=hint)


@pytest.mark.task(2)
def test_train_epoch_moves_the_batches_to_the_models_device(submission, rng):
    """Every batch goes where the model is, whatever device it came on."""
    state, batches = random_state(rng), random_batches(rng, 4, 3)
    losses, weights, _ = sgd(state, batches, lr=0.5)
    got = run_elsewhere(submission, "train_epoch", state, batches)
    check_close(got["result"], sample_mean(losses, batches), what="the epoch's loss", hint=DEVICE)
    check_state(got["weights"], weights, "after the epoch,", DEVICE)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: evaluate
# ---------------------------------------------------------------------------------------------------------------------


def evaluate_plainly(sub, state, batches, generator):
    from torch import nn

    hidden, features = state["0.weight"].shape
    model = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, len(state["2.bias"])))
    model.to(state["0.weight"])
    model.load_state_dict(state)
    loader = (batch for batch in batches) if generator else batches
    return sub.evaluate(model, loader, nn.functional.cross_entropy)


EVALUATE = "evaluate(model, loader, F.cross_entropy)"


def check_scores(got, loss: float, accuracy: float, hint: str) -> None:
    check(
        type(got) is tuple and len(got) == 2,
        expected="a tuple of two floats, (loss, accuracy)",
        got=show(got),
        hint=NOTHING if got is None else "What does a Python function return that gives two values back?",
    )
    check_close(got[0], loss, what="the mean loss", hint=hint)
    check_close(got[1], accuracy, what="the accuracy", hint=hint)


@pytest.mark.task(3)
def test_loss_and_accuracy_count_every_sample(submission, rng):
    """All batches count, not the first or the last alone."""
    state, batches = random_state(rng), random_batches(rng, 6, 6, 6)
    batches[1][1] = logits_of(state, batches[1][0]).argmax(1)  # the middle batch is all right
    batches[2][1] = logits_of(state, batches[2][0]).argmin(1)  # the last one is all wrong
    expected = scores(state, batches)
    got = submission.run(evaluate_plainly, state, batches, False, call=EVALUATE + " on three batches of 6")
    check_scores(got, *expected, hint="Which batches went into your numbers, and how much did each of them weigh?")


@pytest.mark.task(3)
def test_a_smaller_last_batch_is_evaluated_by_its_size(submission, rng):
    """Batches of 9, 9 and 2, the last one easy: a mean of batch means would flatter the model."""
    state, batches = random_state(rng), random_batches(rng, 9, 9, 2)
    batches[0][1] = logits_of(state, batches[0][0]).argmin(1)
    batches[2][1] = logits_of(state, batches[2][0]).argmax(1)
    expected = scores(state, batches)
    got = submission.run(evaluate_plainly, state, batches, False, call=EVALUATE + " on batches of 9, 9, 2")
    check_scores(got, *expected, hint=WEIGHING)


@pytest.mark.task(3)
def test_a_single_sample_in_a_batch_is_fine(submission, rng):
    """Batches of one sample: shapes [1, C] and [1]."""
    state, batches = random_state(rng), random_batches(rng, 1, 1, 1)
    batches[0][1] = logits_of(state, batches[0][0]).argmax(1)
    expected = scores(state, batches)
    got = submission.run(evaluate_plainly, state, batches, False, call=EVALUATE + " on three batches of 1")
    check_scores(got, *expected, hint="Which dimension of [B, C] holds the classes? Does that change when B is 1?")


@pytest.mark.task(3)
@pytest.mark.parametrize("right", [True, False])
def test_accuracy_runs_from_0_to_1(submission, rng, right):
    """All right is 1.0 and all wrong is 0.0, as floats: a fraction, not a percentage and not a count."""
    state, batches = random_state(rng), random_batches(rng, 5, 3)
    for batch in batches:
        logits = logits_of(state, batch[0])
        batch[1] = logits.argmax(1) if right else logits.argmin(1)
    loss, _ = scores(state, batches)
    got = submission.run(evaluate_plainly, state, batches, False, call=EVALUATE)
    check_scores(got, loss, 1.0 if right else 0.0, hint="How many were right, out of how many? In which type?")


@pytest.mark.task(3)
def test_evaluate_takes_a_generator(submission, rng):
    """A generator is gone through once, and has no len()."""
    state, batches = random_state(rng), random_batches(rng, 4, 5, 2)
    expected = scores(state, batches)
    got = submission.run(evaluate_plainly, state, batches, True, call=EVALUATE + ", the loader a generator")
    hint = "All that you may do with a loader is go through it once. Whatever you must know, count on the way."
    check_scores(got, *expected, hint=hint)


def evaluate_and_watch(sub, state, batches, modes, fail_in):
    from torch import nn

    seen, graph = [], []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(batches[0][0].shape[1])
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(batches[0][0].shape[1], len(state["head.bias"]))

        def forward(self, x):
            seen.append([module.training for module in model.modules()])
            if fail_in == "the model":
                raise ArithmeticError("planned by the test")
            return self.head(self.drop(self.norm(x)))

    def loss_fn(logits, targets):
        graph.append(logits.requires_grad)
        if fail_in == "the loss function":
            raise ArithmeticError("planned by the test")
        return nn.functional.cross_entropy(logits, targets)

    def loader():
        yield from batches
        if fail_in == "the loader":
            raise ArithmeticError("planned by the test")

    net = Net().to(batches[0][0])
    net.load_state_dict(state)
    model = nn.Sequential(net)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    scores = None
    try:
        scores = sub.evaluate(model, loader() if fail_in != "an empty loader" else [], loss_fn)
    except NotImplementedError:
        raise
    except Exception:
        if not fail_in:
            raise
    after = [module.training for module in model.modules()]
    return {"scores": scores, "seen": seen, "graph": graph, "after": after, "state": dict(net.state_dict())}


ALL_TRAINING = [True] * 5  # the model, the block in it, and in the block BatchNorm, dropout and head
FLAGS = "the training flags of model, block, BatchNorm, dropout and head afterwards"


def flags_in_words(modes: list[bool]) -> str:
    on = [name for name, mode in zip(("model", "block", "BatchNorm", "dropout", "head"), modes, strict=True) if mode]
    return f"on for {', '.join(on)}" if 0 < len(on) < len(modes) else "all on" if on else "all off"


@pytest.mark.task(3)
def test_evaluation_happens_in_evaluation_mode(submission, rng):
    """Dropout lets everything through and BatchNorm uses its running statistics, in every batch."""
    state, batches = normed_state(rng), random_batches(rng, 6, 6, 3)
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    logits = normed_logits(state, inputs)
    loss = F.cross_entropy(logits, targets).item()
    accuracy = int((logits.argmax(1) == targets).sum()) / len(targets)
    call = EVALUATE + ", the model with BatchNorm and dropout and in training mode"
    got = submission.run(evaluate_and_watch, state, batches, ALL_TRAINING, "", call=call)
    hint = (
        "With dropout on, two evaluations of one model differ. Which layers change with the mode, and who tells them?"
    )
    check_modes(got["seen"], [[False] * 5] * 3, "the modes of the three forward passes", hint)
    check_scores(got["scores"], loss, accuracy, hint)


@pytest.mark.task(3)
def test_evaluation_changes_no_weight_and_no_statistic(submission, rng):
    """Looking is not touching: parameters and BatchNorm's running statistics are the same afterwards."""
    state, batches = normed_state(rng), random_batches(rng, 5, 4)
    got = submission.run(evaluate_and_watch, state, batches, ALL_TRAINING, "", call=EVALUATE)
    check_state(got["state"], state, "afterwards,", "Validation data must not get into the model. By which way can it?")


@pytest.mark.task(3)
def test_evaluation_builds_no_graph(submission, rng):
    """Nothing here will ever be differentiated, so nothing is recorded for it."""
    state, batches = normed_state(rng), random_batches(rng, 5, 4)
    got = submission.run(evaluate_and_watch, state, batches, ALL_TRAINING, "", call=EVALUATE)
    hint = "Evaluation mode changes what layers do, not what autograd keeps. What switches the recording off?"
    check_equal(got["graph"], [False, False], what="logits.requires_grad in the two batches", hint=hint)


@pytest.mark.task(3)
@pytest.mark.parametrize(
    "modes",
    [ALL_TRAINING, [False] * 5, [True, True, False, True, True], [False, False, False, True, False]],
    ids=["training", "evaluation", "frozen BatchNorm", "dropout alone"],
)
def test_every_modules_own_flag_is_as_before(submission, rng, modes):
    """A frozen BatchNorm stays frozen, a dropout that was kept on stays on: each module has a flag of its own."""
    state, batches = normed_state(rng), random_batches(rng, 5, 4)
    got = submission.run(
        evaluate_and_watch,
        state,
        batches,
        modes,
        "",
        call=EVALUATE + f", the training flags being {flags_in_words(modes)}",
    )
    hint = "model.training is the flag of one module. Whose flags does model.train() set, and whose did you note?"
    check_equal(got["after"], modes, what=FLAGS, hint=hint)


@pytest.mark.task(3)
@pytest.mark.parametrize("fail_in", ["the model", "the loss function", "the loader", "an empty loader"])
def test_flags_are_restored_after_an_exception(submission, rng, fail_in):
    """When something goes wrong in the middle, every flag is put back all the same."""
    state, batches = normed_state(rng), random_batches(rng, 5, 4)
    modes = [True, True, False, True, True]
    got = submission.run(
        evaluate_and_watch, state, batches, modes, fail_in, call=EVALUATE + f", with an exception from {fail_in}"
    )
    hint = "An exception leaves your function from the middle. Which lines run even then?"
    check_equal(got["after"], modes, what=FLAGS, hint=hint)


def evaluate_on_nothing(sub, generator):
    from torch import nn

    loader = (batch for batch in ()) if generator else []
    return sub.evaluate(nn.Linear(3, 2), loader, nn.functional.cross_entropy)


@pytest.mark.task(3)
@pytest.mark.parametrize("generator", [False, True])
def test_evaluating_an_empty_loader_is_refused(submission, generator):
    """No samples, no accuracy: an empty loader is a ValueError."""
    hint = "Of no samples, how many are right? There is no such number: what should the caller hear instead?"
    call = "evaluate(model, loader, ...), the loader " + ("an empty generator" if generator else "an empty list")
    check_raises(ValueError, submission.run, evaluate_on_nothing, generator, call=call, hint=hint)


@pytest.mark.task(3)
def test_evaluate_moves_the_batches_to_the_models_device(submission, rng):
    """Inputs and targets both go where the model is, whatever device they came on."""
    state, batches = random_state(rng), random_batches(rng, 4, 3)
    expected = scores(state, batches)
    got = run_elsewhere(submission, "evaluate", state, batches)
    check_scores(got["result"], *expected, hint=DEVICE)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: fit
# ---------------------------------------------------------------------------------------------------------------------


def fit_network(sub, state, train, validation, settings, epochs, schedule):
    import torch
    from torch import nn

    class Batches:
        """Can be gone through again and again, and has neither a length nor a data set."""

        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            return ((inputs, targets) for inputs, targets in self.batches)

    hidden, features = state["0.weight"].shape
    model = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, len(state["2.bias"])))
    model.to(state["0.weight"])
    model.load_state_dict(state)
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": settings["second_lr"]}]
    optimizer = torch.optim.SGD(groups, lr=settings["lr"], momentum=settings["momentum"])
    schedulers = {
        "halve": lambda: torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5),
        "drop": lambda: torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1),
    }
    arguments = [model, Batches(train), Batches(validation), nn.functional.cross_entropy, optimizer, epochs]
    rows = sub.fit(*arguments, schedulers[schedule]()) if schedule else sub.fit(*arguments)
    return {"rows": rows, "weights": dict(model.state_dict()), "lr": optimizer.param_groups[0]["lr"]}


FIT = "fit(model, train_loader, val_loader, F.cross_entropy, optimizer, epochs={})"


def simulate_fit(state, train, validation, lrs, second_lr_ratio=1.0, momentum=0.0):
    """The rows of a fit without its seconds, and the weights at the end."""
    rows, velocity = [], {name: torch.zeros_like(value) for name, value in state.items()}
    for epoch, lr in enumerate(lrs, start=1):
        losses = []
        for batch in train:
            loss, gradients = loss_and_gradients(state, batch)
            losses.append(loss)
            velocity = {name: momentum * velocity[name] + gradients[name] for name in velocity}
            rates = {name: lr * (second_lr_ratio if name.startswith("2.") else 1.0) for name in state}
            state = {name: state[name] - rates[name] * velocity[name] for name in state}
        val_loss, val_accuracy = scores(state, validation)
        row = {"epoch": epoch, "train_loss": sample_mean(losses, train), "val_loss": val_loss}
        rows.append(row | {"val_accuracy": val_accuracy, "lr": lr})
    return rows, state


def run_fit(submission, state, train, validation, epochs, *, lr=0.25, second_lr=0.25, momentum=0.0, schedule="", call):
    settings = {"lr": lr, "second_lr": second_lr, "momentum": momentum}
    return submission.run(fit_network, state, train, validation, settings, epochs, schedule, call=call)


def check_rows(got, expected: list[dict], keys: tuple[str, ...], hint: str) -> None:
    check(
        type(got) is list and len(got) == len(expected) and all(type(row) is dict for row in got),
        expected=f"a list of {len(expected)} dict{'s' if len(expected) > 1 else ''}",
        got=f"a list of {len(got)}" if type(got) is list and len(got) != len(expected) else show(got),
        hint=NOTHING if got is None else "What is kept of each epoch, and in what is it collected?",
    )
    for row, wanted in zip(got, expected, strict=True):
        for key in keys:
            check(
                key in row,
                expected=f"a row with the key {key!r}",
                got=f"a row with {', '.join(map(str, row))}",
                hint=hint,
            )
            what = f"{key} of epoch {wanted['epoch']}"
            if key == "epoch":
                check_equal(row[key], wanted[key], what=what, hint=hint)
            else:
                check_close(row[key], wanted[key], what=what, hint=hint)


@pytest.mark.task(4)
def test_a_row_per_epoch_with_its_keys_and_types(submission, rng):
    """Epochs count from 1; everything else is a Python float; seconds are what the epoch took."""
    state, train, validation = random_state(rng), random_batches(rng, 4, 3), random_batches(rng, 5, 2)
    expected, _ = simulate_fit(state, train, validation, [0.25] * 2)
    start = time.perf_counter()
    got = run_fit(submission, state, train, validation, 2, call=FIT.format(2))["rows"]
    elapsed = time.perf_counter() - start
    hint = "Compare your row with the table in the README: the keys, what each counts from, and the type of each value."
    check_rows(got, expected, ("epoch", "train_loss", "val_loss", "val_accuracy", "lr"), hint)
    for row in got:
        seconds = row.get("seconds")
        check(
            type(seconds) is float and 0 <= seconds <= elapsed,
            expected="seconds: a float, at least 0 and at most what the whole call took",
            got=f"seconds: {show(seconds)}" if "seconds" in row else "a row without this key",
            hint="A duration is the difference of two readings of a clock. Which clock never runs backwards?",
        )


@pytest.mark.task(4)
def test_each_epoch_trains_then_validates(submission, rng):
    """train_loss is from during the epoch, val_loss and val_accuracy from after it, on other data."""
    state, train, validation = random_state(rng), random_batches(rng, 6, 6, 1), random_batches(rng, 7, 2)
    expected, weights = simulate_fit(state, train, validation, [0.25] * 4)
    got = run_fit(submission, state, train, validation, 4, call=FIT.format(4))
    hint = "What comes first in an epoch, training or validation? Which loader does each of them read?"
    check_rows(got["rows"], expected, ("train_loss", "val_loss", "val_accuracy"), hint)
    check_state(got["weights"], weights, "after four epochs,", hint)


@pytest.mark.task(4)
def test_no_epochs_no_rows(submission, rng):
    """epochs=0 gives an empty list and leaves the model as it is."""
    state, train, validation = random_state(rng), random_batches(rng, 4), random_batches(rng, 5)
    got = run_fit(submission, state, train, validation, 0, call=FIT.format(0))
    check_equal(got["rows"], [], what="the rows", hint="How often does a loop over no epochs run?")
    check_state(
        got["weights"], state, "after no epochs,", "Nobody asked for any training. What comes before your loop?"
    )


@pytest.mark.task(4)
def test_the_reported_lr_is_the_one_that_the_epoch_used(submission, rng):
    """With a scheduler that halves: 0.5, 0.25, 0.125. The first epoch used the optimiser's own."""
    state, train, validation = random_state(rng), random_batches(rng, 4, 3), random_batches(rng, 5)
    expected, _ = simulate_fit(state, train, validation, [0.5, 0.25, 0.125])
    call = FIT.format(3)[:-1] + ", scheduler=StepLR(optimizer, step_size=1, gamma=0.5))"
    got = run_fit(submission, state, train, validation, 3, lr=0.5, second_lr=0.5, schedule="halve", call=call)
    hint = "When does the scheduler change the learning rate, and when do you read it?"
    check_rows(got["rows"], expected, ("lr",), hint)


@pytest.mark.task(4)
def test_the_scheduler_steps_once_per_epoch_after_the_optimizer(submission, rng):
    """The rate drops after two epochs, and not after two batches; the last epoch is counted too."""
    state, train, validation = random_state(rng), random_batches(rng, 4, 3, 2), random_batches(rng, 5)
    expected, weights = simulate_fit(state, train, validation, [0.5, 0.5, 0.05, 0.05])
    call = FIT.format(4)[:-1] + ", scheduler=StepLR(optimizer, step_size=2, gamma=0.1))"
    got = run_fit(submission, state, train, validation, 4, lr=0.5, second_lr=0.5, schedule="drop", call=call)
    hint = "The scheduler counts its own calls. How many should it have counted after four epochs, and when?"
    check_rows(got["rows"], expected, ("train_loss", "val_loss", "lr"), hint)
    check_state(got["weights"], weights, "after four epochs,", hint)
    check_close(got["lr"], 0.005, what="the optimiser's learning rate after the fit", hint=hint)


@pytest.mark.task(4)
def test_without_a_scheduler_the_lr_stays(submission, rng):
    """The scheduler is optional; the lr reported is parameter group 0's, also where groups differ."""
    state, train, validation = random_state(rng), random_batches(rng, 4, 3), random_batches(rng, 5)
    expected, weights = simulate_fit(state, train, validation, [0.25] * 2, second_lr_ratio=2.0)
    got = run_fit(submission, state, train, validation, 2, second_lr=0.5, call=FIT.format(2) + ", two parameter groups")
    hint = "An optimiser may have several groups with a rate each. Which one does the row ask for?"
    check_rows(got["rows"], expected, ("lr", "train_loss"), hint)
    check_state(got["weights"], weights, "after two epochs,", hint)


@pytest.mark.task(4)
def test_the_optimizer_keeps_its_momentum_over_epochs(submission, rng):
    """One optimiser for the whole fit: its velocity is not thrown away between epochs."""
    state, train, validation = random_state(rng), random_batches(rng, 4, 3), random_batches(rng, 5)
    expected, weights = simulate_fit(state, train, validation, [0.1] * 3, momentum=0.9)
    call = FIT.format(3) + ", SGD with momentum 0.9"
    got = run_fit(submission, state, train, validation, 3, lr=0.1, second_lr=0.1, momentum=0.9, call=call)
    hint = "The optimiser remembers its last steps. Is it the same one, with the same weights, in every epoch?"
    check_rows(got["rows"], expected, ("train_loss", "val_loss"), hint)
    check_state(got["weights"], weights, "after three epochs,", hint)


@pytest.mark.task(4)
def test_every_epoch_trains_in_training_mode_and_validates_in_evaluation_mode(submission, rng):
    """Epoch 2 trains with dropout on again, whatever the validation of epoch 1 did."""
    batches = random_batches(rng, 4, 3)
    got = submission.run(watch_modes, "fit", batches, 3, False, call=FIT.format(3) + ", on a model with dropout")
    hint = "Each epoch needs both modes, one after the other. Write down the model's mode at the start of epoch 2."
    expected = [[True] * 4, [True] * 4, [False] * 4] * 3  # two training batches, one of validation
    check_modes(got["seen"], expected, "the modes of the forward passes, three to an epoch", hint)
    check_equal(got["tracked"], 6, what="the number of batches that BatchNorm has counted", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("empty", ["train_loader", "val_loader"])
def test_fitting_on_an_empty_loader_is_refused(submission, rng, empty):
    """Nothing to train on, or nothing to validate on: a ValueError."""
    state, batches = random_state(rng), random_batches(rng, 4)
    train, validation = ([], batches) if empty == "train_loader" else (batches, [])
    settings = {"lr": 0.1, "second_lr": 0.1, "momentum": 0.0}
    hint = "Who would notice an empty loader in each epoch, and does what they say about it reach the caller?"
    call = FIT.format(1) + f", {empty} empty"
    arguments = (fit_network, state, train, validation, settings, 1, "")
    check_raises(ValueError, submission.run, *arguments, call=call, hint=hint)


@pytest.mark.task(4)
def test_fit_moves_the_batches_to_the_models_device(submission, rng):
    """Training and validation batches both go where the model is, whatever device they came on."""
    state, batches = random_state(rng), random_batches(rng, 4, 3)
    expected, weights = simulate_fit(state, batches, batches, [0.5])
    got = run_elsewhere(submission, "fit", state, batches)
    check_rows(got["result"], expected, ("train_loss", "val_loss"), DEVICE)
    check_state(got["weights"], weights, "after one epoch,", DEVICE)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: missing_call
#
# Measured: 50,814 simulated runs (4 seeds; each draw a right run and one without zero_grad, every tenth also one
# without step and one without backward): least squares with
# several outputs, softmax and logistic regression, Huber and squared hinge loss, 1 to 30 samples, 1 to 8 features,
# curvatures over four orders of magnitude, float64 and float32, lr from 1e-4/L to 1/L (a quarter at 1/L), starts
# near, far, and along the flattest direction, 5 to 200 records. The reference was wrong on none;
# its tie-break was chosen on seeds 1 to 3, and seed 4 was run once, afterwards. Left out (795 of
# 24,000 draws) were starts with a gradient norm below 1e-4 or, in float32, a first update that rounds to 0.
# ---------------------------------------------------------------------------------------------------------------------


def least_squares(x: Tensor, y: Tensor):
    """(1/2N) sum of squared residuals, several outputs; its smoothness L is the largest eigenvalue of X'X/N."""

    def loss_and_slope(weights: Tensor) -> tuple[Tensor, Tensor]:
        residual = x @ weights - y
        return residual.square().sum() / (2 * len(x)), x.T @ residual / len(x)

    return loss_and_slope, torch.linalg.matrix_norm(x.double(), 2).item() ** 2 / len(x)


def softmax_regression(x: Tensor, y: Tensor):
    """Mean cross-entropy against one-hot rows; softmax is half as curved as a square."""

    def loss_and_slope(weights: Tensor) -> tuple[Tensor, Tensor]:
        logs = (x @ weights).log_softmax(1)
        return -(logs * y).sum() / len(x), x.T @ (logs.exp() - y) / len(x)

    return loss_and_slope, torch.linalg.matrix_norm(x.double(), 2).item() ** 2 / len(x) / 2


def records(loss_and_slope, weights: Tensor, lr: float, steps: int, forget: str | None) -> list[list[float]]:
    """[losses, grad_norms, update_norms] of a full-batch run by hand."""
    gradient, rows = torch.zeros_like(weights), []
    for _ in range(steps):
        loss, slope = loss_and_slope(weights)
        if forget != "zero_grad":
            gradient = torch.zeros_like(weights)
        if forget != "backward":
            gradient = gradient + slope
        before = weights
        if forget != "step":
            weights = weights - lr * gradient
        rows.append((loss.item(), gradient.norm().item(), (weights - before).norm().item()))
    return [list(column) for column in zip(*rows, strict=True)]


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()


def log_uniform(rng: torch.Generator, low: float, high: float) -> float:
    return math.exp(uniform(rng, math.log(low), math.log(high)))


def random_problem(rng: torch.Generator, kind: str, dtype: torch.dtype):
    """A random convex problem, its smoothness, and a start that is not its optimum."""
    samples, features, outputs = (int(torch.randint(low, 12, (), generator=rng)) for low in (6, 2, 2))
    features = min(features, 5)
    spread = torch.tensor([log_uniform(rng, 0.1, 1.0) for _ in range(features)], dtype=torch.float64)
    x = torch.randn(samples, features, generator=rng, dtype=torch.float64) * spread * log_uniform(rng, 0.3, 3.0)
    if kind == "well-conditioned least squares":
        x = torch.linalg.qr(x).Q * (0.7 + 0.3 * spread)
    if kind == "softmax regression":
        y = F.one_hot(torch.randint(outputs, (samples,), generator=rng), outputs).double()
        start = torch.randn(features, outputs, generator=rng, dtype=torch.float64) * log_uniform(rng, 0.1, 3.0)
        problem, smoothness = softmax_regression(x.to(dtype), y.to(dtype))
    else:
        y = torch.randn(samples, outputs, generator=rng, dtype=torch.float64) * log_uniform(rng, 0.01, 1.0)
        away = torch.randn(features, outputs, generator=rng, dtype=torch.float64)
        if kind == "least squares, from a flat direction":
            flattest = torch.linalg.svd(x, full_matrices=False).Vh[-1]
            away = flattest[:, None] * away[:1]
        start = torch.linalg.lstsq(x, y).solution + away * log_uniform(rng, 0.1, 10.0)
        problem, smoothness = least_squares(x.to(dtype), y.to(dtype))
    return problem, smoothness, start.to(dtype)


def bowl(rng: torch.Generator):
    """The simplest problem: one curvature L in all directions. A step of lr = 1/L lands on the optimum."""
    smoothness, size = log_uniform(rng, 0.1, 10.0), int(torch.randint(1, 6, (), generator=rng))
    optimum, start = torch.randn(2, size, generator=rng, dtype=torch.float64)

    def loss_and_slope(weights: Tensor) -> tuple[Tensor, Tensor]:
        return smoothness / 2 * (weights - optimum).square().sum(), smoothness * (weights - optimum)

    return loss_and_slope, smoothness, start


def ramp(rng: torch.Generator):
    """A bowl's right half, and flat ground left of it: a step of lr = 1/L lands on the edge, and later ones stay."""
    smoothness, low = log_uniform(rng, 0.1, 10.0), uniform(rng, -3.0, 3.0)
    start = torch.tensor([uniform(rng, 0.5, 2.0)], dtype=torch.float64)

    def loss_and_slope(weights: Tensor) -> tuple[Tensor, Tensor]:
        height = weights.clamp(min=0.0)
        return low + smoothness / 2 * height.square().sum(), smoothness * height

    return loss_and_slope, smoothness, start


def straight_then_bowl(rng: torch.Generator):
    """A straight slope for a step or so, then a bowl (Huber's loss): two equal gradients, and soon the optimum."""
    smoothness, low, knee = log_uniform(rng, 0.1, 10.0), uniform(rng, -3.0, 3.0), uniform(rng, 0.5, 2.0)
    start = torch.tensor([knee * uniform(rng, 2.0, 2.2)], dtype=torch.float64)

    def loss_and_slope(weights: Tensor) -> tuple[Tensor, Tensor]:
        inside = weights.abs().clamp(max=knee)
        return low + smoothness * (inside * (weights.abs() - inside / 2)).sum(), smoothness * inside * weights.sign()

    return loss_and_slope, smoothness, start


KINDS = ("least squares", "least squares, from a flat direction", "softmax regression")


def random_runs(rng, forget, number, steps, rates, dtype=torch.float64, kinds=KINDS):
    """(what it is, its records) of `number` runs, of kinds in turn, with rates drawn between the two given."""
    runs = []
    for turn in range(number):
        kind, rate = kinds[turn % len(kinds)], log_uniform(rng, *rates)
        problem, smoothness, start = random_problem(rng, kind, dtype)
        what = f"a run of {steps} steps, lr = {rate:.2g} / L, {kind}, {str(dtype).removeprefix('torch.')}"
        runs.append((what, records(problem, start, rate / smoothness, steps, forget)))
    return runs


def name_the_missing_call(sub, runs):
    return [sub.missing_call(*run) for run in runs]


def check_runs(submission, runs, expected: str | None, hint: str) -> None:
    call = f"missing_call(losses, grad_norms, update_norms), for {len(runs)} runs"
    got = submission.run(name_the_missing_call, [run for _, run in runs], call=call)
    for answer, (what, _) in zip(got, runs, strict=True):
        check_equal(answer, expected, what=f"the answer for {what}", hint=hint)


RIGHT = "Nothing was forgotten here. What exactly made you suspicious, and can it happen in a right run?"
PILED = "At the second step .grad holds two gradients here. Can you see that without looking at the loss?"


@pytest.mark.task(5)
@pytest.mark.parametrize("steps", [5, 23])
def test_a_run_without_backward(submission, rng, steps):
    """Without backward there is no gradient, so nothing moves either."""
    runs = random_runs(rng, "backward", 6, steps, (1e-4, 1.0))
    hint = "Nothing moves here, for a reason further up. Which zeros are the cause, and which the effect?"
    check_runs(submission, runs, "backward", hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("steps", [5, 23])
def test_a_run_without_step(submission, rng, steps):
    """Without step there are gradients, and nothing moves."""
    runs = random_runs(rng, "step", 6, steps, (1e-4, 1.0))
    check_runs(submission, runs, "step", "There are gradients here. What should have followed from them?")


@pytest.mark.task(5)
@pytest.mark.parametrize("steps", [5, 40])
def test_a_right_run(submission, rng, steps):
    """Learning rates from a ten-thousandth of 1/L up to 1/L: nothing is missing."""
    check_runs(submission, random_runs(rng, None, 15, steps, (1e-4, 1.0)), None, RIGHT)


@pytest.mark.task(5)
@pytest.mark.parametrize("steps", [5, 40])
def test_a_run_without_zero_grad(submission, rng, steps):
    """Learning rates from a ten-thousandth of 1/L up to 1/L: gradients pile up."""
    check_runs(submission, random_runs(rng, "zero_grad", 15, steps, (1e-4, 1.0)), "zero_grad", PILED)


@pytest.mark.task(5)
def test_a_slow_run_without_zero_grad_looks_fine_by_its_loss(submission, rng):
    """With a tiny learning rate the loss falls in every one of 5 steps, and faster than it should."""
    runs = random_runs(rng, "zero_grad", 12, 5, (1e-4, 1e-2))
    check_runs(submission, runs, "zero_grad", PILED)


@pytest.mark.task(5)
def test_a_run_without_zero_grad_that_ends_low(submission, rng):
    """Without zero_grad a run swings to and fro; some records end with a smaller gradient than they began with."""
    runs = []
    for what, run in random_runs(rng, "zero_grad", 9, 40, (0.1, 1.0)):
        end = 5 + min(range(36), key=lambda extra: run[1][4 + extra])  # cut where the gradient norm is lowest
        runs.append((f"the first {end} records of {what}", [column[:end] for column in run]))
    hint = "The last record alone proves nothing: this run swings, and was cut off on its way down. What came before?"
    check_runs(submission, runs, "zero_grad", hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_a_right_run_that_has_long_converged(submission, rng, dtype):
    """120 steps on an easy problem: at the end gradients and losses are rounding noise, which goes up and down."""
    runs = random_runs(rng, None, 12, 120, (0.5, 0.9), dtype, kinds=("well-conditioned least squares",))
    hint = "At the optimum the gradient is rounding noise: it rises and falls by chance. Large or small beside what?"
    check_runs(submission, runs, None, hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("forget", [None, "zero_grad"], ids=["right", "without zero_grad"])
def test_records_in_float32(submission, rng, forget):
    """Real records are float32: what should be equal is only nearly so."""
    runs = random_runs(rng, forget, 15, 12, (0.01, 1.0), torch.float32)
    check_runs(submission, runs, forget, PILED if forget else RIGHT)


@pytest.mark.task(5)
@pytest.mark.parametrize("forget", [None, "zero_grad"], ids=["right", "without zero_grad"])
@pytest.mark.parametrize("problem", [ramp, straight_then_bowl], ids=["ramp", "straight, then a bowl"])
def test_two_equal_gradient_norms(submission, rng, problem, forget):
    """Equal norms at the first two steps: the same slope once more, or an old gradient kept. The loss knows which."""
    runs = []
    for _ in range(8):
        loss_and_slope, smoothness, start = problem(rng)
        what = "a run of 5 steps, lr = 1 / L, a problem with straight pieces"
        runs.append((what, records(loss_and_slope, start, 1 / smoothness, 5, forget)))
    hint = "Read 'The one tie'. How far should the loss have fallen, if the slope had stayed as it was?"
    check_runs(submission, runs, forget, hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("forget", [None, "zero_grad"], ids=["right", "without zero_grad"])
def test_a_fall_that_float32_does_not_see(submission, rng, forget):
    """Five tiny steps down a straight slope, in float32: the loss seems to stand still."""
    runs = []
    for number in range(8):
        slope = uniform(rng, 0.5, 2.0)
        fall = log_uniform(rng, 2e-7, 8e-7)  # of a right step; what float32 tells apart near 64 is 7.6e-6
        low = uniform(rng, 64.0, 100.0) * (-1) ** number

        def loss_and_slope(weights: Tensor, slope: float = slope, low: float = low) -> tuple[Tensor, Tensor]:
            return low + slope * weights.sum(), torch.full_like(weights, slope)

        start = torch.tensor([uniform(rng, 1.0, 2.0)])
        what = "a slow run of 5 steps on a straight slope, in float32"
        runs.append((what, records(loss_and_slope, start, fall / slope**2, 5, forget)))
    check_runs(submission, runs, forget, PILED if forget else RIGHT)


@pytest.mark.task(5)
@pytest.mark.parametrize("forget", [None, "zero_grad"], ids=["right", "without zero_grad"])
def test_a_step_that_lands_on_the_optimum(submission, rng, forget):
    """lr = 1/L on a problem with one curvature: the first step is perfect. What comes next tells them apart."""
    runs = []
    for _ in range(8):
        problem, smoothness, start = bowl(rng)
        what = "a run of 6 steps, lr = 1 / L, a bowl with one curvature"
        runs.append((what, records(problem, start, 1 / smoothness, 6, forget)))
    hint = "The first step lands on the optimum. Write out the next four by hand, with and without zero_grad."
    check_runs(submission, runs, forget, hint)
