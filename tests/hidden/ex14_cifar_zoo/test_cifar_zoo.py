"""Hidden suite of exercise 14.

What a net gives is worked out by the judge, with torch.nn.functional in float64, from numbers that a driver writes into
the student's net in the order of its parameters and buffers. Pictures come back as pixels.
"""

import math
from collections.abc import Mapping
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor, show

# ---------------------------------------------------------------------------------------------------------------------
# The judge's own nets
# ---------------------------------------------------------------------------------------------------------------------

VGG = {
    "VGG11": (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "VGG13": (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    "VGG16": (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"),
    "VGG19": (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}
STAGES = (64, 128, 256, 512)


class Judge:
    """Layers in float64 whose numbers are made when they are first used, from `base`: see `run_net` for the same.

    Without a base only shapes are noted, for a batch of no images. `zeros` are parameters that are 0. `margin` is how
    near a ReLU or a max-pool came to its kink, where float32 may see another slope.
    """

    def __init__(
        self,
        base: Tensor | None = None,
        *,
        training: bool = False,
        zeros: tuple[str, ...] = (),
        places: dict[str, int] | None = None,
    ) -> None:
        self.base, self.training, self.zeros, self.places = base, training, zeros, places
        self.parameters: dict[str, Tensor] = {}  # by name, in the order of registration
        self.buffers: dict[str, Tensor] = {}
        self.kinds: dict[str, str] = {}
        self.margin = math.inf
        self._free: Tensor | None = None

    def _take(self, name: str, kind: str, *shape: int) -> Tensor:
        buffer = "running" in name or "tracked" in name
        values, first = (self.buffers, 1000) if buffer else (self.parameters, 0)
        place = first + len(values) if self.places is None else self.places[name]
        self.kinds[name] = "zero" if name in self.zeros else kind
        if self.base is None:
            values[name] = torch.zeros((), dtype=torch.float64).expand(shape)
        else:
            repeated = self._repeated(self.base.roll(31 * place), math.prod(shape)).reshape(shape)
            values[name] = scaled(repeated, self.kinds[name]).requires_grad_(not buffer)
        return values[name]

    def _repeated(self, base: Tensor, count: int) -> Tensor:
        """`base` over and over, in a large block: the system gets those back, while pieces would stay in the heap."""
        if self._free is None or len(self._free) < count:
            self._free = torch.empty(max(count, 1 << 23), dtype=torch.float64)
        out, self._free = self._free[:count].data, self._free[count:]  # .data: its neighbours do not count as changes
        whole = count - count % len(base)
        out[:whole].view(-1, len(base)).copy_(base)
        out[whole:].copy_(base[: count - whole])
        return out

    def conv(self, x: Tensor, name: str, out: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> Tensor:
        weight = self._take(f"{name}.weight", "weight", out, x.shape[1], kernel, kernel)
        shift = self._take(f"{name}.bias", "shift", out) if bias else None
        return F.conv2d(x, weight, shift, stride=stride, padding=kernel // 2)

    def bn(self, x: Tensor, name: str) -> Tensor:
        kinds = {"weight": "scale", "bias": "shift", "running_mean": "shift", "running_var": "var"}
        scale, shift, mean, var = (self._take(f"{name}.{each}", kind, x.shape[1]) for each, kind in kinds.items())
        self._take(f"{name}.num_batches_tracked", "count")
        return F.batch_norm(x, mean, var, scale, shift, self.training)

    def relu(self, x: Tensor) -> Tensor:
        if self.base is not None:
            self.margin = min(self.margin, x.detach().abs().min().item())
        return x.relu()

    def max_pool(self, x: Tensor) -> Tensor:
        if self.base is not None:
            windows = x.detach().unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).topk(2).values
            apart = (windows[..., 0] - windows[..., 1])[windows[..., 0] > 0]  # among zeros it makes no difference
            self.margin = min(self.margin, apart.min().item() if len(apart) else math.inf)
        return F.max_pool2d(x, 2)

    def linear(self, x: Tensor, out: int) -> Tensor:
        """Of the mean over all places."""
        weight = self._take("linear.weight", "weight", out, x.shape[1])
        return F.linear(x.mean((2, 3)), weight, self._take("linear.bias", "shift", out))


def scaled(values: Tensor, kind: str) -> Tensor:
    """As befits a kind of parameter or buffer, in place; no value is its layer's default."""
    if kind == "weight":
        return values.mul_((2 / math.prod(values.shape[1:])) ** 0.5)
    if kind == "count":
        return values.fill_(7)
    values.mul_(0 if kind == "zero" else 0.3)
    return values.exp_() if kind == "var" else values.add_(1 if kind == "scale" else 0)


def vgg(judge: Judge, x: Tensor, config: Any, num_classes: int = 10) -> Tensor:
    number = 0
    for entry in VGG[config] if isinstance(config, str) else config:
        if entry == "M":
            x = judge.max_pool(x)
        else:
            x = judge.conv(x, f"conv{number}", entry, bias=True)
            x = judge.relu(judge.bn(x, f"bn{number}"))
            number += 1
    return judge.linear(x, num_classes)


def preact_resnet18(judge: Judge, x: Tensor, num_classes: int = 10) -> Tensor:
    x = judge.conv(x, "stem's conv", 64)
    for stage, channels in enumerate(STAGES):
        for block in range(2):
            name, new = f"stage {stage}, block {block}: ", stage > 0 and block == 0
            out = judge.relu(judge.bn(x, f"{name}bn1"))
            added = judge.conv(out, f"{name}conv1", channels, stride=2 if new else 1)
            added = judge.conv(judge.relu(judge.bn(added, f"{name}bn2")), f"{name}conv2", channels)
            x = (judge.conv(out, f"{name}shortcut's conv", channels, 1, 2) if new else x) + added
    return judge.linear(x, num_classes)


def shortcuts_of_preact(judge: Judge, x: Tensor, num_classes: int = 10) -> Tensor:
    """What is left of it where every conv2 is 0."""
    x = judge.conv(x, "stem's conv", 64)
    for stage in (1, 2, 3):
        out = judge.relu(judge.bn(x, f"stage {stage}, block 0: bn1"))
        x = judge.conv(out, f"stage {stage}, block 0: shortcut's conv", STAGES[stage], 1, 2)
    return judge.linear(x, num_classes)


def densenet_cifar(
    judge: Judge, x: Tensor, growth: int = 12, blocks: Any = (6, 12, 24, 16), num_classes: int = 10
) -> Tensor:
    x = judge.conv(x, "stem's conv", 2 * growth)
    for block, count in enumerate(blocks):
        if block > 0:
            x = judge.relu(judge.bn(x, f"transition {block}'s bn"))
            x = F.avg_pool2d(judge.conv(x, f"transition {block}'s conv", x.shape[1] // 2, 1), 2)
        for layer in range(count):
            name = f"block {block}, layer {layer}: "
            out = judge.conv(judge.relu(judge.bn(x, f"{name}bn1")), f"{name}conv1", 4 * growth, 1)
            out = judge.conv(judge.relu(judge.bn(out, f"{name}bn2")), f"{name}conv2", growth)
            x = torch.cat([x, out], 1)
    return judge.linear(judge.relu(judge.bn(x, "last bn")), num_classes)


NETS = {"vgg": vgg, "preact_resnet18": preact_resnet18, "densenet_cifar": densenet_cifar}


class Net(NamedTuple):
    """A call of one of the three."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = MappingProxyType({})

    def logits(self, judge: Judge, x: Tensor) -> Tensor:
        return NETS[self.name](judge, x, *self.arguments, **self.keywords)

    def layout(self, zeros: tuple[str, ...] = ()) -> Judge:
        """Names, shapes and kinds of all parameters and buffers."""
        judge = Judge(zeros=zeros)
        self.logits(judge, torch.zeros(0, 3, 64, 64, dtype=torch.float64))
        return judge

    def __str__(self) -> str:
        told = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.keywords.items())]
        return f"{self.name}({', '.join(told)})".replace("'", '"')


# ---------------------------------------------------------------------------------------------------------------------
# The student's net beside it
# ---------------------------------------------------------------------------------------------------------------------


def look_at_net(sub, name, arguments, keywords):
    net = getattr(sub, name)(*arguments, **keywords)
    return {
        "parameters": [[name, list(value.shape)] for name, value in net.named_parameters()],
        "buffers": [[name, list(value.shape)] for name, value in net.named_buffers()],
    }


def run_net(sub, name, arguments, keywords, due, base, x, training, slope):
    import torch

    torch.backends.cudnn.allow_tf32 = False  # on a GPU: float32, not three digits of it
    net = getattr(sub, name)(*arguments, **keywords).to(x.device)
    own = {"parameters": dict(net.named_parameters()), "buffers": dict(net.named_buffers())}
    report = {kind: [[name, list(value.shape)] for name, value in values.items()] for kind, values in own.items()}
    places = [*range(len(own["parameters"])), *range(1000, 1000 + len(own["buffers"]))]
    values = [*own["parameters"].values(), *own["buffers"].values()]
    if [list(value.shape) for value in values] != [shape for _, shape in due]:
        return report
    with torch.no_grad():
        for place, value, (kind, shape) in zip(places, values, due, strict=True):
            numbers = base.roll(31 * place).repeat(-(-value.numel() // len(base)))[: value.numel()].reshape(shape)
            if kind == "weight":
                value.copy_(numbers * (2 / value[0].numel()) ** 0.5)
            elif kind == "var":
                value.copy_((0.3 * numbers).exp())
            elif kind == "count":
                value.fill_(7)
            else:
                value.copy_({"zero": 0 * numbers, "scale": 1 + 0.3 * numbers, "shift": 0.3 * numbers}[kind])
    net.train(training)
    x.requires_grad_(slope is not None)
    out = net(x)
    report["out"], report["x"] = out.detach(), x.detach()
    report["running"] = torch.cat([value.flatten() for value in net.buffers() if value.dim()])
    if slope is not None:
        (out * slope).sum().backward()  # out.backward(slope) would import sympy
        gradients = [torch.zeros_like(value) if value.grad is None else value.grad for value in net.parameters()]
        report["largest"] = [float(value.abs().max()) for value in gradients]
        small = sum(value.numel() for value in gradients) < 100_000
        report["gradients"] = [x.grad, *(gradients if small else [])]
    return report


def check_layout(got: dict[str, Any], net: Net, due: Judge) -> None:
    """The first parameter or buffer that is not the one that is due, by its shape."""
    for kind, shapes in (("parameter", due.parameters), ("buffer", due.buffers)):
        mine = got[f"{kind}s"]
        rows = [(name, list(value.shape)) for name, value in shapes.items()]
        for place, ((own, has), (name, shape)) in enumerate(zip_longest(mine, rows, fillvalue=("", None)), 1):
            check(
                has == shape,
                expected=f"{kind} {place} of {len(rows)}: {name} {shape}" if name else f"{len(rows)} {kind}s",
                got=f"{len(mine)} {kind}s" if None in (has, shape) else f"'{own}' {has}, of {len(mine)}",
                hint=OTHER_SIZES if has and shape and len(has) == len(shape) else LAYERS[net.name],
            )


OTHER_SIZES = "Is it another layer's turn, or this one with other sizes? What decides its channels and its kernel here?"
LAYERS = {  # where another kind of parameter comes than is due
    "vgg": "A number of the list makes four parameters: weight and bias of a convolution, and of a BN. And yours?",
    "preact_resnet18": "Something before is missing, or too many: a BN on the stem, on a shortcut, at the end?",
    "densenet_cifar": "Something before is missing, or too many: a BN, a bias, a transition? Print all names.",
}


# Measured on the reference on a CPU: outputs of up to 13 are off by at most 3e-6, and gradients by 2e-6.
SMALL = {"rtol": 1e-4, "atol": 1e-4}
LARGE = {"rtol": 1e-3, "atol": 1e-3}


def draw(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng)


def ask(submission, net: Net, base, x, *, training=False, slope=None, zeros=(), note="") -> dict[str, Any]:
    layout = net.layout(zeros)
    shapes = layout.parameters | layout.buffers
    due = [[layout.kinds[name], list(value.shape)] for name, value in shapes.items()]
    call = f"{net}(x of shape {list(x.shape)}), in {'training' if training else 'evaluation'} mode{note}"
    arguments = net.name, list(net.arguments), dict(net.keywords), due, base, x, training, slope
    got = submission.run(run_net, *arguments, call=call)
    check_layout(got, net, layout)
    return got


def judged(net: Net, base: Tensor, x: Tensor, training: bool, zeros: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """The output and the running statistics. The weights end here: up to 120 MB, that no failure is to keep alive."""
    judge = Judge(base, training=training, zeros=zeros)
    with torch.no_grad():
        expected = net.logits(judge, x.double()).float()
    return expected, torch.cat([value.flatten() for value in judge.buffers.values() if value.dim()]).float()


def check_output(submission, rng, net: Net, size, hint, *, training=False, zeros=(), note="", close=SMALL) -> None:
    """One pass, by the judge and by the student's net, of `size` = images, height, width."""
    base, x = draw(rng, 9973), draw(rng, size[0], 3, *size[1:])
    expected, running = judged(net, base, x, training, zeros)
    got = ask(submission, net, base, x, training=training, zeros=zeros, note=note)
    check_tensor(got["out"], expected, **close, hint=hint)
    rule = "Every BN is nn.BatchNorm2d with its defaults. Does each see every batch, and once?"
    check_tensor(got["running"], running, **close, what="the BNs' running statistics afterwards", hint=rule)
    left = "Somebody else may hold x. Which of your layers or statements write into the tensor that they are given?"
    check_tensor(got["x"], x, rtol=0.0, atol=0.0, what="x afterwards", hint=left)


def check_gradients(submission, rng, net: Net, size) -> None:
    """Of the input and of every parameter."""
    while True:
        base, x = draw(rng, 9973), draw(rng, size[0], 3, *size[1:])
        judge, leaf = Judge(base), x.double().requires_grad_()
        out = net.logits(judge, leaf)
        if judge.margin > 1e-4:
            break
    slope = draw(rng, *out.shape)
    expected = torch.autograd.grad((out * slope.double()).sum(), [leaf, *judge.parameters.values()])
    got = ask(submission, net, base, x, slope=slope)
    hint = "Gradients go back the way that the values came. Which step does autograd not see, or see otherwise?"
    for name, mine, due in zip(["the input", *judge.parameters], got["gradients"], expected, strict=True):
        check_tensor(mine, due.float(), **SMALL, what=f"the gradient of {name}", hint=hint)


def check_layers(submission, net: Net, count: int | None = None) -> None:
    got = submission.run(look_at_net, net.name, list(net.arguments), dict(net.keywords), call=str(net))
    check_layout(got, net, net.layout())
    if count is not None:
        mine = sum(math.prod(shape) for _, shape in got["parameters"])
        hint = "Which layer has more or fewer weights than in the README's table?"
        check_equal(mine, count, what="the number of parameters", hint=hint)


MODES = "In evaluation mode too? If it is right there: which layer does not follow the net's mode, or stands elsewhere?"
LOGITS = (
    "The linear layer gives its bias alone here. What do you do to its numbers, and does the loss not do it already?"
)
ANY_SIZE = "What does your net assume about the height and width that reach the linear layer?"


def check_bias_alone(submission, rng, net: Net) -> None:
    check_output(submission, rng, net, (2, 4, 5), LOGITS, zeros=("linear.weight",), note=", with linear.weight = 0")


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: count_parameters
# ---------------------------------------------------------------------------------------------------------------------


def count_of_layers(sub, sizes, frozen, options):
    from torch import nn

    n, m, k = sizes
    net = nn.Sequential(nn.Conv2d(3, n, k), nn.BatchNorm2d(n), nn.Sequential(nn.ReLU(), nn.Linear(n, m)))
    for place in frozen:
        list(net.parameters())[place].requires_grad_(False)
    before = [value.requires_grad for value in net.parameters()]
    counts = [sub.count_parameters(net, **each) for each in options]
    return {
        "counts": counts if len(counts) > 1 else counts[0],
        "unchanged": before == [value.requires_grad for value in net.parameters()],
    }


def layer_sizes(rng: torch.Generator) -> tuple[list[int], list[int]]:
    """n, m, k, and how many numbers each of the six parameters holds."""
    n, m, k = (int(each) for each in torch.randint(2, 9, (3,), generator=rng))
    return [n, m, k], [3 * n * k * k, n, n, n, n * m, m]


COUNT = "count_parameters(a convolution, a BN, and a linear layer)"


@pytest.mark.task(1)
def test_weights_and_biases_add_up(submission, rng):
    """A convolution of k×k has n · m · k² + m parameters, a BN two for each channel, a linear layer n · m + m."""
    sizes, counts = layer_sizes(rng)
    got = submission.run(count_of_layers, sizes, [], [{}], call=COUNT)
    hint = "Six tensors: weight and bias of each layer. How many numbers are in each? Running statistics are buffers."
    check_equal(got["counts"], sum(counts), what="the count", hint=hint)


@pytest.mark.task(1)
def test_frozen_parameters_count_too(submission, rng):
    """A parameter that is not trained is a parameter: it takes memory, and is written to the checkpoint."""
    sizes, counts = layer_sizes(rng)
    got = submission.run(count_of_layers, sizes, [0, 5], [{}, {"trainable_only": False}], call=f"{COUNT}, two frozen")
    hint = "What does the function count when nobody says trainable_only, and what when it is False?"
    check_equal(got["counts"], [sum(counts)] * 2, what="both counts", hint=hint)


@pytest.mark.task(1)
def test_only_trainable_ones_on_request(submission, rng):
    """With trainable_only=True frozen parameters are left out, and stay frozen."""
    sizes, counts = layer_sizes(rng)
    frozen = sorted(torch.randperm(6, generator=rng)[:3].tolist())
    due = sum(count for place, count in enumerate(counts) if place not in frozen)
    call = f"{COUNT[:-1]}, trainable_only=True), three of six frozen"
    got = submission.run(count_of_layers, sizes, frozen, [{"trainable_only": True}], call=call)
    check_equal(got["counts"], due, what="the count", hint="Which attribute tells that a parameter is frozen?")
    hint = "To count is to look. Which statement changes requires_grad?"
    check_equal(got["unchanged"], True, what="requires_grad is as it was", hint=hint)


def count_shared(sub, n, trainable_only):
    from torch import nn

    class Tied(nn.Module):
        """An embedding whose weight is that of the last layer too, and one layer that is used twice."""

        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(11, n)
            self.first = self.second = nn.Linear(n, n)
            self.last = nn.Linear(n, 11, bias=False)
            self.last.weight = self.embedding.weight

    return sub.count_parameters(Tied(), trainable_only=trainable_only)


@pytest.mark.task(1)
@pytest.mark.parametrize("trainable_only", [False, True])
def test_a_shared_parameter_counts_once(submission, rng, trainable_only):
    """A weight that is used in two places is one weight, in memory and for the optimiser."""
    n = int(torch.randint(3, 20, (), generator=rng))
    call = f"count_parameters(model, trainable_only={trainable_only}), with a weight of 11 × {n} that two layers share"
    got = submission.run(count_shared, n, trainable_only, call=call)
    hint = "How many numbers would an optimiser change? Print model.named_parameters(): how often does each come?"
    check_equal(got, 11 * n + n * n + n, what="the count", hint=hint)


def count_odd_ones(sub, n):
    import torch
    from torch import nn

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.0))
            self.none = nn.Parameter(torch.zeros(0, n))
            self.several = nn.ParameterList([torch.zeros(n), torch.zeros(2, n)])
            self.table = nn.ModuleDict({"deep": nn.Sequential(nn.Sequential(nn.PReLU(n)))})
            self.register_buffer("positions", torch.zeros(5, n))
            self.register_parameter("bias", None)

    return [sub.count_parameters(Odd()), sub.count_parameters(nn.ReLU())]


@pytest.mark.task(1)
def test_parameters_wherever_they_are(submission, rng):
    """In lists and dicts, deep inside, or of the module itself; a single number counts 1, and no parameter at all 0."""
    n = int(torch.randint(3, 20, (), generator=rng))
    got = submission.run(
        count_odd_ones, n, call="count_parameters(a module with parameters of its own), and of nn.ReLU()"
    )
    hint = "Not every parameter is called weight or bias, or has a layer around it. Who knows them all?"
    check_equal(got, [1 + n + 2 * n + n, 0], what="both counts", hint=hint)


def count_large(sub, n, m):
    from torch import nn

    return sub.count_parameters(nn.Sequential(nn.Linear(n, m, device="meta"), nn.Linear(3, 1)))


@pytest.mark.task(1)
def test_counting_needs_no_memory(submission):
    """Shapes are enough: also for a layer of 2⁴¹ weights on the device "meta", and the sum is exact."""
    n, m = 1 << 20, 1 << 21
    got = submission.run(count_large, n, m, call='count_parameters(net), with nn.Linear(2**20, 2**21, device="meta")')
    hint = (
        "How many numbers are in a tensor of shape [a, b]? You need not look at them, and a float has too few digits."
    )
    check_equal(got, n * m + m + 4, what="the count", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: vgg
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(2)
@pytest.mark.parametrize(
    "net",
    [
        Net("vgg", ([5],)),
        Net("vgg", ([4, "M", 6, 3], 7)),
        Net("vgg", ((2, "M", "M", 4, "M"),), {"num_classes": 2}),
    ],
    ids=str,
)
def test_the_layers_of_a_list(submission, net):
    """For each number a convolution with a bias, and a BN; a pool has no parameters; a linear layer at the end."""
    check_layers(submission, net)


@pytest.mark.task(2)
@pytest.mark.parametrize(("config", "size"), [([4], (2, 5, 7)), ([3, "M", 5, 4, "M", 6], (3, 10, 13))], ids=str)
def test_what_a_vgg_gives(submission, rng, config, size):
    """Convolution, BN, ReLU, and for "M" the largest of four, in evaluation mode, for images of any size."""
    hint = "Go through the list with a pencil: which layers does each entry become, in which order, with which padding?"
    check_output(submission, rng, Net("vgg", (config, 4)), size, hint)


@pytest.mark.task(2)
def test_what_a_vgg_gives_in_training_mode(submission, rng):
    """In training mode each BN uses its batch's own mean and variance, and nothing is left to chance."""
    check_output(submission, rng, Net("vgg", ([4, "M", 5], 3)), (5, 6, 8), MODES, training=True)


@pytest.mark.task(2)
def test_the_mean_over_all_places_reaches_the_linear_layer(submission, rng):
    """However many pixels the pools leave, the linear layer gets their mean: for 32×32 and five pools, that of one."""
    for config, size in (([2, "M"] * 5, (1, 32, 32)), ([3, "M"], (1, 11, 16)), ([3], (2, 1, 1))):
        check_output(submission, rng, Net("vgg", (config, 3)), size, ANY_SIZE)


@pytest.mark.task(2)
def test_logits_of_a_vgg_come_out_as_they_are(submission, rng):
    """Where the linear layer gives its bias alone, the bias is the output: no softmax follows."""
    check_bias_alone(submission, rng, Net("vgg", ([3, "M"], 5)))


@pytest.mark.task(2)
def test_gradients_reach_every_parameter_of_a_vgg(submission, rng):
    """From the logits back to the first convolution, each gradient is that of the formula."""
    check_gradients(submission, rng, Net("vgg", ([3, "M", 2], 3)), (2, 4, 5))


COUNTS = {"VGG11": 9_231_114, "VGG13": 9_416_010, "VGG16": 14_728_266, "VGG19": 20_040_522}


@pytest.mark.task(2)
@pytest.mark.parametrize("name", ["VGG16", "VGG11", "VGG13", "VGG19"])
def test_the_nets_of_the_paper(submission, name):
    """Their names stand for the lists of the table: VGG16 has 14,728,266 parameters."""
    check_layers(submission, Net("vgg", (name,)), COUNTS[name])


@pytest.mark.task(2)
def test_what_vgg16_gives(submission, rng):
    """One image of 32×32, and all five pools where they belong."""
    hint = "A short list of your own works, and the name does not? Then where are the pools in the name's list?"
    check_output(submission, rng, Net("vgg", ("VGG16", 4)), (1, 32, 32), hint, close=LARGE)


@pytest.mark.task(2)
def test_an_unknown_name_is_refused(submission):
    """A name that is none of the table's is a ValueError that holds it."""
    for name in ("VGG17", "LeNet"):
        hint = (
            "What becomes of a name that nobody knows? Which exception does a dict raise, and which one is asked for?"
        )
        check_raises(ValueError, submission.run, build_only, name, call=f'vgg("{name}")', mentions=(name,), hint=hint)


def build_only(sub, config):
    sub.vgg(config)


def build_twice(sub, config):
    import torch

    one, other = sub.vgg(config, 3), sub.vgg(config, 3)
    with torch.no_grad():
        for value in one.parameters():
            value.fill_(5)
    return {"config": config, "touched": sum(bool((value == 5).all()) for value in other.parameters())}


@pytest.mark.task(2)
def test_a_list_makes_many_nets(submission):
    """The list stays as it is, and two nets made from it share nothing."""
    got = submission.run(build_twice, [4, "M", 4], call='one = vgg(config); other = vgg(config), config = [4, "M", 4]')
    hint = "Which statement takes entries out of the list, or adds some?"
    check_equal(got["config"], [4, "M", 4], what="config afterwards", hint=hint)
    hint = "When are the layers made: at each call, or once for all?"
    check_equal(got["touched"], 0, what="parameters of the other net that change with those of one", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: preact_resnet18
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.task(3)
def test_the_layers_of_a_preact_resnet18(submission):
    """Stem, eight blocks, linear: 11,171,146 parameters, and not 1,024 more of a BN at the end."""
    check_layers(submission, Net("preact_resnet18"), 11_171_146)


@pytest.mark.task(3)
def test_a_preact_resnet18_takes_the_number_of_classes(submission):
    """preact_resnet18(num_classes=17) differs in its last layer alone, and so does preact_resnet18(3)."""
    for net in (Net("preact_resnet18", (), {"num_classes": 17}), Net("preact_resnet18", (3,))):
        check_layers(submission, net)


CONV2 = tuple(f"stage {stage}, block {block}: conv2.weight" for stage in range(4) for block in range(2))


@pytest.mark.task(3)
def test_what_the_shortcuts_carry(submission, rng):
    """With every conv2 at 0 only shortcuts are left: x as it came, or a 1×1 convolution of the activated x."""
    net = Net("preact_resnet18", (4,))
    layout = net.layout()
    places = {name: place for place, name in enumerate(layout.parameters)}
    places |= {name: 1000 + place for place, name in enumerate(layout.buffers)}
    while True:
        base, x = draw(rng, 9973), draw(rng, 2, 3, 4, 7)
        judge, leaf = Judge(base, places=places), x.double().requires_grad_()
        out = shortcuts_of_preact(judge, leaf, 4)
        if judge.margin > 1e-6:
            break
    slope = draw(rng, *out.shape)
    (gradient,) = torch.autograd.grad((out * slope.double()).sum(), [leaf])
    got = ask(submission, net, base, x, slope=slope, zeros=CONV2, note=", with every conv2.weight = 0")
    hint = (
        "f(x) is 0 in all blocks, so you see the ways around alone. What stands on them, and what after the additions?"
    )
    check_tensor(got["out"], out.detach().float(), **LARGE, hint=hint)
    hint = "The values are right here. Which part of the way around does autograd not see?"
    check_tensor(got["gradients"][0], gradient.float(), **LARGE, what="the gradient of x", hint=hint)


@pytest.mark.task(3)
@pytest.mark.parametrize("size", [(2, 5, 9), (1, 1, 1)], ids=["several pixels", "one pixel"])
def test_what_a_preact_resnet18_gives(submission, rng, size):
    """In evaluation mode, for images of any size, down to a single pixel."""
    hint = (
        "Write down what is done to x in a block, layer by layer. What comes before a convolution? Which has a stride?"
    )
    check_output(submission, rng, Net("preact_resnet18", (5,)), size, hint, close=LARGE)


@pytest.mark.task(3)
def test_what_a_preact_resnet18_gives_in_training_mode(submission, rng):
    """In training mode each BN uses its batch's own mean and variance."""
    check_output(submission, rng, Net("preact_resnet18", (3,)), (3, 10, 13), MODES, training=True, close=LARGE)


@pytest.mark.task(3)
def test_gradients_reach_every_parameter_of_a_preact_resnet18(submission, rng):
    """After a backward pass each of the 54 parameters has a gradient other than 0."""
    base, x, slope = draw(rng, 9973), draw(rng, 1, 3, 6, 5), draw(rng, 1, 10)
    got = ask(submission, Net("preact_resnet18"), base, x, slope=slope, note=", then backward")
    silent = [name for (name, _), largest in zip(got["parameters"], got["largest"], strict=True) if not largest > 0]
    hint = "Follow the gradient back from the sum, both ways. Where does it end too early?"
    check(not silent, expected="gradients in all parameters", got=f"none in {', '.join(silent[:3])}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: densenet_cifar
# ---------------------------------------------------------------------------------------------------------------------

DENSE = [
    pytest.param(Net("densenet_cifar", (2, (1,), 3)), (2, 5, 7), id="one layer"),
    pytest.param(Net("densenet_cifar", (3, [2, 1], 4)), (2, 9, 6), id="a transition"),
    pytest.param(Net("densenet_cifar", (3, (1, 2, 1), 5)), (1, 11, 14), id="an odd number of channels"),
]


@pytest.mark.task(4)
@pytest.mark.parametrize("net", [case.values[0] for case in DENSE], ids=str)
def test_the_layers_of_a_densenet(submission, net):
    """Each layer sees all channels before it; a transition halves them, rounded down; none follows the last block."""
    check_layers(submission, net)


@pytest.mark.task(4)
@pytest.mark.parametrize(
    ("net", "count"),
    [
        (Net("densenet_cifar"), 1_000_618),
        (Net("densenet_cifar", (), {"growth": 32}), 6_956_298),
        (Net("densenet_cifar", (), {"num_classes": 7, "blocks": (1, 2), "growth": 5}), None),
    ],
    ids=str,
)
def test_the_densenets_of_the_table(submission, net, count):
    """densenet_cifar() has 1,000,618 parameters, with growth=32 it is DenseNet121, and all can be given by name."""
    check_layers(submission, net, count)


@pytest.mark.task(4)
def test_new_channels_stand_behind_the_old_ones(submission, rng):
    """With conv2 at 0 the new channels are 0, and the old ones come first, as they were."""
    zeros = ("block 0, layer 0: conv2.weight", "block 0, layer 1: conv2.weight")
    hint = "What does torch.cat put first? And are old channels carried on as they are, or activated, or added to?"
    note = ", with every conv2.weight = 0"
    check_output(submission, rng, Net("densenet_cifar", (3, (2,), 4)), (2, 3, 5), hint, zeros=zeros, note=note)


@pytest.mark.task(4)
@pytest.mark.parametrize(("net", "size"), DENSE)
def test_what_a_densenet_gives(submission, rng, net, size):
    """In evaluation mode, for one to three blocks, and images of any size: a pool leaves out an odd row or column."""
    hint = "BN and ReLU come before each convolution but the stem's, and before the mean. What pools in a transition?"
    check_output(submission, rng, net, size, hint)


@pytest.mark.task(4)
def test_what_a_densenet_gives_in_training_mode(submission, rng):
    """In training mode each BN uses its batch's own mean and variance."""
    check_output(submission, rng, Net("densenet_cifar", (2, (1, 2), 3)), (4, 6, 5), MODES, training=True)


@pytest.mark.task(4)
def test_logits_of_a_densenet_come_out_as_they_are(submission, rng):
    """Where the linear layer gives its bias alone, the bias is the output: no softmax follows."""
    check_bias_alone(submission, rng, Net("densenet_cifar", (2, (1,), 5)))


@pytest.mark.task(4)
def test_gradients_reach_every_parameter_of_a_densenet(submission, rng):
    """Each gradient is that of the formula: every layer has a way to the loss through all that come after it."""
    check_gradients(submission, rng, Net("densenet_cifar", (2, (2, 1), 3)), (1, 4, 5))


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: plot_accuracy_vs_parameters
#
# The picture is decoded in the worker, where hostile bytes can do no harm, and comes back as numbers.
# ---------------------------------------------------------------------------------------------------------------------

PUBLISHED = [("VGG16", 14_728_266, 92.64), ("ResNet18", 11_173_962, 93.02)]
PUBLISHED += [("DenseNet121", 6_956_298, 95.04), ("PreActResNet18", 11_171_146, 95.11)]


def draw_charts(sub, charts, name, as_path, existing):
    import os
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    results = []
    for rows in charts:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            if existing:
                path.write_bytes(b"an older file " * 10000)
            if rows == "nothing at all":
                os.chdir(folder)
                sub.plot_accuracy_vs_parameters()
                os.chdir("/")
            else:
                sub.plot_accuracy_vs_parameters(rows, path if as_path else str(path))
            result = {"files": sorted(each.name for each in Path(folder).iterdir()), "begins": "", "pixels": None}
            result["rows"] = rows
            if path.is_file():
                result["begins"] = path.read_bytes()[:8].hex(" ")
                try:
                    with Image.open(path) as image:
                        result["pixels"] = torch.from_numpy(np.array(image.convert("RGB")))
                except (OSError, SyntaxError, ValueError):
                    pass  # no picture
            results.append(result)
    return results


def rows_of(models: Any) -> Any:
    """Rows as the function takes them."""
    if models is None or isinstance(models, str):
        return models
    return [{"name": name, "parameters": count, "accuracy": accuracy} for name, count, accuracy in models]


def charts_of(submission, charts, call, name="chart.png", as_path=False, existing=False) -> list[Tensor]:
    """Draws each list of models; the pictures are [height, width, 3] in uint8."""
    rows = [rows_of(models) for models in charts]
    got = submission.run(draw_charts, rows, name, as_path, existing, call=call)
    pictures = []
    for result, given in zip(got, rows, strict=True):
        hint = "Which files are written, if any? savefig goes by the path's suffix, unless it is told the format."
        check_equal(result["files"], [name], what="the files in the folder", hint=hint)
        check(
            result["begins"] == "89 50 4e 47 0d 0a 1a 0a",
            expected="a PNG file, whose first bytes are 89 50 4e 47 0d 0a 1a 0a",
            got=f"a file that begins with {show(result['begins'])}",
            hint="A suffix does not make a PNG. In which format is the file written?",
        )
        pixels = result["pixels"]
        sound = type(pixels) is Tensor and pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.shape[2] == 3
        check(sound, expected="a picture", got="a file that no program can read", hint="Is the file whole?")
        hint = "To draw is to look. Which statement sorts, extends or changes the rows that it was given?"
        check_equal(result["rows"], given, what="the rows afterwards", hint=hint)
        pictures.append(pixels)
    return pictures


def same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


PLOT = "plot_accuracy_vs_parameters(rows, {})"
MODELS = [("tiny", 1_000, 60.0), ("middle", 40_000, 75.0), ("huge", 5_000_000, 90.0)]


@pytest.mark.task(5)
def test_each_point_has_its_name(submission):
    """Other names, or the same names at other points, are another picture, whichever model it is."""
    names = [
        ("tiny", "middle", "huge"),
        ("mini", "middle", "huge"),
        ("tiny", "median", "huge"),
        ("tiny", "middle", "vast"),
    ]
    names.append(("middle", "tiny", "huge"))
    charts = [[(name, *model[1:]) for name, model in zip(each, MODELS, strict=True)] for each in names]
    first, *others = charts_of(submission, charts, PLOT.format("path") + ", for several names of three models")
    hint = "Who looks at the chart wants to know which point is whose. Is every model's name written, and at its point?"
    for each, other in zip(names[1:], others, strict=True):
        got = f"the same picture for the names {', '.join(names[0])} and {', '.join(each)}"
        check(not same_picture(first, other), expected="pictures that differ", got=got, hint=hint)


def check_reach(submission, ends, middle: list[tuple], dimension: int, *, least: float, along: str, hint: str) -> None:
    """How far the pixels lie apart, as a share of the picture, that change when the model in the middle moves."""
    charts = [[ends[0], model, ends[1]] for model in middle]
    told = " and ".join(f"{count:,} parameters, {accuracy:g} %" for _, count, accuracy in middle)
    one, other = charts_of(submission, charts, PLOT.format("path") + f", where one of three models has {told}")
    differs = not same_picture(one, other)
    check(differs, expected="pictures that differ", got="the same picture for both", hint=hint)
    if one.shape != other.shape:
        return  # cut to what is in it: there is no telling which pixel was which
    where = (one != other).any(2).any(1 - dimension).nonzero()
    reach = int(where.max() - where.min()) / one.shape[dimension]
    check(
        reach > least,
        expected=f"a point that moves by more than {least:.0%} of the picture's {along}",
        got=f"changes within {reach:.0%} of it",
        hint=hint,
    )


@pytest.mark.task(5)
def test_parameters_go_along_a_logarithmic_axis(submission):
    """Between 10³ and 10⁹ parameters, from 10⁴ to 10⁷ is half of the way; on a linear axis it is a hundredth."""
    ends = [("a", 10**3, 40.0), ("c", 10**9, 80.0)]
    middle = [("b", 10**4, 60.0), ("b", 10**7, 60.0)]
    hint = (
        "Where do 10⁴ and 10⁷ lie between 10³ and 10⁹ on your axis? Which way do parameters go, and which is its scale?"
    )
    # Measured: 0.44 with matplotlib's own margins, 0.27 with a quarter on each side; linear 0.03 to 0.05.
    check_reach(submission, ends, middle, 1, least=0.15, along="width", hint=hint)


@pytest.mark.task(5)
def test_accuracies_go_upwards(submission):
    """A model that is better stands higher: from 20 to 80 % is more than half of the way from 0 to 100 %."""
    ends = [("a", 10**3, 0.0), ("c", 10**5, 100.0)]
    middle = [("b", 10**4, 20.0), ("b", 10**4, 80.0)]
    hint = "Which way do accuracies go? Where do 20 and 80 lie between 0 and 100?"
    check_reach(submission, ends, middle, 0, least=0.2, along="height", hint=hint)


@pytest.mark.task(5)
def test_the_published_models_are_the_default(submission):
    """None stands for the four published models, with these names, parameters and accuracies."""
    changed = [("VGG16", 14_728_266, 92.64), ("ResNet18", 11_173_962, 93.9), *PUBLISHED[2:]]
    call = PLOT.format("path") + ", for rows = None, for the four published models, and for other ones"
    default, published, other = charts_of(submission, [None, PUBLISHED, changed], call)
    hint = "Which rows are drawn for None? They are in the lesson: four names with their parameters and accuracies."
    got = "another picture for None than for the published rows"
    check(same_picture(default, published), expected="the same picture", got=got, hint=hint)
    hint = "Are the rows that are given drawn, or always the published ones?"
    check(not same_picture(other, published), expected="another picture for other rows", got="the same", hint=hint)


@pytest.mark.task(5)
def test_it_can_be_called_with_nothing_at_all(submission):
    """Without arguments the published models are drawn into accuracy_vs_parameters.png, where the program runs."""
    call = "plot_accuracy_vs_parameters()"
    charts_of(submission, ["nothing at all"], call, name="accuracy_vs_parameters.png")


@pytest.mark.task(5)
def test_a_png_at_exactly_the_path(submission):
    """The path is a str or a Path, with any suffix or none: there is the PNG, in place of what was there before."""
    for name, as_path, existing in (("chart", False, False), ("chart.jpg", True, True)):
        call = PLOT.format(f"Path('{name}')" if as_path else f"'{name}'")
        call += ", where there is a file already" if existing else ""
        charts_of(submission, [MODELS], call, name, as_path, existing)


@pytest.mark.task(5)
def test_the_same_rows_are_the_same_picture(submission):
    """Whatever was drawn before, equal rows give equal pictures: nothing of an old chart is left."""
    call = PLOT.format("path") + ", other rows, and then the first ones again"
    first, _, again = charts_of(submission, [MODELS, PUBLISHED, MODELS], call)
    changed = int((first != again).any(2).sum()) if first.shape == again.shape else 0
    got = f"a picture in which {changed} pixels differ" if changed else "a picture of another size"
    hint = "Look at the second chart that you draw. Are the points of the first one still there? Who cleans up?"
    check(same_picture(first, again), expected="the same picture for the same rows", got=got, hint=hint)


@pytest.mark.task(5)
def test_one_model_or_many(submission):
    """A chart of one model, and one of twenty, can be drawn too."""
    many = [(f"model {number}", 1000 * 2**number, 50.0 + 2 * (7 * number % 20)) for number in range(20)]
    charts_of(submission, [[("tiny", 1, 10.0)], many], PLOT.format("path") + ", for 1 model and for 20")
