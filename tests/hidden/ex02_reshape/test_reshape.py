"""Exercise 2, Reshape: the hidden tests. Expected values are torch.reshape of shapes worked out by hand."""

import pytest
import torch

from grader.checks import NOTHING, check, check_equal, check_raises, check_tensor

# How a case spells the sizes of `Reshape`: an argument each, or one argument that holds them all.
SPELLINGS = ("sizes", "tuple", "list", "torch.Size")


def numbered(*shape, dtype=torch.float32):
    """A tensor whose elements are 0, 1, 2, …, so that each can be told from the others."""
    return torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype)


def spelled(shape: tuple, spelling: str) -> tuple[list, str]:
    """The arguments of `Reshape`, and the call as it is written."""
    if spelling == "sizes":
        return list(shape), f"Reshape({', '.join(map(repr, shape))})"
    kind = {"tuple": tuple, "list": list, "torch.Size": torch.Size}[spelling]
    return [kind(shape)], f"Reshape({kind(shape)!r})"


# What to think about, by the way in which a result is wrong

BATCH = "The first size of the result is the number of samples, as it came. Which step of yours lets it change?"
ORDER = (
    "The shape is right, and elements stand in another place. A sample is read row by row: in what order do you read?"
)


def cause(got: object, expected: torch.Tensor, hint: str) -> str:
    """The hint for a batch that changed or elements that moved; otherwise that of the test."""
    if type(got) is not torch.Tensor:
        return NOTHING if got is None else hint
    if got.shape == expected.shape:
        return ORDER
    return BATCH if got.shape[:1] != expected.shape[:1] else hint


# Drivers


def forward(sub, args, x):
    """What the layer makes of a batch."""
    return sub.Reshape(*args)(x)


def forward_each(sub, args, *batches):
    """What one layer makes of several batches, one after the other."""
    layer = sub.Reshape(*args)
    return [layer(x) for x in batches]


def only_made(sub, args):
    """Makes the layer, and does nothing with it."""
    sub.Reshape(*args)


def reprs(sub, args, x):
    """The layer's repr before and after use."""
    layer = sub.Reshape(*args)
    before = repr(layer)
    layer(x)
    return before, repr(layer)


# Task 1: a new shape for every sample


@pytest.mark.task(1)
def test_four_ways_to_give_the_sizes(submission):
    """Reshape(2, 3), Reshape((2, 3)), Reshape([2, 3]) and Reshape(torch.Size([2, 3])) mean the same."""
    for spelling in SPELLINGS:
        args, call = spelled((2, 3), spelling)
        x = numbered(5, 6)
        got = submission.run(forward, args, x, call=f"{call}(x) with x of shape (5, 6)")
        hint = "What does *shape hold when one argument comes that is a tuple or a list itself?"
        expected = x.reshape(5, 2, 3)
        check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(1)
def test_a_single_size(submission):
    """One size makes a vector of every sample, however it is given."""
    for spelling in SPELLINGS:
        args, call = spelled((12,), spelling)
        x = numbered(5, 3, 4)
        got = submission.run(forward, args, x, call=f"{call}(x) with x of shape (5, 3, 4)")
        expected, hint = x.reshape(5, 12), "How do you tell one size from one tuple with one size in it?"
        check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(1)
def test_no_sizes_give_one_number_per_sample(submission):
    """Reshape() and Reshape(()) give [B]: samples of one element each, without an axis of their own."""
    for sample in [(), (1,), (1, 1)]:
        for spelling in SPELLINGS:
            args, call = spelled((), spelling)
            x = numbered(5, *sample)
            got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
            expected, hint = (
                x.reshape(5),
                "A sample has one element here. How many axes are left when it gets no sizes?",
            )
            check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(1)
def test_the_order_of_the_elements_stays(submission):
    """Every sample keeps its own elements, in the order in which they are read, row by row."""
    for before, after in [
        ((2, 3, 4), (4, 6)),
        ((24,), (2, 3, 4)),
        ((4, 6), (6, 4)),
        ((), (1, 1)),
        ((2, 3), (2, 3)),
        ((6,), (1, 2, 1, 3)),
    ]:
        x = numbered(7, *before)
        args, call = spelled(after, "sizes")
        got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
        expected = x.reshape(7, *after)
        hint = "Which sizes were asked for, and which of them does the result have after its first one?"
        check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(1)
def test_any_number_of_samples(submission):
    """The batch dimension is left alone, whether there are many samples, one, or none."""
    for batch in [0, 1, 2, 6]:
        x = numbered(batch, 6)
        got = submission.run(forward, [2, 3], x, call=f"Reshape(2, 3)(x) with x of shape ({batch}, 6)")
        expected = x.reshape(batch, 2, 3)
        hint = "Which of the sizes in the result does the layer not know when it is made?"
        check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(1)
def test_one_layer_for_batches_of_many_sizes(submission):
    """The last batch of an epoch is often smaller: the same layer takes it."""
    batches = [numbered(size, 4) for size in (8, 8, 3, 1)]
    call = "layer = Reshape(2, 2), then layer(x) with 8, 8, 3 and 1 samples"
    got = submission.run(forward_each, [2, 2], *batches, call=call)
    check(type(got) is list and len(got) == 4, expected="four results", got=repr(got)[:80])
    for x, result in zip(batches, got, strict=True):
        expected, hint = x.reshape(-1, 2, 2), "Does the layer remember the first batch?"
        what = f"{len(x)} sample{'s' if len(x) > 1 else ''}"
        check_tensor(result, expected, what=what, hint=cause(result, expected, hint))


@pytest.mark.task(1)
def test_any_dtype(submission):
    """A new shape has nothing to do with the type of the elements: it stays."""
    for dtype in [torch.int64, torch.bool, torch.float64, torch.float16]:
        x = numbered(3, 4, dtype=dtype)
        name = str(dtype).removeprefix("torch.")
        got = submission.run(forward, [2, 2], x, call=f"Reshape(2, 2)(x) with x of shape (3, 4), {name}")
        expected, hint = x.reshape(3, 2, 2), "Which step of yours makes a new tensor?"
        check_tensor(got, expected, rtol=0.0, atol=0.0, hint=cause(got, expected, hint))


def forward_out_of_order(sub, args, x, how):
    """What the layer makes of a batch whose memory is not in the order of its elements."""
    if how == "swapped":
        x = x.transpose(1, 2)
    elif how == "batch last":
        x = x.permute(2, 0, 1)
    elif how == "every other":
        x = x[:, :, ::2]
    else:
        x = x[:, :1].expand(-1, 6, -1)
    return sub.Reshape(*args)(x)


@pytest.mark.task(1)
def test_input_that_is_not_contiguous(submission):
    """After a transpose, a permute, a step or an expand the memory is out of order: the result is the same."""
    for how in ["swapped", "batch last", "every other", "expanded"]:
        x = numbered(4, 6, 8)
        seen = {
            "swapped": x.transpose(1, 2),
            "batch last": x.permute(2, 0, 1),
            "every other": x[:, :, ::2],
            "expanded": x[:, :1].expand(-1, 6, -1),
        }[how]
        expected = seen.contiguous().reshape(seen.shape[0], 2, -1)
        args = list(expected.shape[1:])
        call = f"Reshape({args[0]}, {args[1]})(x) with x of shape {tuple(seen.shape)}, not contiguous ({how})"
        got = submission.run(forward_out_of_order, args, x, how, call=call)
        hint = "An element is where its index says, wherever it lies in memory. What does your layer go by?"
        check_tensor(got, expected, hint=hint)


# Task 2: one size is worked out


@pytest.mark.task(2)
def test_one_size_is_worked_out(submission):
    """A size of -1 is what remains of a sample when the other sizes are taken."""
    for before, given, after in [
        ((6,), (2, -1), (2, 3)),
        ((2, 3, 4), (-1,), (24,)),
        ((2, 3, 4), (-1, 6), (4, 6)),
        ((12,), (2, -1, 3), (2, 2, 3)),
        ((6,), (6, -1), (6, 1)),
        ((), (-1,), (1,)),
        ((), (1, -1), (1, 1)),
    ]:
        for spelling in SPELLINGS:
            x = numbered(5, *before)
            args, call = spelled(given, spelling)
            got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
            expected = x.reshape(5, *after)
            hint = "How many elements has ONE sample, and how many do the other sizes take?"
            check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(2)
def test_one_size_is_worked_out_without_samples(submission):
    """A batch without samples still says what a sample looks like: [0, 6] becomes [0, 2, 3]."""
    for before, given, after in [((6,), (2, -1), (2, 3)), ((4, 3), (-1,), (12,)), ((), (-1,), (1,))]:
        x = numbered(0, *before)
        args, call = spelled(given, "sizes")
        got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
        hint = "0 elements in all say nothing about a sample. Where else do the sizes of a sample stand?"
        check_tensor(got, torch.zeros(0, *after), hint=hint)


@pytest.mark.task(2)
def test_a_sample_without_elements(submission):
    """Where a sample has no elements, the size that is worked out is 0."""
    for before, given, after in [((0,), (2, -1), (2, 0)), ((4, 0), (-1,), (0,)), ((0, 5), (-1, 3), (0, 3))]:
        for batch in [0, 1, 3]:
            x = torch.zeros(batch, *before)
            args, call = spelled(given, "sizes")
            got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
            expected, hint = torch.zeros(batch, *after), "Which number times the other sizes gives 0 elements?"
            check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(2)
def test_the_size_is_worked_out_anew_for_every_batch(submission):
    """Samples of another size, another result: the layer does not settle on what it worked out first."""
    batches = [numbered(3, 6), numbered(3, 10), numbered(2, 2, 4)]
    call = "layer = Reshape(2, -1), then layer(x) with x of shape (3, 6), (3, 10) and (2, 2, 4)"
    got = submission.run(forward_each, [2, -1], *batches, call=call)
    check(type(got) is list and len(got) == 3, expected="three results", got=repr(got)[:80])
    for x, result, rest in zip(batches, got, (3, 5, 4), strict=True):
        expected, hint = x.reshape(len(x), 2, rest), "What does the layer keep from one call to the next?"
        what = f"for x of shape {tuple(x.shape)}"
        check_tensor(result, expected, what=what, hint=cause(result, expected, hint))


# Task 3: what does not fit


@pytest.mark.task(3)
def test_sizes_that_do_not_fit(submission):
    """A sample with too many or too few elements does not fit, and neither do no samples of that shape."""
    for before, given in [((17,), (11, 13)), ((19, 17), (323, 2)), ((29,), (31,)), ((22, 13), (11, 13))]:
        for batch in [0, 1, 2, 6, 143]:
            x = torch.zeros(batch, *before)
            args, call = spelled(given, "sizes")
            mentions = tuple(str(size) for size in (*before, *given))
            hint = "Do the sizes of one sample fit, whatever the number of samples? The message is to name both shapes."
            call = f"{call}(x) with x of shape {tuple(x.shape)}"
            check_raises(ValueError, submission.run, forward, args, x, call=call, mentions=mentions, hint=hint)


@pytest.mark.task(3)
def test_samples_are_never_merged_or_cut(submission):
    """All 4 samples together would fill another number of rows, but the batch dimension never changes."""
    for before, given in [((3,), (6,)), ((6,), (3,)), ((1,), (4,)), ((2, 3), (2,)), ((2,), ())]:
        x = numbered(4, *before)
        args, call = spelled(given, "sizes")
        hint = "The elements of all samples together fit, those of one sample do not. Which of the two counts?"
        call = f"{call}(x) with x of shape {tuple(x.shape)}"
        check_raises(
            ValueError, submission.run, forward, args, x, call=call, mentions=tuple(map(str, before)), hint=hint
        )


@pytest.mark.task(3)
def test_nothing_whole_is_left(submission):
    """When the other sizes do not divide a sample, no size is left to be worked out, for no batch."""
    for before, given in [((17,), (11, -1)), ((13, 5), (-1, 37)), ((7,), (-1, 19))]:
        for batch in [0, 1, 11, 22]:
            x = torch.zeros(batch, *before)
            args, call = spelled(given, "sizes")
            mentions = tuple(str(size) for size in (*before, *given) if size != -1)
            hint = "Do the other sizes divide the elements of ONE sample? The message is to name both shapes."
            call = f"{call}(x) with x of shape {tuple(x.shape)}"
            check_raises(ValueError, submission.run, forward, args, x, call=call, mentions=mentions, hint=hint)


@pytest.mark.task(3)
def test_a_sample_without_elements_does_not_fill_a_shape(submission):
    """Samples without elements do not fit where elements are asked for."""
    for batch in [0, 1, 5]:
        x = torch.zeros(batch, 0, 23)
        hint = "How many elements does a sample have, and how many are asked for? The message is to name both shapes."
        call = f"Reshape(31, 2)(x) with x of shape ({batch}, 0, 23)"
        check_raises(ValueError, submission.run, forward, [31, 2], x, call=call, mentions=("23", "31"), hint=hint)


@pytest.mark.task(3)
def test_what_fits_is_not_refused(submission):
    """Only what does not fit is refused: the same layers take samples that do."""
    for before, given in [((17,), (17,)), ((143,), (11, 13)), ((13, 5), (-1, 5)), ((0, 23), (23, 0, 1))]:
        x = numbered(3, *before)
        args, call = spelled(tuple(size or -1 for size in given), "sizes")
        got = submission.run(forward, args, x, call=f"{call}(x) with x of shape {tuple(x.shape)}")
        expected, hint = x.reshape(3, *given), "How many elements has a sample here, and how many do the sizes ask for?"
        check_tensor(got, expected, hint=cause(got, expected, hint))


@pytest.mark.task(3)
def test_input_without_a_batch_dimension(submission):
    """A tensor without any axis is no batch, although its one element would fit."""
    for given in [(), (1,), (-1,), (1, -1)]:
        args, call = spelled(given, "sizes")
        hint = "x.shape[0] is the number of samples. Which tensors have no shape[0]?"
        check_raises(
            ValueError, submission.run, forward, args, torch.tensor(1.0), call=f"{call}(torch.tensor(1.0))", hint=hint
        )


# Task 4: a layer among layers


def as_a_module(sub, x):
    """What torch sees in the layer."""
    from torch import nn

    layer = sub.Reshape(2, 3)
    if not isinstance(layer, nn.Module):
        return {"module": False}
    seen = []
    layer.register_forward_hook(lambda module, args, output: seen.append(list(output.shape)))
    layer(x)
    return {
        "module": True,
        "parameters": len(list(layer.parameters())),
        "buffers": len(list(layer.buffers())),
        "state": list(layer.state_dict()),
        "shapes that a hook sees": seen,
    }


def module_hint(got: object) -> str:
    """By the first of the things seen that is not as it should be."""
    seen = got if type(got) is dict else {}
    if not seen.get("module"):
        return "Only what derives from nn.Module can stand among layers. What does your class derive from?"
    if seen.get("parameters") or seen.get("buffers") or seen.get("state"):
        return "What the layer needs to know is settled when it is made. What is in it that would be trained or saved?"
    return "A hook sees the output whenever a module is called. Who does the calling: nn.Module, or a method of yours?"


@pytest.mark.task(4)
def test_a_module_without_parameters_or_buffers(submission):
    """The layer is an nn.Module, with hooks that fire, and it has nothing to learn and nothing to save."""
    expected = {"module": True, "parameters": 0, "buffers": 0, "state": [], "shapes that a hook sees": [[4, 2, 3]]}
    call = "layer = Reshape(2, 3), layer(x), then layer.parameters(), buffers() and state_dict()"
    got = submission.run(as_a_module, numbered(4, 6), call=call)
    check_equal(got, expected, what="what torch sees in the layer", hint=module_hint(got))


def in_a_sequence(sub, x, weight, bias):
    """A small network around the layer: its output and the gradient of its weights."""
    import torch
    from torch import nn

    linear = nn.Linear(6, 4).to(x.device)
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    network = nn.Sequential(sub.Reshape(6), linear, sub.Reshape(2, -1), nn.Softmax(dim=-1))
    out = network(x)
    if isinstance(out, torch.Tensor) and out.requires_grad:
        out.square().sum().backward()
    return out, linear.weight.grad


@pytest.mark.task(4)
def test_in_a_sequential_network(submission, rng):
    """Between the layers of nn.Sequential, where nobody calls it by hand; training reaches the layers before it."""
    x = torch.randn(5, 2, 3, generator=rng)
    weight, bias = torch.randn(4, 6, generator=rng), torch.randn(4, generator=rng)
    leaf = weight.double().requires_grad_()
    expected = torch.softmax((x.double().reshape(5, 6) @ leaf.T + bias).reshape(5, 2, 2), dim=-1)
    expected.square().sum().backward()
    call = "nn.Sequential(Reshape(6), nn.Linear(6, 4), Reshape(2, -1), nn.Softmax(dim=-1))(x)"
    reply = submission.run(in_a_sequence, x, weight, bias, call=call)
    out, gradient = reply if type(reply) is tuple and len(reply) == 2 else (reply, None)
    hint = "Run the layers one by one and print the shape after each."
    check_tensor(out, expected.detach().float(), rtol=1e-4, atol=1e-5, hint=hint)
    what, hint = "the gradient of the linear layer", "Between its output and the result, which step leaves the graph?"
    check_tensor(gradient, leaf.grad.float(), rtol=1e-4, atol=1e-5, what=what, hint=hint)


def gradient_through(sub, args, x, upstream, how):
    """The gradient of the input, for an upstream gradient of one's choice."""
    import torch

    x.requires_grad_()
    out = sub.Reshape(*args)(x.transpose(1, 2) if how == "swapped" else x)
    if not isinstance(out, torch.Tensor) or not out.requires_grad or out.shape != upstream.shape:
        return out, None
    out.backward(upstream)
    return out, x.grad


@pytest.mark.task(4)
def test_gradients_pass_through(submission, rng):
    """The gradient of every element of the output arrives at the element of the input that it came from."""
    for given in [(2, 6), (-1,)]:
        for how in ["in order", "swapped"]:
            x = torch.randn(5, 3, 4, generator=rng)
            seen = x.transpose(1, 2) if how == "swapped" else x
            expected = seen.reshape(5, *given)
            upstream = torch.randn(expected.shape, generator=rng)
            back = upstream.reshape(seen.shape)
            args, call = spelled(given, "sizes")
            call = f"{call}(x).backward(upstream) with x of shape {tuple(seen.shape)} ({how})"
            reply = submission.run(gradient_through, args, x, upstream, how, call=call)
            out, gradient = reply if type(reply) is tuple and len(reply) == 2 else (reply, None)
            check_tensor(out, expected, hint=cause(out, expected, "The values come first, then their gradients."))
            hint = "A gradient goes back the way that the values came. Which step of yours does autograd not see?"
            check_tensor(
                gradient, back.transpose(1, 2) if how == "swapped" else back, what="the gradient of x", hint=hint
            )


def what_is_printed(sub, x, bad):
    """What appears on the terminal while the layer is made, used, shown, and refuses an input."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        layer = sub.Reshape(2, -1)
        layer(x)
        repr(layer)
        with contextlib.suppress(Exception):
            layer(bad)
        with contextlib.suppress(Exception):
            sub.Reshape(0)
    return text.getvalue()


@pytest.mark.task(4)
def test_nothing_is_printed(submission):
    """A layer runs thousands of times: it says nothing unless it is asked."""
    call = "layer = Reshape(2, -1), layer(x), repr(layer), layer(bad), Reshape(0)"
    got = submission.run(what_is_printed, numbered(3, 6), numbered(3, 7), call=call)
    hint = "Is a line left from the search for a bug?"
    check_equal(got, "", what="the printed text (nothing)", hint=hint)


@pytest.mark.task(4)
def test_repr_shows_the_sizes_as_given(submission):
    """repr shows the call that makes the layer, before and after use: a -1 stays -1."""
    for given, expected in [((2, 3), "Reshape(2, 3)"), ((6,), "Reshape(6)"), ((2, -1), "Reshape(2, -1)")]:
        for spelling in SPELLINGS:
            args, call = spelled(given, spelling)
            got = submission.run(
                reprs, args, numbered(4, 6), call=f"layer = {call}, repr(layer), layer(x), repr(layer)"
            )
            hint = "nn.Module writes the name and the brackets. What stands between them, and is it what was given?"
            check_equal(got, (expected, expected), what="repr before and after use", hint=hint)


@pytest.mark.task(4)
def test_repr_without_sizes(submission):
    """Without sizes there is nothing between the brackets: Reshape()."""
    for spelling in SPELLINGS:
        args, call = spelled((), spelling)
        got = submission.run(reprs, args, numbered(4, 1), call=f"layer = {call}, repr(layer), layer(x), repr(layer)")
        check_equal(
            got,
            ("Reshape()", "Reshape()"),
            what="repr before and after use",
            hint="No sizes were given, in whichever way. What stands between the brackets then?",
        )


# Task 5: sizes that are none

BAD_SIZES = [
    (0,),  # zero
    (2, 0),  # zero after a size
    (0, -1),  # zero before -1
    (-2,),  # below -1
    (3, -7),  # below -1 after a size
    (True,),  # a bool
    (2, False),  # a bool after a size
    (True, -1),  # a bool before -1
    (2.0,),  # a float
    (3, 1.5),  # a float after a size
    (-1.0, 3),  # a float of -1
    (float("nan"),),  # not a number
    ("6",),  # a string
    (2, "3"),  # a string after a size
    (-1, -1),  # two sizes to work out
    (-1, 2, -1),  # two sizes to work out, apart
]


@pytest.mark.task(5)
def test_a_size_that_is_none(submission):
    """0, below -1, a bool, a float, a string, or a second -1: refused at once, and not in the middle of an epoch."""
    for given in BAD_SIZES:
        for spelling in ["sizes", "tuple", "list"]:
            args, call = spelled(given, spelling)
            hint = "Which values are sizes, and when is it known that this is none: now, or with the first batch?"
            check_raises(ValueError, submission.run, only_made, args, call=call, hint=hint)


@pytest.mark.task(5)
def test_a_string_is_not_a_list_of_sizes(submission):
    """A string can be looped over as a tuple can, but it holds no sizes."""
    for text in ["23", ""]:
        hint = "Python loops over the characters of a string. Which kinds of argument may hold sizes?"
        check_raises(ValueError, submission.run, only_made, [text], call=f"Reshape({text!r})", hint=hint)
