"""Sample tests of exercise 11. Run them with `make grade EX=11` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check_close, check_equal, check_tensor


def capture_one_layer(sub, x):
    """A layer with the weight 2 and a ReLU in place; one pass in the block, one after it."""
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True)).to(x.device)
    net[0].weight.data = 2 * torch.eye(2, device=x.device)
    with sub.capture_activations(net, ["0"]) as captured:
        net(x)
    net(x)
    return captured["0"]


@pytest.mark.task(1)
def test_what_a_layer_gives_in_the_block(submission):
    """A layer doubles, a ReLU behind it writes zeros: captured is what the layer gave, once."""
    x = torch.tensor([[3.0, -5.0]])
    call = "with capture_activations(model, ['0']) as captured: model(x)  …; model(x); captured['0']"
    got = submission.run(capture_one_layer, x, call=call)
    check_equal(len(got), 1, what="the number of outputs", hint="There was one pass in the block, and one after it.")
    check_tensor(got[0], 2 * x, what="the output", hint="Who has written into your tensor since?")


def record_one_pass(sub, weight, x):
    """A layer of one row, and one that the loss does not use."""
    from torch import nn

    model = nn.ModuleDict({"used": nn.Linear(2, 1, bias=False), "spare": nn.Linear(2, 1, bias=False)}).to(x.device)
    model["used"].weight.data = weight
    with sub.record_gradients(model) as steps:
        model["used"](x).sum().backward()
    return steps


@pytest.mark.task(2)
def test_the_norms_of_one_pass(submission):
    """The gradient of w · x by w is x: for x = (3, 4) its norm is 5. The spare layer has none."""
    call = "with record_gradients(model) as steps: used(x).sum().backward()"
    steps = submission.run(record_one_pass, torch.tensor([[7.0, 7.0]]), torch.tensor([[3.0, 4.0]]), call=call)
    check_equal(len(steps), 1, what="the number of rows", hint="There was one backward pass. What makes a row?")
    hint = "The loss does not depend on the spare layer. Is that a gradient of 0, or none?"
    check_equal(steps[0]["spare.weight"], None, what="spare.weight", hint=hint)
    check_close(steps[0]["used.weight"], 5.0, what="used.weight", hint="The root of 3² + 4², as a Python float.")


def scale_one(sub, x):
    x = x.clone().requires_grad_()
    y = sub.scale_gradient(x, -0.5)
    (3 * y).sum().backward()
    return {"y": y, "gradient": x.grad}


@pytest.mark.task(3)
def test_a_gradient_that_passes(submission):
    """The values pass as they are; of a gradient of 3, the factor -0.5 leaves -1.5."""
    x = torch.tensor([0.1, 0.2, 0.3])
    got = submission.run(scale_one, x, call="y = scale_gradient(x, -0.5); (3 * y).sum().backward()")
    check_tensor(got["y"], x, rtol=0.0, atol=0.0, what="y", hint="On the way forward nothing happens to the numbers.")
    check_tensor(got["gradient"], torch.full((3,), -1.5), what="the gradient of x", hint="3 arrives at y. And at x?")


def freeze_one_layer(sub, x):
    from torch import nn

    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net.to(x.device)
    flags = []
    with sub.freeze(net, ["0"]):
        net(x).sum().backward()
        flags.append([parameter.requires_grad for parameter in net.parameters()])
    flags.append([parameter.requires_grad for parameter in net.parameters()])
    return {"flags": flags, "frozen": net[0].weight.grad, "bias": net[1].bias.grad}


@pytest.mark.task(4)
def test_one_layer_is_frozen_in_the_block(submission):
    """In the block the first layer requires no gradient, and the second one learns; then all is as before."""
    call = "with freeze(model, ['0']): model(x).sum().backward()"
    got = submission.run(freeze_one_layer, torch.ones(3, 2), call=call)
    hint = "Each parameter has a flag, requires_grad. What is it before, in and after the block?"
    check_equal(got["flags"], [[False, False, True, True], [True] * 4], what="the flags in and after it", hint=hint)
    check_equal(got["frozen"], None, what="the gradient of 0.weight", hint=hint)
    check_tensor(got["bias"], torch.full((2,), 3.0), what="the gradient of 1.bias", hint="The other layer learns.")


def look_at_weights(sub, weight):
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(2, 1)).to(weight.device)
    net[0].weight.data = weight
    array = sub.layer_weights(net, "0")
    kind, numbers = type(array).__name__, torch.tensor(array.tolist())
    array[...] = 7
    return {"type": kind, "numbers": numbers.to(weight.device), "model": net[0].weight.detach()}


@pytest.mark.task(5)
def test_weights_as_an_array_of_its_own(submission):
    """An array with the numbers of the weight; who writes into it does not change the model."""
    weight = torch.tensor([[0.5, -2.0]])
    got = submission.run(look_at_weights, weight, call="a = layer_weights(model, '0'); a[...] = 7")
    check_equal(got["type"], "ndarray", what="its type", hint="Which method of a tensor gives a NumPy array?")
    check_tensor(got["numbers"], weight, what="the array", hint="Which layer is '0', and which of its tensors is due?")
    check_tensor(got["model"], weight, what="the model's weight after it", hint="Whose memory does the array show?")
