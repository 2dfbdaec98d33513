"""Hidden suite of exercise 15.

The three functions get a net of the judge's own, with dropout, BatchNorm, a parameter of its own, and a layer `fc0`
beside its head `fc`. What its features are, and what each weight and running statistic is after some steps of SGD, is
worked out here, by torch.nn.functional in float64. An image carries its number in its first pixel, over 64, so that
the net can note which images it is fed. The training tests count right answers on images whose labels stay here.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor, show
from grader.generated import digits
from grader.remote import on_cpu

# ---------------------------------------------------------------------------------------------------------------------
# The judge's own net, in float64
# ---------------------------------------------------------------------------------------------------------------------

SHAPES = {  # in the order in which the net registers them; `fc`, the head, comes last when it is called
    "scale": [4],
    "conv.weight": [3, 2, 3, 3],
    "bn.weight": [3],
    "bn.bias": [3],
    "bn.running_mean": [3],
    "bn.running_var": [3],
    "bn.num_batches_tracked": [],
    "fc.weight": [6, 4],
    "fc.bias": [6],
    "fc0.weight": [4, 3],
    "fc0.bias": [4],
}
STATISTICS = ("bn.running_mean", "bn.running_var")
PARAMETERS = [name for name in SHAPES if not name.startswith(("bn.running", "bn.num"))]
BACKBONE = [name for name in PARAMETERS if not name.startswith("fc.")]
HEAD = ["fc.weight", "fc.bias"]
State = dict[str, Tensor]

# Measured on the reference on a CPU, in 49 draws of ten tests: off by at most 5e-6. In 40 draws the smallest change
# that such a training made to a parameter of the backbone was 3e-3.
CLOSE = {"rtol": 1e-4, "atol": 3e-5}
EXACT = {"rtol": 0.0, "atol": 0.0}
SECONDS = 5.0  # for a call that learns no digits


def random_state(rng: torch.Generator) -> State:
    """No value is its layer's default."""
    state = {name: torch.randn(shape, generator=rng) for name, shape in SHAPES.items()}
    for name in ("scale", "bn.weight", "bn.running_mean"):
        state[name] = 1 + 0.3 * state[name]
    state["bn.running_var"] = (0.5 * state["bn.running_var"]).exp() + 0.5
    state["conv.weight"] *= 0.5
    state["bn.num_batches_tracked"] = torch.tensor(7)
    return state


def random_images(rng: torch.Generator, count: int) -> Tensor:
    """Neither in [0, 1] nor normalised, of height 5 and width 7, with their numbers in the first pixel."""
    images = 0.7 + 1.3 * torch.randn(count, 2, 5, 7, generator=rng)
    images[:, 0, 0, 0] = torch.arange(count) / 64
    return images


def maps_of(values: State, x: Tensor, training: bool = False) -> Tensor:
    """What follows the BatchNorm, [B, 3, 3, 4]; in training mode the running statistics in `values` are updated."""
    x = F.conv2d(x, values["conv.weight"], stride=2, padding=1)
    mean, var, weight, bias = (values[f"bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, weight, bias, training).tanh()


def features_of(values: State, x: Tensor, training: bool = False) -> Tensor:
    """What reaches the head, [B, 4], without dropout."""
    rows = maps_of(values, x, training).mean((2, 3))
    return F.linear(rows, values["fc0.weight"], values["fc0.bias"]).tanh() * values["scale"]


def logits_of(values: State, x: Tensor, training: bool = False) -> Tensor:
    return F.linear(features_of(values, x, training), values["fc.weight"], values["fc.bias"])


def wide(state: State) -> State:
    return {name: value.double() for name, value in state.items() if value.is_floating_point()}


class Step(NamedTuple):
    """One step of SGD: its images, its learning rates, and whether the backbone is frozen."""

    batch: Sequence[int]
    backbone_lr: float
    head_lr: float
    frozen: bool = False


def trained_by_hand(state: State, images: Tensor, labels: Tensor, classes: int, steps: list[Step]) -> State:
    """Weights and running statistics after `steps` of SGD with momentum 0.9, the new head beginning with zeros."""
    values = wide(state) | {"fc.weight": torch.zeros(classes, 4).double(), "fc.bias": torch.zeros(classes).double()}
    speeds: State = {}
    for batch, backbone_lr, head_lr, frozen in steps:
        names = HEAD if frozen else PARAMETERS
        leaves = {name: values[name].clone().requires_grad_() for name in names}
        logits = logits_of(values | leaves, images[batch].double(), not frozen)
        slopes = torch.autograd.grad(F.cross_entropy(logits, labels[batch]), list(leaves.values()))
        for name, slope in zip(names, slopes, strict=True):
            speeds[name] = 0.9 * speeds.get(name, torch.zeros_like(slope)) + slope
            values[name] = values[name] - (head_lr if name in HEAD else backbone_lr) * speeds[name]
    return values


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: feature_extractor
# ---------------------------------------------------------------------------------------------------------------------


def extract(sub, state, options, script, images):
    import torch
    from torch import nn

    torch.backends.cudnn.allow_tf32 = False  # on a GPU: float32, not three digits of it

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))
            self.conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(3)
            self.drop = nn.Dropout(0.5)
            self.fc = nn.Linear(4, 6)
            self.fc0 = nn.Linear(3, 4)

        def forward(self, x):
            x = self.drop(self.bn(self.conv(x)).tanh())
            if options["gives"] != "logits":
                return x if options["gives"] == "maps" else x.flatten(2)
            return self.fc(self.fc0(x.mean((2, 3))).tanh() * self.scale)

    net = Net()
    net.load_state_dict(state)
    model = nn.Sequential()
    model.add_module("first", nn.Identity())
    model.add_module("net", net)
    model = (model if options["nested"] else net).to(images.device)
    for module, mode in zip(net.modules(), options["modes"], strict=True):
        module.training = mode
    for parameter, needed in zip(net.parameters(), options["needs"], strict=True):
        parameter.requires_grad_(needed)
    extractor = sub.feature_extractor(model, *options["head"])
    if not isinstance(extractor, nn.Module):
        return {"returned": extractor}
    report = {"features": [], "graphs": []}
    for step in script:
        if step == "look":
            features = extractor(images)
            report["features"].append(features.detach())
            report["graphs"].append(features.requires_grad)
        elif step == "look at train()":
            report["features"].append(extractor.train()(images))
        elif step == "train around":
            around = nn.Sequential(extractor, nn.BatchNorm1d(4), nn.Linear(4, 2)).to(images.device).train()
            report["around"] = [around.training, around[1].training]
        elif step == "feed":
            extractor(3 * images + 4)
        elif step == "images need gradients":
            images.requires_grad_()
        elif step == "float64":
            extractor, images = extractor.double(), images.double()
        elif step == "change the backbone":
            with torch.no_grad():
                for value in model.state_dict().values():
                    value.add_(1)
        else:
            getattr(extractor, step)()
    report["needs"] = [parameter.requires_grad for parameter in extractor.parameters()]
    report["values"] = {name: value.detach() for name, value in net.state_dict().items()}
    report["modes"] = [module.training for module in net.modules()]
    report["backbone needs"] = [parameter.requires_grad for parameter in net.parameters()]
    return report


RETURNED = "What follows return? It is called like a layer, and put into other modules."
MODES = {"modes": [True] * 6, "needs": [True] * 8}  # of the net, conv, bn, drop, fc, fc0; of its parameters
MIXED = {"modes": [True, False, False, True, False, True], "needs": [True, False, True, True, False, True, True, False]}


def ask_extractor(submission, state: State, images: Tensor, script: Sequence[str] = ("look",), **options: Any) -> dict:
    """Runs a script on the extractor of the judge's net."""
    head = options.pop("head", [])
    name = "".join(f", {each!r}" for each in head)
    mode = "" if options.get("modes") else ", the backbone being in training mode"
    told = {"look": "(images)", "feed": "(other images)", "look at train()": ".train()(images)"}
    calls = "".join(f"; extractor{told.get(step, f'.{step}()')}" for step in script if " " not in step or step in told)
    if "train around" in script:
        calls = f"; nn.Sequential(extractor, nn.BatchNorm1d(4), nn.Linear(4, 2)).train(){calls}"
    call = f"extractor = feature_extractor(backbone{name}){mode}{calls}"
    options = {"gives": "logits", "nested": False, **MODES, "head": head} | options
    got = submission.run(extract, state, options, list(script), images, call=call, timeout=SECONDS)
    check("returned" not in got, expected="an nn.Module", got=show(got.get("returned")), hint=RETURNED)
    return got


def check_features(got: dict, expected: Tensor, hint: str) -> None:
    for features in got["features"]:
        check_tensor(features, expected.to(features.dtype), **CLOSE, what="the features", hint=hint)


@pytest.mark.task(1)
def test_features_are_what_reached_the_head(submission, rng):
    """Without its last layer, and in evaluation mode, the backbone gives features [B, d], whatever mode it came in."""
    state, images = random_state(rng), random_images(rng, 5)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images)
    hint = "Print the shape. Are these the head's logits, or what the head was given? Was anything dropped on the way?"
    check_features(got, expected, hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("gives", ["maps", "rows"])
def test_features_with_places_are_averaged(submission, rng, gives):
    """A backbone without a head gives [B, d, h, w] or [B, d, n]: a feature is the mean over all places."""
    state, images = random_state(rng), random_images(rng, 3)
    expected = maps_of(wide(state), images.double()).mean((2, 3))
    got = ask_extractor(submission, state, images, gives=gives, head=[None])
    hint = "[B, d, h, w] is to become [B, d]. Over which dimensions is a mean, and how many may there be?"
    check_features(got, expected, hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("gives", ["logits", "maps"])
def test_a_single_image_is_a_batch(submission, rng, gives):
    """One image gives features of shape [1, d]."""
    state, images = random_state(rng), random_images(rng, 1)
    due = features_of(wide(state), images.double())
    expected = due if gives == "logits" else maps_of(wide(state), images.double()).mean((2, 3))
    got = ask_extractor(submission, state, images, gives=gives, head=["fc" if gives == "logits" else None])
    check_features(got, expected, hint="One image is a batch of one. Which dimension vanished, and in which call?")


@pytest.mark.task(1)
def test_a_head_inside_of_a_part(submission, rng):
    """A head is named as in named_modules(): "net.fc" is the layer fc of the part net."""
    state, images = random_state(rng), random_images(rng, 4)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images, nested=True, head=["net.fc"])
    hint = "A name with a dot leads from part to part. Which methods of nn.Module take such names?"
    check_features(got, expected, hint)


@pytest.mark.task(1)
@pytest.mark.parametrize(("nested", "head"), [(True, "fc"), (False, "net.fc"), (False, "classifier")])
def test_a_head_that_is_not_there(submission, rng, nested, head):
    """A name that the backbone does not have is a ValueError with that name, and not a layer that nobody calls."""
    state, images = random_state(rng), random_images(rng, 1)
    options = {"gives": "logits", "nested": nested, **MODES, "head": [head]}
    call = f"feature_extractor(backbone, {head!r}), a backbone without a layer of this name"
    hint = "What does assigning to a name do that is not there? Which names are there?"
    arguments = extract, state, options, ["look"], images
    check_raises(ValueError, submission.run, *arguments, call=call, mentions=(head,), hint=hint)


@pytest.mark.task(1)
def test_running_statistics_stay_when_the_extractor_is_told_to_train(submission, rng):
    """train(), images of another kind, eval(): the features are those of the statistics that the backbone came with."""
    state, images = random_state(rng), random_images(rng, 5)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images, ["train", "feed", "feed", "eval", "look"])
    hint = "A BatchNorm's running statistics are buffers: no gradient moves them. What does, and who switched it on?"
    check_features(got, expected, hint)


@pytest.mark.task(1)
def test_running_statistics_stay_when_a_module_around_is_told_to_train(submission, rng):
    """model.train() reaches every module inside of the model: the frozen ones stay as they are."""
    state, images = random_state(rng), random_images(rng, 5)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images, ["train around", "feed", "feed", "eval", "look"])
    hint = "nn.Module.train calls train of each child. Which train is called of yours, and what does it do?"
    check_features(got, expected, hint)


@pytest.mark.task(1)
def test_training_mode_changes_no_feature(submission, rng):
    """After train(), of itself or around it, an extractor still drops nothing, and normalises by what it knows."""
    state, images = random_state(rng), random_images(rng, 5)
    expected = features_of(wide(state), images.double())
    hint = "Two kinds of layers behave otherwise in training mode: dropout and BatchNorm. In which mode are yours?"
    check_features(ask_extractor(submission, state, images, ["train", "look", "look at train()"]), expected, hint)
    check_features(ask_extractor(submission, state, images, ["train around", "look", "look"]), expected, hint)


@pytest.mark.task(1)
def test_a_module_around_trains_all_the_same(submission, rng):
    """A frozen part keeps its own mode, and nobody else's: the layers on top of it are in training mode."""
    state, images = random_state(rng), random_images(rng, 3)
    got = ask_extractor(submission, state, images, ["train around", "look"])
    hint = "Whose mode do you change, and when?"
    check_equal(got["around"], [True, True], what="training, of the module around, and of its BatchNorm", hint=hint)


@pytest.mark.task(1)
def test_no_parameter_requires_gradients(submission, rng):
    """An optimiser that takes all parameters that require gradients finds none in a frozen backbone."""
    got = ask_extractor(submission, random_state(rng), random_images(rng, 2))
    needed = sum(map(bool, got["needs"]))
    hint = "Evaluation mode is about layers, requires_grad about parameters. Which of the two did you set?"
    check(needed == 0, expected="no parameter that requires gradients", got=f"{needed}", hint=hint)


@pytest.mark.task(1)
def test_a_pass_builds_no_graph(submission, rng):
    """Features need no memory for a backward pass, also where the images themselves require gradients."""
    state, images = random_state(rng), random_images(rng, 3)
    got = ask_extractor(submission, state, images, ["images need gradients", "look"])
    hint = "A graph begins at whatever requires gradients, here at the images. What keeps autograd from recording?"
    check_equal(got["graphs"], [False], what="whether the features require gradients", hint=hint)


def head_on_top(sub, state, images, weight, slope):
    import torch
    from torch import nn

    torch.backends.cudnn.allow_tf32 = False
    body = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(3), nn.Tanh())
    body.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    for value, name in zip(body.state_dict().values(), ("conv.weight", "bn.weight", "bn.bias"), strict=False):
        value.copy_(state[name])
    body[1].running_mean.copy_(state["bn.running_mean"])
    body[1].running_var.copy_(state["bn.running_var"])
    linear = nn.Linear(3, 2, bias=False)
    linear.weight.data.copy_(weight)
    model = nn.Sequential(sub.feature_extractor(body, None), linear).to(images.device).train()
    model(images).backward(slope)
    return linear.weight.grad


@pytest.mark.task(1)
def test_a_layer_on_top_is_trained(submission, rng):
    """The gradient of a linear layer on the features is that of the formula: autograd sleeps in the backbone alone."""
    state, images = random_state(rng), random_images(rng, 4)
    weight, slope = torch.randn(2, 3, generator=rng), torch.randn(4, 2, generator=rng)
    expected = slope.double().T @ maps_of(wide(state), images.double()).mean((2, 3))
    call = "nn.Sequential(feature_extractor(backbone, None), linear)(images).backward(slope)"
    got = submission.run(head_on_top, state, images, weight, slope, call=call, timeout=SECONDS)
    hint = "Is autograd as it was before, when your forward has returned, and can it save what you return?"
    check_tensor(got, expected.float(), **CLOSE, what="the gradient of linear.weight", hint=hint)


@pytest.mark.task(1)
def test_the_extractor_moves_as_a_whole(submission, rng):
    """Like any module it can be sent to another device or dtype: in float64 its features are exact to float64."""
    state, images = random_state(rng), random_images(rng, 4)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images, ["float64", "look"])
    hint = "A module knows what is assigned to self as a module. Is your backbone, and is all of it of one dtype?"
    check_tensor(got["features"][0], expected, what="the features", hint=hint)


def check_untouched(got: dict, state: State, marks: dict, needs: str = "needs") -> None:
    """The net that the caller handed over, after the call."""
    hint = "The caller goes on with this net. Which of your lines reach it, and what did you copy?"
    for name, value in state.items():
        there = name in got["values"]
        check(there, expected=f"the caller's net with its '{name}'", got="one without it", hint=hint)
        check_tensor(got["values"][name], value, **EXACT, what=f"the caller's {name}", hint=hint)
    check_equal(got["modes"], marks["modes"], what="training, of the caller's net and its layers", hint=hint)
    check_equal(got[needs], marks["needs"], what="requires_grad of the caller's parameters", hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("head", ["fc", "net.fc", None])
def test_the_backbone_is_left_as_it_is(submission, rng, head):
    """Its head, its numbers, the mode of each of its layers and each requires_grad are as they were."""
    state, images = random_state(rng), random_images(rng, 3)
    options = {"nested": head == "net.fc", "gives": "logits" if head else "maps", "head": [head], **MIXED}
    got = ask_extractor(submission, state, images, ["look", "train", "feed"], **options)
    check_untouched(got, state, MIXED, "backbone needs")


@pytest.mark.task(1)
def test_the_extractor_is_a_copy(submission, rng):
    """Whatever becomes of the backbone afterwards, the features stay the same."""
    state, images = random_state(rng), random_images(rng, 3)
    expected = features_of(wide(state), images.double())
    got = ask_extractor(submission, state, images, ["look", "change the backbone", "look"])
    hint = "The caller has changed all weights of the backbone in place. Whose weights are those in your extractor?"
    check_features(got, expected, hint)


# ---------------------------------------------------------------------------------------------------------------------
# Tasks 2 and 3: linear_probe and fine_tune, on the same net
# ---------------------------------------------------------------------------------------------------------------------


def learn(sub, name, state, options, images, labels, classes, runs, looked_at):
    import torch
    from torch import nn

    torch.backends.cudnn.allow_tf32 = False
    device, log, reports = looked_at.device, [], []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))
            self.conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(3)
            self.drop = nn.Dropout(options["p"])
            self.fc = nn.Linear(4, 6)
            self.fc0 = nn.Linear(3, 4)

        def forward(self, x):
            numbers = (x[:, 0, 0, 0] * 64).round().long().tolist()
            modes = [module.training for module in (self, self.conv, self.bn, self.drop, self.fc0)]
            if options["gives"] == "pixels":
                log.append({"numbers": numbers, "modes": modes, "graph": False})
                return x.flatten(1)
            x = self.drop(self.bn(self.conv(x)).tanh())
            x = self.fc0(x.mean((2, 3))).tanh() * self.scale
            log.append({"numbers": numbers, "modes": modes, "graph": x.requires_grad})
            return self.fc(x)

    for number, settings in enumerate(runs):
        net = Net()
        net.load_state_dict(state)
        model = nn.Sequential()
        model.add_module("first", nn.Identity())
        model.add_module("net", net)
        model = model if options["nested"] else net
        for module, mode in zip(net.modules(), options["modes"], strict=True):
            module.training = mode
        for parameter, needed in zip(net.parameters(), options["needs"], strict=True):
            parameter.requires_grad_(needed)
            parameter.grad = torch.full_like(parameter, 7.0)  # left over from its pretraining
        torch.manual_seed(100 + number)
        log.clear()
        result = getattr(sub, name)(model, images, labels, classes, **settings, device=device)
        if not isinstance(result, nn.Module):
            return {"returned": result}
        report = {"log": log[:], "images": images.to(device), "labels": labels.to(device)}
        report["training"] = result.training
        report["values"] = {key: value.to(device) for key, value in net.state_dict().items()}
        report["modes"] = [module.training for module in net.modules()]
        report["needs"] = [parameter.requires_grad for parameter in net.parameters()]
        report["stale"] = [
            parameter.grad is not None and bool((parameter.grad == 7).all()) for parameter in net.parameters()
        ]
        state_now = {key.removeprefix("net."): value.clone() for key, value in result.state_dict().items()}
        report["state"] = {key: value for key, value in state_now.items() if key in state}
        report["trained"] = [parameter.detach().clone() for parameter in result.parameters() if parameter.requires_grad]
        with torch.no_grad():
            report["logits"] = result(looked_at)
            if name == "linear_probe":
                result.train()
                result(3 * looked_at + 4)
                report["later"] = result(looked_at)
        reports.append(report)
    return {"runs": reports}


CLASSES = 3


class Task(NamedTuple):
    """A net, some labelled images, and images to ask about afterwards."""

    state: State
    images: Tensor
    labels: Tensor
    looked_at: Tensor

    @classmethod
    def drawn(cls, rng: torch.Generator, count: int = 7) -> "Task":
        labels = torch.arange(count) % CLASSES
        labels = labels[torch.randperm(count, generator=rng)]
        return cls(random_state(rng), random_images(rng, count), labels, random_images(rng, 4))

    @property
    def whole(self) -> range:
        """All images, as one batch."""
        return range(len(self.images))

    def trained(self, steps: list[Step]) -> State:
        return trained_by_hand(self.state, self.images, self.labels, CLASSES, steps)

    def logits(self, values: State) -> Tensor:
        """What a net with these weights says of the images that are looked at, in evaluation mode."""
        return logits_of(values, self.looked_at.double()).float()


PROBE = {"epochs": 5, "lr": 0.5, "batch_size": 7}
TUNE = {"epochs": 4, "backbone_lr": 0.5, "head_lr": 2.0, "batch_size": 7}


def ask(submission, name: str, task: Task, *runs: dict, note: str = "", **options: Any) -> list[dict]:
    """What came of each run: its result, and the net and the data after it."""
    usual = PROBE if name == "linear_probe" else TUNE
    settings = [usual | run for run in runs]
    told = ", ".join(f"{key}={value!r}" for key, value in settings[0].items())
    call = f"{name}(backbone, images, labels, {CLASSES}, {told}, device=device){note}"
    call = call if name == "linear_probe" else call.replace("backbone, ", "model, ", 1)
    options = {"p": 0.0, "gives": "logits", "nested": False, **MODES} | options
    arguments = learn, name, task.state, options, task.images, task.labels, CLASSES, settings, task.looked_at
    got = submission.run(*arguments, call=call, timeout=SECONDS)
    check("returned" not in got, expected="an nn.Module", got=show(got.get("returned")), hint=RETURNED)
    return got["runs"]


def check_seeds(submission, name: str, task: Task) -> None:
    """Two trainings with one seed, one with another, then one without any and one with 0, all on a CPU."""
    task = Task(task.state, *map(on_cpu, task[1:]))
    runs = [{"batch_size": 2, "epochs": 2} | seed for seed in ({"seed": 5}, {"seed": 5}, {"seed": 6}, {}, {"seed": 0})]
    got = [report["logits"] for report in ask(submission, name, task, *runs, p=0.25, note=", five times")]
    again, other, usual = ((got[i] - got[j]).abs().max().item() for i, j in ((0, 1), (0, 2), (3, 4)))
    hint = "What draws random numbers in your training? Is each of them seeded, at the start of each training?"
    check(again < 1e-6, expected="the same logits twice with seed=5", got=f"logits {again:.2g} apart", hint=hint)
    hint = "The seed decides the order of the images. Does it reach what draws that order?"
    check(other > 1e-4, expected="other logits with seed=6", got=f"logits {other:.2g} apart", hint=hint)
    hint = "Nobody said seed=…. Which seed holds then, and does it reach all that draws?"
    check(usual < 1e-6, expected="without a seed those of seed=0", got=f"logits {usual:.2g} apart", hint=hint)


def check_data(report: dict, task: Task) -> None:
    hint = "Others use these tensors too. Which of your lines writes into what it was given?"
    check_tensor(report["images"], task.images, **EXACT, what="images afterwards", hint=hint)
    check_tensor(report["labels"], task.labels, what="labels afterwards", hint=hint)


def check_pretrained(report: dict, task: Task, marks: dict) -> None:
    """The net that the caller handed over, its old gradients too."""
    check_untouched(report, task.state, marks)
    hint = "Whose .grad did you clear, or add to?"
    check(all(report["stale"]), expected="the caller's gradients as they were", got="others", hint=hint)
    check_data(report, task)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: linear_probe
# ---------------------------------------------------------------------------------------------------------------------


def probed_by_hand(task: Task, steps: int, lr: float) -> Tensor:
    return task.logits(task.trained([Step(task.whole, 0.0, lr, frozen=True)] * steps))


@pytest.mark.task(2)
def test_a_probe_begins_with_zeros(submission, rng):
    """With a learning rate of 0 every logit is 0: all classes are alike to a head that knows nothing."""
    task = Task.drawn(rng)
    got = ask(submission, "linear_probe", task, {"lr": 0.0, "batch_size": 3})[0]
    hint = "A new nn.Linear begins with random numbers. What does the rule say of a new head?"
    check_tensor(got["logits"], torch.zeros(4, CLASSES), **EXACT, what="the logits", hint=hint)


@pytest.mark.task(2)
@pytest.mark.parametrize("batch_size", [7, 50])
def test_what_a_probe_says_of_new_images(submission, rng, batch_size):
    """The logits are those of a linear layer, trained from zeros on what the backbone gives in evaluation mode."""
    task = Task.drawn(rng)
    expected = probed_by_hand(task, 5, 0.5)
    got = ask(submission, "linear_probe", task, {"batch_size": batch_size}, p=0.5)[0]
    check_equal(got["training"], False, what="training, of the probe", hint="In which mode do you hand it over?")
    hint = "One batch holds all images, so an epoch is one step. Where does the head begin, on which features, how far?"
    check_tensor(got["logits"], expected, **CLOSE, what="the logits of new images", hint=hint)


@pytest.mark.task(2)
def test_features_are_computed_once(submission, rng):
    """However many epochs there are, each image goes through the backbone one time: that is what a probe saves."""
    got = ask(submission, "linear_probe", Task.drawn(rng), {"epochs": 3, "batch_size": 3})[0]
    numbers = sorted(number for note in got["log"] for number in note["numbers"])
    times = [numbers.count(number) for number in range(7)]
    hint = "The backbone does not change. What is the same in each epoch, and could be kept from the first one?"
    check_equal(times, [1] * 7, what="how often each image goes through the backbone", hint=hint)


@pytest.mark.task(2)
def test_the_backbone_of_a_probe_sees_batches(submission, rng):
    """No more than batch_size images at a time: all of them at once may not fit into memory."""
    got = ask(submission, "linear_probe", Task.drawn(rng), {"batch_size": 3})[0]
    most = max((len(note["numbers"]) for note in got["log"]), default=0)
    hint = "The backbone needs more memory for an image than the image itself. How many are in it at once?"
    check(0 < most <= 3, expected="batches of at most 3 images", got=f"a batch of {most}", hint=hint)


@pytest.mark.task(2)
def test_the_backbone_of_a_probe_is_in_evaluation_mode_and_has_no_graph(submission, rng):
    """What is not trained needs neither dropout, nor batch statistics, nor memory for a backward pass."""
    got = ask(submission, "linear_probe", Task.drawn(rng), {})[0]
    hint = "In which mode is each layer of your backbone, when it is fed?"
    modes = [mode for note in got["log"] for mode in note["modes"]]
    check(bool(modes) and not any(modes), expected="evaluation mode in all layers", got="training mode", hint=hint)
    graphs = [note["graph"] for note in got["log"]]
    hint = "Whatever requires gradients, or comes from it, is remembered. What in your backbone does?"
    check(not any(graphs), expected="features without a graph", got="features with one", hint=hint)


@pytest.mark.task(2)
def test_a_probes_last_batch_is_a_step_too(submission, rng):
    """Seven images in batches of three are three steps an epoch, and the last one counts its one image fully."""
    task = Task.drawn(rng)
    same = torch.zeros(7, dtype=torch.int64)  # seven times one image: whatever the order is, all slopes are alike
    task = task._replace(images=task.images[same], labels=task.labels[same])
    expected = probed_by_hand(task, 6, 0.25)
    got = ask(submission, "linear_probe", task, {"epochs": 2, "lr": 0.25, "batch_size": 3})[0]
    hint = "How many steps has an epoch of 7 images in batches of 3? Is the loss of each batch its mean?"
    check_tensor(got["logits"], expected, **CLOSE, what="the logits after six steps", hint=hint)


@pytest.mark.task(2)
def test_a_probe_learns_each_image_with_its_own_label(submission, rng):
    """Features and labels are shuffled together: with 70 features a probe learns 7 images by heart."""
    task = Task.drawn(rng)
    task = task._replace(looked_at=task.images)
    got = ask(submission, "linear_probe", task, {"epochs": 30, "lr": 0.02, "batch_size": 2}, gives="pixels", head=None)
    logits = got[0]["logits"]
    check_tensor(logits, torch.zeros(7, CLASSES), atol=torch.inf, what="the logits")
    hint = "The same images, asked again after the training. Which label went with which image?"
    check_equal(logits.argmax(1).tolist(), task.labels.tolist(), what="the answers for the training images", hint=hint)


@pytest.mark.task(2)
def test_a_probe_follows_its_seed(submission, rng):
    """On a CPU one seed gives one probe, whatever was drawn before; another seed another; and 0 is the default."""
    check_seeds(submission, "linear_probe", Task.drawn(rng))


@pytest.mark.task(2)
def test_only_the_head_of_a_probe_requires_gradients(submission, rng):
    """Whoever goes on training a probe trains its linear layer: one weight [C, d] and one bias [C]."""
    got = ask(submission, "linear_probe", Task.drawn(rng), {})[0]
    shapes = sorted([list(value.shape) for value in got["trained"]])
    hint = "Which parameters of what you return would an optimiser find?"
    check_equal(shapes, [[CLASSES], [CLASSES, 4]], what="the shapes of the parameters to train", hint=hint)


@pytest.mark.task(2)
def test_the_backbone_of_a_probe_stays_frozen(submission, rng):
    """A probe that is told to train and fed other images says the same afterwards."""
    task = Task.drawn(rng)
    expected = probed_by_hand(task, 5, 0.5)
    got = ask(submission, "linear_probe", task, {}, p=0.5, note=".train(), fed with other images")[0]
    hint = "You have written a backbone that stays as it is. Is it the one inside of your probe?"
    check_tensor(got["later"], expected, **CLOSE, what="the logits of new images", hint=hint)


@pytest.mark.task(2)
def test_a_probe_leaves_backbone_and_data_as_they_are(submission, rng):
    """Bit for bit: weights, running statistics, head, modes, flags, gradients; and images and labels."""
    task = Task.drawn(rng)
    got = ask(submission, "linear_probe", task, {}, **MIXED)[0]
    check_pretrained(got, task, MIXED)


@pytest.mark.task(2)
def test_a_probe_of_a_part_with_data_that_lie_elsewhere(submission, rng):
    """The head's name is handed on, and images and labels are brought to the device, wherever they are."""
    task = Task.drawn(rng)
    expected = probed_by_hand(task, 5, 0.5)
    elsewhere = task._replace(images=on_cpu(task.images), labels=on_cpu(task.labels))
    got = ask(submission, "linear_probe", elsewhere, {"head": "net.fc"}, nested=True)[0]
    hint = "Which layer is the head here, and who is told?"
    check_tensor(got["logits"], expected, **CLOSE, what="the logits of new images", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: fine_tune
# ---------------------------------------------------------------------------------------------------------------------


def check_state(got: dict, values: State, names: Sequence[str], hint: str, tolerances: dict = CLOSE) -> None:
    for name in names:
        there = name in got["state"]
        check(there, expected=f"a model with '{name}', as before", got="a model without it", hint=LAYERS)
        check_tensor(got["state"][name], values[name].float(), **tolerances, what=name, hint=hint)


def check_same(got: dict, values: State, names: Sequence[str], hint: str) -> None:
    check_state(got, values, names, hint, EXACT)


LAYERS = "What you return is a copy of the model with one layer replaced. Are its layers where they were?"


def steps_of(task: Task, settings: dict, epochs: int) -> list[Step]:
    """The steps of a training whose batches hold all images."""
    rates = settings["backbone_lr"], settings["head_lr"]
    return [Step(task.whole, *rates, epoch < settings.get("freeze_epochs", 0)) for epoch in range(epochs)]


RATES = [{"backbone_lr": 0.5, "head_lr": 2.0}, {"backbone_lr": 1.0, "head_lr": 0.75}]


@pytest.mark.task(3)
def test_a_rate_of_0_leaves_the_backbone_as_it_is(submission, rng):
    """With backbone_lr=0 the backbone's parameters come back bit by bit, and the head learns."""
    task, rates = Task.drawn(rng), {"backbone_lr": 0.0, "head_lr": 2.0}
    values = task.trained(steps_of(task, rates, 4))
    got = ask(submission, "fine_tune", task, rates)[0]
    hint = "Its rate is 0, and 0 times anything is 0. In which of your groups is it, and does anything else move it?"
    check_same(got, task.state, BACKBONE, hint)
    check_state(got, values, HEAD, hint="Does your optimiser hold the head that is there now? With which rate?")


@pytest.mark.task(3)
def test_a_rate_of_0_leaves_the_head_at_zeros(submission, rng):
    """With head_lr=0 the new head stays as it began; it hands no gradient on, so that the backbone stays too."""
    task = Task.drawn(rng)
    got = ask(submission, "fine_tune", task, {"head_lr": 0.0})[0]
    hint = (
        "A new nn.Linear begins with random numbers. What does the rule say of a new head, and which rate has it here?"
    )
    check_same(got, {"fc.weight": torch.zeros(CLASSES, 4), "fc.bias": torch.zeros(CLASSES)}, HEAD, hint)
    check_same(got, task.state, BACKBONE, hint="A head of zeros hands no gradient on. What else moved the backbone?")


@pytest.mark.task(3)
@pytest.mark.parametrize("rates", RATES, ids=["slow backbone", "fast backbone"])
def test_the_backbone_learns_with_its_own_rate(submission, rng, rates):
    """Each of the other parameters, whatever its name, is where four steps of SGD with backbone_lr take it."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, rates, 4))
    got = ask(submission, "fine_tune", task, rates)[0]
    hint = "Print the names in each of your groups. Is each parameter in one of them: fc0's, and the model's own scale?"
    check_state(got, values, BACKBONE, hint)


@pytest.mark.task(3)
@pytest.mark.parametrize("rates", RATES, ids=["slow backbone", "fast backbone"])
def test_the_new_head_learns_with_its_own_rate(submission, rng, rates):
    """After four steps weight and bias of the head are where SGD takes them, from zeros, with head_lr."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, rates, 4))
    got = ask(submission, "fine_tune", task, rates)[0]
    hint = "Which parameters does the optimiser hold: those of the head that is there now? With which rate?"
    check_state(got, values, HEAD, hint)


@pytest.mark.task(3)
def test_running_statistics_follow_the_new_images(submission, rng):
    """Once the backbone is trained its BatchNorms are in training mode, and move a tenth of the way in each step."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, TUNE, 4))
    got = ask(submission, "fine_tune", task, {})[0]
    hint = "In which mode is the backbone while it is trained? How many batches did its BatchNorm see?"
    check_state(got, values, STATISTICS, hint)


@pytest.mark.task(3)
def test_frozen_epochs_train_the_head_alone(submission, rng):
    """While the backbone is frozen its weights and running statistics stay bit by bit, and nothing is dropped."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, TUNE | {"freeze_epochs": 4}, 4))
    got = ask(submission, "fine_tune", task, {"freeze_epochs": 4}, p=0.5)[0]
    hint = "Gradients move parameters, a forward pass moves running statistics. Which of the two did you stop?"
    check_same(got, task.state, [*STATISTICS, *BACKBONE], hint)
    check_state(got, values, HEAD, hint="The head is trained on features. Of which mode of the backbone?")


@pytest.mark.task(3)
def test_the_backbone_is_trained_after_the_frozen_epochs(submission, rng):
    """Two epochs for the head alone, then three for all: each value is where these five steps take it."""
    task, settings = Task.drawn(rng), {"epochs": 5, "freeze_epochs": 2}
    values = task.trained(steps_of(task, TUNE | settings, 5))
    got = ask(submission, "fine_tune", task, settings)[0]
    hint = "Momentum gathers where there are gradients: whose, in frozen epochs? And who keeps theirs afterwards?"
    check_state(got, values, [*HEAD, *BACKBONE, *STATISTICS], hint)


@pytest.mark.task(3)
def test_modes_of_the_backbone(submission, rng):
    """In frozen epochs it is in evaluation mode and builds no graph; afterwards all of it is in training mode."""
    got = ask(submission, "fine_tune", Task.drawn(rng), {"epochs": 3, "freeze_epochs": 1, "batch_size": 3}, p=0.25)[0]
    frozen, free = got["log"][:3], got["log"][3:]
    hint = "Print model.training in every epoch, and that of its layers. Who changes it, and when?"
    check(len(got["log"]) == 9, expected="9 batches in 3 epochs", got=f"{len(got['log'])}", hint=hint)
    modes = [mode for note in frozen for mode in note["modes"]]
    check(not any(modes), expected="evaluation mode in the frozen epoch", got="training mode", hint=hint)
    modes = [mode for note in free for mode in note["modes"]]
    check(all(modes), expected="training mode in all layers afterwards", got="evaluation mode", hint=hint)
    hint = "Gradients that nobody uses take time and memory. Do the backbone's parameters require them while frozen?"
    graphs = [note["graph"] for note in got["log"]]
    check_equal(graphs, [False] * 3 + [True] * 6, what="whether features require gradients, by batch", hint=hint)


@pytest.mark.task(3)
def test_batches_of_an_epoch(submission, rng):
    """Each epoch goes over all images once, in an order of its own; the last batch holds what is left."""
    got = ask(submission, "fine_tune", Task.drawn(rng, 14), {"epochs": 3, "freeze_epochs": 1, "batch_size": 4})[0]
    batches = [note["numbers"] for note in got["log"]]
    check_equal([len(batch) for batch in batches], [4, 4, 4, 2] * 3, what="the sizes of the batches", hint=BATCHES)
    orders = [[number for batch in batches[start : start + 4] for number in batch] for start in (0, 4, 8)]
    for order in orders:
        check_equal(sorted(order), list(range(14)), what="the images of an epoch", hint=BATCHES)
    # Two orders of 14 images are alike by chance once in 87,178,291,200.
    apart = len({tuple(order) for order in orders}) == 3 and list(range(14)) not in orders
    check(apart, expected="another order in each epoch", got="one order twice, or that of the data", hint=BATCHES)


BATCHES = "Where is the order of an epoch drawn, and how is it cut into batches?"


@pytest.mark.task(3)
def test_small_batches_take_each_image_with_its_label(submission, rng):
    """With the batches that were drawn, the weights are those that SGD gives by hand."""
    task, settings = Task.drawn(rng), {"epochs": 2, "batch_size": 3}
    got = ask(submission, "fine_tune", task, settings)[0]
    batches = [note["numbers"] for note in got["log"]]
    sound = all(0 <= number < 7 for batch in batches for number in batch) and all(batches)
    check(sound and len(batches) == 6, expected="6 batches of the images that were given", got="others", hint=BATCHES)
    values = task.trained([Step(batch, TUNE["backbone_lr"], TUNE["head_lr"]) for batch in batches])
    hint = (
        "One order for images and labels. Is each step's loss the mean over its own batch, and are old gradients gone?"
    )
    check_state(got, values, [*HEAD, *BACKBONE], hint)


@pytest.mark.task(3)
def test_a_frozen_parameter_is_trained_too(submission, rng):
    """A model may come out of a frozen extractor: what it is to be fine-tuned in, it is trained in."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, TUNE, 4))
    got = ask(submission, "fine_tune", task, {}, **MODES | {"needs": MIXED["needs"]})[0]
    hint = "Some of these parameters came with requires_grad=False. What became of them?"
    check_state(got, values, BACKBONE, hint)


@pytest.mark.task(3)
def test_the_tuned_model_answers_in_evaluation_mode(submission, rng):
    """It comes back ready for use: nothing is dropped, and its BatchNorms use their running statistics."""
    task = Task.drawn(rng)
    expected = task.logits(task.trained(steps_of(task, TUNE, 4)))
    got = ask(submission, "fine_tune", task, {})[0]
    hint = "In which mode do you hand the model over? Is its head the one that was trained?"
    check_tensor(got["logits"], expected, **CLOSE, what="the logits of new images", hint=hint)


@pytest.mark.task(3)
def test_a_tuned_model_follows_its_seed(submission, rng):
    """On a CPU one seed gives one model, dropout included; another seed another; and 0 is the default."""
    check_seeds(submission, "fine_tune", Task.drawn(rng))


@pytest.mark.task(3)
def test_fine_tuning_leaves_model_and_data_as_they_are(submission, rng):
    """Bit for bit: weights, running statistics, the old head, modes, flags, gradients; and images and labels."""
    task = Task.drawn(rng)
    got = ask(submission, "fine_tune", task, {"freeze_epochs": 2}, **MIXED)[0]
    check_pretrained(got, task, MIXED)


@pytest.mark.task(3)
def test_a_head_inside_of_a_part_with_data_that_lie_elsewhere(submission, rng):
    """A head called "net.fc" is replaced in its part, and images and labels are brought to the device."""
    task = Task.drawn(rng)
    values = task.trained(steps_of(task, TUNE, 4))
    elsewhere = task._replace(images=on_cpu(task.images), labels=on_cpu(task.labels))
    got = ask(submission, "fine_tune", elsewhere, {"head": "net.fc"}, nested=True)[0]
    hint = "Which layer is the head here, and which parameters are its own?"
    check_state(got, values, [*HEAD, *BACKBONE], hint)


@pytest.mark.task(3)
@pytest.mark.parametrize(("nested", "head"), [(True, "fc"), (False, "classifier")])
def test_fine_tuning_a_head_that_is_not_there(submission, rng, nested, head):
    """A name that the model does not have is a ValueError with that name."""
    task = Task.drawn(rng)
    hint = "What does assigning to a name do that is not there? Which names are there?"
    ask_it = {"head": head}
    check_raises(ValueError, ask, submission, "fine_tune", task, ask_it, nested=nested, mentions=(head,), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Tasks 2 and 3: what it is good for
# ---------------------------------------------------------------------------------------------------------------------

IMAGES, HELD_BACK, UPSIDE_DOWN = 50, 500, 180.0
PRETRAINED = Path(__file__).with_name("backbone.json")  # of a net that knows upright digits: see pretrain.py
BUDGETS: dict[str, dict[str, Any]] = {  # as many steps as a training from scratch that is compared with them
    "linear_probe": {"epochs": 20, "lr": 0.02, "batch_size": 10},
    "fine_tune": {"epochs": 20, "backbone_lr": 0.02, "head_lr": 0.1, "batch_size": 10, "freeze_epochs": 5},
}


def learn_digits(sub, name, state, images, labels, held_back, settings):
    """Logits of images whose labels never come here."""
    import torch
    from torch import nn

    net = nn.Sequential()
    for place, (inside, outside) in enumerate(((1, 8), (8, 16), (16, 32))):
        net.add_module(f"conv{place}", nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False))
        net.add_module(f"bn{place}", nn.BatchNorm2d(outside))
        net.add_module(f"relu{place}", nn.ReLU())
    net.add_module("pool", nn.AdaptiveAvgPool2d(2))
    net.add_module("flat", nn.Flatten())
    net.add_module("fc", nn.Linear(128, 10))
    net.load_state_dict(state)
    learned = getattr(sub, name)(net, images, labels, 10, **settings, device=images.device)
    if not isinstance(learned, nn.Module):
        return learned
    with torch.no_grad():
        return learned.eval()(held_back)


def check_worth(submission, rng, secret_seed, exercise, device, measure, name: str, hint: str) -> None:
    drawn = digits(secret_seed(f"digits for {name}"), IMAGES, HELD_BACK, (UPSIDE_DOWN,), UPSIDE_DOWN)
    (train,), test = drawn.train, drawn.test
    images, labels, held_back, truth = map(torch.from_numpy, (train.images, train.targets, test.images, test.targets))
    rows = json.loads(PRETRAINED.read_text("utf-8"))
    state = {key: torch.tensor(row["values"]).reshape(row["shape"]) for key, row in rows.items()}
    settings = BUDGETS[name] | {"seed": int(torch.randint(1 << 31, (), generator=rng))}
    told = ", ".join(f"{key}={value}" for key, value in BUDGETS[name].items())
    call = f"{name}(a net that knows upright digits, {IMAGES} digits upside down, labels, 10, {told}, …)"
    got = submission.run(learn_digits, name, state, images[:, None], labels, held_back[:, None], settings, call=call)
    check_tensor(got, torch.zeros(HELD_BACK, 10), atol=torch.inf, what="the logits")
    right = int((got.argmax(1) == truth).sum())
    key = f"{name}_{device}" if f"{name}_{device}" in exercise.thresholds else f"{name}_cpu"
    needed = exercise.thresholds[key]
    measure(key, right / HELD_BACK, of=HELD_BACK, budget=f"{IMAGES} digits upside down, {told}")
    check(
        right / HELD_BACK >= needed,
        expected=f"at least {100 * needed:.1f} % of {HELD_BACK} other digits upside down right",
        got=f"{100 * right / HELD_BACK:.1f} %",
        hint=hint,
    )


@pytest.mark.task(2)
@pytest.mark.training
def test_a_probe_beats_training_from_scratch(submission, rng, secret_seed, exercise, device, measure):
    """With fifty images of a related task, a linear layer on pretrained features is better than a whole new net."""
    hint = "Are these the features of the pretrained net? Do the labels belong to them, and does the loss fall?"
    check_worth(submission, rng, secret_seed, exercise, device, measure, "linear_probe", hint)


@pytest.mark.task(3)
@pytest.mark.training
def test_fine_tuning_beats_training_from_scratch(submission, rng, secret_seed, exercise, device, measure):
    """With fifty images of a related task, a pretrained net that goes on learning is better than a new one."""
    hint = "Does the training begin with the pretrained weights and running statistics, and in which mode does it end?"
    check_worth(submission, rng, secret_seed, exercise, device, measure, "fine_tune", hint)
