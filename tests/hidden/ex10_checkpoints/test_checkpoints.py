"""Hidden suite of exercise 10.

Files that `load_checkpoint` has to read are written by the judge, and what its models say is worked out by hand. The
trainings of task 5 run in the worker, in a plain loop of this suite: once without a break, where nothing of the
submission is called, and once with breaks. The two must agree bit for bit, and with the judge's own training, whose
optimisers are worked out by hand. Data, weights and seeds come with the call.
"""

import io
import os
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from grader.checks import check, check_equal, check_raises, check_tensor, show
from grader.remote import on_cpu

State = dict[str, Tensor]
Plan = dict[str, Any]

FEATURES, HIDDEN, OUTPUTS = 3, 5, 2
EXACT = {"rtol": 0.0, "atol": 0.0}  # bit for bit
# Adam's eps. A bias before a BatchNorm has no slope but rounding, which the usual 1e-8 makes a step of: with it five of
# 149 trainings ended elsewhere than by hand, up to 1e-5 away; with this one none of 100, up to 1e-11 away.
EPS = 1e-3
TRAINED = ("0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias")


# ---------------------------------------------------------------------------------------------------------------------
# What the judge works out
# ---------------------------------------------------------------------------------------------------------------------


def random_state(rng: torch.Generator) -> State:
    """Weights and buffers of Linear, BatchNorm1d, LeakyReLU, Dropout, Linear."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    return {
        "0.weight": draw(HIDDEN, FEATURES),
        "0.bias": draw(HIDDEN),
        "1.weight": draw(HIDDEN),
        "1.bias": draw(HIDDEN),
        "1.running_mean": draw(HIDDEN),
        "1.running_var": draw(HIDDEN).exp(),
        "1.num_batches_tracked": torch.randint(1000, (), generator=rng),
        "4.weight": draw(OUTPUTS, HIDDEN),
        "4.bias": draw(OUTPUTS),
    }


def answers(state: State, x: Tensor, slope: float, training: bool = False) -> Tensor:
    """What that model says of `x`, without dropout; by the statistics of this batch in training, else by its own."""
    h = x @ state["0.weight"].T + state["0.bias"]
    mean, var = (h.mean(0), h.var(0, correction=0)) if training else (state["1.running_mean"], state["1.running_var"])
    h = (h - mean) / (var + 1e-5).sqrt() * state["1.weight"] + state["1.bias"]
    return torch.where(h > 0, h, slope * h) @ state["4.weight"].T + state["4.bias"]


def file_of(content: Any) -> bytes:
    """The bytes of a file with this in it, as anybody may have saved them."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def settings_for(slope: float = 0.25, dropout: float = 0.125, **more: Any) -> dict[str, Any]:
    return {"features": FEATURES, "hidden": HIDDEN, "outputs": OUTPUTS, "slope": slope, "dropout": dropout, **more}


def plan_for(rng: torch.Generator, device: str, **more: Any) -> Plan:
    """A training of five epochs, as plain as can be but for what is asked."""
    plain = {"dropout": 0.0, "momentum": 0.0, "adam": False, "schedule": False, "order": "fixed", "epochs": 5}
    seed = int(torch.randint(1 << 30, (), generator=rng))
    return {"lr": 0.1, "batch": 4, "eps": EPS, "seed": seed, "device": device, **plain, **more}


def without_a_break(start: State, x: Tensor, y: Tensor, plan: Plan) -> State:
    """The state after the whole training, by PyTorch's functions, and SGD, Adam and StepLR(2, 0.5) by hand."""
    state = {name: value.clone() for name, value in start.items()}
    weights = [state[name].requires_grad_() for name in TRAINED]
    moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    generator = torch.Generator().manual_seed(plan["seed"] + 1) if plan["order"] == "generator" else None
    loader = DataLoader(TensorDataset(x, y), plan["batch"], shuffle=plan["order"] != "fixed", generator=generator)
    step = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan["seed"])
        for epoch in range(plan["epochs"]):
            lr = plan["lr"] * (0.5 ** (epoch // 2) if plan["schedule"] else 1)
            for inputs, targets in loader:
                step += 1
                h = F.linear(inputs, state["0.weight"], state["0.bias"])
                norm = state["1.running_mean"], state["1.running_var"], state["1.weight"], state["1.bias"]
                h = F.dropout(F.leaky_relu(F.batch_norm(h, *norm, training=True)), plan["dropout"])
                loss = (F.linear(h, state["4.weight"], state["4.bias"]) - targets).square().mean()
                state["1.num_batches_tracked"] += 1
                with torch.no_grad():
                    for weight, slope, (m, v) in zip(weights, torch.autograd.grad(loss, weights), moments, strict=True):
                        if plan["adam"]:
                            m.mul_(0.9).add_(slope, alpha=0.1)
                            v.mul_(0.999).addcmul_(slope, slope, value=0.001)
                            weight -= lr * m / (1 - 0.9**step) / ((v / (1 - 0.999**step)).sqrt() + EPS)
                        else:
                            weight -= lr * m.mul_(plan["momentum"]).add_(slope)
    return {name: value.detach() for name, value in state.items()}


# ---------------------------------------------------------------------------------------------------------------------
# What the judge compares
# ---------------------------------------------------------------------------------------------------------------------


def check_state(got: Any, expected: State, what: str, hint: str, exact: bool = True) -> None:
    """`got` is exactly this state_dict, bit for bit where `exact`."""
    names = list(got) if type(got) is dict else show(got)
    due = type(names) is list and set(names) == set(expected)
    check(due, expected=f"{what}: a state_dict of {', '.join(expected)}", got=f"{names}", hint=hint)
    for name, value in expected.items():
        check_tensor(got[name], value, **(EXACT if exact else {}), what=f"{what}: {name}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: save_checkpoint
# ---------------------------------------------------------------------------------------------------------------------


def save_a_model(sub, state, hyperparameters, more):
    import torch
    from torch import nn

    hidden, features = state["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(), nn.Dropout(), nn.Linear(hidden, 2)
    model = nn.Sequential(*parts).to(state["0.weight"])
    model.load_state_dict(state)
    sub.save_checkpoint("run.pt", model, hyperparameters, **more)
    try:
        inside = torch.load("run.pt", weights_only=True, map_location=state["0.weight"].device)
    except Exception as error:  # noqa: BLE001 whatever is wrong with it
        return f"a file that it refuses ({type(error).__name__})"
    if type(inside) is not dict:
        return f"a {type(inside).__name__}"
    keys = ("model", "hyperparameters", "epoch", "optimizer", "scheduler", "generator")
    found = {key: inside[key] for key in keys if key in inside}
    return found | {key: dict(value) for key, value in found.items() if isinstance(value, dict)}


def saved(submission, rng, hyperparameters: dict, **more: Any) -> tuple[dict, State]:
    state = random_state(rng)
    given = "".join(f", {name}={value}" for name, value in more.items())
    call = f'save_checkpoint("run.pt", model, {show(hyperparameters)}{given}); torch.load("run.pt", weights_only=True)'
    got = submission.run(save_a_model, state, hyperparameters, more, call=call)
    hint = "weights_only=True lets plain data and tensors pass, and no objects. What else is in your file?"
    keys = "model, hyperparameters, epoch, optimizer, scheduler, generator"
    expected = f"a dict with the keys {keys}"
    check(type(got) is dict, expected=expected, got=show(got) if type(got) is not str else got, hint=hint)
    check(
        len(got) == 6, expected=expected, got=f"{', '.join(got) or 'none'} of them", hint="Which are missing, and why?"
    )
    return got, state


@pytest.mark.task(1)
def test_the_file_holds_the_weights_and_the_buffers(submission, rng):
    """The entry "model" is the whole state_dict: weights, and buffers such as BatchNorm's running mean."""
    got, state = saved(submission, rng, {"hidden": HIDDEN})
    check_state(got["model"], state, "the entry model", "Which method of a model gives its parameters and its buffers?")


@pytest.mark.task(1)
def test_hyperparameters_are_saved_as_they_are(submission, rng):
    """Each hyper-parameter comes back with its name, its value and its type: a tuple is no list, and 2 is no text."""
    settings = {"hidden": 5, "dropout": 0.1 + 0.2, "norm": False, "activation": "leaky", "head": None, "stages": (2, 3)}
    settings |= {"optim": {"name": "sgd", "betas": [0.5, 0.25], "drop_at": {3: 0.5}}}
    got, _ = saved(submission, rng, settings)
    hint = "What was given, and what is in the file? Nothing may be left out, rounded or turned into something else."
    check_equal(got["hyperparameters"], settings, what="the entry hyperparameters", hint=hint)


@pytest.mark.task(1)
def test_the_epoch_is_saved(submission, rng):
    """The entry "epoch" is the number of epochs that are done; 0 where nobody says anything."""
    epoch = int(torch.randint(3, 99, (), generator=rng))
    got, _ = saved(submission, rng, {}, epoch=epoch)
    check_equal(got["epoch"], epoch, what="the entry epoch", hint="Epochs that are done: is there anything to add?")
    got, _ = saved(submission, rng, {})
    check_equal(got["epoch"], 0, what="the entry epoch", hint="Which default does the signature give it?")


@pytest.mark.task(1)
def test_what_is_not_given_is_none(submission, rng):
    """A model alone can be saved, too: then optimizer, scheduler and generator are None in the file."""
    got, _ = saved(submission, rng, {"hidden": HIDDEN})
    for key in ("optimizer", "scheduler", "generator"):
        hint = "Which statement asks for the state of something that is not there?"
        check_equal(got[key], None, what=f"the entry {key}", hint=hint)


def save_a_training(sub, weight, slopes, lr, momentum, seed, steps):
    import torch
    from torch import nn

    model = nn.Linear(weight.shape[1], weight.shape[0], bias=False).to(weight)
    model.load_state_dict({"weight": weight})
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    generator = torch.Generator().manual_seed(seed)
    for slope in slopes:
        model.weight.grad = slope.clone()
        optimizer.step()
        torch.randperm(7, generator=generator)
    for _ in range(steps):
        scheduler.step()
    sub.save_checkpoint("run.pt", model, {}, optimizer, scheduler, generator, epoch=steps)
    with torch.no_grad():
        model.weight.fill_(0.0)
    inside = torch.load("run.pt", weights_only=True, map_location="cpu")
    parts = {key: inside.get(key) or {} for key in ("model", "optimizer", "scheduler")}
    memory = parts["optimizer"].get("state", {}).get(0, {})
    group = parts["optimizer"].get("param_groups", [{}])[0]
    found = {"weight": parts["model"].get("weight"), "velocity": memory.get("momentum_buffer"), "order": None}
    if inside.get("generator") is not None:
        found["order"] = torch.randperm(50, generator=torch.Generator().set_state(inside["generator"]))
    found = {name: "nothing" if value is None else value.to(weight.device) for name, value in found.items()}
    return found | {"rest": [group.get("lr"), group.get("momentum"), parts["scheduler"].get("last_epoch")]}


def saved_training(submission, rng, momentum: float = 0.75) -> tuple[dict, Tensor, list[Tensor], Tensor]:
    """What is in the file; the weights, the optimiser's velocity and the generator's next order that are due."""
    weight, *slopes = torch.randn(3, 4, 3, generator=rng, dtype=torch.float64)
    seed = int(torch.randint(1 << 30, (), generator=rng))
    velocity = momentum * slopes[0] + slopes[1]
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(size, generator=generator) for size in (7, 7, 50)]
    call = "two steps of SGD with momentum, save_checkpoint(path, model, {}, optimizer, scheduler, generator, epoch=5)"
    got = submission.run(save_a_training, weight, slopes, 0.25, momentum, seed, 5, call=call)
    return got, weight - 0.25 * slopes[0] - 0.25 * velocity, velocity, orders[2]


@pytest.mark.task(1)
def test_the_optimizer_s_state_is_saved(submission, rng):
    """Momentum is a state of the optimiser, and so is its lr: both are in the entry "optimizer"."""
    got, weight, velocity, _ = saved_training(submission, rng)
    check_tensor(got["weight"], weight, what="the weight in the file", hint="At what time is the file written?")
    hint = "An optimiser has a state_dict, like a model. Is yours the whole of it, as it is when the file is written?"
    check_tensor(got["velocity"], velocity, what="the momentum buffer in the file", hint=hint)
    check_equal(got["rest"][:2], [0.03125 * 2, 0.75], what="lr and momentum in the file", hint=hint)


@pytest.mark.task(1)
def test_the_scheduler_and_the_generator_are_saved(submission, rng):
    """How far the schedule is, and which order of the data comes next: both would be lost without a state of theirs."""
    got, _, _, order = saved_training(submission, rng)
    check_equal(got["rest"][2], 5, what="last_epoch of the entry scheduler", hint="What does its state_dict say?")
    hint = "A seed says where a generator began. Which of its methods says where it is now?"
    check_tensor(got["order"], order, what="the next order by the saved generator", hint=hint)


def save_and_look(sub, state, seed, size):
    import torch
    from torch import nn

    hidden, features = state["0.weight"].shape
    parts = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(), nn.Dropout(), nn.Linear(hidden, 2)
    model = nn.Sequential(*parts).to(state["0.weight"])
    model.load_state_dict(state)
    model[1].eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    sub.save_checkpoint("run.pt", model, {"hidden": hidden}, optimizer, None, generator, 3)
    draws = [
        torch.rand(size).to(model[0].weight.device),
        torch.rand(size, generator=generator).to(model[0].weight.device),
    ]
    modes = [module.training for module in model.modules()]
    return {"draws": draws, "modes": modes, "state": dict(model.state_dict())}


@pytest.mark.task(1)
def test_saving_leaves_the_training_alone(submission, rng):
    """Who saves each epoch trains as one who never saves: modes, weights and random numbers are as they would be."""
    state, seed = random_state(rng), int(torch.randint(1 << 30, (), generator=rng))
    expected = torch.rand(6, generator=torch.Generator().manual_seed(seed))
    call = "save_checkpoint(path, model, {...}, optimizer, None, generator, 3), while model[1] is in evaluation mode"
    got = submission.run(save_and_look, state, seed, 6, call=call)
    hint = "To save is to read. What does yours change, or draw?"
    check_equal(got["modes"], [True, True, False, True, True, True], what="the training flags afterwards", hint=hint)
    for draw, whose in zip(got["draws"], ("torch's generator", "the generator of the data"), strict=True):
        check_tensor(draw, expected, **EXACT, what=f"the next numbers of {whose}", hint=hint)
    check_state(got["state"], state, "the model afterwards", hint)


def save_what_is_no_data(sub, kind, before):
    import pathlib

    import torch
    from torch import nn

    class Width(int):
        pass

    things = {"a Path": pathlib.Path("data"), "a function": len, "an own class": Width(3), "a lambda": lambda x: x}
    model, raised = nn.Linear(2, 2), False
    if before:
        sub.save_checkpoint("run.pt", model, {"width": 7})
    try:
        sub.save_checkpoint("run.pt", model, {"width": 3, "more": [things[kind]]})
    except NotImplementedError:
        raise
    except Exception:  # noqa: BLE001 which one is free
        raised = True
    found = {"raised": raised, "names": sorted(each.name for each in pathlib.Path().iterdir()), "width": None}
    if before:
        try:
            found["width"] = torch.load("run.pt", weights_only=True)["hyperparameters"]["width"]
        except Exception as error:  # noqa: BLE001 whatever is wrong with it
            found["width"] = f"a file that can't be read ({type(error).__name__})"
    return found


@pytest.mark.task(1)
def test_what_could_not_be_read_back_is_refused_at_once(submission):
    """A Path or an object of one's own can't be read back: to learn that when the file is needed is too late."""
    for kind in ("a lambda", "a Path", "an own class", "a function"):
        call = f'save_checkpoint("run.pt", model, {{"width": 3, "more": [{kind}]}})'
        got = submission.run(save_what_is_no_data, kind, False, call=call)
        hint = "torch.save takes more than torch.load(..., weights_only=True) gives back. When would you like to know?"
        check(got["raised"], expected="an exception, of any type", got="none", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: load_checkpoint
# ---------------------------------------------------------------------------------------------------------------------


def load(sub, x, arguments):
    import torch
    from torch import nn

    seen = []

    def build(*, features, hidden, outputs, slope=0.01, dropout=0.5, **more):
        given = {"features": features, "hidden": hidden, "outputs": outputs, "slope": slope, "dropout": dropout}
        seen.append(given | more)
        first = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(slope)
        return nn.Sequential(*first, nn.Dropout(dropout), nn.Linear(hidden, outputs))

    torch.manual_seed(3)
    model = sub.load_checkpoint("run.pt", build, **{"map_location": x.device, **arguments})
    if not isinstance(model, nn.Module):
        return model
    found = {"built with": seen, "modes": [module.training for module in model.modules()]}
    found["hidden"] = model[:-1](x.repeat(20, 1)).detach()
    found |= {"state": {name: value.clone() for name, value in model.state_dict().items()}}
    out = model(x)
    found |= {"answers": out.detach(), "slope": None}
    if model[4].bias.requires_grad:
        found["slope"] = torch.autograd.grad(out.sum(), model[4].bias)[0]
    return found


def loaded(submission, state: State, x: Tensor, settings: dict, **arguments: Any) -> dict:
    given = "".join(f", {name}={value!r}" for name, value in arguments.items())
    submission.put_file("run.pt", file_of({"model": state, "hyperparameters": settings}))
    got = submission.run(load, x, arguments, call=f'load_checkpoint("run.pt", build{given})')
    hint = "What does your function return? build gives you a model to be filled and handed on."
    check(type(got) is dict, expected="a model", got=show(got), hint=hint)
    return got


@pytest.mark.task(2)
def test_the_model_says_what_it_said(submission, rng):
    """Weights, BatchNorm's statistics, the slope of its LeakyReLU: what comes back gives the same answers."""
    state, x = random_state(rng), torch.randn(7, FEATURES, generator=rng)
    expected = answers(state, x, slope=0.375)
    got = loaded(submission, state, x, settings_for(slope=0.375))
    hint = "What does a model's answer depend on, besides its weights? Which of that is in no state_dict?"
    check_tensor(got["answers"], expected, what="the answers of the loaded model", hint=hint)
    check_state(got["state"], state, "the state of the loaded model", hint)


@pytest.mark.task(2)
def test_build_gets_every_hyperparameter_by_name(submission, rng):
    """What was saved is handed to `build` as keyword arguments, every one, and nothing else."""
    settings = settings_for(dropout=0.375, stages=(2, 3), note="first try", head=None, extra={"norm": True, "p": [0.5]})
    got = loaded(submission, random_state(rng), torch.randn(2, FEATURES, generator=rng), settings)
    hint = "A default of build is not what the model was trained with. Which arguments does your call of build have?"
    check_equal(got["built with"][-1:], [settings], what="the arguments of build", hint=hint)


@pytest.mark.task(2)
def test_dropout_comes_back_with_its_own_rate(submission, rng):
    """Trained with a dropout of 1/8: what is kept is scaled by 8/7, and not by 2, which the default would give."""
    state, x = random_state(rng), torch.randn(7, FEATURES, generator=rng)
    bare = state | {"4.weight": torch.eye(HIDDEN), "4.bias": torch.zeros(HIDDEN)}
    whole = answers(bare, x.repeat(20, 1), slope=0.25, training=True) / (1 - 0.125)
    got = loaded(submission, state, x, settings_for(), train=True)["hidden"]
    kept = got != 0 if type(got) is Tensor and got.shape == whole.shape else torch.ones_like(whole, dtype=torch.bool)
    hint = "Weights do not tell at which rate they were trained. Who does, and does it arrive at build?"
    check_tensor(got, whole * kept, what="what dropout lets through", hint=hint)
    dropped = int((~kept).sum())
    # Of 700 entries about 87 are dropped, with a standard deviation of 9; no run in 1e12 is outside of these.
    check(20 < dropped < 200, expected="about an eighth of 700 entries dropped", got=f"{dropped} dropped", hint=hint)


@pytest.mark.task(2)
def test_a_loaded_model_is_in_evaluation_mode(submission, rng):
    """Who loads a model mostly wants answers: every module is in evaluation mode, dropout and BatchNorm are at rest."""
    got = loaded(submission, random_state(rng), torch.randn(4, FEATURES, generator=rng), settings_for())
    hint = "In which mode is a model that was just built? Which of its methods changes that, for all modules at once?"
    check_equal(got["modes"], [False] * 6, what="the training flags", hint=hint)


@pytest.mark.task(2)
def test_with_train_it_is_in_training_mode(submission, rng):
    """train=True: every module is in training mode, and BatchNorm uses the statistics of the batch."""
    state, x = random_state(rng), torch.randn(7, FEATURES, generator=rng)
    expected = answers(state, x, slope=0.25, training=True)
    got = loaded(submission, state, x, settings_for(dropout=0.0), train=True)
    hint = "What is train=True meant to change in the model, and does it?"
    check_equal(got["modes"], [True] * 6, what="the training flags", hint=hint)
    check_tensor(got["answers"], expected, what="the answers of the loaded model", hint=hint)


@pytest.mark.task(2)
def test_a_loaded_model_can_be_trained_on(submission, rng):
    """Its parameters take part in gradients, as those of any new model do."""
    got = loaded(submission, random_state(rng), torch.randn(6, FEATURES, generator=rng), settings_for(), train=True)
    hint = "Does anything in your function switch gradients off, and is it switched on again?"
    check_tensor(got["slope"], torch.full((OUTPUTS,), 6.0), what="the gradient of the last bias", hint=hint)


def load_from_a_gpu(sub, x, kinds):
    import torch
    from torch import nn

    content = torch.load("run.pt", weights_only=True)
    torch.serialization.register_package(0, lambda storage: "cuda:97", lambda storage, location: None)
    torch.save(content, "run.pt")  # with tensors that say they lay on GPU 97
    found = []
    for arguments in kinds:
        model = sub.load_checkpoint("run.pt", lambda features: nn.Linear(features, 2), **arguments)
        devices = sorted({str(value.device) for value in model.state_dict().values()})
        found.append([devices, model.cpu()(x.cpu()).detach().to(x.device)])
    return found


@pytest.mark.task(2)
def test_a_file_from_a_gpu_is_loaded_on_a_machine_without_one(submission, rng):
    """Tensors remember where they lay when they were saved. A model of GPU 97 comes back on the CPU, unless asked."""
    state = {"weight": torch.randn(2, FEATURES, generator=rng), "bias": torch.randn(2, generator=rng)}
    x = torch.randn(4, FEATURES, generator=rng)
    expected = x @ state["weight"].T + state["bias"]
    submission.put_file("run.pt", file_of({"model": state, "hyperparameters": {"features": FEATURES}}))
    call = 'load_checkpoint("run.pt", build), and with map_location="cpu", of a file that was saved on cuda:97'
    hint = "Which argument of torch.load says where tensors go, wherever they came from?"
    for devices, got in submission.run(load_from_a_gpu, x, [{}, {"map_location": "cpu"}], call=call):
        check_equal(devices, ["cpu"], what="the devices of the model's tensors", hint=hint)
        check_tensor(got, expected, what="the answers of the loaded model", hint=hint)


def load_to_meta(sub, arguments):
    import torch
    from torch import nn

    class Model(nn.Sequential):
        def load_state_dict(self, state_dict, strict=True, assign=False):
            if not assign:  # a copy from meta to the CPU is an error, where one from a GPU is none
                state_dict = {name: torch.zeros_like(value, device="cpu") for name, value in state_dict.items()}
            return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def build(features, width):
        return Model(nn.Linear(features, width), nn.BatchNorm1d(width))

    model = sub.load_checkpoint("run.pt", build, **arguments)
    return sorted({str(value.device) for value in [*model.parameters(), *model.buffers()]})


@pytest.mark.task(2)
def test_the_model_lies_where_map_location_says(submission, rng):
    """Parameters and buffers lie on `map_location`; here it is "meta", a second device that every machine has."""
    norm = {f"1.{name}": torch.rand(4, generator=rng) for name in ("weight", "bias", "running_mean", "running_var")}
    state = {"0.weight": torch.randn(4, FEATURES, generator=rng), "0.bias": torch.randn(4, generator=rng), **norm}
    content = {"model": state | {"1.num_batches_tracked": torch.tensor(5)}, "hyperparameters": {"features": FEATURES}}
    content["hyperparameters"]["width"] = 4
    submission.put_file("run.pt", file_of(content))
    hint = "To load a state into a model copies numbers, and moves nothing. Where does the model lie that build made?"
    call = 'load_checkpoint("run.pt", build, map_location="meta")'
    devices = submission.run(load_to_meta, {"map_location": "meta"}, call=call)
    check_equal(devices, ["meta"], what="the devices of the model's tensors", hint=hint)


def load_twice(sub, x):
    import torch
    from torch import nn

    models = [sub.load_checkpoint("run.pt", nn.Linear, map_location=x.device) for _ in range(2)]
    with torch.no_grad():
        models[0].weight.zero_()
    return models[1](x).detach(), sub.load_checkpoint("run.pt", nn.Linear, map_location=x.device)(x).detach()


@pytest.mark.task(2)
def test_two_loaded_models_have_nothing_in_common(submission, rng):
    """A file can be loaded as often as one likes; who changes one model changes neither the others nor the file."""
    weight, x = torch.randn(2, FEATURES, generator=rng), torch.randn(4, FEATURES, generator=rng)
    settings = {"in_features": FEATURES, "out_features": 2, "bias": False}
    expected = x @ weight.T
    submission.put_file("run.pt", file_of({"model": {"weight": weight}, "hyperparameters": settings}))
    call = 'a = load_checkpoint("run.pt", nn.Linear), b = load_checkpoint(...), then a.weight.zero_()'
    second, third = submission.run(load_twice, x, call=call)
    hint = "Is anything kept from one call to the next?"
    check_tensor(second, expected, what="the answers of b", hint=hint)
    check_tensor(third, expected, what="the answers of a model that is loaded now", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: files that are not what they should be
# ---------------------------------------------------------------------------------------------------------------------


def check_refused(submission, content: bytes, words: tuple[str, ...], told: str, hint: str) -> None:
    """`load_checkpoint` of such a file is a ValueError with the file's name and `words`."""
    submission.put_file("run.pt", content)
    call = f'load_checkpoint("run.pt", build) of {told}'
    x = torch.ones(2, FEATURES)
    check_raises(ValueError, submission.run, load, x, {}, call=call, mentions=("run.pt", *words), hint=hint)


@pytest.mark.task(3)
def test_a_truncated_file_is_refused(submission, rng):
    """The disk was full, the copy broke off: wherever the file ends, it is a ValueError that names the file."""
    checkpoint = {"model": random_state(rng), "hyperparameters": settings_for()}
    small, large = file_of(checkpoint), file_of(checkpoint | {"note": torch.randn(3000, generator=rng)})
    hint = "torch.load raises one thing for an empty file, others for half a small one and half a large one. Which?"
    places = [(small, len(small) // 2), (large, len(large) // 2), (large, 0), (large, 1), (large, len(large) - 1)]
    for content, size in places:
        told = f"a file that ends after {size:,} of {len(content):,} bytes"
        check_refused(submission, content[:size], (), told, hint)


@pytest.mark.task(3)
def test_a_file_that_is_no_checkpoint_is_refused(submission):
    """A text, a table, a picture, a tensor, a list: ValueError, naming the file."""
    hint = "What does torch.load do with this file? Try it. Whatever it raises, or returns, what should your user read?"
    texts = {"a text": b"hello\n", "a table": b"epoch,loss\n1,0.5\n", "a picture": b"\x89PNG\r\n\x1a\n" + bytes(99)}
    saved = {"a tensor": torch.ones(3), "a list": [1, 2], "a number": 3}
    for told, content in (texts | {told: file_of(value) for told, value in saved.items()}).items():
        check_refused(submission, content, (), f"{told}", hint)


@pytest.mark.task(3)
def test_a_missing_key_is_named(submission, rng):
    """A file with only one half of a checkpoint: a ValueError that names the file and the key that is not there."""
    state = random_state(rng)
    hint = "A bare KeyError does not say which file it is, nor what it should have been. What would you like to read?"
    check_refused(submission, file_of({"model": state}), ("hyperparameters",), "a file without hyperparameters", hint)
    content = file_of({"hyperparameters": settings_for(), "epoch": 3, "state": state})
    check_refused(submission, content, ("model",), "a file without model", hint)
    check_refused(submission, file_of(state), ("hyperparameters",), "a file that holds a bare state_dict", hint)


@pytest.mark.task(3)
@pytest.mark.parametrize("fault", ["a missing entry", "an entry too many", "another shape"])
def test_another_architecture_is_refused(submission, rng, fault):
    """Weights that do not fit the model that was built: a ValueError that names the file and the entry."""
    state, settings = random_state(rng), settings_for()
    name = {"a missing entry": "4.bias", "an entry too many": "7.weight", "another shape": "4.weight"}[fault]
    if fault == "a missing entry":
        del state[name]
    else:
        state[name] = torch.randn(OUTPUTS, HIDDEN + 1, generator=rng)
    hint = (
        "A model that is half loaded gives answers too, and wrong ones. Who compares names and shapes, and can say no?"
    )
    check_refused(
        submission, file_of({"model": state, "hyperparameters": settings}), (name,), f"a state with {fault}", hint
    )


def load_nothing(sub):
    sub.load_checkpoint("nowhere.pt", dict)


@pytest.mark.task(3)
def test_a_file_that_is_not_there_is_a_file_not_found_error(submission):
    """That is no fault of a file's content, and Python has an error of its own for it."""
    hint = "Which errors of torch.load speak of a broken file, and which of the way to it?"
    call = 'load_checkpoint("nowhere.pt", build)'
    mentions = ("nowhere.pt",)
    check_raises(FileNotFoundError, submission.run, load_nothing, call=call, mentions=mentions, hint=hint)


def load_with_a_builder(sub):
    def build(width):
        raise RuntimeError(f"a width of {width} is more than this machine can hold")

    sub.load_checkpoint("run.pt", build)


@pytest.mark.task(3)
def test_what_build_raises_comes_through(submission, rng):
    """The file is fine, and the builder says no: its own words reach the user."""
    width = int(torch.randint(1000, 9999, (), generator=rng))
    submission.put_file("run.pt", file_of({"model": {}, "hyperparameters": {"width": width}}))
    call = f'load_checkpoint("run.pt", build), where build raises a RuntimeError that mentions {width}'
    hint = "How much stands inside your try? Only what can fail because of the file belongs there."
    check_raises(RuntimeError, submission.run, load_with_a_builder, call=call, mentions=(str(width),), hint=hint)


class Harmful:
    """A pickle of it makes a folder when it is read. Here, that is all."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("executed",)


def names_here(sub):
    import pathlib

    return sorted(each.name for each in pathlib.Path().iterdir())


@pytest.mark.task(3)
@pytest.mark.parametrize("where", ["a pickle", "a hyper-parameter", "an entry that nobody asks for"])
def test_a_file_with_a_program_in_it_is_refused_and_not_run(submission, rng, where):
    """A pickle can call any function when it is read. Such a file is a ValueError, and nothing in it is run."""
    content = {"model": random_state(rng), "hyperparameters": settings_for()}
    if where == "a hyper-parameter":
        content["hyperparameters"]["slope"] = Harmful()
    else:
        content["note"] = Harmful()
    told = f"a file with a program in it ({where})"
    hint = (
        "Which argument of torch.load keeps it from doing what a file says? And is there a way around it in your code?"
    )
    check_refused(submission, pickle.dumps(content) if where == "a pickle" else file_of(content), (), told, hint)
    names = submission.run(names_here, call=f"{told}, and a look into the folder")
    check_equal(names, ["run.pt"], what="the names in the folder, where the program would make one", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: the old file or the new one
# ---------------------------------------------------------------------------------------------------------------------


def save_twice(sub, weights, kind, beside, watched):
    import os
    import pathlib
    import shutil
    import sys
    import tempfile
    import threading

    import torch
    from torch import nn

    there = pathlib.Path(beside)  # a file system of its own, where the machine has one
    folder = pathlib.Path(tempfile.mkdtemp(dir=there if os.access(there, os.W_OK) else None)).resolve()
    os.chdir(folder)
    path = {"str": str(folder / "run.pt"), "Path": folder / "run.pt", "bare name": "run.pt"}[kind]
    seen, names, half = [], [], b""

    def look(*_):
        try:
            descriptor = os.open(folder / "run.pt", os.O_RDONLY)
        except FileNotFoundError:
            content = None
        else:
            content = b""
            while more := os.read(descriptor, 1 << 20):
                content += more
            os.close(descriptor)
        if not seen or seen[-1] != content:
            seen.append(content)

    try:
        for number, weight in enumerate(weights):
            model = nn.Linear(weight.shape[1], weight.shape[0], bias=False).to(weight)
            model.load_state_dict({"weight": weight})
            if number:
                reader = (folder / "run.pt").open("rb", buffering=0)
                half = reader.read(len(seen[-1]) // 2) if seen[-1] else b""
            if watched:
                threading.setprofile(look)
                sys.setprofile(look)  # calls `look` at the beginning and the end of every function that runs
            try:
                sub.save_checkpoint(path, model, {"number": number})
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
            look()
            names.append(sorted(each.name for each in folder.iterdir()))
        found = []
        for content in [*seen, half + reader.readall()]:
            if content is None:
                found.append(None)
                continue
            (folder / "copy").write_bytes(content)
            try:
                inside = torch.load(folder / "copy", weights_only=True, map_location=weights[0].device)
                found.append(inside["model"]["weight"])
            except Exception:  # noqa: BLE001 whatever is wrong with it
                found.append(f"{len(content)} bytes that can't be read" if content else "an empty file")
    finally:
        os.chdir("/")
        shutil.rmtree(folder)
    return {"names": names, "seen": found[:-1][:9], "read": found[-1]}


def twice_saved(submission, rng, kind: str = "str", watched: bool = False) -> tuple[dict, list[Tensor]]:
    weights = list(torch.randn(2, 7, 6, generator=rng))
    spelled = {"str": '"/somewhere/run.pt"', "Path": 'Path("/somewhere/run.pt")', "bare name": '"run.pt"'}[kind]
    call = f"save_checkpoint({spelled}, model, {{...}}) twice, with other weights the second time"
    return submission.run(save_twice, weights, kind, "/dev/shm", watched, call=call), weights


@pytest.mark.task(4)
def test_others_see_no_file_or_the_old_one_or_the_new_one(submission, rng):
    """A look at the path at each moment of two saves finds: no file, then the first one whole, then the second one."""
    got, weights = twice_saved(submission, rng, watched=True)
    hint = "Between no file and the first one, and between the first and the second, there must be no moment at all."
    seen = got["seen"]
    told = ", ".join("no file" if each is None else each if type(each) is str else "a whole file" for each in seen)
    due = len(seen) == 3 and seen[0] is None and all(type(each) is Tensor for each in seen[1:])
    check(due, expected="what others see: no file, a whole file, another whole file", got=told, hint=hint)
    for each, weight, which in zip(seen[1:], weights, ("first", "second"), strict=True):
        check_tensor(each, weight, **EXACT, what=f"the weight in the {which} file", hint=hint)


@pytest.mark.task(4)
def test_who_reads_the_old_file_reads_it_to_its_end(submission, rng):
    """Someone has read half of the old file when the new one is written: the other half must still be the old one."""
    got, weights = twice_saved(submission, rng)
    hint = "Is the new content written into the old file, or is a new file put in the old one's place?"
    check_tensor(got["read"], weights[0], **EXACT, what="the weight that the reader got", hint=hint)


@pytest.mark.task(4)
def test_nothing_is_left_beside_the_file(submission, rng):
    """After each save the folder holds the file, whether its path is a str, a Path or a bare name, and nothing else."""
    for kind in ("Path", "bare name", "str"):
        got, _ = twice_saved(submission, rng, kind)
        hint = "Whatever your way of writing needs for a while: where does it lie, and who takes it away again?"
        check_equal(got["names"], [["run.pt"]] * 2, what="the names in the folder after each save", hint=hint)


def save_in_vain(sub, weights, good, kind):
    import pathlib
    import resource

    import torch
    from torch import nn

    class Interrupted:
        def __reduce__(self):
            raise KeyboardInterrupt

    found = []
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    for number, weight in enumerate(weights):
        model = nn.Linear(weight.shape[1], weight.shape[0], bias=False).to(weight)
        model.load_state_dict({"weight": weight})
        settings = {"number": number}
        if number not in good:
            if kind == "disk":
                resource.setrlimit(resource.RLIMIT_FSIZE, (weight.nbytes // 2, room[1]))
            else:
                settings["more"] = Interrupted()
        try:
            sub.save_checkpoint("run.pt", model, settings)
        except NotImplementedError:
            raise
        except BaseException:  # noqa: BLE001 which one is free
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)
        try:
            inside = torch.load("run.pt", weights_only=True, map_location=weight.device)["model"]["weight"]
        except Exception as error:  # noqa: BLE001 whatever is wrong with it
            inside = f"no file that can be loaded ({type(error).__name__})"
        found.append({"names": sorted(each.name for each in pathlib.Path().iterdir()), "inside": inside})
    return found


SAVES = 'save_checkpoint("run.pt", model, {...}), then the same again with other weights, '
FAULTS = {"disk": "while the disk is full", "keys": "while Ctrl-C is pressed"}


@pytest.mark.task(4)
@pytest.mark.parametrize("kind", ["disk", "keys"])
def test_a_write_that_fails_leaves_the_old_file(submission, rng, kind):
    """The disk is full half-way through the new file, or the user presses Ctrl-C: the old one is still there, whole."""
    weights = list(torch.randn(2, 96, 80, generator=rng))
    got = submission.run(save_in_vain, weights, [0], kind, call=SAVES + FAULTS[kind])
    hint = "At the moment at which the write fails, what has become of the old file already?"
    check_tensor(got[1]["inside"], weights[0], **EXACT, what="the weight in the file afterwards", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("kind", ["disk", "keys"])
def test_a_write_that_fails_leaves_nothing_else(submission, rng, kind):
    """The part that was written before it failed is of no use to anybody, and takes up room."""
    weights = list(torch.randn(3, 96, 80, generator=rng))
    call = f"{SAVES}{FAULTS[kind]}, and once more, with nothing in the way"
    got = submission.run(save_in_vain, weights, [0, 2], kind, call=call)
    hint = (
        "Which line takes your unfinished file away, and is it reached, whatever is raised while the file is written?"
    )
    check_equal(got[1]["names"], ["run.pt"], what="the names in the folder after the one that failed", hint=hint)
    check_tensor(got[2]["inside"], weights[2], **EXACT, what="the weight in the file at the end", hint=hint)


@pytest.mark.task(4)
def test_a_first_write_that_fails_leaves_no_file(submission, rng):
    """Where there was no file before, there is none afterwards."""
    weights = list(torch.randn(1, 96, 80, generator=rng))
    call = 'save_checkpoint("run.pt", model, {...}) while the disk is full'
    got = submission.run(save_in_vain, weights, [], "disk", call=call)
    hint = "Half a file under the right name is worse than none. Under which name do you write while it is not whole?"
    check_equal(got[0]["names"], [], what="the names in the folder", hint=hint)


@pytest.mark.task(4)
def test_what_could_not_be_read_back_does_not_replace_the_old_file(submission):
    """A Path among the hyper-parameters: the new file would be useless, so the old one stays."""
    call = 'save_checkpoint("run.pt", model, {"width": 7}), then again with {"width": 3, "more": [a Path]}'
    got = submission.run(save_what_is_no_data, "a Path", True, call=call)
    hint = "Could torch.load(..., weights_only=True) read the new file? At which moment must you know?"
    check_equal(got["names"], ["run.pt"], what="the names in the folder afterwards", hint=hint)
    check_equal(got["width"], 7, what="the width in the file afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: resume
# ---------------------------------------------------------------------------------------------------------------------


def train(sub, start, x, y, plan, breaks, how):
    import os
    import signal

    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    outputs, hidden = start["4.weight"].shape

    def begin(seed, lr):
        torch.manual_seed(seed)
        inputs, targets = x.to(plan["device"]), y.to(plan["device"])
        first = nn.Linear(x.shape[1], hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(), nn.Dropout(plan["dropout"])
        model = nn.Sequential(*first, nn.Linear(hidden, outputs)).to(inputs)
        sgd = {"lr": lr, "momentum": plan["momentum"]}
        adam = torch.optim.Adam(model.parameters(), lr=lr, eps=plan["eps"])
        optimizer = adam if plan["adam"] else torch.optim.SGD(model.parameters(), **sgd)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) if plan["schedule"] else None
        generator = torch.Generator().manual_seed(seed + 1) if plan["order"] == "generator" else None
        shuffled = {"shuffle": plan["order"] != "fixed", "generator": generator}
        loader = DataLoader(TensorDataset(inputs, targets), plan["batch"], **shuffled)
        return model, optimizer, scheduler, generator, loader

    def one_epoch(model, optimizer, scheduler, loader, batches=None):
        model.train()
        for number, (inputs, targets) in enumerate(loader):
            if number == batches:
                return
            loss = (model(inputs) - targets).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()

    def until(stop, run, epoch):
        model, optimizer, scheduler, generator, loader = run
        if stop == 0:
            sub.save_checkpoint("run.pt", model, {"hidden": hidden}, optimizer, scheduler, generator)
        for done in range(epoch + 1, stop + 1):
            one_epoch(model, optimizer, scheduler, loader)
            sub.save_checkpoint("run.pt", model, {"hidden": hidden}, optimizer, scheduler, generator, epoch=done)
        one_epoch(model, optimizer, scheduler, loader, batches=2)  # after the last save: it will be lost

    def first_part():
        run = begin(plan["seed"], plan["lr"])
        run[0].load_state_dict(start)
        torch.manual_seed(plan["seed"])
        if breaks:
            until(breaks[0], run, 0)
        return run

    if how == "killed":
        child = os.fork()
        if child == 0:
            try:
                first_part()
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
    # Without a file, this process says why; so it is where a GPU was used before, which no fork survives.
    run = None if how == "killed" and os.access("run.pt", os.R_OK) else first_part()
    epoch = 0
    for number, stop in enumerate(breaks):
        if number:
            until(stop, run, epoch)
        if how == "cuda:97":
            content = torch.load("run.pt", weights_only=True, map_location="cpu")
            torch.serialization.register_package(0, lambda storage: "cuda:97", lambda storage, location: None)
            torch.save(content, "run.pt")  # with tensors that say they lay on GPU 97
        run = begin(plan["seed"] + 7 + number, 3 * plan["lr"])
        torch.rand(5)
        sub.resume("run.pt", run[0], run[1], scheduler=run[2], generator=run[3])
        epoch = stop
    model, optimizer, scheduler, _, loader = run
    for _ in range(epoch, plan["epochs"]):
        one_epoch(model, optimizer, scheduler, loader)
    return dict(model.state_dict())


def check_resumed(submission, rng, device: str, breaks: list[list[int]], hint: str, how: str = "", **more: Any) -> None:
    """The state after a training with breaks is that of one without, bit for bit, and that is the judge's own."""
    plan = plan_for(rng, device, **more)
    start = {name: value.double() if value.is_floating_point() else value for name, value in random_state(rng).items()}
    x, y = (torch.randn(14, size, generator=rng, dtype=torch.float64) for size in (FEATURES, OUTPUTS))
    by_hand = without_a_break(start, x, y, plan)
    data = [{name: on_cpu(value) for name, value in start.items()}, on_cpu(x), on_cpu(y), plan]
    epochs = plan["epochs"]
    steady = submission.run(train, *data, [], "", call=f"(the grader's own training, {epochs} epochs without a break)")
    if device == "cpu" or not plan["dropout"]:  # a GPU has another generator
        check_state(steady, by_hand, "a training that calls nothing of yours", hint, exact=False)
    ways = {"killed": "the process is killed", "cuda:97": "the file was written on GPU 97", "": "the program ends"}
    for stops in breaks:
        places = " and ".join(map(str, stops))
        call = f"save_checkpoint each epoch; after {places} of {epochs} epochs {ways[how]}; resume, and the rest"
        got = submission.run(train, *data, stops, how, call=call)
        check_state(got, steady, f"the state at the end, after a break at {places} of {epochs} epochs", hint)


@pytest.mark.task(5)
def test_weights_and_lr_go_on(submission, rng, device):
    """Plain SGD in a fixed order: the weights, the buffers, and the lr, which the new optimiser was made without."""
    hint = "What does the new start make afresh, what of it must be put back, and into whose tensors?"
    check_resumed(submission, rng, device, [[2]], hint)


@pytest.mark.task(5)
def test_momentum_goes_on(submission, rng, device):
    """The first step after the break goes on with the velocity that the last one before it had."""
    hint = "The weights are right at the break, and the next step is another. What does momentum remember, and who?"
    check_resumed(submission, rng, device, [[1], [3]], hint, momentum=0.75)


@pytest.mark.task(5)
def test_adam_goes_on(submission, rng, device):
    """Adam has two averages for each weight and counts its steps; all of that is its state."""
    hint = "What of the optimiser comes back? Compare optimizer.state_dict() before the break and after it."
    check_resumed(submission, rng, device, [[2]], hint, adam=True, lr=0.01)


@pytest.mark.task(5)
def test_the_schedule_goes_on(submission, rng, device):
    """Halved every two epochs: a break after three of five must not let the count begin again."""
    hint = "After which epoch is the lr cut next? Who counts, and from where after the break?"
    check_resumed(submission, rng, device, [[3], [1]], hint, schedule=True)


@pytest.mark.task(5)
def test_the_order_of_the_data_goes_on(submission, rng, device):
    """The loader shuffles by a generator: the epochs after the break come in the orders that they would have had."""
    hint = "In which order would the next epoch have come? What knows that: the seed, or the generator as it is now?"
    check_resumed(submission, rng, device, [[2], [4]], hint, order="generator")


@pytest.mark.task(5)
def test_an_order_by_torch_s_own_generator_goes_on(submission, rng, device):
    """A loader without a generator of its own draws the order from torch's, which nobody gives you."""
    hint = "Nobody handed you this generator. Whom does torch.rand ask, and how do you get and set its state?"
    check_resumed(submission, rng, device, [[2], [3]], hint, order="global")


@pytest.mark.task(5)
def test_dropout_goes_on(submission, rng, device):
    """Which units are dropped next is decided by torch's own generator, the CPU's or the GPU's."""
    hint = "Two trainings with one start, one order, one lr, and dropout: where can they still part?"
    check_resumed(submission, rng, device, [[2]], hint, dropout=0.25)


@pytest.mark.task(5)
def test_all_of_it_at_every_epoch(submission, rng, device):
    """Momentum, schedule, order and dropout together, with a break before the first epoch, after each, after all."""
    hint = "Each of them alone is right? Then look at the order in which you put things back, and at k = 0."
    more = {"momentum": 0.5, "schedule": True, "order": "generator", "dropout": 0.25}
    check_resumed(submission, rng, device, [[0], [1], [2], [3], [4], [5]], hint, **more)


@pytest.mark.task(5)
def test_a_training_may_be_interrupted_again(submission, rng, device):
    """Broken off, resumed, saved, broken off, resumed: a training that was resumed is saved like any other."""
    hint = "What does the second file hold that the first one did not, or the other way round?"
    more = {"momentum": 0.5, "schedule": True, "order": "generator", "dropout": 0.25}
    check_resumed(submission, rng, device, [[1, 3]], hint, **more)


@pytest.mark.task(5)
def test_a_killed_process_is_resumed_in_another_one(submission, rng, device):
    """The first process dies in the middle of an epoch; the second has the file, and nothing else of it."""
    hint = "What of the first process do you still need? If it is not in the file, it is gone."
    more = {"adam": True, "lr": 0.01, "schedule": True, "order": "generator", "dropout": 0.25}
    check_resumed(submission, rng, device, [[2]], hint, how="killed", **more)


@pytest.mark.task(5)
def test_a_training_from_a_gpu_is_resumed_without_it(submission, rng, device):
    """The file says its tensors lay on GPU 97: states go to where the model is, and those of generators to the CPU."""
    hint = "Which tensors of the file must be where? What do load_state_dict and set_state do by themselves?"
    check_resumed(submission, rng, device, [[2]], hint, how="cuda:97", momentum=0.5, order="generator")


def resume_a_small_one(sub, weight, spoil, key):
    import os
    import pathlib

    import torch
    from torch import nn

    def begin(width):
        model = nn.Sequential(nn.Linear(weight.shape[1], width, bias=False), nn.BatchNorm1d(width)).to(weight)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        return model, {"optimizer": optimizer, "scheduler": scheduler, "generator": torch.Generator()}

    model, rest = begin(len(weight))
    model[0].load_state_dict({"weight": weight})
    given = {name: value for name, value in rest.items() if (spoil, key) != ("not saved", name)}
    sub.save_checkpoint("run.pt", model, {}, epoch=7, **given)
    if spoil == "lost":
        content = torch.load("run.pt", weights_only=True)
        del content[key]
        torch.save(content, "run.pt")
    elif spoil == "cut":
        os.truncate("run.pt", 600)
    elif spoil == "no file":
        pathlib.Path("run.pt").unlink()
    model, rest = begin(len(weight) + (spoil == "shape"))
    model[1].eval()
    wanted = {name: value for name, value in rest.items() if spoil != "alone" or name == "optimizer"}
    epoch = sub.resume("run.pt", model, **wanted)
    modes = [module.training for module in model.modules()]
    return {"epoch": epoch, "modes": modes, "weight": model[0].weight.detach()}


@pytest.mark.task(5)
def test_it_returns_the_epochs_that_are_done(submission, rng):
    """`for epoch in range(resume(...), epochs)` goes on with the epoch that was not done yet."""
    weight = torch.randn(4, 3, generator=rng)
    call = "save_checkpoint(..., epoch=7), then resume(path, model, optimizer, scheduler, generator)"
    got = submission.run(resume_a_small_one, weight, "", "", call=call)
    hint = "Seven epochs are done, the eighth has the number 7. Which number comes back?"
    check_equal(got["epoch"], 7, what="what resume returned", hint=hint)


@pytest.mark.task(5)
def test_it_leaves_the_modes_alone(submission, rng):
    """A BatchNorm that its user has frozen stays frozen: the loop says which mode it wants, and resume does not."""
    call = "resume(path, model, ...) while model[1], a BatchNorm1d, is in evaluation mode"
    got = submission.run(resume_a_small_one, torch.randn(4, 3, generator=rng), "", "", call=call)
    hint = "Modes are not in the file. Who has set these, and would like to find them so?"
    check_equal(got["modes"], [True, True, False], what="the training flags", hint=hint)


@pytest.mark.task(5)
def test_what_nobody_asks_for_is_left_in_the_file(submission, rng):
    """The file has a scheduler and a generator; who goes on without them gives the model and the optimiser only."""
    weight = torch.randn(4, 3, generator=rng)
    got = submission.run(resume_a_small_one, weight, "alone", "", call="resume(path, model, optimizer)")
    hint = "What is to be done with an entry of the file whose owner is None here?"
    check_tensor(got["weight"], weight, **EXACT, what="the weight", hint=hint)


@pytest.mark.task(5)
@pytest.mark.parametrize("key", ["model", "optimizer", "epoch", "scheduler", "generator"])
def test_a_training_that_is_not_in_the_file_is_refused(submission, rng, key):
    """Without one of its states a training would go on, as another one: ValueError, naming the file and the key."""
    hint = "What would the training be like that goes on without it, and who would notice?"
    weight = torch.randn(4, 3, generator=rng)
    for spoil in ["lost", "not saved"] if key in ("optimizer", "scheduler", "generator") else ["lost"]:
        told = f"resume(path, model, optimizer, scheduler, generator) of a file {{}} {key}"
        call = told.format("without" if spoil == "lost" else "that was saved without a")
        arguments = resume_a_small_one, weight, spoil, key
        check_raises(ValueError, submission.run, *arguments, call=call, mentions=("run.pt", key), hint=hint)


@pytest.mark.task(5)
def test_a_file_that_can_t_be_resumed_is_refused(submission, rng):
    """A truncated file, another architecture: the same errors as of load_checkpoint, and no silent new beginning."""
    weight = torch.randn(4, 3, generator=rng)
    hint = "A training that begins again without a word costs a week. Who is told?"
    for spoil, words in (("cut", ("run.pt",)), ("shape", ("run.pt", "0.weight"))):
        call = f"resume of {'a truncated file' if spoil == 'cut' else 'a file whose model is smaller'}"
        arguments = resume_a_small_one, weight, spoil, ""
        check_raises(ValueError, submission.run, *arguments, call=call, mentions=words, hint=hint)
    arguments = resume_a_small_one, weight, "no file", ""
    call = "resume of a file that is not there"
    check_raises(FileNotFoundError, submission.run, *arguments, call=call, mentions=("run.pt",), hint=hint)
