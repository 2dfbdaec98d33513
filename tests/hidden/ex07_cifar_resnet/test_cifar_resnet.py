"""Hidden suite of exercise 7.

What a block and a net give is worked out by the judge, with torch.nn.functional in float64, from a random state that a
driver copies into the student's module in the order of its parameters and buffers. `train` is watched through modules
that record what they are fed, and its accuracy is counted by the judge on images whose labels the worker never gets.
"""

import math
from itertools import zip_longest
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_equal, check_tensor, grading_device, show
from grader.datasets import find_cifar10
from grader.remote import on_cpu

SECONDS = 10  # for a call that trains no net; a training may take the exercise's whole test_seconds

# ---------------------------------------------------------------------------------------------------------------------
# The judge's own net
# ---------------------------------------------------------------------------------------------------------------------

Shapes = dict[str, list[int]]


class State(NamedTuple):
    """Parameters and buffers by name, each in the order in which they are registered."""

    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]


class Layout(NamedTuple):
    """The shapes of a state."""

    parameters: Shapes
    buffers: Shapes


class Block(NamedTuple):
    """One block of a net: what its names begin with, and its channels and stride."""

    prefix: str
    inside: int
    outside: int
    stride: int

    @property
    def convolutions(self) -> Shapes:
        """Names and shapes, in order. A BN follows each."""
        rows = {"conv1": [self.outside, self.inside, 3, 3], "conv2": [self.outside, self.outside, 3, 3]}
        if self.stride != 1 or self.inside != self.outside:
            rows["shortcut's conv"] = [self.outside, self.inside, 1, 1]
        return {self.prefix + name: shape for name, shape in rows.items()}


class Net(NamedTuple):
    """The arguments of a ResNet."""

    blocks: list[int]
    width: int = 64
    num_classes: int = 10
    in_channels: int = 3

    def stages(self) -> list[Block]:
        rows, channels = [], self.width
        for stage, count in enumerate(self.blocks):
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                rows.append(Block(f"stage {stage}, block {number}: ", channels, self.width * 2**stage, stride))
                channels = self.width * 2**stage
        return rows

    def layout(self) -> Layout:
        convolutions = {"stem's conv": [self.width, self.in_channels, 3, 3]}
        for block in self.stages():
            convolutions |= block.convolutions
        return layout(convolutions, [self.num_classes, self.width * 2 ** (len(self.blocks) - 1)])

    def __str__(self) -> str:
        return f"ResNet({self.blocks}, {self.width}, {self.num_classes}, {self.in_channels})"


def layout(convolutions: Shapes, linear: list[int] | None = None) -> Layout:
    shapes = Layout({}, {})
    for name, shape in convolutions.items():
        norm = name.replace("conv", "bn")
        shapes.parameters.update({f"{name}.weight": shape, f"{norm}.weight": shape[:1], f"{norm}.bias": shape[:1]})
        shapes.buffers.update({f"{norm}.running_mean": shape[:1], f"{norm}.running_var": shape[:1]})
        shapes.buffers[f"{norm}.num_batches_tracked"] = []
    if linear is not None:
        shapes.parameters.update({"linear.weight": linear, "linear.bias": linear[:1]})
    return shapes


def random_state(rng: torch.Generator, shapes: Layout) -> State:
    """No value is its layer's default, and no two are alike."""
    state = State({}, {})
    for name, shape in shapes.parameters.items():
        values = torch.randn(shape, generator=rng)
        if len(shape) > 1:
            state.parameters[name] = values * (2 / math.prod(shape[1:])) ** 0.5
        else:
            state.parameters[name] = 0.3 * values + (1 if name.endswith("weight") else 0)
    for name, shape in shapes.buffers.items():
        values = 0.3 * torch.randn(shape, generator=rng)
        state.buffers[name] = values.exp() if name.endswith("var") else values
        if name.endswith("tracked"):
            state.buffers[name] = torch.tensor(7)
    return state


class Reference:
    """What a state gives, in float64. `margin` is how near a ReLU came to its kink."""

    def __init__(self, state: State, training: bool = False) -> None:
        self.values = {name: value.double() for name, value in (state.parameters | state.buffers).items()}
        self.training = training
        self.margin = math.inf

    def leaves(self, state: State) -> list[Tensor]:
        """The parameters, made ready for gradients."""
        return [self.values[name].requires_grad_() for name in state.parameters]

    def block(self, x: Tensor, block: Block) -> Tensor:
        names = list(block.convolutions)
        out = self._relu(self._conv_bn(x, names[0], block.stride))
        out = self._conv_bn(out, names[1], 1)
        if len(names) == 3:
            x = self._conv_bn(x, names[2], block.stride)
        return self._relu(out + x)

    def net(self, x: Tensor, net: Net) -> Tensor:
        x = self._relu(self._conv_bn(x, "stem's conv", 1))
        for block in net.stages():
            x = self.block(x, block)
        return F.linear(x.mean((2, 3)), self.values["linear.weight"], self.values["linear.bias"])

    def _conv_bn(self, x: Tensor, name: str, stride: int) -> Tensor:
        weight, norm = self.values[f"{name}.weight"], name.replace("conv", "bn")
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var = (None if self.training else self.values[f"{norm}.running_{kind}"] for kind in ("mean", "var"))
        return F.batch_norm(x, mean, var, self.values[f"{norm}.weight"], self.values[f"{norm}.bias"], self.training)

    def _relu(self, x: Tensor) -> Tensor:
        self.margin = min(self.margin, x.detach().abs().min().item())
        return x.relu()


# ---------------------------------------------------------------------------------------------------------------------
# The student's module beside it
# ---------------------------------------------------------------------------------------------------------------------


def run_module(sub, name, arguments, keywords, parameters, buffers, x, training, slope):
    import torch

    torch.backends.cudnn.allow_tf32 = False  # on a GPU: float32, not three digits of it
    module = getattr(sub, name)(*arguments, **keywords).to(x.device)
    own = {"parameters": dict(module.named_parameters()), "buffers": dict(module.named_buffers())}
    given = [*parameters, *buffers]
    mine = [*own["parameters"].values(), *own["buffers"].values()]
    report = {kind: [[name, list(value.shape)] for name, value in values.items()] for kind, values in own.items()}
    if [value.shape for value in mine] == [value.shape for value in given]:
        with torch.no_grad():
            for value, new in zip(mine, given, strict=True):
                value.copy_(new)
        module.train(training)
        x.requires_grad_(slope is not None)
        report["out"] = module(x)
        report["x"] = x.detach()
        if slope is not None:
            report["out"].backward(slope)
            report["gradients"] = [x.grad, *(value.grad for value in module.parameters())]
    return report


def look_at_module(sub, name, arguments, keywords):
    module = getattr(sub, name)(*arguments, **keywords)
    return {
        "parameters": [[name, list(value.shape)] for name, value in module.named_parameters()],
        "buffers": [[name, list(value.shape)] for name, value in module.named_buffers()],
    }


def check_layout(got: dict, expected: Layout | State) -> None:
    """The first parameter or buffer that is not the one that is due, by its shape."""
    for kind, due in (("parameter", expected.parameters), ("buffer", expected.buffers)):
        shapes = [(name, list(value.shape) if isinstance(value, Tensor) else value) for name, value in due.items()]
        for place, (mine, (name, shape)) in enumerate(zip_longest(got[f"{kind}s"], shapes, fillvalue=("", None)), 1):
            hint = "Registered are layers in the order in which they are assigned to self. Is one missing, or too many?"
            if mine[1] is not None and shape is not None and len(mine[1]) == 1 and len(shape) > 1:
                hint = "Right after a convolution comes its BN. Does a convolution have a bias, or is a BN too many?"
            elif mine[1] is not None and shape is not None and len(mine[1]) == len(shape):
                hint = (
                    "Another layer's turn, or this one with other sizes? What decides its channels and its kernel here?"
                )
            check(
                mine[1] == shape,
                expected=f"{kind} {place} of {len(shapes)}: {name} {shape}"
                if shape is not None
                else f"no more {kind}s",
                got=f"'{mine[0]}' {mine[1]}" if mine[1] is not None else f"no more {kind}s",
                hint=hint,
            )


# Measured on the reference on a CPU: outputs are off by at most 3e-6, gradients by at most 2e-6. A wrong layer changes
# them by a tenth and more.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def ask(submission, name, arguments, keywords, state, x, *, call, training=False, slope=None, note=""):
    values = list(state.parameters.values()), list(state.buffers.values())
    mode = "training" if training else "evaluation"
    call = f"{call}(x of shape {list(x.shape)}), in {mode} mode{note}"
    got = submission.run(run_module, name, arguments, keywords, *values, x, training, slope, call=call, timeout=SECONDS)
    check_layout(got, state)
    return got


def ask_block(submission, block: Block, state, x, **options):
    arguments, keywords, call = block_call(block)
    return ask(submission, "BasicBlock", arguments, keywords, state, x, call=call, **options)


def block_call(block: Block):
    """By position where the stride is even, by keyword where it is odd, left out where it is 1."""
    channels = [block.inside, block.outside]
    if block.stride == 1:
        return channels, {}, f"BasicBlock({block.inside}, {block.outside})"
    if block.stride % 2:
        return channels, {"stride": block.stride}, f"BasicBlock({block.inside}, {block.outside}, stride={block.stride})"
    return [*channels, block.stride], {}, f"BasicBlock({block.inside}, {block.outside}, {block.stride})"


def ask_net(submission, net: Net, state, x, **options):
    return ask(submission, "ResNet", list(net), {}, state, x, call=str(net), **options)


def draw(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng)


def check_values(got: Tensor, expected: Tensor, **options) -> None:
    """For a tensor that the judge has put together from others that came."""
    got = got.clone()
    got.worker_device = grading_device.get()
    check_tensor(got, expected, **options)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: BasicBlock
# ---------------------------------------------------------------------------------------------------------------------

BLOCKS = [  # with the height and width of an image
    pytest.param(Block("", 4, 4, 1), (5, 7), id="identity"),
    pytest.param(Block("", 3, 5, 1), (6, 5), id="other channels"),
    pytest.param(Block("", 4, 4, 2), (5, 8), id="stride"),
    pytest.param(Block("", 3, 6, 2), (7, 5), id="other channels and stride"),
    pytest.param(Block("", 5, 3, 3), (7, 9), id="fewer channels and stride 3"),
]


@pytest.mark.task(1)
@pytest.mark.parametrize(("block", "size"), BLOCKS)
def test_the_layers_of_a_block_and_their_order(submission, block, size):
    """conv1, bn1, conv2, bn2, then the shortcut's convolution and BN where there are any; no bias before a BN."""
    arguments, keywords, call = block_call(block)
    got = submission.run(look_at_module, "BasicBlock", arguments, keywords, call=call, timeout=SECONDS)
    check_layout(got, layout(block.convolutions))


@pytest.mark.task(1)
def test_the_shortcut_carries_the_input_as_it_came(submission, rng):
    """Where f(x) is a constant c, a block with an identity shortcut gives relu(c + x), also where x is negative."""
    block, x = Block("", 4, 4, 1), draw(rng, 2, 4, 5, 7)
    state = random_state(rng, layout(block.convolutions))
    constant = 0.5 + torch.rand(4, generator=rng)
    state.parameters["bn2.weight"] = torch.zeros(4)  # the BN forgets what it gets, and gives its bias
    state.parameters["bn2.bias"] = constant
    expected = (constant[:, None, None] + x).relu()
    got = ask_block(submission, block, state, x, note=", with bn2.weight = 0")
    hint = "bn2 gives a positive constant here, so you see the shortcut alone. What happened to x on its way?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(1)
def test_the_last_relu_comes_after_the_addition(submission, rng):
    """Where f(x) is a negative constant, it lowers what the shortcut brings: the sum is cut at 0, not its parts."""
    block, x = Block("", 3, 3, 1), 2 * draw(rng, 3, 3, 4, 5)
    state = random_state(rng, layout(block.convolutions))
    constant = -0.5 - torch.rand(3, generator=rng)
    state.parameters["bn2.weight"] = torch.zeros(3)
    state.parameters["bn2.bias"] = constant
    expected = (constant[:, None, None] + x).relu()
    got = ask_block(submission, block, state, x, note=", with bn2.weight = 0")
    hint = (
        "bn2 gives a negative constant here. Does anything cut it off before it reaches the sum, or nothing after it?"
    )
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize(("block", "size"), BLOCKS)
def test_what_a_block_gives(submission, rng, block, size):
    """In evaluation mode, for strides and channels of all kinds, and images of any height and width."""
    state, x = random_state(rng, layout(block.convolutions)), draw(rng, 2, block.inside, *size)
    expected = Reference(state).block(x.double(), block).float()
    got = ask_block(submission, block, state, x)
    hint = "Follow x along both ways, layer by layer. Which convolution has the stride, and where do the ReLUs stand?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize(("block", "size"), [BLOCKS[0], BLOCKS[3]])
def test_what_a_block_gives_in_training_mode(submission, rng, block, size):
    """In training mode each BN uses its batch's own mean and variance, the shortcut's too."""
    state, x = random_state(rng, layout(block.convolutions)), draw(rng, 4, block.inside, *size)
    expected = Reference(state, training=True).block(x.double(), block).float()
    got = ask_block(submission, block, state, x, training=True)
    hint = (
        "In evaluation mode too? If it is right there: which BN does not follow the block's mode, or stands elsewhere?"
    )
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("block", [Block("", 2, 2, 1), Block("", 2, 3, 2)], ids=["identity", "projection"])
def test_gradients_flow_both_ways_through_a_block(submission, rng, block):
    """The gradients of the input and of all parameters are those of the formula."""
    state = random_state(rng, layout(block.convolutions))
    while True:  # a ReLU near its kink has another slope in float32 than in float64
        x, reference = draw(rng, 2, 2, 3, 4), Reference(state)
        leaves = [x.double().requires_grad_(), *reference.leaves(state)]
        out = reference.block(leaves[0], block)
        if reference.margin > 1e-4:
            break
    slope = draw(rng, *out.shape)
    expected = torch.autograd.grad(out, leaves, slope.double())
    got = ask_block(submission, block, state, x, slope=slope)
    hint = "Gradients go back the way that the values came. Which step does autograd not see, or see otherwise?"
    for name, mine, due in zip(["the input", *state.parameters], got["gradients"], expected, strict=True):
        check_tensor(mine, due.float(), **CLOSE, what=f"the gradient of {name}", hint=hint)


@pytest.mark.task(1)
@pytest.mark.parametrize("block", [Block("", 3, 3, 1), Block("", 3, 4, 1)], ids=["identity", "projection"])
def test_a_block_leaves_its_input_as_it_is(submission, rng, block):
    """The input is not changed in place: somebody else may still need it."""
    state, x = random_state(rng, layout(block.convolutions)), draw(rng, 2, 3, 4, 5)
    got = ask_block(submission, block, state, x)
    hint = "Somebody else may hold x. Which of your layers or statements write into the tensor that they are given?"
    check_tensor(got["x"], x, rtol=0.0, atol=0.0, what="x afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: ResNet
# ---------------------------------------------------------------------------------------------------------------------

NETS = [
    pytest.param(Net([1], 3, 4, 3), (2, 5, 7), id="one stage"),
    pytest.param(Net([1, 1], 4, 5, 2), (2, 8, 6), id="two stages"),
    pytest.param(Net([2, 1, 3], 2, 7, 1), (2, 9, 6), id="three stages of several blocks"),
    pytest.param(Net([1, 2, 1, 1], 2, 3, 3), (1, 12, 17), id="four stages"),
]


@pytest.mark.task(2)
@pytest.mark.parametrize("net", [case.values[0] for case in NETS], ids=str)
def test_the_layers_of_a_net_and_their_order(submission, net):
    """Stem, stages, linear; stage i has width · 2^i channels, and shortcuts have layers only where they must."""
    got = submission.run(look_at_module, "ResNet", list(net), {}, call=str(net), timeout=SECONDS)
    check_layout(got, net.layout())


@pytest.mark.task(2)
def test_width_classes_and_channels_have_defaults(submission):
    """ResNet([1]) has width 64, ten classes, three channels in; each can be given by name."""
    got = submission.run(look_at_module, "ResNet", [[1]], {}, call="ResNet([1])", timeout=SECONDS)
    check_layout(got, Net([1]).layout())
    named = {"in_channels": 1, "num_classes": 7, "width": 2}
    call = "ResNet([1], in_channels=1, num_classes=7, width=2)"
    got = submission.run(look_at_module, "ResNet", [[1]], named, call=call, timeout=SECONDS)
    check_layout(got, Net([1], 2, 7, 1).layout())


@pytest.mark.task(2)
def test_logits_come_out_as_they_are(submission, rng):
    """Where the linear layer gives its bias alone, the bias is the output: no softmax follows."""
    net, x = Net([1], 2, 5, 3), draw(rng, 3, 3, 4, 5)
    state = random_state(rng, net.layout())
    state.parameters["linear.weight"] = torch.zeros(5, 2)
    state.parameters["linear.bias"] = 3 * draw(rng, 5)
    got = ask_net(submission, net, state, x)
    hint = "The last layer's numbers are the logits. What do you do to them, and does the loss not do it already?"
    check_tensor(got["out"], state.parameters["linear.bias"].expand(3, 5), **CLOSE, hint=hint)


def plain_state(rng: torch.Generator, net: Net) -> State:
    """The stem hands its input through, the only block adds nothing, and each logit is the mean of a channel."""
    state = random_state(rng, net.layout())
    channels = torch.arange(net.width)
    stem = torch.zeros(net.width, net.width, 3, 3)
    stem[channels, channels, 1, 1] = 1
    state.parameters.update({"stem's conv.weight": stem, "linear.weight": torch.eye(net.width)})
    for name in ("stem's bn", "stage 0, block 0: bn2"):
        ones = torch.ones(net.width)
        state.parameters.update({f"{name}.weight": ones, f"{name}.bias": 0 * ones})
        state.buffers.update({f"{name}.running_mean": 0 * ones, f"{name}.running_var": ones})
    state.parameters.update({"linear.bias": torch.zeros(net.width), "stage 0, block 0: bn2.weight": 0 * ones})
    return state


@pytest.mark.task(2)
def test_the_stem_keeps_every_pixel(submission, rng):
    """With layers that hand everything through, a logit is the mean of a channel's positive part, over all pixels."""
    net, x = Net([1], 3, 3, 3), draw(rng, 2, 3, 7, 10)
    expected = x.relu().mean((2, 3))
    got = ask_net(submission, net, plain_state(rng, net), x)
    hint = "Every pixel is to count, and to count once. Is there a max-pool, a stride, or a pool of a fixed size?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(2)
@pytest.mark.parametrize(("net", "size"), NETS)
def test_what_a_net_gives(submission, rng, net, size):
    """In evaluation mode, for one to four stages, and images of any height and width, in any batch."""
    batch, height, width = size
    state, x = random_state(rng, net.layout()), draw(rng, batch, net.in_channels, height, width)
    expected = Reference(state).net(x.double(), net).float()
    got = ask_net(submission, net, state, x)
    hint = "Print the shape after the stem and after each stage. Which block has the stride, and how large is the pool?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(2)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (32, 32)], ids=str)
def test_images_of_any_size_will_do(submission, rng, size):
    """The pool takes the mean over whatever height and width are left, be it a single pixel."""
    net = Net([1, 1, 1], 2, 3, 3)
    state, x = random_state(rng, net.layout()), draw(rng, 1, 3, *size)
    expected = Reference(state).net(x.double(), net).float()
    got = ask_net(submission, net, state, x)
    hint = "What does your pooling assume about the height and width of its input?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(2)
def test_what_a_net_gives_in_training_mode(submission, rng):
    """In training mode each BN uses its batch's own mean and variance, the stem's too."""
    net = Net([1, 2], 3, 5, 3)
    state, x = random_state(rng, net.layout()), draw(rng, 4, 3, 9, 7)
    expected = Reference(state, training=True).net(x.double(), net).float()
    got = ask_net(submission, net, state, x, training=True)
    hint = "In evaluation mode too? If it is right there: which BN does not follow the net's mode?"
    check_tensor(got["out"], expected, **CLOSE, hint=hint)


@pytest.mark.task(2)
def test_gradients_reach_every_parameter(submission, rng):
    """From the logits back to the stem, each parameter's gradient is that of the formula."""
    net = Net([1, 1], 2, 3, 1)
    state = random_state(rng, net.layout())
    while True:  # see test_gradients_flow_both_ways_through_a_block
        x, reference = draw(rng, 2, 1, 3, 4), Reference(state)
        leaves = [x.double().requires_grad_(), *reference.leaves(state)]
        out = reference.net(leaves[0], net)
        if reference.margin > 1e-4:
            break
    slope = draw(rng, *out.shape)
    expected = torch.autograd.grad(out, leaves, slope.double())
    got = ask_net(submission, net, state, x, slope=slope)
    hint = "Gradients go back the way that the values came. Which step does autograd not see, or see otherwise?"
    for name, mine, due in zip(["the input", *state.parameters], got["gradients"], expected, strict=True):
        check_tensor(mine, due.float(), **CLOSE, what=f"the gradient of {name}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: resnet18
# ---------------------------------------------------------------------------------------------------------------------

RESNET18 = Net([2, 2, 2, 2])


@pytest.mark.task(3)
def test_resnet18_has_its_parameters(submission):
    """resnet18() has 11,173,962 parameters: eight blocks, from 64 to 512 channels, and ten classes."""
    got = submission.run(look_at_module, "resnet18", [], {}, call="resnet18()", timeout=SECONDS)
    check_layout(got, RESNET18.layout())
    count = sum(math.prod(shape) for _, shape in got["parameters"])
    check_equal(
        count,
        11_173_962,
        what="the number of parameters",
        hint="Which layer has more or fewer weights than in the README's table?",
    )


@pytest.mark.task(3)
def test_resnet18_takes_the_number_of_classes(submission):
    """resnet18(num_classes=17) differs in its last layer alone."""
    call = "resnet18(num_classes=17)"
    got = submission.run(look_at_module, "resnet18", [], {"num_classes": 17}, call=call, timeout=SECONDS)
    check_layout(got, RESNET18._replace(num_classes=17).layout())


def run_resnet18(sub, base, x):
    import torch

    torch.backends.cudnn.allow_tf32 = False
    net = sub.resnet18(4).to(x.device).eval()
    values = [*net.parameters(), *(buffer for buffer in net.buffers() if buffer.dim())]
    with torch.no_grad():
        for place, value in enumerate(values):
            copies = -(-value.numel() // len(base))
            numbers = base.roll(place).repeat(copies)[: value.numel()].reshape(value.shape)
            if value.dim() > 1:
                value.copy_(numbers * (2 / value[0].numel()) ** 0.5)
            else:
                value.copy_(1 + 0.2 * numbers.tanh())
        return {"sizes": [list(value.shape) for value in values], "out": net(x)}


@pytest.mark.task(3)
def test_what_resnet18_gives(submission, rng):
    """The logits of one small image, with numbers that repeat in place of eleven million random ones."""
    net = RESNET18._replace(num_classes=4)
    base, x = draw(rng, 9973), draw(rng, 1, 3, 5, 8)
    shapes, state = net.layout(), State({}, {})
    places = {**shapes.parameters, **{name: shape for name, shape in shapes.buffers.items() if shape}}
    for place, (name, shape) in enumerate(places.items()):
        copies = -(-math.prod(shape) // len(base))
        numbers = base.double().roll(place).repeat(copies)[: math.prod(shape)].reshape(shape)
        numbers = numbers * (2 / math.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 1 + 0.2 * numbers.tanh()
        state.parameters[name] = numbers
    expected = Reference(state).net(x.double(), net).float()
    call = "resnet18(4)(x of shape [1, 3, 5, 8]), in evaluation mode"
    got = submission.run(run_resnet18, base, x, call=call, timeout=SECONDS)
    hint = "The parts are graded on their own. What does resnet18 hand to them?"
    check_equal(got["sizes"], list(places.values()), what="the shapes of parameters and buffers", hint=hint)
    check_tensor(got["out"], expected, rtol=1e-3, atol=1e-3, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: train, watched through modules that keep what they are fed
#
# The images tell where each of their pixels lay: the first channel holds its row, the second its column, the third the
# number of the image, and the rest of each byte is random.
# ---------------------------------------------------------------------------------------------------------------------

CLASSES = 10
LEVELS = (7, 7, 5)  # grey levels from one row, column and image to the next
CENTRE = 16  # a crop moves it by at most 4 pixels, so that it always shows something of the image


def coded_images(rng: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
    """uint8 images [count, 3, 32, 32] and labels [count]."""
    rows, columns, numbers = torch.arange(32)[:, None], torch.arange(32), torch.arange(count)[:, None, None]
    codes = torch.stack([code.expand(count, 32, 32) for code in (rows, columns, numbers)], dim=1)  # [N, 3, 32, 32]
    levels = torch.tensor(LEVELS)[:, None, None]
    noise = (levels * torch.rand(codes.shape, generator=rng)).long()
    return (levels * codes + noise.minimum(levels - 1)).to(torch.uint8), torch.randint(CLASSES, (count,), generator=rng)


def record_training(sub, anchor, images, labels, settings, level):
    """The model is a table of logits, a row for each image. Kept is what it is fed while a graph is built."""
    import torch
    from torch import nn

    fed, modes = [], []

    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.zeros(len(images), 10))
            self.child = nn.Identity()

        def forward(self, x):
            if torch.is_grad_enabled():
                fed.append(x.detach().clone())
                modes.append([module.training for module in self.modules()])
            numbers = torch.zeros(len(x), dtype=torch.long, device=x.device)
            if x.shape[1:] == (3, 32, 32):
                numbers = (x[:, 2, 16, 16] * 255 / level + 1e-3).long().clamp(0, len(images) - 1)
            return self.table[numbers]

    trained = sub.train(Recorder().eval(), images, labels, **settings, device=anchor.device)
    if not isinstance(trained, nn.Module):
        return {"returned": trained}
    table = next(trained.parameters()).detach()
    return {"fed": fed, "modes": modes, "table": table, "images": images, "labels": labels}


class Watched(NamedTuple):
    """What a training fed to its model, and what it left."""

    fed: Tensor  # [epochs · N, 3, 32, 32]
    numbers: Tensor  # [epochs, N], which image it was
    sizes: list[int]  # of the batches
    got: dict


RETURNED = "The caller wants the net that was trained. What does train give back, on every way through it?"


def train_call(settings: dict, count: int) -> str:
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f"train(model, images, labels, {text}, device=device), with {count} images"


def watch(submission, images: Tensor, labels: Tensor, **settings) -> Watched:
    """Runs a training, and checks what every test builds on: a module back, and as many images as are due."""
    settings = {"epochs": 1, "lr": 0.1, "batch_size": 4} | settings
    anchor, level = torch.zeros(()), LEVELS[2]  # images and labels lie on the CPU, the device may be another
    arguments = anchor, on_cpu(images), on_cpu(labels), settings, level
    call = train_call(settings, len(images))
    got = submission.run(record_training, *arguments, call=call, timeout=SECONDS)
    returned = "returned" in got
    check(not returned, expected="the trained nn.Module", got=show(got.get("returned")), hint=RETURNED)
    for x in got["fed"]:
        right = x.dtype == torch.float32 and x.shape[1:] == (3, 32, 32)
        hint = "The model is fed uint8 / 255, [B, 3, 32, 32]. Which step gives the images another type or shape?"
        shown = f"{list(x.shape)}, {str(x.dtype).removeprefix('torch.')}"
        check(right, expected="batches of shape [B, 3, 32, 32], float32", got=f"a batch of shape {shown}", hint=hint)
    fed, due = torch.cat([torch.zeros(0, 3, 32, 32), *got["fed"]]), settings["epochs"] * len(images)
    check(
        len(fed) == due,
        expected=f"{settings['epochs']} epochs of {len(images)} images: {due} images in all",
        got=f"{len(fed)} images, in batches of {[len(x) for x in got['fed']]}"[:120],
        hint="Count the images that the model sees. Is the last batch of an epoch there, and the last epoch?",
    )
    numbers = (fed[:, 2, CENTRE, CENTRE] * 255 / level + 1e-3).long()
    return Watched(fed, numbers.reshape(settings["epochs"], len(images)), [len(x) for x in got["fed"]], got)


@pytest.mark.task(4)
def test_images_are_fed_as_floats_from_0_to_1(submission, rng):
    """Without augmentation the model is fed each image as it is, float32, uint8 / 255, and nothing else."""
    images, labels = coded_images(rng, 11)
    watched = watch(submission, images, labels, epochs=2, augment=False)
    expected = images.float() / 255
    for epoch, order in enumerate(watched.numbers, start=1):
        fed = watched.fed.split(len(images))[epoch - 1]
        hint = "Look at the smallest and largest number that the model gets, then at one image. Which steps touched it?"
        numbers = order.clamp(0, len(images) - 1)
        check_values(fed, expected[numbers], rtol=1e-5, atol=1e-6, what=f"the images of epoch {epoch}", hint=hint)


@pytest.mark.task(4)
def test_every_epoch_goes_over_every_image_once(submission, rng):
    """Each epoch feeds all images, none twice: also when the last batch is a small one."""
    images, labels = coded_images(rng, 13)
    watched = watch(submission, images, labels, epochs=3, batch_size=5, augment=False)
    hint = "Write down which images one epoch takes. Which of them come twice, and which never?"
    for epoch, order in enumerate(watched.numbers, start=1):
        check_equal(sorted(order.tolist()), list(range(13)), what=f"the images of epoch {epoch}", hint=hint)


@pytest.mark.task(4)
def test_every_epoch_has_an_order_of_its_own(submission, rng):
    """The images are shuffled before each epoch, the first one too."""
    images, labels = coded_images(rng, 29)
    watched = watch(submission, images, labels, epochs=4, batch_size=10, augment=False)
    orders = [list(range(29)), *watched.numbers.tolist()]
    names = ["that they were given in", *(f"of epoch {epoch}" for epoch in range(1, 5))]
    for later in range(1, 5):
        same = [name for name, order in zip(names[:later], orders, strict=False) if order == orders[later]]
        hint = "When is the order drawn: not at all, once, or for each epoch?"
        check(
            not same,
            expected=f"an order of its own for epoch {later}",
            got=f"the order {' '.join(same[:1])}",
            hint=hint,
        )


@pytest.mark.task(4)
@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(13, 5, [5, 5, 3]), (12, 4, [4, 4, 4]), (7, 20, [7])],
    ids=["smaller last batch", "whole batches", "one batch"],
)
def test_batches_have_the_size_that_is_asked_for(submission, rng, count, batch_size, sizes):
    """Batches of batch_size images, and what is left in the last one."""
    images, labels = coded_images(rng, count)
    watched = watch(submission, images, labels, epochs=2, batch_size=batch_size, augment=False)
    hint = "How many batches does an epoch have, and how large is the last one?"
    check_equal(watched.sizes, sizes * 2, what="the sizes of the batches", hint=hint)


@pytest.mark.task(4)
def test_training_is_done_in_training_mode(submission, rng):
    """A model that comes in evaluation mode is trained in training mode, with all of its layers."""
    images, labels = coded_images(rng, 9)
    watched = watch(submission, images, labels, epochs=2, augment=False)
    hint = "BatchNorm learns its statistics in training mode only. Who switches it on?"
    check_equal(
        watched.got["modes"],
        [[True, True]] * 6,
        what="the training flags of the model and a layer in it, batch by batch",
        hint=hint,
    )


@pytest.mark.task(4)
@pytest.mark.parametrize("augment", [False, True])
def test_images_and_labels_are_left_as_they_are(submission, rng, augment):
    """What was given to train is unchanged afterwards, and can be trained on again."""
    images, labels = coded_images(rng, 9)
    got = watch(submission, images, labels, epochs=2, augment=augment).got
    hint = "Which statement writes into the tensors that were given, instead of making new ones?"
    check(torch.equal(got["images"], images), expected="the images unchanged", got="changed images", hint=hint)
    check(torch.equal(got["labels"], labels), expected="the labels unchanged", got="changed labels", hint=hint)


# Augmentation


class Views(NamedTuple):
    """How each fed image was cut out: by how many rows and columns it is moved, whether it is flipped."""

    rows: Tensor
    columns: Tensor
    flipped: Tensor


def views_of(watched: Watched, images: Tensor) -> Views:
    """Checks that each fed image is a crop of the padded image, perhaps flipped, whatever the padding holds."""
    fed, numbers = watched.fed, watched.numbers.flatten().clamp(0, len(images) - 1)
    codes = (fed[:, :2, CENTRE, CENTRE - 1 : CENTRE + 1] * 255 / LEVELS[0] + 1e-3).floor().long()  # [n, 2, 2]
    flipped = codes[:, 1, 0] > codes[:, 1, 1]
    rows, columns = codes[:, 0, 1] - CENTRE, codes[:, 1, 1] - torch.where(flipped, 31 - CENTRE, CENTRE)
    lines = torch.arange(32)
    above = lines + rows[:, None]  # [n, 32], where each row came from
    beside = torch.where(flipped[:, None], lines.flip(0), lines) + columns[:, None]
    inside = ((above >= 0) & (above < 32))[:, :, None] & ((beside >= 0) & (beside < 32))[:, None]
    source = images[numbers[:, None, None], :, above.clamp(0, 31)[:, :, None], beside.clamp(0, 31)[:, None]]
    off = (fed - source.permute(0, 3, 1, 2) / 255).abs().amax(1) * inside  # [n, 32, 32]
    far = (rows.abs() > 4) | (columns.abs() > 4)
    wrong = far | (off.amax((1, 2)) > 1e-3)  # a grey level is 4e-3
    share = f"something else, {int(wrong.sum())} times of {len(fed)}"
    hint = "Save one augmented image as a picture and look at it, beside the original. What happened to it?"
    check(not wrong.any(), expected="crops of the padded images, perhaps flipped left to right", got=share, hint=hint)
    within = bool(((fed >= 0) & (fed <= 1)).all())
    low, high = fed.min().item(), fed.max().item()
    hint = "What does the padding hold, and is it padded before or after the division?"
    check(
        within, expected="values in 0 to 1, in the padding too", got=f"values from {low:.3g} to {high:.3g}", hint=hint
    )
    return Views(rows, columns, flipped)


OFTEN = {"epochs": 32, "batch_size": 4}  # 20 images: 160 batches, should one draw serve a whole batch


@pytest.mark.task(4)
def test_augmentation_shows_crops_of_the_padded_images(submission, rng):
    """With augmentation, every image is a 32×32 window of the image padded by 4, upright, and the colours stay."""
    images, labels = coded_images(rng, 20)
    watched = watch(submission, images, labels, epochs=8, augment=True)
    views_of(watched, images)
    for epoch, order in enumerate(watched.numbers, start=1):
        hint = (
            "Which images does this epoch show twice, and which not at all? Each is to come once, in one of its views."
        )
        check_equal(sorted(order.tolist()), list(range(20)), what=f"the images of epoch {epoch}", hint=hint)


@pytest.mark.task(4)
def test_augmentation_draws_every_shift_and_both_flips(submission, rng):
    """Shifts of −4 to 4 rows and −4 to 4 columns occur, in all mixtures, and flipped images as well as others."""
    images, labels = coded_images(rng, 20)
    rows, columns, flipped = views_of(watch(submission, images, labels, **OFTEN, augment=True), images)
    for name, shifts in (("rows", rows), ("columns", columns)):
        hint = "With 4 pixels on each side, in how many places can a window of 32 pixels begin?"
        check_equal(sorted(set(shifts.tolist())), list(range(-4, 5)), what=f"the shifts in {name}", hint=hint)
    pairs = len(set(zip(rows.tolist(), columns.tolist(), strict=True)))
    hint = "Do all images shift alike, or rows and columns together? What is drawn, how often, and for whom?"
    check(pairs > 40, expected="nearly all of 81 pairs of shifts", got=f"{pairs} different pairs", hint=hint)
    share = flipped.double().mean().item()
    hint = "By what chance is an image flipped, and along which dimension?"
    check(0.1 < share < 0.9, expected="about half of the images flipped", got=f"{100 * share:.0f} %", hint=hint)


@pytest.mark.task(4)
def test_augmentation_is_drawn_anew_in_every_epoch(submission, rng):
    """An image comes in another view each time: that is what makes a few images as good as many."""
    images, labels = coded_images(rng, 20)
    watched = watch(submission, images, labels, epochs=12, augment=True)
    views = torch.stack(views_of(watched, images), dim=1)
    fewest = min(len({tuple(view) for view in views[watched.numbers.flatten() == n].tolist()}) for n in range(20))
    hint = "When are crops and flips drawn: before the first epoch, or for every batch?"
    check(fewest > 3, expected="many views of each image in 12 epochs", got=f"{fewest} of one image", hint=hint)


@pytest.mark.task(4)
def test_augmentation_is_the_default(submission, rng):
    """Without augment=…, images come shifted and flipped."""
    images, labels = coded_images(rng, 20)
    rows, columns, flipped = views_of(watch(submission, images, labels, epochs=4), images)
    moved = int(((rows != 0) | (columns != 0) | flipped).sum())
    check(
        moved > 20,
        expected="most of 80 images moved or flipped",
        got=f"{moved}",
        hint="Nobody said augment=…. What does your train do then?",
    )


@pytest.mark.task(4)
@pytest.mark.parametrize("augment", [False, True])
def test_every_image_is_trained_on_with_its_own_label(submission, rng, augment):
    """A table with a row of logits for each image learns each image's own label."""
    images, labels = coded_images(rng, 23)
    watched = watch(submission, images, labels, epochs=10, batch_size=4, augment=augment)
    hint = "Follow one image and its label from the arguments to the loss. Where could the two lose each other?"
    check_values(watched.got["table"].argmax(1), labels, what="the largest logit of each image", hint=hint)


# The optimiser


def record_steps(sub, images, labels, settings, pulse):
    """Tiny logits, so that gradients stay as they are: `steady` has the same one in every step, `brief` one in a single
    step and 0 in all others. Kept is what both are before each step, and after the last."""
    import torch
    from torch import nn

    steady, brief = [], []

    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.steady = nn.Parameter(torch.zeros(10))
            self.brief = nn.Parameter(torch.zeros(10))

        def forward(self, x):
            on = float(len(steady) == pulse)
            if torch.is_grad_enabled():
                steady.append(self.steady.detach().clone())
                brief.append(self.brief.detach().clone())
            return (0.03 * (self.steady + on * self.brief)).expand(len(x), 10)

    trained = sub.train(Recorder(), images, labels, **settings, device=images.device)
    if not isinstance(trained, nn.Module):
        return {"returned": trained}
    last = [parameter.detach() for parameter in trained.parameters()]
    return {"steady": torch.stack([*steady, last[0]]), "brief": torch.stack([*brief, last[1]])}


LABEL = 3
STEPS = 60
PULSE = 12
SLOPE = 0.03 * (1 - 1 / CLASSES)  # of the loss, along the logit of the only label


def watch_steps(submission, rng: torch.Generator, lr: float) -> tuple[Tensor, Tensor]:
    """How far each of the 60 steps moved the parameter with a steady gradient, and the one with a brief one."""
    images, labels = coded_images(rng, 20)
    settings = {"epochs": 12, "lr": lr, "batch_size": 4, "augment": False}
    call = train_call(settings, 20)
    got = submission.run(
        record_steps, images, torch.full_like(labels, LABEL), settings, PULSE, call=call, timeout=SECONDS
    )
    returned = "returned" in got
    check(not returned, expected="the trained nn.Module", got=show(got.get("returned")), hint=RETURNED)
    steps = []
    for name in ("steady", "brief"):
        hint = "How many steps does the optimiser take in 12 epochs of 5 batches, and on which weights?"
        due = torch.zeros(STEPS + 1, CLASSES)
        check_values(got[name].clone().zero_(), due, what="the weights before each step and after the last", hint=hint)
        steps.append(got[name][:, LABEL].double().diff())
    return steps[0], steps[1]


def heavy_ball(nesterov: bool) -> Tensor:
    """How many gradients each step goes, when all gradients are the same and the momentum is 0.9."""
    velocity = 10 * (1 - 0.9 ** torch.arange(1, STEPS + 1, dtype=torch.float64))
    return 1 + 0.9 * velocity if nesterov else velocity


@pytest.mark.task(4)
def test_a_gradient_counts_in_its_own_step_and_then_fades(submission, rng):
    """A parameter whose gradient is 0 after one batch is moved less and less by the steps that follow."""
    steady, brief = watch_steps(submission, rng, 0.1)
    relative = brief / steady
    early, late = relative[PULSE + 1].item(), relative[PULSE + 9].item()
    hint = "Its gradient is 0 by now. What is still in .grad from the batches before?"
    check(early > 0, expected="a step along the gradient, and one more by momentum", got="no such step", hint=hint)
    expected = "eight steps later less than 0.8 of the step right after"
    check(late < 0.8 * early, expected=expected, got=f"{late / early:.2f} of it", hint=hint)


@pytest.mark.task(4)
def test_the_momentum_is_09(submission, rng):
    """A gradient's push fades by a factor of 0.9 with every step."""
    steady, brief = watch_steps(submission, rng, 0.1)
    relative = brief / steady * heavy_ball(nesterov=False)  # the schedule moves both alike
    early, late = relative[PULSE + 1].item(), relative[PULSE + 9].item()
    momentum = max(late / early, 0.0) ** (1 / 8) if early > 0 else 0.0
    hint = "Which arguments does the optimiser get, and does a scheduler change one of them besides lr?"
    # One-cycle schedules by default turn the momentum to and fro, between 0.85 and 0.95.
    check(0.83 < momentum < 0.96, expected="a momentum of 0.9", got=f"about {momentum:.2f}", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("lr", [0.01, 0.1])
def test_the_learning_rate_peaks_at_lr(submission, rng, lr):
    """The largest of all steps is that of a learning rate of lr: the schedule may be lower, and never higher."""
    steady, _ = watch_steps(submission, rng, lr)
    peaks = [(steady / heavy_ball(nesterov) / SLOPE).max().item() for nesterov in (False, True)]
    hint = "What does your schedule make of lr: its first value, its largest, something else? Is it the mean loss?"
    # Weight decay may shorten the steps by a few per cent; a schedule in steps may just miss its peak.
    right = any(0.5 * lr < peak < 1.05 * lr for peak in peaks)
    check(right, expected=f"a learning rate that peaks at {lr}", got=f"one that peaks at {peaks[0]:.3g}", hint=hint)


def train_small_nets(sub, images, labels, state, runs):
    """The weights after each of several trainings, all from the same start, with other random numbers before each."""
    import torch
    from torch import nn

    ends = []
    for number, settings in enumerate(runs):
        torch.manual_seed(100 + number)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 10)
        )
        for value, new in zip(net.parameters(), state, strict=True):
            value.data.copy_(new)
        trained = sub.train(net, images, labels, **settings, device=images.device)
        if not isinstance(trained, nn.Module):
            return {"returned": trained}
        ends.append(torch.cat([value.detach().flatten() for value in trained.parameters()]))
    return {"ends": ends}


def train_twice(submission, rng, *runs: dict, call: str, on: str = "cpu") -> tuple[Tensor, list[Tensor]]:
    """All weights before, and after each of the trainings."""
    images, labels = coded_images(rng, 24)
    shapes = [(4, 3, 5, 5), (4,), (4,), (4,), (10, 196), (10,)]
    state = [0.2 * draw(rng, *shape) for shape in shapes]
    settings = [{"epochs": 2, "lr": 0.05, "batch_size": 7} | run for run in runs]
    tensors = [images, labels, *state] if on == "device" else [on_cpu(value) for value in (images, labels, *state)]
    arguments = tensors[0], tensors[1], tensors[2:], settings
    got = submission.run(train_small_nets, *arguments, call=call, timeout=SECONDS)
    returned = "returned" in got
    check(not returned, expected="the trained nn.Module", got=show(got.get("returned")), hint=RETURNED)
    start = torch.cat([value.flatten() for value in state])
    for end in got["ends"]:
        check_equal(end.shape, start.shape, what="the number of weights")
    return start, got["ends"]


def distance(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


@pytest.mark.task(4)
@pytest.mark.parametrize("augment", [False, True])
def test_lr_0_leaves_the_parameters_as_they_are(submission, rng, augment):
    """With a learning rate of 0 every parameter comes back bit by bit."""
    call = f"train(model, images, labels, epochs=2, lr=0.0, batch_size=7, augment={augment}, device=device)"
    start, (end,) = train_twice(submission, rng, {"lr": 0.0, "augment": augment}, call=call, on="device")
    hint = "lr · anything is 0. What changes the weights without being multiplied by it?"
    check_tensor(end, start, rtol=0.0, atol=0.0, what="the parameters", hint=hint)


STILL = "Two epochs at a learning rate of 0.05 move weights. Which ones did yours move, and which came back?"


@pytest.mark.task(4)
def test_the_same_seed_gives_the_same_weights(submission, rng):
    """Two trainings with one seed end alike on a CPU, whatever random numbers were drawn before them."""
    call = "train(model, images, labels, …, seed=5, device=cpu), twice from the same weights"
    start, (one, other) = train_twice(submission, rng, {"seed": 5}, {"seed": 5}, call=call)
    hint = "What draws random numbers in a training? Is each of them seeded, at the start of each training?"
    moved, apart = distance(one, start), distance(one, other)
    check(moved > 1e-3, expected="weights that training has moved", got=f"a largest change of {moved:.2g}", hint=STILL)
    check(apart < 1e-6, expected="the same weights twice", got=f"weights up to {apart:.2g} apart", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("augment", [False, True])
def test_another_seed_gives_other_weights(submission, rng, augment):
    """Order, crops and flips depend on the seed, and so do the weights in the end."""
    call = f"train(model, images, labels, …, augment={augment}, seed=s, device=cpu), with s = 5 and 6"
    runs = {"seed": 5, "augment": augment}, {"seed": 6, "augment": augment}
    _, (one, other) = train_twice(submission, rng, *runs, call=call)
    apart = distance(one, other)
    hint = "Does the seed that is given reach what draws the numbers?"
    check(apart > 1e-5, expected="other weights", got=f"weights that are {apart:.2g} apart at most", hint=hint)


@pytest.mark.task(4)
def test_the_seed_is_0_by_default(submission, rng):
    """Without seed=… training is as repeatable as with it."""
    call = "train(model, images, labels, …, device=cpu), without seed=… and with seed=0"
    _, (one, other) = train_twice(submission, rng, {}, {"seed": 0}, call=call)
    apart = distance(one, other)
    check(
        apart < 1e-6,
        expected="the same weights",
        got=f"weights up to {apart:.2g} apart",
        hint="Nobody said seed=…. Which seed holds then, and does it reach all that draws?",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: the accuracy
# ---------------------------------------------------------------------------------------------------------------------


class Budget(NamedTuple):
    """What the level of an accuracy depends on, beside the submission."""

    front: str  # what the net's first layer makes of an image
    net: str
    images: int  # to train on
    epochs: int
    lr: float
    batch_size: int
    augment: bool

    def __str__(self) -> str:
        return (
            f"{self.images:,} images, {self.net} on {self.front}, {self.epochs} epochs, lr {self.lr}, "
            f"batches of {self.batch_size}, augment={self.augment}"
        )


HELD_BACK = 2000  # images that the accuracy is counted on
# What the drawn shapes have in common is their contours: on those a few seconds of training go a long way.
FRONTS = {"generated": "contours of half the size", "cifar10": "images of half the size"}


SIZES = {"cpu": 3_000, "cuda": 50_000}


def budget_of(data: str, device: str, plain: bool) -> Budget:
    """On a CPU a small net for a few seconds; on a GPU ResNet-18 on all images."""
    if device == "cuda":
        return Budget("whole images", "ResNet-18", SIZES[device], 8 if plain else 15, 0.1, 250, not plain)
    epochs, lr = (6, 0.05) if plain else (8, 0.1)
    return Budget(FRONTS[data], "ResNet([1, 1, 1], 8)", SIZES[device], epochs, lr, 50, not plain)


def train_and_answer(sub, images, labels, held_back, front, settings):
    """Logits of images whose labels never come here."""
    import torch
    from torch import nn

    class Contours(nn.Module):
        """How much neighbours differ in colour, across and down, at half the size: [B, 3, 32, 32] -> [B, 2, 16, 16]."""

        def forward(self, x):
            x = nn.functional.pad(nn.functional.avg_pool2d(x, 2), (1, 1, 1, 1), mode="replicate")
            across = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]
            down = x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
            return torch.stack([across.norm(dim=1), down.norm(dim=1)], dim=1)

    if front == "whole images":
        net = sub.resnet18()
    elif front == "images of half the size":
        net = nn.Sequential(nn.AvgPool2d(2), sub.ResNet([1, 1, 1], 8))
    else:
        net = nn.Sequential(Contours(), sub.ResNet([1, 1, 1], 8, in_channels=2))
    trained = sub.train(net, images, labels, **settings, device=images.device)
    if not isinstance(trained, nn.Module):
        return trained
    trained.eval()
    with torch.no_grad():
        return torch.cat([trained(batch / 255) for batch in held_back.split(500)])


class Sample(NamedTuple):
    """Images to train on and images held back, each with their labels, and where they are from."""

    name: str
    source: str
    images: Tensor
    labels: Tensor
    held_back: Tensor
    truth: Tensor


def draw_sample(seed: int, rng: torch.Generator, size: int) -> Sample:
    """Out of CIFAR-10 where it is found, else drawn for this run. The whole set is let go."""
    found = find_cifar10(seed=seed, train_size=size, test_size=HELD_BACK)
    chosen = torch.randperm(len(found.train.targets), generator=rng)[:size]
    kept = torch.randperm(len(found.test.targets), generator=rng)[:HELD_BACK]
    train, test = found.train, found.test
    return Sample(
        found.name, found.source, train.images[chosen], train.targets[chosen], test.images[kept], test.targets[kept]
    )


@pytest.mark.task(4)
@pytest.mark.training
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "augmented"])
def test_the_accuracy_on_unseen_images_is_high_enough(
    submission, rng, secret_seed, exercise, device, measure, remark, plain
):
    """A net that train has trained is right often enough on images that it has never seen."""
    suffix = "_plain" if plain else ""
    measured = all(f"{data}_{device}{suffix}" in exercise.thresholds for data in FRONTS)
    where = device if measured else "cpu"  # the CPU's budget and thresholds, until a GPU's are known
    sample = draw_sample(secret_seed("images"), rng, SIZES[where])
    if plain:
        remark(f"trained and tested on {sample.source}")  # once
    key, budget = f"{sample.name}_{where}{suffix}", budget_of(sample.name, where, plain)
    settings = {"epochs": budget.epochs, "lr": budget.lr, "batch_size": budget.batch_size, "augment": budget.augment}
    call = f"train(net, images, labels, {', '.join(f'{name}={value}' for name, value in settings.items())}, …)"
    settings["seed"] = int(torch.randint(1 << 31, (), generator=rng))
    arguments = sample.images, sample.labels, sample.held_back, budget.front, settings
    got = submission.run(train_and_answer, *arguments, call=call)
    shaped = type(got) is Tensor and got.shape == (HELD_BACK, CLASSES) and got.dtype == torch.float32
    check_tensor(got, got.nan_to_num() if shaped else torch.zeros(HELD_BACK, CLASSES), what="the logits")
    right = int((got.argmax(1) == sample.truth).sum())
    needed = exercise.thresholds[key]
    measure(key, right / HELD_BACK, of=HELD_BACK, budget=f"{sample.name}: {budget}")
    check(
        right / HELD_BACK >= needed,
        expected=f"at least {100 * needed:.1f} % right answers ({sample.name}: {budget})",
        got=f"{100 * right / HELD_BACK:.2f} % ({right:,} of {HELD_BACK:,})",
        hint="Print loss and learning rate of every epoch. Does the loss fall to the end? Is x what it is when tested?",
    )
