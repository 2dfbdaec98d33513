"""Hidden suite of exercise 11.

Networks are sent as data: a dict of layers by name, in their order, and a state. The judge makes the same network in
float64 and calls it layer by layer, without any hook; the drivers make it in float32, and use the student's functions.
What comes back are activations, gradients, weights.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grader.checks import check, check_close, check_equal, check_raises, check_tensor, show

Layers = dict[str, Any]  # name -> [kind, arguments ...], or the layers of a part
State = dict[str, Tensor]
Rows = list[dict[str, float | None]]

# Measured: float32 against float64, 2,000 draws of each network: an output is off by at most 3e-6 of 1 + |value|, a
# gradient by 2e-6, a norm by 3e-6 of itself. What a mistake changes here is of the order of 1.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
NORM = 1e-4  # relative
NET: Layers = {"body": {"0": ["Linear", 3, 5], "1": ["Tanh"]}, "head": ["Linear", 5, 2]}


# ---------------------------------------------------------------------------------------------------------------------
# The judge's own network
# ---------------------------------------------------------------------------------------------------------------------


def build(layers: Layers) -> nn.Sequential:
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, build(layer) if isinstance(layer, dict) else getattr(nn, layer[0])(*layer[1:]))
    return net


def random_state(layers: Layers, rng: torch.Generator) -> State:
    state = {}
    for name, value in build(layers).state_dict().items():
        drawn = torch.randn(value.shape, generator=rng) / 2
        positive = "var" in name or (name.endswith("weight") and value.dim() == 1)  # of a BatchNorm
        state[name] = torch.tensor(3) if value.dtype == torch.int64 else drawn.exp() if positive else drawn
    return state


def wide(layers: Layers, state: State) -> nn.Sequential:
    """The network with this state, in float64 and in training mode."""
    net = build(layers)
    net.load_state_dict(state)
    return net.double().train()


def outputs_of(net: nn.Sequential, x: Tensor, prefix: str = "") -> dict[str, Tensor]:
    """What each layer gives for x, by its name; the last one is the network's own output."""
    found: dict[str, Tensor] = {}
    for name, layer in net.named_children():
        if isinstance(layer, nn.Sequential):
            found |= outputs_of(layer, x, f"{prefix}{name}.")
            found[prefix + name] = list(found.values())[-1]
        else:
            found[prefix + name] = layer(x)
        x = found[prefix + name]
    return found


def narrow(x: Tensor) -> Tensor:
    return x.detach().float()


def gradients_of(net: nn.Sequential, *inputs: Tensor) -> dict[str, Tensor]:
    """Of the sum of the squared outputs for all inputs, by every parameter."""
    loss = sum(net(x.double()).square().sum() for x in inputs)
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters)
    return dict(zip(names, found, strict=True))


def norms_of(gradients: dict[str, Tensor], without: tuple[str, ...] = ()) -> dict[str, float | None]:
    return {name: None if name in without else float(each.norm()) for name, each in gradients.items()}


def batch(rng: torch.Generator, rows: int = 4, features: int = 3) -> Tensor:
    return torch.randn(rows, features, generator=rng)


# ---------------------------------------------------------------------------------------------------------------------
# What the judge says of a result
# ---------------------------------------------------------------------------------------------------------------------


def check_lists(got: Any, counts: dict[str, int], hint: str) -> None:
    """Fails unless `got` is a dict with exactly these names, and lists of so many outputs."""
    what = f"a dict with the names {', '.join(map(repr, counts))}"
    check(type(got) is dict and set(got) == set(counts), expected=what, got=show(got), hint=hint)
    for name, count in counts.items():
        due, came = f"a list of {count}, one output for each call", show(got[name])
        came = f"a list of {len(got[name])}" if type(got[name]) is list else came
        right = type(got[name]) is list and len(got[name]) == count
        check(right, expected=f"captured[{name!r}]: {due}", got=came, hint=hint)


def check_captured(got: Any, expected: dict[str, list[Tensor]], hint: str) -> None:
    check_lists(got, {name: len(outputs) for name, outputs in expected.items()}, hint)
    for name, outputs in expected.items():
        for call, (output, right) in enumerate(zip(got[name], outputs, strict=True)):
            check_tensor(output, narrow(right), **CLOSE, what=f"captured[{name!r}][{call}]", hint=hint)


def check_rows(got: Any, expected: Rows, hint: str) -> None:
    what = f"a list of {len(expected)}, one dict for each backward pass"
    came = f"a list of {len(got)}" if type(got) is list else show(got)
    check(type(got) is list and len(got) == len(expected), expected=what, got=came, hint=hint)
    for step, (row, norms) in enumerate(zip(got, expected, strict=True)):
        names = f"pass {step}: a dict with the names {', '.join(norms)}"
        check(type(row) is dict and set(row) == set(norms), expected=names, got=show(row), hint=hint)
        for name, norm in norms.items():
            label = f"pass {step}, {name}"
            if norm is None or row[name] is None:
                told = "no gradient (None)" if norm is None else f"{label}: {norm:.6g}"
                right = told if norm is not None else f"{label}: {told}"
                check(row[name] is norm, expected=right, got=show(row[name]), hint=hint)
            else:
                check_close(row[name], norm, rel=NORM, what=label, hint=hint)


def check_gradients(got: Any, expected: dict[str, Tensor | None], hint: str) -> None:
    for name, gradient in expected.items():
        if gradient is None:
            check_equal(got[name], None, what=f"the gradient of {name}", hint=hint)
        else:
            check_tensor(got[name], narrow(gradient), **CLOSE, what=f"the gradient of {name}", hint=hint)


def check_state(got: Any, expected: State, names: tuple[str, ...], what: str, hint: str) -> None:
    """Bit for bit."""
    for name in names:
        check_tensor(got[name], expected[name], rtol=0.0, atol=0.0, what=f"{name} {what}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: capture_activations
# ---------------------------------------------------------------------------------------------------------------------


def capture(sub, layers, state, names, inputs, later):
    """The outputs for `inputs` inside of the block and for `later` after it, and what was captured."""
    from torch import nn

    def build(layers):
        net = nn.Sequential()
        for name, layer in layers.items():
            net.add_module(name, build(layer) if isinstance(layer, dict) else getattr(nn, layer[0])(*layer[1:]))
        return net

    net = build(layers).to(inputs[0])  # its device, and its dtype
    net.load_state_dict(state)
    with sub.capture_activations(net, names) as captured:
        outputs = [net(x) for x in inputs]
    outputs += [net(x) for x in later]
    return {"captured": captured, "outputs": outputs, "state": dict(net.state_dict())}


def captured_by_hand(net: nn.Sequential, names: list[str], inputs: list[Tensor]) -> dict[str, list[Tensor]]:
    runs = [outputs_of(net, x.double()) for x in inputs]
    return {name: [run[name] for run in runs] for name in names}


def written(names: list[str], body: str = "model(x)") -> str:
    return f"with capture_activations(model, {names}) as captured: {body}"


@pytest.mark.task(1)
def test_the_outputs_of_two_layers(submission, rng):
    """Two layers are named, one of them inside of a part: captured has their outputs, and no others."""
    state, inputs, names = random_state(NET, rng), [batch(rng)], ["head", "body.0"]
    expected = captured_by_hand(wide(NET, state), names, inputs)
    got = submission.run(capture, NET, state, names, inputs, [], call=written(names))
    hint = "Each name has a layer of its own. At the moment of the call, which name does your hook write to?"
    check_captured(got["captured"], expected, hint)


@pytest.mark.task(1)
def test_every_pass_is_in_the_list(submission, rng):
    """Three passes with batches of different size: three outputs, in the order of the passes."""
    state, names = random_state(NET, rng), ["body.1"]
    inputs = [batch(rng, rows) for rows in (4, 1, 3)]
    expected = captured_by_hand(wide(NET, state), names, inputs)
    got = submission.run(capture, NET, state, names, inputs, [], call=written(names, "model(x) three times"))
    hint = "What happens to the output of the first pass when the second one comes?"
    check_captured(got["captured"], expected, hint)


@pytest.mark.task(1)
def test_a_part_and_the_model_itself_are_layers_too(submission, rng):
    """The name of a part stands for what the whole part gives, and "" for what the model gives."""
    state, inputs, names = random_state(NET, rng), [batch(rng)], ["body", ""]
    net = wide(NET, state)
    expected = {"body": [net.body(inputs[0].double())], "": [net(inputs[0].double())]}
    got = submission.run(capture, NET, state, names, inputs, [], call=written(names))
    hint = 'Print the names of model.named_modules(). To which module do "body" and "" belong?'
    check_captured(got["captured"], expected, hint)


@pytest.mark.task(1)
def test_an_output_keeps_its_dtype(submission, rng):
    """A network in float64 has outputs in float64, with all of their digits."""
    state, x = random_state(NET, rng), batch(rng).double()
    expected = wide(NET, state)(x)
    call = "model.double(); " + written(["head"])
    got = submission.run(capture, NET, state, ["head"], [x], [], call=call)["captured"]
    hint = "What comes out of the layer is kept as it is. What else happens to it in your hook?"
    check_lists(got, {"head": 1}, hint)
    check_tensor(got["head"][0], expected, what="captured['head'][0]", hint=hint)


@pytest.mark.task(1)
def test_nothing_is_captured_after_the_block(submission, rng):
    """When the block is over, passes leave no trace any more, and what was captured can still be read."""
    state, names = random_state(NET, rng), ["body.0", "head"]
    inputs, later = [batch(rng)], [batch(rng), batch(rng)]
    expected = captured_by_hand(wide(NET, state), names, inputs)
    got = submission.run(capture, NET, state, names, inputs, later, call=written(names) + "; model(x2); model(x3)")
    hint = "A hook stays until its handle is told to remove it. Who keeps the handles, and what happens to the dict?"
    check_captured(got["captured"], expected, hint)


def capture_and_train(sub, state, x, share):
    """The gradients of a loss, to which captured outputs are added; those are constants by the rules."""
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(x.device)
    net.load_state_dict(state)
    with sub.capture_activations(net, ["0", "1"]) as captured:
        loss = net(x).square().sum()
    if share:
        loss = loss + share * sum(each.sum() for outputs in captured.values() for each in outputs)
    loss.backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


FLAT: Layers = {"0": ["Linear", 3, 5], "1": ["Tanh"], "2": ["Linear", 5, 2]}
BOTH = ["0", "1"]


@pytest.mark.task(1)
def test_the_gradients_are_those_of_the_model_alone(submission, rng):
    """Who looks at a layer does not change what is learned: all gradients are as they would be without the block."""
    state, x = random_state(FLAT, rng), batch(rng)
    expected = gradients_of(wide(FLAT, state), x)
    got = submission.run(capture_and_train, state, x, 0, call=written(BOTH) + "; model(x).square().sum().backward()")
    hint = "What does your hook return? Anything but None takes the place of the layer's output, for all that follows."
    check_gradients(got, expected, hint)


@pytest.mark.task(1)
def test_captured_outputs_have_no_graph(submission, rng):
    """A loss to which captured outputs are added has the gradients of the loss alone: they are numbers, no more."""
    state, x = random_state(FLAT, rng), batch(rng)
    expected = gradients_of(wide(FLAT, state), x)
    call = written(BOTH) + "; (loss + 3 * (sum of all captured)).backward()"
    got = submission.run(capture_and_train, state, x, 3.0, call=call)
    hint = "What you keep still knows how it was made, and keeps the whole pass in memory. How do you cut it off?"
    check_gradients(got, expected, hint)


IN_PLACE: Layers = {"0": ["Identity"], "1": ["Linear", 3, 5], "2": ["ReLU", True]}
COPIES = "Two tensors can show the same memory. What you keep: is it a copy, or a second name?"


@pytest.mark.task(1)
def test_a_relu_in_place_does_not_reach_what_was_captured(submission, rng):
    """The layer behind writes its zeros into the output. What was captured is what the layer gave."""
    state, x = random_state(IN_PLACE, rng), batch(rng)
    expected = {"1": [wide(IN_PLACE, state)[1](x.double())]}
    got = submission.run(capture, IN_PLACE, state, ["1"], [x], [], call=written(["1"]) + " with Linear, ReLU(True)")
    check_captured(got["captured"], expected, COPIES)


def capture_and_write(sub, state, x):
    """Writes into the input and the output after the pass, and into what was captured."""
    import torch
    from torch import nn

    net = nn.Sequential(nn.Identity(), nn.Linear(3, 5), nn.ReLU(True)).to(x.device)
    net.load_state_dict(state)
    given, kept = x.clone(), {}
    with torch.no_grad(), sub.capture_activations(net, ["0", "2"]) as captured:
        output = net(given)
        output.zero_()
        given.zero_()
        for name, outputs in captured.items():
            kept[name] = [each.clone() for each in outputs]
        given.copy_(x)
        output = net(given)
        for outputs in captured.values():
            for each in outputs:
                each.fill_(7.0)
    return {"kept": kept, "input": given, "output": output}


@pytest.mark.task(1)
def test_later_writing_does_not_change_what_was_captured(submission, rng):
    """Input and output of the model are overwritten after the pass, as whoever reuses a buffer does."""
    state, x = random_state(IN_PLACE, rng), batch(rng)
    pre = wide(IN_PLACE, state)[1](x.double())
    got = submission.run(capture_and_write, state, x, call=written(["0", "2"]) + "; x.zero_(); output.zero_()")
    check_captured(got["kept"], {"0": [x], "2": [pre.relu()]}, COPIES)


@pytest.mark.task(1)
def test_writing_into_what_was_captured_changes_nothing_else(submission, rng):
    """Captured outputs are yours: to write into them changes neither the model's output nor its input."""
    state, x = random_state(IN_PLACE, rng), batch(rng)
    pre = wide(IN_PLACE, state)[1](x.double())
    call = written(["0", "2"], "output = model(x)") + "; each captured output is filled with 7"
    got = submission.run(capture_and_write, state, x, call=call)
    check_tensor(got["output"], narrow(pre.relu()), what="the model's output", hint=COPIES)
    check_tensor(got["input"], x, rtol=0.0, atol=0.0, what="the input", hint=COPIES)


def capture_a_loop(sub, weight, x):
    from torch import nn

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.spare = nn.Linear(3, 3, bias=False), nn.Linear(3, 3)

        def forward(self, x):
            for _ in range(3):
                x = self.cell(x).tanh()
            return x

    model = Loop().to(x.device)
    model.cell.weight.data = weight
    with sub.capture_activations(model, ["cell", "spare"]) as captured:
        before = {name: list(outputs) for name, outputs in captured.items()}
        model(x)
    return {"before": before, "after": captured}


@pytest.mark.task(1)
def test_a_layer_has_an_output_for_each_of_its_calls(submission, rng):
    """One layer is called three times in a pass, another one never: three outputs, and an empty list."""
    weight, x = torch.randn(3, 3, generator=rng), batch(rng)
    outputs, h = [], x.double()
    for _ in range(3):
        outputs.append(h @ weight.double().T)
        h = outputs[-1].tanh()
    got = submission.run(capture_a_loop, weight, x, call=written(["cell", "spare"]))
    hint = "Which names are in the dict before any layer is called, and what stands there? What comes with each call?"
    check_captured(got["before"], {"cell": [], "spare": []}, hint)
    check_captured(got["after"], {"cell": outputs, "spare": []}, hint)


NORMED: Layers = {"0": ["BatchNorm1d", 3], "1": ["Dropout", 0.5], "2": ["Linear", 3, 2]}


@pytest.mark.task(1)
def test_the_pass_is_the_only_one(submission, rng):
    """The outputs are those of the pass that the block made: one batch for BatchNorm, one draw of the dropout."""
    state, x, names = random_state(NORMED, rng), batch(rng, 40), ["1", "2"]
    got = submission.run(capture, NORMED, state, names, [x], [], call=written(names) + " with BatchNorm, Dropout")
    hint = "The layer has worked its output out already when your hook is called. Does anything of yours call it again?"
    what = "num_batches_tracked, which was 3, after one pass"
    check_tensor(got["state"]["0.num_batches_tracked"], torch.tensor(4), what=what, hint=hint)
    means = 0.9 * state["0.running_mean"] + 0.1 * x.mean(0)
    check_tensor(got["state"]["0.running_mean"], means, what="running_mean after one pass", hint=hint)
    output = got["outputs"][0]
    check_tensor(output, torch.zeros(40, 2), rtol=0.0, atol=1e9, what="the model's output", hint=hint)
    check_lists(got["captured"], {"1": 1, "2": 1}, hint)
    check_tensor(got["captured"]["2"][0], output, what="captured['2'][0], the model's output", hint=hint)
    dropped = got["captured"]["1"][0]
    check_tensor(dropped, torch.zeros(40, 3), rtol=0.0, atol=1e9, what="captured['1'][0]", hint=hint)
    right = dropped.double() @ state["2.weight"].double().T + state["2.bias"].double()
    check_tensor(output, narrow(right), what="the output, worked out from captured['1'][0]", hint=hint)


def capture_until_it_breaks(sub, weight, x, later):
    from torch import nn

    class Broken(nn.Module):
        def forward(self, x):
            raise ArithmeticError("planned by the test")

    net = nn.Sequential(nn.Linear(3, 2, bias=False), Broken()).to(x.device)
    net[0].weight.data = weight
    passed_on = False
    try:
        with sub.capture_activations(net, ["0", "1"]) as captured:
            net(x)
    except ArithmeticError:
        passed_on = True
    net[0](later)
    return {"captured": captured, "passed_on": passed_on}


@pytest.mark.task(1)
def test_an_exception_ends_the_block_like_any_other(submission, rng):
    """A layer fails: its error goes on, what came before it is in the dict, and the hooks are gone all the same."""
    weight, x = torch.randn(2, 3, generator=rng), batch(rng)
    expected = {"0": [x.double() @ weight.double().T], "1": []}
    call = written(["0", "1"]) + ", which raises ArithmeticError; model[0](x2)"
    got = submission.run(capture_until_it_breaks, weight, x, batch(rng), call=call)
    hint = "An exception leaves the block from the middle. Which lines of yours run even then?"
    check_captured(got["captured"], expected, hint)
    check_equal(got["passed_on"], True, what="whether the error leaves the block", hint=hint)


def capture_nested(sub, state, inputs):
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(inputs[0].device)
    net.load_state_dict(state)
    with sub.capture_activations(net, ["0", "2"]) as outer:
        net(inputs[0])
        with sub.capture_activations(net, ["0", "1"]) as inner:
            net(inputs[1])
        net(inputs[2])
    with sub.capture_activations(net, ["0"]) as second:
        net(inputs[3])
    return [outer, inner, second]


@pytest.mark.task(1)
def test_blocks_in_blocks_and_one_after_the_other(submission, rng):
    """Each block has notes of its own, also on the same layer; the end of the inner one is not that of the outer."""
    state, inputs = random_state(FLAT, rng), [batch(rng) for _ in range(4)]
    net = wide(FLAT, state)
    parts = [(["0", "2"], inputs[:3]), (["0", "1"], inputs[1:2]), (["0"], inputs[3:])]
    expected = [captured_by_hand(net, names, some) for names, some in parts]
    call = written(["0", "2"], f"… {written(['0', '1'], '…')}; …") + f"; {written(['0'])}"
    got = submission.run(capture_nested, state, inputs, call=call)
    hint = "Where do your notes and handles live: with the block, or somewhere that all blocks share?"
    for captured, right in zip(got, expected, strict=True):
        check_captured(captured, right, hint)


def enter(sub, function, names):
    """Enters a block, on a network with the layers body.0, body.1, head."""
    from torch import nn

    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Linear(3, 5), nn.Tanh()))
    net.add_module("head", nn.Linear(5, 2))
    with getattr(sub, function)(net, names):
        pass


UNKNOWN = ("hat", "body.7", "bod", "body.0.weight")
NAMES = "Which names does the model have? Yours are looked up before the first layer is touched."


@pytest.mark.task(1)
def test_an_unknown_layer_to_capture_is_refused(submission):
    """A name that the model does not have is a ValueError that says which one, whatever the other names are."""
    for name in UNKNOWN:
        call = f"with capture_activations(model, ['head', {name!r}])"
        drive = submission.run, enter, "capture_activations", ["head", name]
        check_raises(ValueError, *drive, call=call, mentions=(name,), hint=NAMES)


def count_hooks(sub, function, arguments, ending):
    """How many hooks there are before, in and after a block, on modules, on parameters, and for all modules."""
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    net[0].register_forward_hook(lambda module, inputs, output: None)  # two hooks of somebody else's
    net[2].weight.register_hook(lambda gradient: None)

    def count():
        places = [*map(vars, net.modules()), vars(torch.nn.modules.module)]
        tables = [table for place in places for name, table in place.items() if name.endswith("_hooks")]
        for parameter in net.parameters():
            tables += [parameter._backward_hooks, parameter._post_accumulate_grad_hooks]
        replaced = sum(callable(value) for module in net.modules() for value in vars(module).values())
        return sum(len(table) for table in tables if isinstance(table, dict)) + replaced

    before, passed_on = count(), False
    try:
        with getattr(sub, function)(net, *arguments):
            net(torch.ones(4, 3)).sum().backward()
            if ending == "an exception":
                raise ArithmeticError("planned by the test")
    except ArithmeticError:
        passed_on = True
    except Exception as error:
        if ending != "a ValueError" or isinstance(error, NotImplementedError):  # which a stub raises
            raise
    return {"before": before, "after": count(), "passed_on": passed_on}


def check_hooks_are_gone(submission, function: str, arguments: list[Any], endings: tuple[str, ...]) -> None:
    given = "".join(f", {each}" for each in arguments)
    for ending in endings:
        call = f"with {function}(model{given}): …" + (f"  ({ending} ends the block)" if ending else "")
        got = submission.run(count_hooks, function, arguments, ending, call=call)
        hint = "For each hook that you register there is a handle. Is each of them removed, and nobody else's?"
        told = "hooks (or replaced methods) of the model, before and after the block"
        check_equal([got["before"], got["after"]], [2, 2], what=told, hint=hint)
        if ending == "an exception":
            hint = "The error is news to whoever wrote the block. Where does it end, in your code?"
            check_equal(got["passed_on"], True, what="whether the error leaves the block", hint=hint)


@pytest.mark.task(1)
def test_no_hook_is_left_behind(submission):
    """After the block there are the hooks that were there before, however it ended, also for want of a layer."""
    endings = ("", "an exception")
    check_hooks_are_gone(submission, "capture_activations", [["0", "1"]], endings)
    check_hooks_are_gone(submission, "capture_activations", [["0", "hat"]], ("a ValueError",))


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: record_gradients
# ---------------------------------------------------------------------------------------------------------------------

RECORD = "with record_gradients(model) as steps: "


def record_training(sub, layers, state, inputs, lr, later):
    """Steps of gradient descent on the sum of squared outputs; `.grad` adds up where lr is None."""
    import torch
    from torch import nn

    net = nn.Sequential(*(getattr(nn, kind)(*given) for kind, *given in layers.values())).to(inputs[0].device)
    net.load_state_dict(state)
    counts = []
    with sub.record_gradients(net) as steps:
        for x in inputs:
            if lr is not None:
                net.zero_grad()
            net(x).square().sum().backward()
            counts.append(len(steps))
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter -= (lr or 0.0) * parameter.grad
    for x in later:
        net(x).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    return {"steps": steps, "counts": counts, "gradients": gradients}


def descend(net: nn.Sequential, gradients: dict[str, Tensor], lr: float) -> None:
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter -= lr * gradients[name]


@pytest.mark.task(2)
def test_a_row_of_norms_for_each_step_of_a_training(submission, rng):
    """Three steps of gradient descent: three rows, each with the norm of every parameter's gradient at that step."""
    state, inputs, lr = random_state(FLAT, rng), [batch(rng) for _ in range(3)], 0.01
    net, expected = wide(FLAT, state), []
    for x in inputs:
        gradients = gradients_of(net, x)
        expected.append(norms_of(gradients))
        descend(net, gradients, lr)
    got = submission.run(record_training, FLAT, state, inputs, lr, [], call=RECORD + "(three steps of training)")
    hint = "Take the gradient of one parameter, [5, 3], and work its norm out by hand: a root of a sum of 15 squares."
    check_rows(got["steps"], expected, hint)
    hint = "A row is there when backward() is over. What does yours wait for?"
    check_equal(got["counts"], [1, 2, 3], what="the number of rows after each backward()", hint=hint)


@pytest.mark.task(2)
def test_nothing_is_recorded_after_the_block(submission, rng):
    """Backward passes after the block leave no row, and the rows of the block can still be read."""
    state, inputs = random_state(FLAT, rng), [batch(rng) for _ in range(3)]
    expected = [norms_of(gradients_of(wide(FLAT, state), inputs[0]))]
    call = RECORD + "loss(x).backward()  …; loss(x2).backward(); loss(x3).backward()"
    got = submission.run(record_training, FLAT, state, inputs[:1], 0.0, inputs[1:], call=call)
    check_rows(got["steps"], expected, "A hook stays until it is removed. Who removes yours, and when?")


@pytest.mark.task(2)
def test_the_norm_is_that_of_this_pass_alone(submission, rng):
    """Nobody calls zero_grad, and `.grad` adds up: the rows still have each pass's own gradient."""
    state, inputs = random_state(FLAT, rng), [batch(rng) for _ in range(3)]
    expected = [norms_of(gradients_of(wide(FLAT, state), x)) for x in inputs]
    got = submission.run(
        record_training, FLAT, state, inputs, None, [], call=RECORD + "loss.backward() three times, without zero_grad()"
    )
    hint = "What has `.grad` added up by now, and which part of it came in this pass? A hook is given that part."
    check_rows(got["steps"], expected, hint)


@pytest.mark.task(2)
def test_the_gradients_stay_as_they_are(submission, rng):
    """To measure a gradient must not change it: what arrives in `.grad` is the sum of the passes."""
    state, inputs = random_state(FLAT, rng), [batch(rng) for _ in range(2)]
    net = wide(FLAT, state)
    expected = gradients_of(net, *inputs)
    got = submission.run(record_training, FLAT, state, inputs, None, [], call=RECORD + "loss.backward() twice")
    hint = "What does your hook return, or write to? What a tensor's hook returns takes the gradient's place."
    check_gradients(got["gradients"], expected, hint)


def record_heads(sub, weights, x, plan, frozen):
    """A trunk with two heads: each entry of `plan` says which heads one backward pass goes through."""
    from torch import nn

    model = nn.Module()
    for name, weight in weights.items():
        model.add_module(name, nn.Linear(*reversed(weight.shape), bias=False))
    model.to(x.device).load_state_dict({f"{name}.weight": weight for name, weight in weights.items()})
    for name in frozen:
        model.get_submodule(name).weight.requires_grad_(False)
    x = x.clone().requires_grad_()
    with sub.record_gradients(model) as steps:
        for heads in plan:
            h = model.trunk(x) if "trunk" in heads else x
            sum(model.get_submodule(name)(h).square().sum() for name in heads if name != "trunk").backward()
    return {"steps": steps, "x": x.grad}


def heads_by_hand(weights: dict[str, Tensor], x: Tensor, heads: list[str], frozen: tuple[str, ...] = ()) -> Rows:
    leaves = {name: weight.double().requires_grad_() for name, weight in weights.items()}
    h = x.double() @ leaves["trunk"].T if "trunk" in heads else x.double()
    sum((h @ leaves[name].T).square().sum() for name in heads if name != "trunk").backward()
    rows = {f"{name}.weight": leaf.grad if name not in frozen else None for name, leaf in leaves.items()}
    return {name: None if each is None else float(each.norm()) for name, each in rows.items()}


def random_heads(rng: torch.Generator) -> dict[str, Tensor]:
    return {name: torch.randn(2 if name != "trunk" else 3, 3, generator=rng) for name in ("trunk", "left", "right")}


@pytest.mark.task(2)
def test_a_parameter_that_the_pass_did_not_reach_has_none(submission, rng):
    """A head that the loss does not use is in the row, with None."""
    weights, x, heads = random_heads(rng), batch(rng), ["trunk", "left"]
    expected = [heads_by_hand(weights, x, heads)]
    got = submission.run(
        record_heads, weights, x, [heads], [], call=RECORD + "left(trunk(x)).square().sum().backward()"
    )
    hint = "The row has all names of model.named_parameters(). What stands there where no gradient came?"
    check_rows(got["steps"], expected, hint)


@pytest.mark.task(2)
def test_rows_stay_in_line_when_passes_reach_different_parameters(submission, rng):
    """The first pass goes through one head, the next through the other: row and pass have the same number."""
    weights, x = random_heads(rng), batch(rng)
    plan = [["trunk", "left"], ["trunk", "right"], ["left"], ["right"], ["trunk", "left", "right"]]
    expected = [heads_by_hand(weights, x, heads) for heads in plan]
    call = RECORD + "backward() through trunk and left, trunk and right, left, right, all"
    got = submission.run(record_heads, weights, x, plan, [], call=call)
    hint = (
        "When does a new row begin? A hook on a single parameter can't know; which kind of hook hears of a whole pass?"
    )
    check_rows(got["steps"], expected, hint)


@pytest.mark.task(2)
def test_a_frozen_parameter_has_none(submission, rng):
    """A parameter that requires no gradient is in the row too, with None; a pass that reaches none leaves no row."""
    weights, x, heads = random_heads(rng), batch(rng), ["trunk", "left"]
    for frozen in (("trunk",), ("trunk", "left", "right")):
        expected = [] if len(frozen) == 3 else [heads_by_hand(weights, x, heads, frozen)]
        call = f"{' and '.join(frozen)} frozen; {RECORD}left(trunk(x)).square().sum().backward()"
        got = submission.run(record_heads, weights, x, [heads], frozen, call=call)
        hint = "A tensor that requires no gradient takes no hook. Is its name in the row all the same?"
        check_rows(got["steps"], expected, hint)


@pytest.mark.task(2)
def test_a_gradient_of_zeros_has_the_norm_zero(submission, rng):
    """All units of a ReLU are dead: the pass came by, and the norm is 0.0. That is not None."""
    layers: Layers = {"0": ["Linear", 3, 5], "1": ["ReLU"], "2": ["Linear", 5, 2]}
    state, x = random_state(layers, rng), batch(rng)
    state["0.bias"] = torch.full((5,), -1e3)
    expected = [norms_of(gradients_of(wide(layers, state), x))]
    call = RECORD + "loss.backward(), all units of a ReLU being dead"
    got = submission.run(record_training, layers, state, [x], 0.0, [], call=call)
    hint = "0.0 and None are two answers, and both count as false. How does your code tell them apart?"
    check_rows(got["steps"], expected, hint)


def record_unevenly(sub, state, x, other):
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(x.device)
    net.load_state_dict(state)
    stranger = nn.Linear(3, 2).to(x.device)
    with sub.record_gradients(net) as outer:
        (net(x).square().sum() + net(other).square().sum()).backward()
        net(x)
        stranger(x).sum().backward()
        loss = net(other).square().sum()
        with sub.record_gradients(net[2]) as inner:
            loss.backward(retain_graph=True)
        loss.backward()
    return [outer, inner]


@pytest.mark.task(2)
def test_backward_passes_count_and_forward_passes_do_not(submission, rng):
    """Two forward passes with one backward are one row, one forward with two backward two; other models give none."""
    state, x, other = random_state(FLAT, rng), batch(rng), batch(rng)
    net = wide(FLAT, state)
    both, one = norms_of(gradients_of(net, x, other)), norms_of(gradients_of(net, other))
    call = RECORD + "(loss(x) + loss(x2)).backward(); model(x); stranger(x).sum().backward(); loss(x2).backward() twice"
    got = submission.run(record_unevenly, state, x, other, call=call)
    hint = "Gradients of one pass are summed before they are measured. What is one row: a forward, a call, a pass back?"
    check_rows(got[0], [both, one, one], hint)


@pytest.mark.task(2)
def test_a_record_of_a_part_in_a_block(submission, rng):
    """A block around a layer of the model, inside of one around the model: each notes its own parameters."""
    state, x, other = random_state(FLAT, rng), batch(rng), batch(rng)
    norms = norms_of(gradients_of(wide(FLAT, state), other))
    expected = [{"weight": norms["2.weight"], "bias": norms["2.bias"]}]
    call = "with record_gradients(model): … with record_gradients(model[2]) as steps: loss.backward()"
    got = submission.run(record_unevenly, state, x, other, call=call)
    check_rows(got[1], expected, "Whose parameters are these, under which names, and between which lines?")


@pytest.mark.task(2)
def test_it_finds_where_the_gradients_of_a_deep_net_vanish(submission, rng):
    """Ten sigmoid layers: from the last to the first the norms fall by many powers of ten, and all are right."""
    layers: Layers = {}
    for depth in range(10):
        layers |= {str(2 * depth): ["Linear", 6, 6], str(2 * depth + 1): ["Sigmoid"]}
    state, x = random_state(layers, rng), batch(rng, 4, 6)
    expected = [norms_of(gradients_of(wide(layers, state), x))]
    got = submission.run(
        record_training, layers, state, [x], 0.0, [], call=RECORD + "loss.backward(), ten sigmoid layers"
    )
    hint = "The smallest norms are what one looks for here. Is anything rounded, cut off or added on the way?"
    check_rows(got["steps"], expected, hint)


@pytest.mark.task(2)
def test_no_hook_on_a_gradient_is_left_behind(submission):
    """After the block there are the hooks that were there before, on parameters as on layers, however it ended."""
    check_hooks_are_gone(submission, "record_gradients", [], ("", "an exception"))


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: scale_gradient
# ---------------------------------------------------------------------------------------------------------------------


def scale(sub, x, factor, weights, plain):
    """The value, and the gradient of sum(weights * scale_gradient(x)²), plus sum(plain * x) if there is a `plain`."""
    import torch

    x, other = x.clone().requires_grad_(), torch.zeros(1, device=x.device, requires_grad=True)
    y = sub.scale_gradient(x, factor)
    loss = (weights * y.square()).sum() + other.sum()
    (loss if plain is None else loss + (plain * x).sum()).backward()
    return {"value": y, "gradient": x.grad, "x": x}


SCALE = "y = scale_gradient(x, {}); (w * y.square()).sum().backward()"
FORWARD = "On the way forward nothing happens to the numbers. Which operation of yours rounds?"
BACKWARD = "What arrives at y is 2 w y, here. What is to arrive at x?"


@pytest.mark.task(3)
def test_values_pass_bit_for_bit(submission, rng):
    """Large and small numbers, odd and even factors: what comes out is what went in, to the last bit."""
    x = torch.randn(50, 3, generator=rng) * 10.0 ** torch.randint(-8, 8, (50, 3), generator=rng)
    for factor in (0.1, -0.7, 1e6, 0.0, 3):
        got = submission.scale_gradient(x, factor)
        check_tensor(got, x, rtol=0.0, atol=0.0, what="the value", hint=FORWARD)
        call = f"scale_gradient(x, {factor}), x requiring a gradient"
        got = submission.run(scale, x, factor, torch.ones_like(x), None, call=call)
        check_tensor(got["value"], x, rtol=0.0, atol=0.0, what="the value", hint=FORWARD)


@pytest.mark.task(3)
def test_the_gradient_is_multiplied(submission, rng):
    """On the way back each gradient is multiplied by the factor: smaller, larger, or the other way round."""
    for factor in (0.1, 2.5, -1.0, -0.3, 4):
        x, weights = batch(rng), batch(rng)
        expected = factor * 2 * weights.double() * x.double()
        got = submission.run(scale, x, factor, weights, None, call=SCALE.format(factor))
        check_tensor(got["gradient"], narrow(expected), what="the gradient of x", hint=BACKWARD)


@pytest.mark.task(3)
def test_a_factor_of_zero_gives_zeros(submission, rng):
    """With the factor 0 the gradient of x is a tensor of zeros: it came, and there is nothing in it."""
    x, weights = batch(rng), batch(rng)
    got = submission.run(scale, x, 0, weights, None, call=SCALE.format(0))
    hint = "Zeros are a gradient, and None is none. Is y still connected to x?"
    check_tensor(got["gradient"], torch.zeros_like(x), rtol=0.0, atol=0.0, what="the gradient of x", hint=hint)


@pytest.mark.task(3)
def test_other_uses_of_x_keep_their_gradient(submission, rng):
    """x is used beside it, too: only what comes back through scale_gradient is scaled."""
    x, weights, plain, factor = batch(rng), batch(rng), batch(rng), -0.5
    expected = factor * 2 * weights.double() * x.double() + plain.double()
    call = f"y = scale_gradient(x, {factor}); ((w * y.square()).sum() + (v * x).sum()).backward()"
    got = submission.run(scale, x, factor, weights, plain, call=call)
    hint = "Two gradients meet at x, one through y and one beside it. At which tensor are they still apart?"
    check_tensor(got["gradient"], narrow(expected), what="the gradient of x", hint=hint)
    check_tensor(got["x"], x, rtol=0.0, atol=0.0, what="x afterwards", hint="x is not yours to change.")


def scale_in_a_net(sub, state, x, factor, passes):
    """The gradients of a net, scaled between its two parts, summed over the passes; the last one is not scaled."""
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).to(x.device)
    net.load_state_dict(state)
    for _ in range(passes):
        net[2](sub.scale_gradient(net[1](net[0](x)), factor)).square().sum().backward()
    net(x).square().sum().backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


@pytest.mark.task(3)
def test_only_the_layers_below_are_scaled(submission, rng):
    """In the middle of a network: layers above it have their own gradients, those below the scaled ones."""
    state, x, factor = random_state(FLAT, rng), batch(rng), -2.0
    plain = gradients_of(wide(FLAT, state), x)
    expected = {name: (2 if name[0] == "2" else 1 + factor) * each for name, each in plain.items()}
    call = f"head(scale_gradient(body(x), {factor})), loss.backward(); then head(body(x)), loss.backward()"
    got = submission.run(scale_in_a_net, state, x, factor, 1, call=call)
    hint = "The gradient is scaled where it passes, and nowhere else: not in layers above, and not in the next pass."
    check_gradients(got, expected, hint)


def scale_twice(sub, x, first, second):
    import torch

    x = x.clone().requires_grad_()
    y, z = sub.scale_gradient(x, first), sub.scale_gradient(x, second)
    (y.sum() + (3 * z).sum()).backward()
    chained = x.detach().clone().requires_grad_()
    sub.scale_gradient(sub.scale_gradient(chained, first), second).sum().backward()
    unscaled = torch.autograd.grad((2 * x).sum(), x)[0]
    return {"side by side": x.grad, "chained": chained.grad, "afterwards": unscaled}


@pytest.mark.task(3)
def test_each_call_has_its_own_factor(submission, rng):
    """Two calls on one tensor, two in a row, and then x without any: no factor lasts longer than its result."""
    x = batch(rng)
    due = {"side by side": 0.5 + 3 * -4.0, "chained": 0.5 * -4.0, "afterwards": 2.0}
    call = "y, z = scale_gradient(x, 0.5), scale_gradient(x, -4.0); (y.sum() + (3 * z).sum()).backward(); …"
    got = submission.run(scale_twice, x, 0.5, -4.0, call=call)
    hint = "What does a second call find of the first one: on x, or in your module?"
    for what, value in due.items():
        check_tensor(got[what], torch.full_like(x, value), what=f"the gradient of x, {what}", hint=hint)


def scale_without_gradient(sub, x, factor):
    import torch

    with torch.no_grad():
        quiet = sub.scale_gradient(x.clone().requires_grad_(), factor)
    with torch.inference_mode():
        still = sub.scale_gradient(x.clone(), factor).clone()
    return [sub.scale_gradient(x, factor), quiet, still]


@pytest.mark.task(3)
def test_it_works_where_nothing_needs_a_gradient(submission, rng):
    """For prediction the same network runs without a graph: the values pass, and there is nothing to scale."""
    x = batch(rng)
    call = "with torch.no_grad(): scale_gradient(x, -1.0); x without requires_grad, too"
    got = submission.run(scale_without_gradient, x, -1.0, call=call)
    hint = "Which step of yours needs a tensor that requires a gradient? When is there none?"
    for value in got:
        check_tensor(value, x, rtol=0.0, atol=0.0, what="the value", hint=hint)


@pytest.mark.task(3)
def test_dtype_and_shape_are_kept(submission, rng):
    """float64 is scaled with the precision of float64; a single number and an empty batch are tensors too."""
    for shape, dtype in (((2, 1, 3), torch.float64), ((), torch.float32), ((0, 3), torch.float32)):
        x, weights = (torch.randn(shape, generator=rng, dtype=dtype) for _ in range(2))
        expected = -0.1 * 2 * weights * x
        got = submission.run(scale, x, -0.1, weights, None, call=SCALE.format(-0.1))
        hint = "A factor that becomes a tensor gets a dtype. Which one, and does it need to become one at all?"
        check_tensor(got["value"], x, rtol=0.0, atol=0.0, what=f"the value, shape {list(shape)}", hint=hint)
        # float64: -0.1 in float32 would be off by 1.5e-9 of it
        exact = {"rtol": 1e-12, "atol": 1e-14} if dtype == torch.float64 else {}
        check_tensor(got["gradient"], expected, what=f"the gradient, shape {list(shape)}", hint=hint, **exact)


def scale_second_order(sub, x, factor):
    import torch

    x = x.clone().requires_grad_()
    slope = torch.autograd.grad(sub.scale_gradient(x, factor).pow(3).sum(), x, create_graph=True)[0]
    return [slope, torch.autograd.grad(slope.sum(), x)[0]]


@pytest.mark.task(3)
def test_second_derivatives_are_scaled_once_more(submission, rng):
    """A gradient of a gradient passes twice, so it is scaled twice: of x³ come f · 3 x² and f² · 6 x."""
    x, factor = batch(rng), -0.5
    expected = [factor * 3 * x.double() ** 2, factor**2 * 6 * x.double()]
    call = "slope = grad(scale_gradient(x, -0.5).pow(3).sum(), x, create_graph=True); grad(slope.sum(), x)"
    got = submission.run(scale_second_order, x, factor, call=call)
    hint = "With create_graph=True the way back is recorded as well. Which step of yours is left out of the record?"
    for order, right in enumerate(expected):
        check_tensor(got[order], narrow(right), what=f"derivative {order + 1}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: freeze
# ---------------------------------------------------------------------------------------------------------------------

# "body" is the beginning of another name, as layer1 is of layer10.
TALL: Layers = {
    "stem": ["Linear", 3, 4],
    "body": {"0": ["Linear", 4, 5], "1": ["Tanh"]},
    "body2": ["Linear", 5, 4],
    "head": ["Linear", 4, 2],
}


def train_frozen(sub, layers, state, names, inputs, lr, modes=("train",), old=False):
    """Steps of gradient descent in the block, all weights decaying by a tenth of lr as well.

    `modes` are called in the block before each step; `old`: with a gradient from before the block, and no zero_grad.
    """
    import torch
    from torch import nn

    def build(layers):
        net = nn.Sequential()
        for name, layer in layers.items():
            net.add_module(name, build(layer) if isinstance(layer, dict) else getattr(nn, layer[0])(*layer[1:]))
        return net

    net = build(layers).to(inputs[0].device)
    net.load_state_dict(state)
    if old:
        net(inputs[0]).square().sum().backward()
    outputs = []
    with sub.freeze(net, names):
        for x in inputs:
            for mode in modes:
                getattr(net, mode)()
            if not old:
                net.zero_grad()
                x, other = x.clone().requires_grad_(), torch.zeros(1, device=x.device, requires_grad=True)
                outputs.append(net(x))
                (outputs[-1].square().sum() + other.sum()).backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    if parameter.grad is not None:
                        parameter -= lr * (parameter.grad + 0.1 * parameter)
        gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
        gradients["x"] = None if old else x.grad
    return {"state": dict(net.state_dict()), "outputs": outputs, "gradients": gradients}


def parts_of(state: State, *parts: str) -> tuple[str, ...]:
    return tuple(name for name in state if name.startswith(tuple(f"{part}." for part in parts)))


def frozen(names: list[str], body: str = "(training)") -> str:
    return f"with freeze(model, {names}): {body}"


@pytest.mark.task(4)
def test_a_frozen_part_stays_and_the_rest_learns(submission, rng):
    """Three steps of training with weight decay: the part's weights are the same to the last bit, the others not."""
    state, inputs, lr = random_state(TALL, rng), [batch(rng) for _ in range(3)], 1e-3
    net, stays = wide(TALL, state), parts_of(state, "body")
    for x in inputs:
        gradients = gradients_of(net, x)
        decayed = {name: gradients[name] + 0.1 * value.detach() for name, value in net.named_parameters()}
        descend(net, {name: each * (name not in stays) for name, each in decayed.items()}, lr)
    expected = dict(net.state_dict())
    got = submission.run(train_frozen, TALL, state, ["body"], inputs, lr, call=frozen(["body"]))["state"]
    hint = "Which flag of a parameter says whether it gets a gradient? Which parameters belong to the part?"
    check_state(got, state, stays, "(frozen) after three steps", hint)
    hint = "The other parts learn as ever, also those below. Which of them does your code take for a part of `body`?"
    for name in (name for name in state if name not in stays):
        check_tensor(
            got[name], narrow(expected[name]), **CLOSE, what=f"{name} (not frozen) after three steps", hint=hint
        )


@pytest.mark.task(4)
def test_gradients_pass_through_a_frozen_part(submission, rng):
    """Layers below a frozen part still learn, and frozen parameters have no gradient at all."""
    state, x = random_state(TALL, rng), batch(rng)
    expected: dict[str, Tensor | None] = dict(gradients_of(wide(TALL, state), x))
    expected |= dict.fromkeys(parts_of(state, "body", "head"))
    call = frozen(["body", "head"], "loss.backward()")
    got = submission.run(train_frozen, TALL, state, ["body", "head"], [x], 0.0, call=call)
    hint = "A frozen layer takes no gradient for itself. What stands between it and the layers below?"
    check_gradients(got["gradients"], expected, hint)


@pytest.mark.task(4)
def test_the_name_of_a_layer_and_of_the_model(submission, rng):
    """A single layer deep inside can be frozen, and with "" the whole model: then only the input has a gradient."""
    state, x = random_state(TALL, rng), batch(rng)
    net = wide(TALL, state)
    gradients = gradients_of(net, x)
    leaf = x.double().requires_grad_()
    of_x = torch.autograd.grad(net(leaf).square().sum(), leaf)[0]
    for name, stays in (("body.0", parts_of(state, "body.0")), ("", tuple(state))):
        expected = gradients | dict.fromkeys(stays) | {"x": of_x}
        got = submission.run(train_frozen, TALL, state, [name], [x], 0.0, call=frozen([name], "loss.backward()"))
        hint = 'Print the names of model.named_modules(). Which parameters are below "body.0", and which below ""?'
        check_gradients(got["gradients"], expected, hint)


@pytest.mark.task(4)
def test_a_gradient_from_before_is_dropped(submission, rng):
    """An optimiser moves whatever has a gradient: one from before the block must not move a frozen weight."""
    state, x, lr = random_state(TALL, rng), batch(rng), 0.25
    gradients, stays = gradients_of(wide(TALL, state), x), parts_of(state, "body")
    call = f"loss.backward(); {frozen(['body'], 'a step of the optimiser, without zero_grad()')}"
    got = submission.run(train_frozen, TALL, state, ["body"], [x], lr, old=True, call=call)
    hint = "requires_grad=False stops new gradients. What of the one that is there already?"
    check_gradients(got["gradients"], dict.fromkeys(stays), hint)
    check_state(got["state"], state, stays, "(frozen) after the step", hint)
    hint = "Gradients of the other parts are still to be used. Whose gradients does your code drop?"
    check_gradients(got["gradients"], {name: each for name, each in gradients.items() if name not in stays}, hint)


NORMS: Layers = {
    "body": {"0": ["BatchNorm2d", 2], "1": ["Tanh"], "2": ["Flatten"], "3": ["Linear", 30, 6], "4": ["BatchNorm1d", 6]},
    "norm": ["BatchNorm1d", 6],
    "head": ["Linear", 6, 2],
}


def images(rng: torch.Generator) -> Tensor:
    return torch.randn(16, 2, 5, 3, generator=rng)


def half_frozen(state: State) -> nn.Sequential:
    """The network with a body that evaluates, and a norm that trains."""
    net = wide(NORMS, state)
    net.body.eval()
    return net


@pytest.mark.task(4)
def test_a_frozen_batch_norm_leaves_its_statistics(submission, rng):
    """The block calls model.train() before each step, as a training loop does: frozen running statistics stay."""
    state, inputs = random_state(NORMS, rng), [images(rng) for _ in range(2)]
    for modes, before in ((("train",), "model.train(); "), (("eval", "train"), "model.eval(); model.train(); ")):
        call = frozen(["body"], f"{before}model(x)  (twice)")
        got = submission.run(train_frozen, NORMS, state, ["body"], inputs, 0.0, modes, call=call)
        hint = "Running statistics are no parameters. What changes them, and who switches that on again in the block?"
        stays = tuple(name for name in parts_of(state, "body") if "running" in name or "num_" in name)
        check_state(got["state"], state, stays, "(frozen) after two passes", hint)


@pytest.mark.task(4)
def test_a_frozen_batch_norm_uses_its_statistics(submission, rng):
    """In training mode, too, a frozen BatchNorm normalises by its running statistics, not by the batch."""
    state, x = random_state(NORMS, rng), images(rng)
    expected = half_frozen(state)(x.double())
    call = frozen(["body"], "model.train(); model(x)")
    got = submission.run(train_frozen, NORMS, state, ["body"], [x], 0.0, call=call)
    hint = (
        "By what does BatchNorm normalise in training mode? To keep its statistics is one thing, to use them another."
    )
    check_tensor(got["outputs"][0], narrow(expected), **CLOSE, what="the model's output", hint=hint)


@pytest.mark.task(4)
def test_batch_norm_elsewhere_learns_its_statistics(submission, rng):
    """A BatchNorm outside of the frozen part sees the batch and updates its running mean."""
    state, x = random_state(NORMS, rng), images(rng)
    net = half_frozen(state)
    net(x.double())
    got = submission.run(
        train_frozen, NORMS, state, ["body"], [x], 0.0, call=frozen(["body"], "model.train(); model(x)")
    )
    hint = "Only the part that is named is frozen. Which modules does your code switch to evaluation mode?"
    check_tensor(got["state"]["norm.num_batches_tracked"], torch.tensor(4), what="norm.num_batches_tracked", hint=hint)
    mean = narrow(net.norm.running_mean)
    check_tensor(got["state"]["norm.running_mean"], mean, **CLOSE, what="norm.running_mean", hint=hint)


DROPPING: Layers = {"body": {"0": ["Linear", 3, 4], "1": ["Dropout", 1.0]}, "head": ["Linear", 4, 2]}


@pytest.mark.task(4)
def test_dropout_in_a_frozen_part_follows_its_mode(submission, rng):
    """A dropout that drops all, in a frozen part: in training mode it drops, in evaluation mode it does not."""
    state, x = random_state(DROPPING, rng), batch(rng)
    net = wide(DROPPING, state)
    for mode in ("train", "eval"):
        expected = getattr(net, mode)()(x.double())
        call = frozen(["body"], f"model.{mode}(); model(x), with Dropout(1.0) in the body")
        got = submission.run(train_frozen, DROPPING, state, ["body"], [x], 0.0, [mode], call=call)
        hint = "Which layers of a frozen part have statistics to keep? The others go by the model's mode."
        check_tensor(got["outputs"][0], narrow(expected), what="the model's output", hint=hint)


def freeze_and_look(sub, names, off, ending, inner):
    """Which parameters require a gradient and which modules train, before, in and after a block."""
    import torch
    from torch import nn

    class Norm(nn.BatchNorm1d):
        pass

    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(Norm(4), nn.Linear(4, 4)), nn.BatchNorm1d(4), nn.Linear(4, 2))
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name not in off)
    net[2].eval()
    mean = net[1][0].running_mean.clone()
    seen, passed_on = {}, False

    def look(when):
        seen[when] = [name for name, parameter in net.named_parameters() if parameter.requires_grad]

    try:
        with sub.freeze(net, names):
            look("in the block")
            if inner:
                with sub.freeze(net, inner):
                    look("in the inner block")
                look("after the inner block")
            net(torch.ones(4, 3))
            if ending == "an exception":
                raise ArithmeticError("planned by the test")
    except ArithmeticError:
        passed_on = True
    except Exception as error:
        if ending != "a ValueError" or isinstance(error, NotImplementedError):  # which a stub raises
            raise
        seen["raised"] = type(error).__name__
    look("after the block")
    modes = [name or "the model" for name, module in net.named_modules() if module.training]
    still = torch.equal(mean, net[1][0].running_mean)
    net(torch.ones(4, 3))
    learns = not torch.equal(mean, net[1][0].running_mean)
    return {"seen": seen, "passed_on": passed_on, "modes": modes, "still": still, "learns": learns}


ALL = [f"{layer}.{kind}" for layer in ("0", "1.0", "1.1", "2", "3") for kind in ("weight", "bias")]
FLAGS = "Some were off before the block. Write down what you find before you change it, and put just that back."


def others(*prefixes: str) -> list[str]:
    return [name for name in ALL if not name.startswith(prefixes)]


@pytest.mark.task(4)
def test_each_flag_is_afterwards_as_before(submission):
    """Some parameters were frozen before the block, inside of the part and outside: they are so afterwards, too."""
    off = ["0.bias", "1.1.weight"]
    free = [name for name in ALL if name not in off]
    for ending, told in (("", ""), ("an exception", "raise ArithmeticError")):
        call = f"{' and '.join(off)} frozen; {frozen(['1'], told or '…')}"
        got = submission.run(freeze_and_look, ["1"], off, ending, [], call=call)
        inside = [name for name in free if not name.startswith("1.")]
        check_equal(got["seen"]["in the block"], inside, what="who requires a gradient in the block", hint=FLAGS)
        check_equal(got["seen"]["after the block"], free, what="who requires a gradient afterwards", hint=FLAGS)
        hint = "The error is news to whoever wrote the block. Where does it end, in your code?"
        check_equal(got["passed_on"], bool(ending), what="whether the error leaves the block", hint=hint)


@pytest.mark.task(4)
def test_a_part_inside_of_another_one(submission):
    """A part is named beside one that it lies in, before it or after it: its flags come back all the same."""
    for names in (["1", "1.0"], ["1.1", "1"]):
        seen = submission.run(freeze_and_look, names, [], "", [], call=frozen(names, "…"))["seen"]
        hint = "Some parameters are met twice here. What is their flag when you meet them again?"
        check_equal(seen["in the block"], others("1."), what="who requires a gradient in the block", hint=hint)
        check_equal(seen["after the block"], ALL, what="who requires a gradient afterwards", hint=hint)


@pytest.mark.task(4)
def test_a_frozen_batch_norm_trains_again_afterwards(submission):
    """After the block all modes are as before it, and the norms of the part, of a derived class here, learn again."""
    got = submission.run(freeze_and_look, ["1"], [], "", [], call=frozen(["1"], "model(x)") + "; model(x)")
    hint = "What do you undo after the block: flags, modes, hooks? And is a class derived from BatchNorm one?"
    check_equal(got["still"], True, what="whether the frozen running mean stays in the block", hint=hint)
    modes = ["the model", "0", "1", "1.0", "1.1", "3"]  # 2 was in evaluation mode before
    check_equal(got["modes"], modes, what="who is in training mode after the block", hint=hint)
    check_equal(got["learns"], True, what="whether the running mean changes after the block", hint=hint)


@pytest.mark.task(4)
def test_a_frozen_block_in_a_frozen_block(submission):
    """The end of the inner block thaws what the inner block froze, and not what was frozen before it."""
    call = frozen(["1", "3"], f"{frozen(['0', '1.0'], '…')}; …")
    got = submission.run(freeze_and_look, ["1", "3"], [], "", ["0", "1.0"], call=call)["seen"]
    for when, due in (
        ("in the block", others("1.", "3.")),
        ("in the inner block", others("0.", "1.", "3.")),
        ("after the inner block", others("1.", "3.")),
        ("after the block", ALL),
    ):
        check_equal(got[when], due, what=f"who requires a gradient {when}", hint=FLAGS)


@pytest.mark.task(4)
def test_an_unknown_part_to_freeze_is_refused(submission):
    """A name that the model does not have is a ValueError that says which one."""
    for name in UNKNOWN:
        drive = submission.run, enter, "freeze", ["head", name]
        call = f"with freeze(model, ['head', {name!r}])"
        check_raises(ValueError, *drive, call=call, mentions=(name,), hint=NAMES)


@pytest.mark.task(4)
def test_nothing_is_frozen_when_a_name_is_unknown(submission):
    """The first name is right and the second is not: the model is as it was, and no hook is left."""
    got = submission.run(
        freeze_and_look, ["1", "hat"], [], "a ValueError", [], call="with freeze(model, ['1', 'hat'])"
    )["seen"]
    check_equal(got.get("raised"), "ValueError", what="the exception", hint=NAMES)
    check_equal(got["after the block"], ALL, what="who requires a gradient afterwards", hint=NAMES)
    for arguments, ending in (([["1", "hat"]], "a ValueError"), ([["0", "1"]], ""), ([["1"]], "an exception")):
        check_hooks_are_gone(submission, "freeze", arguments, (ending,))


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: layer_weights
# ---------------------------------------------------------------------------------------------------------------------


def weights_of(sub, layers, state, names, dtype):
    """The arrays as tensors, taken after writing into each and into the model; and what this does to the model."""
    import numpy as np
    import torch
    from torch import nn

    def build(layers):
        net = nn.Sequential()
        for name, layer in layers.items():
            net.add_module(name, build(layer) if isinstance(layer, dict) else getattr(nn, layer[0])(*layer[1:]))
        return net

    device = next(iter(state.values())).device
    net = build(layers).to(device, dtype)
    net.load_state_dict(state)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    kinds, first, second = {}, {}, {}
    for name in names:
        array = sub.layer_weights(net, name)
        kinds[name] = "numpy.ndarray" if type(array) is np.ndarray else type(array).__name__
        if type(array) is np.ndarray:
            first[name] = torch.from_numpy(array.copy()).to(device)
            with torch.no_grad():
                net.get_submodule(name).weight.mul_(2)
            second[name] = torch.from_numpy(array.copy()).to(device)
            array[...] = 7
    flags = [parameter.requires_grad for parameter in net.parameters()]
    gradients = [parameter.grad for parameter in net.parameters()]
    result = {"kinds": kinds, "first": first, "second": second, "state": dict(net.state_dict())}
    return result | {"flags": flags, "gradients": gradients}


WEIGHTED: Layers = {"body": {"0": ["Conv2d", 2, 3, [3, 1]], "1": ["BatchNorm2d", 3]}, "head": ["Linear", 5, 2]}
WITH_WEIGHTS = ["body.0", "body.1", "head"]


def check_arrays(got: Any, when: str, state: State, names: list[str], dtype: torch.dtype, hint: str) -> None:
    for name in names:
        check_equal(got["kinds"][name], "numpy.ndarray", what=f"the type of layer_weights(model, {name!r})", hint=hint)
        weight = state[f"{name}.weight"].to(dtype)
        check_tensor(got[when][name], weight, rtol=0.0, atol=0.0, what=f"layer_weights(model, {name!r})", hint=hint)


@pytest.mark.task(5)
def test_the_weights_of_each_layer_as_an_array(submission, rng):
    """Weights that require a gradient, of layers of three kinds, in float32 and float64: arrays of the same numbers."""
    for dtype in (torch.float32, torch.float64):
        drawn = random_state(WEIGHTED, rng)
        state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in drawn.items()}
        call = f"layer_weights(model, name) for each of {', '.join(WITH_WEIGHTS)}"
        got = submission.run(weights_of, WEIGHTED, state, WITH_WEIGHTS, dtype, call=call)
        hint = "numpy() turns a tensor without a graph into an array. What are shape and dtype, and whose weight is it?"
        check_arrays(got, "first", state, WITH_WEIGHTS, dtype, hint)


@pytest.mark.task(5)
def test_the_array_is_a_copy(submission, rng):
    """Later training does not change the array, and writing into the array does not change the model."""
    state = random_state(WEIGHTED, rng)
    call = "a = layer_weights(model, name); model's weight.mul_(2); a[...] = 7"
    got = submission.run(weights_of, WEIGHTED, state, WITH_WEIGHTS, torch.float32, call=call)
    hint = "An array and a tensor can show the same memory. Which calls make a copy?"
    check_arrays(got, "second", state, WITH_WEIGHTS, torch.float32, hint)
    for name in WITH_WEIGHTS:
        doubled, what = state[f"{name}.weight"] * 2, f"the model's {name}.weight after a[...] = 7"
        check_tensor(got["state"][f"{name}.weight"], doubled, rtol=0.0, atol=0.0, what=what, hint=hint)


@pytest.mark.task(5)
def test_bfloat16_becomes_float32(submission, rng):
    """NumPy has no bfloat16: the numbers come as float32, which holds each of them exactly. The model keeps its own."""
    state = {"weight": torch.randn(2, 5, generator=rng).bfloat16(), "bias": torch.zeros(2).bfloat16()}
    sent = {f"head.{name}": value for name, value in state.items()}
    layers: Layers = {"head": ["Linear", 5, 2]}
    got = submission.run(
        weights_of, layers, sent, ["head"], torch.bfloat16, call="layer_weights(model.bfloat16(), 'head')"
    )
    hint = "To what can a bfloat16 be converted without a loss? And is it the array that is converted, or the model?"
    check_arrays(got, "first", sent, ["head"], torch.float32, hint)
    check_tensor(
        got["state"]["head.weight"], state["weight"] * 2, rtol=0.0, atol=0.0, what="the model's weight", hint=hint
    )


@pytest.mark.task(5)
def test_the_model_can_go_on_training(submission, rng):
    """All parameters still require a gradient, and the gradients that were there are still there."""
    state = random_state(WEIGHTED, rng)
    call = "layer_weights(model, name); the model's parameters and their gradients"
    got = submission.run(weights_of, WEIGHTED, state, WITH_WEIGHTS, torch.float32, call=call)
    hint = "Which of your calls makes a new tensor, and which changes the model's own?"
    check_equal(got["flags"], [True] * 6, what="requires_grad of the parameters", hint=hint)
    for gradient in got["gradients"]:
        check_tensor(gradient, torch.ones_like(gradient) if type(gradient) is Tensor else torch.ones(1), hint=hint)


def weights_or_error(sub, name):
    from torch import nn

    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4, affine=False)))
    net.add_module("head", nn.Linear(4, 2))
    return type(sub.layer_weights(net, name)).__name__


@pytest.mark.task(5)
def test_no_such_layer_and_no_weight_are_value_errors(submission):
    """A name that is not there, a part, an activation, a BatchNorm whose weight is None: the error says the name."""
    for name in ("hat", "body.7", "body", "body.1", "body.2"):
        hint = (
            "What is there to return for this name? Ask for the layer, then for its weight, and look at what you got."
        )
        call = f"layer_weights(model, {name!r})"
        check_raises(ValueError, submission.run, weights_or_error, name, call=call, mentions=(name,), hint=hint)
