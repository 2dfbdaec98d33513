"""Hidden suite of exercise 12.

What a net gives is worked out by the judge, with torch.nn.functional in float64, from numbers that a driver writes
into the student's net in the order of its parameters and buffers. `compare` trains models of the tests' own: an image
carries its number in a pixel, so that a model can note which images it is fed, and answer by a script or from a table.
"""

import math
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_close, check_equal, check_raises, check_tensor, show
from grader.remote import on_cpu

# ---------------------------------------------------------------------------------------------------------------------
# The judge's own nets
# ---------------------------------------------------------------------------------------------------------------------

Shapes = dict[str, list[int]]

DENSE = {"softmax_linear": [3072], "mlp": [3072, 1024], "deep_mlp": [3072, 512, 512, 512, 512]}  # inputs of the layers
PARAMETERS = {
    "softmax_linear": 307_300,
    "mlp": 3_249_252,
    "deep_mlp": 2_412_644,
    "conv_stride": 47_732,
    "conv_pool": 47_732,
    "conv_batchnorm": 47_764,
    "conv_selu": 47_732,
    "conv_dropout": 47_732,
}
DENSE_NETS, CONV_NETS, CHANGED = ([*PARAMETERS][part] for part in (slice(3), slice(3, 5), slice(5, None)))


class Layout(NamedTuple):
    """The shapes of parameters and buffers by name, each in the order in which they are registered."""

    parameters: Shapes
    buffers: Shapes


def layout(name: str, classes: int = 100) -> Layout:
    shapes = Layout({}, {})
    if name in DENSE:
        sizes = [*DENSE[name], classes]
        for place in range(len(sizes) - 1):
            shapes.parameters[f"linear{place + 1}.weight"] = [sizes[place + 1], sizes[place]]
            shapes.parameters[f"linear{place + 1}.bias"] = [sizes[place + 1]]
        return shapes
    for place, channels in ((1, 3), (2, 16)):
        shapes.parameters[f"conv{place}.weight"] = [16, channels, 5, 5]
        if name == "conv_batchnorm":
            shapes.parameters.update({f"bn{place}.{kind}": [16] for kind in ("weight", "bias")})
            shapes.buffers.update({f"bn{place}.{kind}": [16] for kind in ("running_mean", "running_var")})
            shapes.buffers[f"bn{place}.num_batches_tracked"] = []
        else:
            shapes.parameters[f"conv{place}.bias"] = [16]
    shapes.parameters.update({"linear.weight": [classes, 400], "linear.bias": [classes]})
    return shapes


def fill(shapes: Layout, base: Tensor) -> dict[str, Tensor]:
    """The numbers of a state, in float64: `base` over and over, each time from another place. See `run_net`."""
    state = {}
    for place, (name, shape) in enumerate((shapes.parameters | shapes.buffers).items()):
        numbers = base.double().roll(place).repeat(-(-math.prod(shape) // len(base)))[: math.prod(shape)].reshape(shape)
        scale = (2 / math.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.3
        positive = name.startswith("bn") and name.endswith(("weight", "var"))
        state[name] = (scale * numbers).exp() if positive else scale * numbers
    return state


class Reference:
    """What a net gives, in float64."""

    def __init__(self, name: str, state: dict[str, Tensor], training: bool = False) -> None:
        self.name, self.state, self.training = name, state, training

    def logits(self, x: Tensor) -> Tensor:
        x = x.double()
        if self.name in DENSE:
            x = x.flatten(1)
            for place in range(1, len(DENSE[self.name])):
                x = self.linear(x, f"linear{place}").relu()
            return self.linear(x, f"linear{len(DENSE[self.name])}")
        return self.linear(self.features(x), "linear")

    def linear(self, x: Tensor, layer: str) -> Tensor:
        return F.linear(x, self.state[f"{layer}.weight"], self.state[f"{layer}.bias"])

    def features(self, x: Tensor) -> Tensor:
        strided = self.name == "conv_stride"
        x = x.double()
        for place in (1, 2):
            weight, bias = self.state[f"conv{place}.weight"], self.state.get(f"conv{place}.bias")
            x = F.conv2d(x, weight, bias, stride=2 if strided else 1)
            if self.name == "conv_batchnorm":
                x = self.batch_norm(x, f"bn{place}")
            x = F.selu(x) if self.name == "conv_selu" else x.relu()
            x = x if strided else F.max_pool2d(x, 2)
        return x.flatten(1)

    def batch_norm(self, x: Tensor, layer: str) -> Tensor:
        """With the batch's own statistics in training mode; the running ones are updated in the state."""
        mean, var, weight, bias = (
            self.state[f"{layer}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, weight, bias, self.training)


# ---------------------------------------------------------------------------------------------------------------------
# The student's nets beside them
# ---------------------------------------------------------------------------------------------------------------------


def run_net(sub, name, due, base, x, arguments, keywords, given, training, passes):
    import torch

    torch.backends.cudnn.allow_tf32 = False  # on a GPU: float32, not three digits of it
    net = getattr(sub, name)(*arguments, **keywords).to(x.device)
    own = {"parameters": dict(net.named_parameters()), "buffers": dict(net.named_buffers())}
    report = {kind: [[name, list(value.shape)] for name, value in values.items()] for kind, values in own.items()}
    values = [*own["parameters"].values(), *own["buffers"].values()]
    if [list(value.shape) for value in values] != [shape for _, shape in due]:
        return report
    with torch.no_grad():
        for place, (value, (kind, shape)) in enumerate(zip(values, due, strict=True)):
            numbers = base.roll(place).repeat(-(-value.numel() // len(base)))[: value.numel()].reshape(shape)
            numbers = numbers * ((2 / value[0].numel()) ** 0.5 if len(shape) > 1 else 0.3)
            numbers = numbers.exp() if kind.startswith("bn") and kind.endswith(("weight", "var")) else numbers
            value.copy_(given.get(kind, numbers))
    net.train(training)
    outputs = [net(x) for _ in range(passes)]
    report["running"] = [value.clone() for name, value in net.named_buffers() if value.dim()]
    report["outputs"] = [output.detach() for output in outputs]
    if outputs[0].requires_grad:
        outputs[0].square().sum().backward()
    largest = [torch.zeros(()) if value.grad is None else value.grad.abs().max().cpu() for value in net.parameters()]
    report["gradients"] = torch.stack(largest).to(x.device)
    return report


ORDER = "Layers are registered in the order in which they are assigned, or listed. Is one missing, or one too many?"
BEFORE_BN = (
    "Right after each convolution comes its BN. Does a convolution have a bias, or is a BN missing, or too many?"
)
SIZES = "Write down the shape after every layer for an image of 3×32×32. Which of your layers has other sizes?"


def check_layout(got: Any, expected: Layout) -> None:
    """The first parameter or buffer that is not the one that is due, by its shape."""
    for kind, due in (("parameter", expected.parameters), ("buffer", expected.buffers)):
        for place, (mine, (name, shape)) in enumerate(
            zip_longest(got[f"{kind}s"], due.items(), fillvalue=("", None)), 1
        ):
            other = mine[1] is None or shape is None or len(mine[1]) != len(shape)
            hint = BEFORE_BN if "bn1.weight" in expected.parameters else ORDER if other else SIZES
            check(
                mine[1] == shape,
                expected=f"no more {kind}s" if shape is None else f"{kind} {place} of {len(due)}: {name} {shape}",
                got=f"no more {kind}s" if mine[1] is None else f"'{mine[0]}' {mine[1]}",
                hint=hint,
            )


# Measured on the reference on a CPU, in 40 draws: off by at most 5e-6. A wrong layer changes a tenth and more.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def ask_net(submission, name: str, base: Tensor, x: Tensor, *, classes: int, call: str, **options) -> dict:
    """Builds the student's net, writes a state into it, and feeds it `x`."""
    note = options.pop("note", "")
    options = {"arguments": [], "keywords": {}, "given": {}, "training": False, "passes": 1} | options
    shapes = layout(name, classes)
    due = [[kind, shape] for kind, shape in (shapes.parameters | shapes.buffers).items()]
    call += f"(images of shape {list(x.shape)}), in {'training' if options['training'] else 'evaluation'} mode{note}"
    got = submission.run(run_net, name, due, base, x, **options, call=call)
    check_layout(got, shapes)
    return got


def draw(rng: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """Images in [0, 1], and the numbers that states are made of."""
    return torch.rand(*shape, 3, 32, 32, generator=rng), torch.randn(9973, generator=rng)


def look_at_net(sub, name):
    net = getattr(sub, name)()
    return {
        "parameters": [[name, list(value.shape)] for name, value in net.named_parameters()],
        "buffers": [[name, list(value.shape)] for name, value in net.named_buffers()],
    }


def check_layers(submission, name: str) -> None:
    got = submission.run(look_at_net, name, call=f"{name}()")
    check_layout(got, layout(name))
    count = sum(math.prod(shape) for _, shape in got["parameters"])
    check_equal(count, PARAMETERS[name], what="the number of parameters", hint="Which layer has more or fewer?")


def check_logits(submission, rng: torch.Generator, name: str, hint: str) -> None:
    x, base = draw(rng, 3)
    expected = Reference(name, fill(layout(name, 7), base)).logits(x).float()
    got = ask_net(submission, name, base, x, call=f"{name}(num_classes=7)", classes=7, keywords={"num_classes": 7})
    check_tensor(got["outputs"][0], expected, **CLOSE, what="the logits", hint=hint)


def check_bias(submission, rng: torch.Generator, name: str) -> None:
    """Where the last layer's weights are 0, its bias is the output."""
    x, base = draw(rng, 1)
    last = "linear" if name not in DENSE else f"linear{len(DENSE[name])}"
    bias = 3 * torch.randn(5, generator=rng)
    given = {f"{last}.weight": torch.zeros(layout(name, 5).parameters[f"{last}.weight"]), f"{last}.bias": bias}
    note = ", the last layer's weights being 0"
    got = ask_net(submission, name, base, x, call=f"{name}(5)", classes=5, arguments=[5], given=given, note=note)
    hint = "The last layer's numbers are the logits. What do you do to them, and does the loss not do it already?"
    check_tensor(got["outputs"][0], bias[None], **CLOSE, what="the logits", hint=hint)


def check_gradients(submission, rng: torch.Generator, name: str) -> None:
    x, base = draw(rng, 3)
    shapes = layout(name, 7)
    got = ask_net(submission, name, base, x, call=f"{name}(7)", classes=7, arguments=[7])
    check_tensor(got["gradients"], torch.zeros(len(shapes.parameters)), atol=math.inf, what="the largest gradients")
    hint = "Gradients go back the way that the values came. Which step does autograd not see?"
    for kind, largest in zip(shapes.parameters, got["gradients"].tolist(), strict=True):
        check(largest > 0, expected=f"a gradient of {kind}", got="0 in all places, or none", hint=hint)


def check_two(submission, names: list[str]) -> None:
    """Each call of a builder gives a net of its own."""
    got = submission.run(build_twice, names, call="two nets of each: " + ", ".join(f"{name}(2)" for name in names))
    for name in names:
        hint = "When is a net of yours made: when the file is read, or when the builder is called?"
        check_equal(got[name]["alone"], True, what=f"{name}: whether the second net stays as it is", hint=hint)
        hint = "Initial weights are drawn by chance. What makes chance repeat itself, or takes its place?"
        check_equal(got[name]["apart"], True, what=f"{name}: whether their initial weights differ", hint=hint)


def build_twice(sub, names):
    import torch

    report = {}
    for name in names:
        one, other = getattr(sub, name)(2), getattr(sub, name)(2)
        mine, theirs = (max(net.parameters(), key=torch.numel) for net in (one, other))
        first, second = mine.detach().clone(), theirs.detach().clone()
        with torch.no_grad():
            mine.add_(1)
        report[name] = {"apart": not torch.equal(first, second), "alone": torch.equal(theirs.detach(), second)}
    return report


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: linear layers
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(1)
@pytest.mark.parametrize("name", DENSE_NETS)
def test_the_linear_layers_and_their_order(submission, name):
    """Without an argument a builder makes the net of the lesson's table, for 100 classes, with its parameters."""
    check_layers(submission, name)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", DENSE_NETS)
def test_what_linear_layers_give(submission, rng, name):
    """The logits of three images by the formula, for a number of classes given by name."""
    hint = "Write down what happens to the numbers, layer by layer. Where does a ReLU stand, and where must none stand?"
    check_logits(submission, rng, name, hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", DENSE_NETS)
def test_logits_come_out_of_linear_layers_as_they_are(submission, rng, name):
    """Where the last layer gives its bias alone, the bias is the output, also of a single image: no softmax follows."""
    check_bias(submission, rng, name)


@pytest.mark.task(1)
@pytest.mark.parametrize("name", DENSE_NETS)
def test_gradients_reach_every_linear_layer(submission, rng, name):
    """From the logits back to the first layer, each parameter hears of the loss."""
    check_gradients(submission, rng, name)


@pytest.mark.task(1)
def test_each_call_builds_new_linear_layers(submission):
    """Two nets of one builder begin with different weights, and training one leaves the other alone."""
    check_two(submission, ["softmax_linear", "deep_mlp"])  # mlp takes its time


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: convolutions
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(2)
@pytest.mark.parametrize("name", CONV_NETS)
def test_the_convolutions_and_their_order(submission, name):
    """Two convolutions and a linear layer of 400 numbers, for 100 classes: 47,732 parameters."""
    check_layers(submission, name)


@pytest.mark.task(2)
@pytest.mark.parametrize("name", CONV_NETS)
def test_what_convolutions_give(submission, rng, name):
    """The logits of three images by the formula, for a number of classes given by name."""
    hint = "Print the shape after every layer. Which one halves the image, and what does the lesson's table say of it?"
    check_logits(submission, rng, name, hint)


@pytest.mark.task(2)
@pytest.mark.parametrize("name", CONV_NETS)
def test_logits_come_out_of_convolutional_nets_as_they_are(submission, rng, name):
    """Where the last layer gives its bias alone, the bias is the output, also of a single image: no softmax follows."""
    check_bias(submission, rng, name)


@pytest.mark.task(2)
@pytest.mark.parametrize("name", CONV_NETS)
def test_gradients_reach_both_convolutions(submission, rng, name):
    """From the logits back to the first filter, each parameter hears of the loss."""
    check_gradients(submission, rng, name)


@pytest.mark.task(2)
def test_each_call_builds_new_convolutions(submission):
    """Two nets of one builder begin with different weights, and training one leaves the other alone."""
    check_two(submission, CONV_NETS)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: three changes of conv_pool
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(3)
@pytest.mark.parametrize("name", CHANGED)
def test_the_layers_of_a_changed_net(submission, name):
    """The layers of conv_pool, for 100 classes, with BNs in place of biases, or with nothing that has parameters."""
    check_layers(submission, name)


@pytest.mark.task(3)
@pytest.mark.parametrize("name", CHANGED)
def test_what_a_changed_net_gives(submission, rng, name):
    """The logits of three images in evaluation mode by the formula, for a number of classes given by name."""
    hint = "The README says in what each of these nets differs from conv_pool. In what else does yours?"
    check_logits(submission, rng, name, hint)


@pytest.mark.task(3)
@pytest.mark.parametrize("name", CHANGED)
def test_logits_come_out_of_changed_nets_as_they_are(submission, rng, name):
    """Where the last layer gives its bias alone, the bias is the output, also of a single image: no softmax follows."""
    check_bias(submission, rng, name)


@pytest.mark.task(3)
@pytest.mark.parametrize("name", CHANGED)
def test_gradients_reach_every_layer_of_a_changed_net(submission, rng, name):
    """From the logits back to the first filter, each parameter hears of the loss."""
    check_gradients(submission, rng, name)


@pytest.mark.task(3)
def test_each_call_builds_a_new_changed_net(submission):
    """Two nets of one builder begin with different weights, and training one leaves the other alone."""
    check_two(submission, CHANGED)


@pytest.mark.task(3)
def test_batch_norm_in_training_mode(submission, rng):
    """In training mode each BN uses its batch's own mean and variance, and remembers a tenth of them."""
    x, base = draw(rng, 4)
    shapes = layout("conv_batchnorm", 7)
    state = fill(shapes, base)
    expected = Reference("conv_batchnorm", state, training=True).logits(x).float()  # updates the state
    call = "conv_batchnorm(7)"
    options = {"call": call, "classes": 7, "arguments": [7], "training": True}
    got = ask_net(submission, "conv_batchnorm", base, x, **options)
    hint = "In evaluation mode too? If it is right there: which BN does not follow the net's mode?"
    check_tensor(got["outputs"][0], expected, **CLOSE, what="the logits", hint=hint)
    hint = "A BN as PyTorch makes it keeps running statistics, with a momentum of 0.1. What have you changed of it?"
    for name, value in zip([name for name in shapes.buffers if "running" in name], got["running"], strict=True):
        check_tensor(value, state[name].float(), **CLOSE, what=f"{name} afterwards", hint=hint)


def initial_values(sub, name, anchor):
    return [value.detach().to(anchor.device) for value in getattr(sub, name)().parameters()]


@pytest.mark.task(3)
def test_the_initial_weights_of_selu(submission):
    """A layer of SELUs keeps mean 0 and variance 1 if its weights have variance 1 / fan_in, and its biases are 0."""
    got = submission.run(initial_values, "conv_selu", torch.zeros(()), call="conv_selu().parameters()")
    check_equal(len(got), 6, what="the number of parameters, as tensors", hint=ORDER)
    for (name, shape), value in zip(layout("conv_selu").parameters.items(), got, strict=True):
        due = torch.zeros(shape)
        check_tensor(value, due, atol=math.inf, what=name)
        if name.endswith("bias"):
            hint = "A new layer draws its biases by chance. Which ones does SELU want?"
            check_tensor(value, due, rtol=0.0, atol=0.0, what=f"the initial {name}", hint=hint)
            continue
        # Of 1,200 normal numbers at least, a standard deviation is off by 2 %, so 12 % are six of its own.
        deviation = (1 / math.prod(shape[1:])) ** 0.5
        mean, spread = value.double().mean().item(), value.double().std().item()
        hint = "How many inputs does one unit of this layer add up? What is the variance of their sum?"
        check(
            abs(spread / deviation - 1) < 0.12,
            expected=f"{name}: initial weights with a standard deviation near {deviation:.4f}",
            got=f"{spread:.4f}",
            hint=hint,
        )
        check(
            abs(mean) < 6 * deviation / math.prod(shape) ** 0.5,
            expected=f"{name}: initial weights with a mean near 0",
            got=f"{mean:.4f}",
            hint="Does chance go both ways, above 0 and below it?",
        )


def dropped_features(submission, rng: torch.Generator, p: float | None) -> tuple[Tensor, Tensor]:
    """The 400 features of eight images, all above 0, and what two passes in training mode make of them [2, 8, 400]."""
    x, base = draw(rng, 8)
    given = {
        "conv2.bias": torch.full((16,), 50.0),
        "linear.weight": torch.eye(400),
        "linear.bias": torch.full((400,), 3.0),
    }
    state = fill(layout("conv_dropout", 400), base) | {name: value.double() for name, value in given.items()}
    features = Reference("conv_dropout", state).features(x)
    keywords = {} if p is None else {"p": p}
    options = {
        "call": f"conv_dropout(400{'' if p is None else f', p={p}'})",
        "note": ", twice; each logit is a feature, plus 3",
    }
    options |= {"classes": 400, "arguments": [400], "keywords": keywords, "training": True, "passes": 2}
    got = ask_net(submission, "conv_dropout", base, x, given=given, **options)
    for output in got["outputs"]:
        check_tensor(output, torch.zeros(8, 400), atol=math.inf, what="the logits")
    return features, torch.stack(got["outputs"]).double() - 3


@pytest.mark.task(3)
@pytest.mark.parametrize("p", [None, 0.25])
def test_features_are_dropped_in_training_mode(submission, rng, p):
    """A feature is 0 with probability p, which is 0.5 unless it is given, and 1 / (1 - p) times as large otherwise."""
    features, dropped = dropped_features(submission, rng, p)
    p = 0.5 if p is None else p
    ratios = dropped / features
    fits = (dropped == 0) | ((ratios * (1 - p) - 1).abs() < 1e-3)
    hint = "Which numbers does your dropout reach: the pixels, the filters, the features, or the logits?"
    other = [*ratios[~fits].tolist(), 0.0][0]
    got = f"{int((~fits).sum())} of {fits.numel()} features times something else, such as {other:.3g}"
    check(bool(fits.all()), expected=f"each feature times 0, or times {1 / (1 - p):.3g}", got=got, hint=hint)
    # 6,400 bits: off by more than 0.05 with a probability of 2 exp(-2 · 6400 · 0.05²) = 3e-14
    share = float((dropped == 0).double().mean())
    hint = "What is the probability p in nn.Dropout: of being dropped, or of being kept? Does p reach it?"
    check(abs(share - p) < 0.05, expected=f"about {p:.0%} dropped", got=f"{share:.1%}", hint=hint)


@pytest.mark.task(3)
def test_each_feature_is_dropped_by_itself(submission, rng):
    """Whether a feature is dropped says nothing of its neighbours, of the next image, or of the next pass."""
    _, dropped = dropped_features(submission, rng, None)
    zero = dropped == 0
    hint = "There are layers that drop whole filters, and layers that drop single numbers. Which one is yours?"
    shares = zero.reshape(2, 8, 16, 25).double().mean(-1)  # of each filter's 25 features
    mixed = int(((shares > 0) & (shares < 1)).sum())  # but for 2 in 2^25 each
    check(mixed > 250, expected="filters of which a part is dropped", got=f"{mixed} of 256 such filters", hint=hint)
    hint = "Masks are drawn anew for every image and every pass. What could make chance repeat itself?"
    check(not torch.equal(zero[0], zero[1]), expected="another mask in each pass", got="the same one twice", hint=hint)
    check(not torch.equal(zero[0, 0], zero[0, 1]), expected="a mask for each image", got="one for all", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: compare, watched through models that note what they are fed
#
# The first pixel of an image holds its number, over 256. Training images have the numbers from 0, test images from 128.
# ---------------------------------------------------------------------------------------------------------------------

CLASSES = 4
FIRST_TEST = 128


def watch(sub, anchor, data, nets, runs):
    import torch
    from torch import nn

    class Net(nn.Module):
        """Logits from a table of `rows` rows, or by a script: which class to answer in which epoch to which image."""

        def __init__(self, notes, rows=1, noise=0.0, p=0.0, script=None, norm=False):
            super().__init__()
            self.table = nn.Parameter(noise * torch.randn(rows, 4))
            self.drop = nn.Dropout(p)
            self.norm = nn.BatchNorm1d(3) if norm else nn.Identity()
            self.write, self.script = notes.append, script

        def forward(self, x):
            numbers = (x[:, 0, 0, 0] * 256).round().long()
            grad = torch.is_grad_enabled()
            modes = [module.training for module in self.modules()]
            self.write({"numbers": numbers, "grad": grad, "modes": modes, "table": self.table.detach().clone()})
            if grad or self.script is None:
                return self.drop(self.table[numbers % len(self.table)])
            trained = sum(len(note["numbers"]) for note in self.write.__self__ if note["grad"])
            epoch = min(trained // len(data["train_images"]), len(self.script) - 1)
            answers = torch.tensor(self.script[epoch], device=x.device)[
                (numbers - 128).clamp(0, len(self.script[0]) - 1)
            ]
            return 9.0 * nn.functional.one_hot(answers, 4)

    report = []
    for names, settings in runs:
        notes = {name: [] for name in names}
        builders = {name: lambda name=name: Net(notes[name], **nets[name]) for name in names}  # noqa: B023
        device = {} if anchor is None else {"device": anchor.device}
        rows = sub.compare(builders, data, **settings, **device)
        report.append({"rows": rows, "notes": notes})
    return {"runs": report, "data": data}


class Notes(NamedTuple):
    """What a model has noted: of each batch that it was trained on, and of each that it was tested on."""

    trained: list[list[int]]  # the numbers of its images
    tested: list[list[int]]
    tables: list[Tensor]  # the weights before each training step, and at the end
    modes: dict[str, list[list[bool]]]

    @classmethod
    def checked(cls, notes: Any) -> "Notes":
        sound = type(notes) is list and all(map(is_note, notes)) and notes
        check(bool(sound), expected="a model that is trained and tested", got="one that was fed nothing", hint=FED)
        trained = [note["numbers"].tolist() for note in notes if note["grad"]]
        tested = [note["numbers"].tolist() for note in notes if not note["grad"]]
        tables = [note["table"].double() for note in notes if note["grad"]]
        modes = {
            kind: [note["modes"] for note in notes if note["grad"] == (kind == "training")]
            for kind in ("training", "testing")
        }
        return cls(trained, tested, [*tables, notes[-1]["table"].double()], modes)


FED = "Is each model built by its builder, trained on the training images, and tested on the test images?"


def is_note(note: Any) -> bool:
    if type(note) is not dict or set(note) != {"numbers", "grad", "modes", "table"} or type(note["grad"]) is not bool:
        return False
    numbers, table = note["numbers"], note["table"]
    return all(type(each) is Tensor for each in (numbers, table)) and numbers.dim() == 1 and table.dim() == 2


KEYS = {
    "name": (str,),
    "parameters": (int,),
    "accuracies": (list,),
    "best_accuracy": (float,),
    "epochs_to_target": (int, type(None)),
    "seconds_to_target": (float, type(None)),
}


def check_rows(rows: Any, names: list[str], epochs: int) -> None:
    """A list of dicts, one for each name, with the keys and types of the lesson."""
    check(type(rows) is list, expected="a list of rows", got=show(rows), hint="What does compare give back?")
    check(len(rows) == len(names), expected=f"{len(names)} rows", got=f"{len(rows)}", hint="A row for each model.")
    for name, row in zip(names, rows, strict=True):
        check(type(row) is dict, expected=f"a dict for '{name}'", got=show(row), hint="A row is a plain dict.")
        for key, kinds in KEYS.items():
            told = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            hint = "The README lists the keys of a row. Is it spelled like that, and a plain Python value?"
            found = f"{show(row[key])}" if key in row else f"only {', '.join(map(str, row))}"
            check(key in row and type(row[key]) in kinds, expected=f"a row with '{key}': {told}", got=found, hint=hint)
        hint = "The names are the keys of builders. Are the rows in the same order?"
        check_equal(row["name"], name, what="the name in the row", hint=hint)
        got = f"{len(row['accuracies'])} of them"
        hint = "When is a model tested: after every epoch, up to the last one?"
        check(len(row["accuracies"]) == epochs, expected=f"{epochs} accuracies", got=got, hint=hint)


class Run(NamedTuple):
    """What compare gave, and what each model has noted, by name."""

    rows: dict[str, dict]
    notes: dict[str, Notes]


def compare(submission, data, nets, *, runs=None, epochs=2, note="", **settings) -> list[Run]:
    """Calls `compare` once, or for each of `runs`: some names, and settings of their own."""
    settings = {"epochs": epochs} | settings
    asked = [[names, settings | more] for names, more in runs or [(list(nets), {})]]
    told = ", ".join(f"{key}={value}" for key, value in settings.items())
    models = ", ".join(f"'{name}': …" for name in nets)
    call = f"compare({{{models}}}, data, {told}, device=…){note}"
    on = {name: on_cpu(value) for name, value in data.items()}  # the device of the work may be another one
    got = submission.run(watch, torch.zeros(()), on, nets, asked, call=call)
    results = []
    for (names, _), run in zip(asked, got["runs"], strict=True):
        check_rows(run["rows"], names, epochs)
        notes = {name: Notes.checked(run["notes"][name]) for name in names}
        results.append(Run({row["name"]: row for row in run["rows"]}, notes))
    return results


def draw_data(rng: torch.Generator, train_labels: list[int], test_labels: list[int]) -> dict[str, Tensor]:
    """Random images with their numbers in them."""
    data = {}
    for kind, labels, first in (("train", train_labels, 0), ("test", test_labels, FIRST_TEST)):
        images = torch.rand(len(labels), 3, 32, 32, generator=rng)
        images[:, 0, 0, 0] = (first + torch.arange(len(labels))) / 256
        data |= {f"{kind}_images": images, f"{kind}_labels": torch.tensor(labels)}
    return data


def draw_labels(rng: torch.Generator, count: int) -> list[int]:
    return torch.randint(CLASSES, (count,), generator=rng).tolist()


def script(rng: torch.Generator, labels: list[int], right: list[int]) -> list[list[int]]:
    """Answers before the training, and after each epoch: `right` of them are right, and any."""
    rows = []
    for count in right:
        answers = [(label + 1) % CLASSES for label in labels]
        for place in torch.randperm(len(labels), generator=rng)[:count].tolist():
            answers[place] = labels[place]
        rows.append(answers)
    return rows


TESTS = 16  # test images: all shares are dyadic


def scripted(rng: torch.Generator, counts: dict[str, list[int]]) -> tuple[dict, dict]:
    """Data, and a model for each list of how many of 16 test images are right before the training and after epochs."""
    labels = draw_labels(rng, TESTS)
    data = draw_data(rng, draw_labels(rng, 7), labels)
    return data, {name: {"script": script(rng, labels, right)} for name, right in counts.items()}


@pytest.mark.task(4)
def test_a_row_for_each_model_in_the_order_of_the_builders(submission, rng):
    """Each row has the model's name and its parameters; the order is that of the dict, whatever comes out."""
    data, nets = scripted(rng, {"zebra": [0, 3, 3], "ant": [0, 9, 12], "mole": [0, 0, 1]})
    nets["ant"]["rows"], nets["mole"]["rows"] = 5, 3
    (run,) = compare(submission, data, nets)
    for name, count in {"zebra": 4, "ant": 20, "mole": 12}.items():
        hint = "Each parameter is a tensor of several numbers. What do you count?"
        check_equal(run.rows[name]["parameters"], count, what=f"the parameters of '{name}'", hint=hint)


@pytest.mark.task(4)
def test_buffers_are_no_parameters(submission, rng):
    """The running statistics of a BN are part of the state, and are not learnt."""
    data, nets = scripted(rng, {"with a BN": [0, 3, 3]})
    nets["with a BN"]["norm"] = True
    (run,) = compare(submission, data, nets)
    hint = "A table of 4 and a BN with 3 weights and 3 biases. What else did you count?"
    check_equal(run.rows["with a BN"]["parameters"], 10, what="the parameters", hint=hint)


@pytest.mark.task(4)
def test_the_accuracy_after_each_epoch(submission, rng):
    """The share of right answers among all test images, a Python float for each epoch."""
    counts = {"rising": [16, 3, 8, 13], "falling": [1, 11, 6, 0]}
    data, nets = scripted(rng, counts)
    (run,) = compare(submission, data, nets, epochs=3, batch_size=5)
    hint = "Right answers over all test images. When do you test, on which images, and how do batches come together?"
    for name, (_, *right) in counts.items():
        for epoch, count in enumerate(right, 1):
            got, what = run.rows[name]["accuracies"][epoch - 1], f"'{name}': the accuracy after epoch {epoch}"
            check_close(got, count / TESTS, what=what, hint=hint)


@pytest.mark.task(4)
def test_the_best_accuracy_need_not_be_the_last(submission, rng):
    """The largest of the accuracies, wherever it is."""
    data, nets = scripted(rng, {"early": [0, 9, 4, 5], "middle": [0, 2, 7, 3], "late": [0, 2, 3, 11]})
    (run,) = compare(submission, data, nets, epochs=3, target=0.9)
    for name, best in {"early": 9, "middle": 7, "late": 11}.items():
        hint = "Look at the accuracies of this row. Which of them do you report?"
        check_close(run.rows[name]["best_accuracy"], best / TESTS, what=f"'{name}': best_accuracy", hint=hint)


@pytest.mark.task(4)
def test_the_first_epoch_that_reaches_the_target(submission, rng):
    """Epochs count from 1, to reach a target exactly is enough, and what comes afterwards makes no difference."""
    counts = {
        "at once": [0, 12, 13, 14],
        "at the last": [12, 5, 11, 12],
        "exactly": [0, 2, 12, 16],
        "lost again": [0, 3, 14, 2],
    }
    data, nets = scripted(rng, counts)
    (run,) = compare(submission, data, nets, epochs=3, target=0.75)
    for name, epoch in {"at once": 1, "at the last": 3, "exactly": 2, "lost again": 2}.items():
        told = ", ".join(f"{count / TESTS}" for count in counts[name][1:])
        what = f"accuracies {told}, target 0.75: epochs_to_target"
        hint = "Which is the first accuracy of at least the target, and how many epochs were trained until then?"
        check_equal(run.rows[name]["epochs_to_target"], epoch, what=what, hint=hint)


@pytest.mark.task(4)
def test_a_target_that_is_never_reached(submission, rng):
    """Neither epochs nor seconds are known then: both are None."""
    data, nets = scripted(rng, {"far": [0, 2, 3], "just below": [16, 11, 11]})
    (run,) = compare(submission, data, nets, target=0.75)
    for name, row in run.rows.items():
        for key in ("epochs_to_target", "seconds_to_target"):
            hint = "0 would be very fast, and the last epoch is a guess. What says that there is no answer?"
            check_equal(row[key], None, what=f"'{name}': {key}", hint=hint)


def time_training(sub, anchor, data, script, settings):
    import math
    import time

    import torch
    from torch import nn

    trained, tested, times = [], [], {}

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            begin, grad = time.perf_counter(), torch.is_grad_enabled()
            done = len(trained) // 2  # epochs
            if not grad and done == 2:
                times.setdefault("reached", begin)
                times.setdefault("tests before", sum(tested))
                times.setdefault("steps", sum(trained))
            time.sleep((0.04 if done >= 2 else 0.01) if grad else 0.05)
            (trained if grad else tested).append(time.perf_counter() - begin)
            if grad:
                return self.bias.expand(len(x), 4)
            return 9.0 * nn.functional.one_hot(torch.full((len(x),), script[min(done, 3)], device=x.device), 4)

    def build():
        model = Slow()
        time.sleep(0.05)
        times["built"] = time.perf_counter()
        return model

    rows = sub.compare({"slow": build}, data, **settings, device=anchor.device)
    if "reached" not in times:
        return {"rows": rows, "least": math.inf, "most": -math.inf}
    return {"rows": rows, "least": times["steps"], "most": times["reached"] - times["built"] - times["tests before"]}


@pytest.mark.task(4)
def test_the_seconds_of_training_until_the_target(submission, rng):
    """What training took until then, in wall time: not the building, not the tests, and not the epochs after it."""
    labels = [2] * 4
    data = draw_data(rng, draw_labels(rng, 4), labels)
    settings = {"epochs": 3, "batch_size": 2, "target": 0.5}
    call = "compare({'slow': …}, data, epochs=3, batch_size=2, target=0.5), the target being reached after epoch 2"
    got = submission.run(time_training, torch.zeros(()), data, [0, 1, 2, 2], settings, call=call)
    check_rows(got["rows"], ["slow"], 3)
    seconds, least, most = got["rows"][0]["seconds_to_target"], got["least"], got["most"]
    hint = "Which epochs count, and what of an epoch? Is the clock one of wall time, and when do you start and stop it?"
    check(seconds is not None, expected="seconds, since the target is reached", got="None", hint=hint)
    check(type(least) is type(most) is float and least < most, expected="a test after epoch 2", got="none", hint=hint)
    # `most` is all time from the end of the builder to the test that reached the target, less the tests before it. On
    # a busy machine it grows as the seconds do. A test sleeps 50 ms, building 50, a later epoch 80: beyond the margin.
    check(
        least - 0.01 <= seconds <= most + 0.01,
        expected=f"{least:.3f} to {most:.3f} seconds of training until then",
        got=f"{seconds:.3f}",
        hint=hint,
    )


@pytest.mark.task(4)
def test_each_epoch_goes_over_all_images_once(submission, rng):
    """In batches of batch_size, of which the last one may be smaller; also after the target is reached."""
    data = draw_data(rng, draw_labels(rng, 11), draw_labels(rng, 3))
    (run,) = compare(submission, data, {"net": {}}, epochs=3, batch_size=4, target=0.0)
    trained = run.notes["net"].trained
    hint = "Three epochs of 11 images in batches of 4. Is one left out, the last one too, or an epoch?"
    check_equal([len(batch) for batch in trained], [4, 4, 3] * 3, what="the sizes of the training batches", hint=hint)
    for epoch in range(3):
        numbers = sorted(chain(*trained[3 * epoch : 3 * epoch + 3]))
        hint = "An order is a permutation: each image once. How do you draw yours?"
        check_equal(numbers, list(range(11)), what=f"the training images of epoch {epoch + 1}, by number", hint=hint)


@pytest.mark.task(4)
def test_each_epoch_has_an_order_of_its_own(submission, rng):
    """The images are shuffled, and shuffled anew for every epoch."""
    data = draw_data(rng, draw_labels(rng, 60), draw_labels(rng, 3))
    (run,) = compare(submission, data, {"net": {}}, epochs=3, batch_size=7)
    numbers = list(chain(*run.notes["net"].trained))
    orders = [numbers[60 * epoch : 60 * epoch + 60] for epoch in range(3)]
    hint = "When is an order drawn: for the training, or for the epoch?"
    check(orders[0] != sorted(orders[0]), expected="a random order", got="the order of the data", hint=hint)
    differ = orders[0] != orders[1] != orders[2] != orders[0]
    check(differ, expected="another order in each epoch", got="the same one again", hint=hint)


@pytest.mark.task(4)
def test_labels_stay_with_their_images(submission, rng):
    """Each image has a row of weights of its own, which an epoch moves towards the image's own label."""
    labels = draw_labels(rng, 40)
    data = draw_data(rng, labels, draw_labels(rng, 3))
    (run,) = compare(submission, data, {"net": {"rows": 40}}, epochs=1, batch_size=9, lr=1.0)
    learnt = run.notes["net"].tables[-1].argmax(1)
    wrong = int((learnt != torch.tensor(labels)).sum())
    hint = "Images and labels are shuffled together. Is it the same order for both, and the same part of it?"
    check(wrong == 0, expected="40 images learnt with their labels", got=f"{wrong} with another one", hint=hint)


@pytest.mark.task(4)
def test_training_mode_to_train_and_evaluation_mode_to_test(submission, rng):
    """All modules of a model train in every epoch, and evaluate in every test."""
    data = draw_data(rng, draw_labels(rng, 6), draw_labels(rng, 5))
    (run,) = compare(submission, data, {"net": {"p": 0.5, "norm": True}}, epochs=3, batch_size=4)
    for kind, mode in (("training", True), ("testing", False)):
        modes = run.notes["net"].modes[kind]
        wrong = sum(flag is not mode for flags in modes for flag in flags)
        hint = "model.eval() lasts until somebody undoes it, and so does model.train(). Who calls which, and when?"
        got = f"{wrong} of {sum(map(len, modes))} flags of modules otherwise, in {len(modes)} batches"
        check(wrong == 0 and modes != [], expected=f"model.training = {mode} while {kind}", got=got, hint=hint)


@pytest.mark.task(4)
def test_the_test_images_are_for_testing_alone(submission, rng):
    """No step is made on a test image; each is answered once an epoch at least, without a graph."""
    data = draw_data(rng, draw_labels(rng, 6), draw_labels(rng, 5))
    (run,) = compare(submission, data, {"net": {}}, epochs=2, batch_size=4)
    notes = run.notes["net"]
    seen = sorted(number for batch in notes.trained for number in batch if number >= FIRST_TEST)
    hint = "What is switched off while a model only answers? And which images does it learn from?"
    check(
        not seen, expected="training images alone, wherever a graph is built", got=f"{len(seen)} test images", hint=hint
    )
    tested = [number for batch in notes.tested for number in batch]
    least = min(tested.count(FIRST_TEST + place) for place in range(5))
    check(least >= 2, expected="each test image answered in both epochs", got=f"one answered {least} times", hint=hint)


def train_by_hand(table: Tensor, batches: list[Tensor], labels: Tensor, rates: list[float]) -> list[Tensor]:
    """The table before each step of SGD with momentum 0.9 on the mean cross-entropy, and at the end, in float64."""
    table, velocity, tables = table.double(), torch.zeros_like(table.double()), [table.double()]
    for batch, rate in zip(batches, rates, strict=True):
        rows = batch % len(table)
        gradient = torch.zeros_like(table)
        slopes = table[rows].softmax(1) - F.one_hot(labels[batch], CLASSES)
        gradient.index_add_(0, rows, slopes / len(batch))
        velocity = 0.9 * velocity + gradient
        table = table - rate * velocity
        tables.append(table)
    return tables


def check_weights(got: list[Tensor], expected: list[Tensor], name: str, hint: str) -> None:
    check_equal(len(got), len(expected), what=f"'{name}': steps, and the end", hint=hint)
    for step, (mine, due) in enumerate(zip(got, expected, strict=True)):
        when = f"after step {step}" if step else "before the first step"
        told = [show([round(value, 4) for value in table[0].tolist()[:CLASSES]]) for table in (due, mine)]
        off = float((mine - due).abs().max()) if mine.shape == due.shape else math.inf
        # Measured on SGD of torch, in 50 draws: 8e-7. A rate that is off by a tenth makes 7e-4 in the first step.
        got_text = f"{told[1]}, up to {off:.3g} off"
        check(off < 2e-5, expected=f"'{name}': the weights {when}: {told[0]}", got=got_text, hint=hint)


@pytest.mark.task(4)
def test_steps_of_sgd_with_momentum(submission, rng):
    """With all images in one batch, the weights after each step are those of the formula."""
    labels = draw_labels(rng, 6)
    data = draw_data(rng, labels, draw_labels(rng, 3))
    every = torch.arange(6)
    expected = train_by_hand(torch.zeros(3, CLASSES), [every] * 4, torch.tensor(labels), [0.3] * 4)
    (run,) = compare(submission, data, {"net": {"rows": 3}}, epochs=4, batch_size=6, lr=0.3)
    hint = "lr is given, the momentum is 0.9, the loss is the mean cross-entropy of the logits. Which call is missing?"
    check_weights(run.notes["net"].tables, expected, "net", hint)


@pytest.mark.task(4)
def test_the_learning_rate_decays_by_name(submission, rng):
    """In epoch e the rate is lr · decay[name]^(e - 1); a name that is not in decay keeps its lr."""
    labels = [3] * 7  # all alike, so that the order makes no difference
    data = draw_data(rng, labels, draw_labels(rng, 3))
    decay = {"fast": 0.5, "faster": 0.25}
    expected = {}
    for name in ("fast", "steady", "faster"):
        rates = [0.5 * decay.get(name, 1.0) ** (step // 3) for step in range(9)]
        batches = [torch.zeros(1, dtype=torch.long)] * 9
        expected[name] = train_by_hand(torch.zeros(1, CLASSES), batches, torch.tensor(labels), rates)
    nets = {name: {} for name in expected}
    (run,) = compare(submission, data, nets, epochs=3, batch_size=3, lr=0.5, decay=decay)
    hint = "Three steps an epoch. Which lr has the first epoch, which the second, and does a rate reach the next model?"
    for name, tables in expected.items():
        check_weights(run.notes[name].tables, tables, name, hint)


@pytest.mark.task(4)
def test_what_is_not_said_has_a_default(submission, rng):
    """10 epochs, lr 0.01, batches of 100, a target of 0.25, and a decay of 0.8 for the name deep_mlp alone."""
    labels, test_labels = [1] * 101, draw_labels(rng, TESTS)
    data = draw_data(rng, labels, test_labels)
    right = [0, 1, 3, 3, 4, 9, 2, 2, 2, 2, 2]
    nets = {name: {"script": script(rng, test_labels, right)} for name in ("deep_mlp", "mlp")}
    expected = {}
    for name, factor in (("deep_mlp", 0.8), ("mlp", 1.0)):
        rates = [0.01 * factor ** (step // 2) for step in range(20)]
        batches = [torch.zeros(1, dtype=torch.long)] * 20
        expected[name] = train_by_hand(torch.zeros(1, CLASSES), batches, torch.tensor(labels), rates)
    arguments = None, data, nets, [[list(nets), {}]]
    got = submission.run(watch, *arguments, call="compare({'deep_mlp': …, 'mlp': …}, data)")
    rows, notes = got["runs"][0]["rows"], got["runs"][0]["notes"]
    check_rows(rows, ["deep_mlp", "mlp"], 10)
    hint = "The README gives the whole signature. Which defaults has yours?"
    for row in rows:
        name = row["name"]
        checked = Notes.checked(notes[name])
        check_equal([len(batch) for batch in checked.trained], [100, 1] * 10, what=f"'{name}': the batches", hint=hint)
        check_weights(checked.tables, expected[name], name, hint)
        check_equal(row["epochs_to_target"], 4, what=f"'{name}': accuracy 0.25 in epoch 4: epochs_to_target", hint=hint)


@pytest.mark.task(4)
def test_all_models_are_shown_the_same_batches(submission, rng):
    """The order is that of the seed, however many random numbers a model draws for its weights and its dropout."""
    data = draw_data(rng, draw_labels(rng, 40), draw_labels(rng, 3))
    nets = {"plain": {}, "with dropout": {"p": 0.5, "noise": 0.1}, "large": {"rows": 40, "noise": 0.1}}
    (run,) = compare(submission, data, nets, epochs=2, batch_size=11)
    first, *others = nets
    for name in others:
        same = run.notes[name].trained == run.notes[first].trained
        hint = "From which generator is the order drawn, and who else draws from it?"
        got = "another order"
        check(same, expected=f"'{name}': the batches of '{first}', in the same order", got=got, hint=hint)


STIRRED = {"first": {"noise": 0.3}, "last": {"rows": 5, "noise": 0.3, "p": 0.5}}


@pytest.mark.task(4)
def test_a_row_does_not_depend_on_the_other_models(submission, rng):
    """One seed gives a model the same weights, the same order and the same dropout, alone or in company."""
    data = draw_data(rng, draw_labels(rng, 30), draw_labels(rng, TESTS))
    runs = [(["first", "last"], {}), (["last"], {})]
    together, alone = compare(submission, data, STIRRED, runs=runs, lr=0.5, seed=5, note=", and 'last' alone")
    one, other = together.notes["last"], alone.notes["last"]
    hint = "What draws random numbers before this model's turn, and from what does its own chance begin?"
    for when, place in (("initial weights", 0), ("weights in the end", -1)):
        apart = float((one.tables[place] - other.tables[place]).abs().max())
        check(apart < 1e-5, expected=f"the same {when}", got=f"{when} up to {apart:.2g} apart", hint=hint)
    check_equal(other.trained == one.trained, True, what="whether the batches are the same", hint=hint)
    accuracies = [run.rows["last"]["accuracies"] for run in (together, alone)]
    check_equal(accuracies[1], accuracies[0], what="the accuracies", hint=hint)


@pytest.mark.task(4)
def test_another_seed_is_another_chance(submission, rng):
    """Weights and order follow from the seed; without one it is 0."""
    data = draw_data(rng, draw_labels(rng, 30), draw_labels(rng, 3))
    runs = [(["last"], settings) for settings in ({}, {"seed": 0}, {"seed": 6})]
    default, zero, six = compare(
        submission, data, STIRRED, runs=runs, note=" without a seed, and with seed=0 and seed=6"
    )
    default, zero, six = (run.notes["last"] for run in (default, zero, six))
    hint = "Does the seed that is given reach the weights, the order and the dropout, at the start of each model?"
    apart = float((default.tables[-1] - zero.tables[-1]).abs().max())
    alike = default.trained == zero.trained and apart < 1e-5
    check(alike, expected="the same training without a seed and with seed=0", got="two that differ", hint=hint)
    moved = float((six.tables[0] - zero.tables[0]).abs().max())
    check(moved > 1e-5, expected="other initial weights with seed=6", got="the same ones as with seed=0", hint=hint)
    check(six.trained != zero.trained, expected="another order with seed=6", got="that of seed=0", hint=hint)


@pytest.mark.task(4)
def test_the_data_are_left_as_they_are(submission, rng):
    """Every model sees what the first one saw: neither the dict nor a tensor in it is changed."""
    data = draw_data(rng, draw_labels(rng, 9), draw_labels(rng, 5))
    arguments = torch.zeros(()), data, {"net": {}}, [[["net"], {"epochs": 2, "batch_size": 4}]]
    got = submission.run(watch, *arguments, call="compare(…), then data")
    hint = "Which of your statements write into the tensors that they are given, or into the dict?"
    check_equal(list(got["data"]), list(data), what="the keys of data", hint=hint)
    for name, value in data.items():
        check_tensor(got["data"][name], value, rtol=0.0, atol=0.0, what=f"data['{name}'] afterwards", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epoch_is_refused(submission, rng, epochs):
    """Without an epoch there is no accuracy, and no best one."""
    data = draw_data(rng, draw_labels(rng, 3), draw_labels(rng, 3))
    runs = [[["net"], {"epochs": epochs}]]
    hint = "Which epochs make no sense, and who should be told?"
    arguments = watch, torch.zeros(()), data, {"net": {}}, runs
    call, number = f"compare(…, epochs={epochs})", str(epochs)
    check_raises(ValueError, submission.run, *arguments, call=call, mentions=(number,), hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: the table and the plot
# ---------------------------------------------------------------------------------------------------------------------


def row_of(name: str, parameters: int, accuracies: list[float], epochs: int | None, seconds: float | None) -> dict:
    return {
        "name": name,
        "parameters": parameters,
        "accuracies": accuracies,
        "best_accuracy": max(accuracies),
        "epochs_to_target": epochs,
        "seconds_to_target": seconds,
    }


ROWS = [
    row_of("a", 3_249_252, [0.125, 0.3146, 0.25], 2, 123.46),
    row_of("conv_pool", 47_732, [0.0312, 0.04, 0.0623], None, None),
    row_of("mlp", 999, [0.5, 0.75, 1.0], 13, 0.04),
    row_of("b", 1_000, [0.375, 0.25, 0.5], 1, 7.0),
]
TOKENS = [
    ["a", "3,249,252", "31.5", "2", "123.5"],
    ["conv_pool", "47,732", "6.2", "-", "-"],
    ["mlp", "999", "100.0", "13", "0.0"],
    ["b", "1,000", "50.0", "1", "7.0"],
]


def table_lines(submission, rows: list[dict]) -> list[str]:
    """The lines of the table, without the headings."""
    text = submission.comparison_table(rows)
    check(type(text) is str, expected="a str", got=show(text), hint="Is the table printed, or given back?")
    check("\t" not in text, expected="spaces between the columns", got="tabs", hint="How wide is a tab?")
    lines = text.removesuffix("\n").split("\n")
    hint = "One line of headings, one for each row, and nothing else. What joins them?"
    check_equal(len(lines), 1 + len(rows), what="the lines of the table", hint=hint)
    return lines[1:]


@pytest.mark.task(5)
def test_a_line_for_each_row(submission):
    """Headings come first, then the rows in the order in which they are given."""
    for rows in (ROWS, ROWS[:1], ROWS[::-1]):
        lines = table_lines(submission, rows)
        names = [line.split()[0] if line.split() else "" for line in lines]
        hint = "A line begins with the name of its model. In which order do they come?"
        check_equal(names, [row["name"] for row in rows], what="the first words of the lines", hint=hint)


@pytest.mark.task(5)
def test_the_five_columns(submission):
    """Name, parameters with commas, the best accuracy in percent, epochs and seconds to the target, or a dash."""
    for line, expected in zip(table_lines(submission, ROWS), TOKENS, strict=True):
        hint = "Five words between spaces. Which digits and which commas has each number, and what stands for None?"
        check_equal(line.split(), expected, what=f"the words in the line of '{expected[0]}'", hint=hint)


def ends(line: str) -> list[int]:
    """Where the words of a line end."""
    return [
        place for place in range(1, len(line) + 1) if line[place - 1] != " " and line[place : place + 1] in ("", " ")
    ]


@pytest.mark.task(5)
def test_numbers_end_at_the_same_place(submission):
    """A number is read from its last digit: units below units, whatever the others are."""
    for rows in (ROWS, [ROWS[0], ROWS[3]], [ROWS[1] | {"name": "a_model_with_a_long_name"}, *ROWS[2:]]):
        lines = table_lines(submission, rows)
        first = ends(lines[0])
        for line in lines:
            hint = (
                "How wide is a column: as its longest entry, or as you thought beforehand? On which side is it filled?"
            )
            check(
                ends(line)[1:] == first[1:],
                expected=f"columns that end like those of '{lines[0]}'",
                got=line,
                hint=hint,
            )
            check(not line.startswith(" "), expected="names on the left", got=f"'{line}'", hint=hint)


def table_twice(sub, rows):
    first = sub.comparison_table(rows)
    return {"first": first, "second": sub.comparison_table(rows), "rows": rows}


@pytest.mark.task(5)
def test_a_table_leaves_the_rows_as_they_are(submission):
    """To write is to look: the rows stay numbers, and a second table is the same as the first."""
    got = submission.run(table_twice, ROWS, call="comparison_table(rows), twice")
    hint = "Which of your statements write into a row?"
    check_equal(got["rows"], ROWS, what="the rows afterwards", hint=hint)
    check_equal(got["second"], got["first"], what="the second table", hint=hint)


# The picture is decoded in the worker, where hostile bytes can do no harm, and comes back as numbers.
def plot(sub, charts, name, as_path, existing):
    import copy
    import os
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    results = []
    for rows in charts:
        with TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:  # tempfile may remember another one
            path = Path(folder) / name
            if existing:
                path.write_bytes(b"an older file " * 10000)
            given = copy.deepcopy(rows)
            sub.plot_comparison(given, path if as_path else str(path))
            result = {"files": sorted(each.name for each in Path(folder).iterdir()), "rows": given, "pixels": None}
            result["begins"] = path.read_bytes()[:8].hex(" ") if path.is_file() else ""
            if result["begins"]:
                try:
                    with Image.open(path) as image:
                        result["pixels"] = torch.from_numpy(np.array(image.convert("RGBA")))
                except (OSError, SyntaxError, ValueError):
                    pass  # no picture
            results.append(result)
    return results


def pictures_of(submission, charts, call, name="chart.png", as_path=False, existing=False) -> list[Tensor]:
    """The pictures of some lists of rows, [height, width, 4] in uint8."""
    pictures = []
    for rows, result in zip(charts, submission.run(plot, charts, name, as_path, existing, call=call), strict=True):
        hint = "Which files are written, if any? savefig goes by the path's suffix, unless it is told the format."
        check_equal(result["files"], [name], what="the files in the folder", hint=hint)
        check(
            result["begins"] == "89 50 4e 47 0d 0a 1a 0a",
            expected="a PNG file, whose first bytes are 89 50 4e 47 0d 0a 1a 0a",
            got=f"a file that begins with {show(result['begins'])}",
            hint="A suffix does not make a PNG. In which format is the file written?",
        )
        pixels = result["pixels"]
        sound = type(pixels) is Tensor and pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.shape[2] == 4
        check(sound, expected="a picture", got="a file that no program can read", hint="Is the file whole?")
        check_equal(result["rows"], rows, what="the rows afterwards", hint="Which of your statements write into a row?")
        pictures.append(pixels)
    return pictures


def same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


@pytest.mark.task(5)
def test_a_png_at_exactly_the_path(submission):
    """A str or a Path, with any suffix or none: there the PNG is, in place of an older file, and nowhere else."""
    pictures_of(submission, [ROWS[:1]], "plot_comparison(rows, Path('chart.jpg'))", "chart.jpg", as_path=True)
    call = "plot_comparison(rows, 'chart'), where there is a file already"
    pictures_of(submission, [ROWS], call, "chart", existing=True)


@pytest.mark.task(5)
def test_each_accuracy_and_each_name_is_in_the_picture(submission):
    """Another accuracy in one epoch of one model is another picture, and so is another name."""
    rows = [ROWS[place % 4] | {"name": f"model_{place}"} for place in range(8)]  # as many as there are builders
    *most, last = rows
    changes = {
        "the second accuracy of the last model is another one": [*most, last | {"accuracies": [0.375, 0.3, 0.5]}],
        "the last model has another name": [*most, last | {"name": "model_X"}],
        "two models have changed their names": [last | {"name": "model_0"}, *rows[1:-1], rows[0] | {"name": "model_7"}],
    }
    first, *others = pictures_of(submission, [rows, *changes.values()], "plot_comparison(rows, path), for eight models")
    hint = "A curve for each model, through its accuracy after each epoch, and its name. What of it is missing?"
    for what, other in zip(changes, others, strict=True):
        check(not same_picture(first, other), expected=f"another picture where {what}", got="the same", hint=hint)


@pytest.mark.task(5)
def test_the_same_rows_are_the_same_picture(submission):
    """Whatever was drawn before, equal rows give equal pictures: nothing of an old chart is left."""
    call = "plot_comparison(rows, path), another one, and then the first one again"
    first, _, again = pictures_of(submission, [ROWS[:2], ROWS[2:], ROWS[:2]], call)
    hint = "Look at the second chart that you draw. Are the curves of the first one still there? Who cleans up?"
    check(same_picture(first, again), expected="the same picture for the same rows", got="another", hint=hint)
