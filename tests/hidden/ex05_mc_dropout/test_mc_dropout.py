"""Hidden suite of exercise 5.

Networks without chance (dropout with p = 0) are compared with the same network worked out by hand in evaluation mode.
Where chance is at work, the judge reads the masks off what came back, and counts. By Hoeffding's inequality the mean of
n independent bits is off its expectation by more than t with a probability of at most 2 exp(-2 n t²); every such bound
stands beside its test, and is below 1e-6.
"""

import math

import pytest
import torch
from torch import Tensor

from grader.checks import check, check_equal, check_raises, check_tensor, same, show

State = dict[str, Tensor]

FEATURES, CLASSES = 3, 4


def check_floats(got: object, shape: tuple[int, ...], what: str, hint: str = "") -> None:
    """Fails unless `got` is a float32 tensor of this shape, all finite. Its values are for the test to look at."""
    check_tensor(got, torch.zeros(shape), rtol=0.0, atol=math.inf, what=what, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: mc_dropout
# ---------------------------------------------------------------------------------------------------------------------

BLOCK = "with mc_dropout(model): model(x)"


def pass_through_layers(sub, inputs, p):
    from torch import nn

    model = nn.Module()  # each layer three levels down
    model.stages = nn.ModuleList([nn.ModuleDict({kind: getattr(nn, kind)(p)}) for kind in inputs])
    layers = {kind: stage[kind] for stage in model.eval().stages for kind in stage}
    with sub.mc_dropout(model):
        return {kind: [layers[kind](x), layers[kind](x)] for kind, x in inputs.items()}


def dropped_and_kept(kind: str, p: float) -> tuple[float, float]:
    """What dropout makes of a 1. Alpha dropout puts -alpha where others put 0, and keeps mean 0 and variance 1."""
    if "Alpha" not in kind:
        return 0.0, 1 / (1 - p)
    alpha = 1.7580993408473766  # SELU's lambda times its alpha
    scale = ((alpha**2 * p + 1) * (1 - p)) ** -0.5
    return scale * (alpha * p - alpha), scale * (alpha * p + 1)


@pytest.mark.task(1)
def test_every_kind_of_dropout_samples(submission):
    """Six kinds of dropout layers sample in the block, deep inside a model that was in evaluation mode."""
    p, sizes = 0.3, {"Dropout1d": (3,), "Dropout2d": (3, 2), "Dropout3d": (2, 3, 2)}
    kinds = ["Dropout", *sizes, "AlphaDropout", "FeatureAlphaDropout"]
    inputs = {kind: torch.ones(20, 50, *sizes.get(kind, (3,))) for kind in kinds}
    call = "with mc_dropout(model): layer(x), for each layer of the model, x being all ones"
    got = submission.run(pass_through_layers, inputs, p, call=call)
    for kind in kinds:
        first, second = got[kind]
        for output in (first, second):
            check_floats(output, tuple(inputs[kind].shape), f"the output of {kind}")
            check(
                not torch.equal(output, inputs[kind]),
                expected=f"{kind}(p=0.3): some of the ones dropped",
                got="all of them let through",
                hint="This layer does not sample. How do you find the dropout layers, of all kinds and at all depths?",
            )
            dropped, kept = dropped_and_kept(kind, p)
            near_dropped = (output - dropped).abs() < 1e-4
            check(
                bool((near_dropped | ((output - kept).abs() < 1e-4)).all()),
                expected=f"{kind}(p=0.3): each 1 becomes {dropped:.4g} or {kept:.4g}",
                got=f"{output.unique().numel()} different values, from {output.min():.4g} to {output.max():.4g}",
                hint="A dropout layer knows how to sample once it is told to. What else happens to its values here?",
            )
            # 1000 masks at least (one for each of 20 x 50 channels): 2 exp(-2 · 1000 · 0.1²) = 4e-9
            share = float(near_dropped.double().mean())
            check(
                abs(share - p) < 0.1,
                expected=f"{kind}(p=0.3): about 30 % dropped",
                got=f"{share:.0%}",
                hint="The rate p belongs to the model. What in your block changes how much is dropped?",
            )
        check(  # two masks of 1000 bits are equal with a probability of 0.58^1000
            not torch.equal(first, second),
            expected=f"{kind}: another mask in the second pass",
            got="the same mask twice",
            hint="A sample is a new draw. What could make chance repeat itself?",
        )


def pass_through_subclasses(sub, x):
    import torch
    from torch import nn

    class Thinning(nn.Dropout):
        pass

    class Shaking(nn.FeatureAlphaDropout):
        def forward(self, x):
            return x + torch.randn_like(x) if self.training else x

    layers = [Thinning(0.5), Shaking(0.5)]
    model = nn.Sequential(nn.Identity(), *layers).eval()
    with sub.mc_dropout(model):
        return [layer(x) for layer in layers]


@pytest.mark.task(1)
def test_subclasses_of_dropout_sample_too(submission):
    """A layer derived from a dropout layer is a dropout layer, whatever it is called."""
    x = torch.ones(7, 30)
    call = "with mc_dropout(model): layer(x), the layers being of classes derived from Dropout and FeatureAlphaDropout"
    got = submission.run(pass_through_subclasses, x, call=call)
    for output, base in zip(got, ("Dropout", "FeatureAlphaDropout"), strict=True):
        check_floats(output, (7, 30), f"the output of a class derived from {base}")
        check(  # 2^-210 that no unit is dropped
            not torch.equal(output, x),
            expected=f"a class derived from {base}: another output than in evaluation mode",
            got="the input unchanged",
            hint="Is a layer of a class Thinning(nn.Dropout) a dropout layer to your code? What is its type?",
        )


def pass_through_one_layer(sub, x):
    from torch import nn

    model = nn.Dropout(0.5).eval()
    with sub.mc_dropout(model):
        output = model(x)
    return {"inside": output, "after": model(x)}


@pytest.mark.task(1)
def test_the_model_itself_may_be_a_dropout_layer(submission):
    """A model that is one dropout layer, with nothing below it, samples in the block, and not after it."""
    x = torch.ones(7, 30)
    got = submission.run(pass_through_one_layer, x, call="model = nn.Dropout(0.5).eval(); " + BLOCK)
    check_floats(got["inside"], (7, 30), "the output in the block")
    hint = "Which modules do you go through? Is the model itself one of them?"
    check(not torch.equal(got["inside"], x), expected="some of the ones dropped", got="all let through", hint=hint)
    check_tensor(
        got["after"],
        x,
        what="the output after the block",
        hint="After the block the layer is in evaluation mode again. Who sees to it?",
    )


def random_state(rng: torch.Generator) -> State:
    """Of BatchNorm1d, dropout, Linear, one after the other."""
    return {
        "0.weight": torch.randn(FEATURES, generator=rng),
        "0.bias": torch.randn(FEATURES, generator=rng),
        "0.running_mean": torch.randn(FEATURES, generator=rng),
        "0.running_var": torch.randn(FEATURES, generator=rng).exp(),
        "0.num_batches_tracked": torch.tensor(11),
        "2.weight": torch.randn(CLASSES, FEATURES, generator=rng),
        "2.bias": torch.randn(CLASSES, generator=rng),
    }


def logits_of(state: State, x: Tensor) -> Tensor:
    """BatchNorm with its running statistics, then the linear layer: evaluation mode by hand, in float64."""
    wide = {name: value.double() for name, value in state.items()}
    scaled = (x.double() - wide["0.running_mean"]) / (wide["0.running_var"] + 1e-5).sqrt()
    return (scaled * wide["0.weight"] + wide["0.bias"]) @ wide["2.weight"].T + wide["2.bias"]


def check_state(got: object, expected: State, hint: str) -> None:
    check_equal(list(got) if type(got) is dict else got, list(expected), what="the names of the model's state")
    for name, value in expected.items():
        check_tensor(got[name], value, rtol=0.0, atol=0.0, what=f"the model's {name} afterwards", hint=hint)


def pass_through_norm(sub, state, x):
    from torch import nn

    model = nn.Sequential(nn.BatchNorm1d(x.shape[1]), nn.Dropout(0.0), nn.Linear(x.shape[1], len(state["2.bias"])))
    model.to(x.device).load_state_dict(state)
    model.train()
    with sub.mc_dropout(model):
        output = model(x)
    return {"output": output, "state": dict(model.state_dict())}


@pytest.mark.task(1)
def test_batch_norm_uses_its_running_statistics(submission, rng):
    """In the block the output of a row does not depend on the other rows, also when the model was training before."""
    state, x = random_state(rng), torch.randn(6, FEATURES, generator=rng) * 3
    expected = logits_of(state, x).float()
    call = "model.train(); " + BLOCK + ", the model with BatchNorm"
    got = submission.run(pass_through_norm, state, x, call=call)
    hint = "Which layers did your block switch to training mode? BatchNorm reads the same flag as dropout does."
    # float32 against float64: in 2,000 draws off by up to a fiftieth of this tolerance
    check_tensor(got["output"], expected, rtol=1e-4, atol=1e-4, what="the output in the block", hint=hint)


@pytest.mark.task(1)
def test_running_statistics_stay(submission, rng):
    """To look at a model must not change it: BatchNorm counts no batch and keeps its means and variances."""
    state, x = random_state(rng), torch.randn(6, FEATURES, generator=rng) * 3
    got = submission.run(pass_through_norm, state, x, call="model.train(); " + BLOCK + ", the model with BatchNorm")
    check_state(got["state"], state, "A BatchNorm in training mode learns from every batch that passes through it.")


def pass_through_others(sub, x):
    from torch import nn

    class DropoutHead(nn.Module):
        """Called dropout, and none."""

        def forward(self, x):
            return x + 100 if self.training else x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = nn.RReLU()
            self.dropout = DropoutHead()

        def forward(self, x):
            return self.dropout(self.slope(x)) + (1000 if self.training else 0)

    model = Net().train()
    with sub.mc_dropout(model):
        return {"RReLU": model.slope(x), "a module named dropout": model.dropout(x), "the model itself": model(x)}


@pytest.mark.task(1)
def test_everything_else_evaluates(submission, rng):
    """What is no dropout layer is in evaluation mode: other layers with chance in them, and the model as a whole."""
    x = -torch.rand(5, 3, generator=rng) - 0.1
    slope = (1 / 8 + 1 / 3) / 2  # RReLU's defaults: in training anything between, in evaluation the middle
    expected = {"RReLU": x * slope, "a module named dropout": x, "the model itself": x * slope}
    got = submission.run(pass_through_others, x, call="model.train(); " + BLOCK)
    hint = "In the block only dropout layers train. Which of the others does your code switch on, or not switch off?"
    for who, output in expected.items():
        check_tensor(got[who], output, what=f"the output of {who}", hint=hint)


def flags_around(sub, modes, happening):
    from torch import nn

    block = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model = nn.Sequential(block, nn.AlphaDropout(0.5))
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    passed_on = False
    try:
        with sub.mc_dropout(model):
            inside = [module.training for module in model.modules()]
            if happening == "an exception":
                raise ArithmeticError("planned by the test")
            if happening:
                getattr(model, happening)()
    except ArithmeticError:
        passed_on = True
    return {"inside": inside, "after": [module.training for module in model.modules()], "passed_on": passed_on}


MODULES = ("model", "block", "BatchNorm", "Dropout", "Linear", "AlphaDropout")
INSIDE = [False, False, False, True, False, True]
FROZEN = [True, True, False, True, True, True]
MIXED = [False, True, False, False, True, False]
FLAGS = {
    "model.train()": [True] * 6,
    "model.eval()": [False] * 6,
    "model.train(); batch_norm.eval()": FROZEN,
    "(some flags on, others off)": MIXED,
}
OWN_FLAG = "model.training is the flag of one module. Whose flags does model.train() set, and whose did you note?"


def check_flags(got: list[bool], expected: list[bool], what: str, hint: str, names: tuple[str, ...] = MODULES) -> None:
    """Compares the training flags of modules, each told with its module's name."""
    got, expected = (dict(zip(names, flags, strict=True)) for flags in (got, expected))
    told = f"the training flags {what}: {flags_in_words(expected)}"
    check(same(got, expected), expected=told, got=flags_in_words(got), hint=hint)


def flags_in_words(flags: dict[str, bool]) -> str:
    on, off = ([name for name, flag in flags.items() if flag is mode] for mode in (True, False))
    if len(on) in (0, len(flags)):
        return "all on" if on else "all off"
    few, word = (on, "on") if len(on) <= len(off) else (off, "off")
    return f"{word} for {', '.join(few)} alone"


@pytest.mark.task(1)
def test_every_modules_own_flag_is_as_before(submission):
    """Whatever the flags were, on, off or mixed: the block sets them its own way, and puts each one back."""
    for before, modes in FLAGS.items():
        got = submission.run(flags_around, modes, "", call=f"{before}; with mc_dropout(model)")
        hint = "In the block only dropout layers are in training mode, whatever the flags were before."
        check_flags(got["inside"], INSIDE, "in the block", hint)
        check_flags(got["after"], modes, "afterwards", OWN_FLAG)


@pytest.mark.task(1)
def test_flags_are_restored_after_an_exception(submission):
    """When something in the block goes wrong, every flag is put back all the same, and the exception goes on."""
    call = "model.train(); batch_norm.eval(); with mc_dropout(model): raise ArithmeticError"
    got = submission.run(flags_around, FROZEN, "an exception", call=call)
    hint = "An exception leaves the block from the middle. Which lines of yours run even then?"
    check_flags(got["after"], FROZEN, "afterwards", hint)
    hint = "The error is news to whoever wrote the block. Where does it end, in your code?"
    check_equal(got["passed_on"], True, what="whether the exception leaves the block", hint=hint)


@pytest.mark.task(1)
def test_flags_that_the_block_changes_are_put_back(submission):
    """As before means before the block: whoever calls train() or eval() inside of it changes nothing for later."""
    for happening in ("train", "eval"):
        call = f"(some flags on, others off); with mc_dropout(model): model.{happening}()"
        got = submission.run(flags_around, MIXED, happening, call=call)
        hint = "Do you put back what you noted, or only what you changed?"
        check_flags(got["after"], MIXED, "afterwards", hint)


def nest(sub, modes):
    from torch import nn

    block = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model = nn.Sequential(block, nn.AlphaDropout(0.5))
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    seen = []
    with sub.mc_dropout(model):
        with sub.mc_dropout(block):
            seen.append([module.training for module in model.modules()])
        seen.append([module.training for module in model.modules()])
    seen.append([module.training for module in model.modules()])
    return seen


@pytest.mark.task(1)
def test_a_block_in_a_block(submission):
    """The end of an inner block is not the end of the outer one."""
    call = "model.train(); batch_norm.eval(); with mc_dropout(model): with mc_dropout(block): …"
    inner, outer, after = submission.run(nest, FROZEN, call=call)
    hint = (
        "An inner block puts back what it found: the flags of the outer block. Does each block keep notes of its own?"
    )
    check_flags(inner, INSIDE, "in the inner block", hint)
    check_flags(outer, INSIDE, "in the outer block, after the inner one", hint)
    check_flags(after, FROZEN, "after both", hint)


def flags_of_the_rest(sub):
    from torch import nn

    parts = [nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)) for _ in range(2)]
    model = nn.Sequential(*parts).train()
    with sub.mc_dropout(parts[1]):
        inside = [module.training for module in model.modules()]
    return {"inside": inside, "after": [module.training for module in model.modules()]}


@pytest.mark.task(1)
def test_only_the_given_module_is_touched(submission):
    """Given a part of a model, the block leaves the other parts as they are."""
    got = submission.run(flags_of_the_rest, call="model.train(); with mc_dropout(model[1])")
    hint = "mc_dropout gets a part of a larger model here. Whose flags are its business?"
    names = ("model", "[0]", "[0] BatchNorm", "[0] Dropout", "[1]", "[1] BatchNorm", "[1] Dropout")
    check_flags(got["inside"], [True, True, True, True, False, False, True], "in the block", hint, names)
    check_flags(got["after"], [True] * 7, "afterwards", hint, names)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: mc_dropout_predict
# ---------------------------------------------------------------------------------------------------------------------


def predict_plainly(sub, weight, bias, x, samples):
    from torch import nn

    model = nn.Sequential(nn.Linear(*reversed(weight.shape)), nn.Dropout(0.0)).to(x.device).eval()
    model[0].weight.data, model[0].bias.data = weight, bias
    return sub.mc_dropout_predict(model, x, *samples)


PREDICT = "mc_dropout_predict(model, x, samples={})"


def check_probs(got: object, probs: Tensor, samples: int, hint: str) -> None:
    """Without chance all samples are the same: the softmax of the logits."""
    expected = probs.float().expand(samples, *probs.shape)
    # float32 against float64: in 2,000 draws off by up to 1.1e-6
    check_tensor(got, expected, rtol=0.0, atol=1e-4, what="the probabilities", hint=hint)


def check_plainly(submission, rng, samples: tuple[int, ...], batch: int, classes: int, hint: str) -> None:
    """A linear layer and a dropout that drops nothing."""
    weight, bias = torch.randn(classes, FEATURES, generator=rng), torch.randn(classes, generator=rng)
    x = torch.randn(batch, FEATURES, generator=rng)
    probs = (x.double() @ weight.double().T + bias.double()).softmax(1)
    call = PREDICT.format(samples[0]) if samples else "mc_dropout_predict(model, x)"
    got = submission.run(predict_plainly, weight, bias, x, samples, call=call)
    check_probs(got, probs, *(samples or (100,)), hint)


@pytest.mark.task(2)
def test_the_samples_are_probabilities_of_each_row(submission, rng):
    """With a dropout of p = 0 all samples are the softmax of the model's logits, row by row: [S, B, C]."""
    hint = "Is every [s, b] a softmax over classes, and does it belong to row b of x?"
    check_plainly(submission, rng, (3,), 5, CLASSES, hint)


@pytest.mark.task(2)
def test_a_hundred_samples_unless_told_otherwise(submission, rng):
    """Without `samples` there are 100 of them."""
    check_plainly(
        submission,
        rng,
        (),
        2,
        CLASSES,
        "Without a number there are 100 samples, each of them probabilities. What is S when nobody says?",
    )


@pytest.mark.task(2)
def test_ones_are_dimensions_too(submission, rng):
    """One sample, one row or one class: the result is [S, B, C] all the same."""
    hint = "Which of the three dimensions went missing, and which line is it that drops a dimension of size 1?"
    for samples, batch, classes in ((1, 5, 4), (4, 1, 3), (3, 2, 1)):
        check_plainly(submission, rng, (samples,), batch, classes, hint)


def predict(sub, state, x, samples, modes, gradients):
    import torch
    from torch import nn

    model = nn.Sequential(nn.BatchNorm1d(x.shape[1]), nn.Dropout(0.0), nn.Linear(x.shape[1], len(state["2.bias"])))
    model.to(x.device).load_state_dict(state)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    torch.set_grad_enabled(gradients)
    probs = sub.mc_dropout_predict(model, x, samples)
    return {
        "probs": probs,
        "graph": probs.requires_grad if isinstance(probs, torch.Tensor) else False,
        "recording": torch.is_grad_enabled(),
        "state": dict(model.state_dict()),
        "modes": [module.training for module in model.modules()],
        "x": x,
    }


TRAINING = [True] * 4  # the model, BatchNorm, dropout, the linear layer


def run_predict(submission, state, x, samples, modes=TRAINING, gradients=True, before=""):
    call = before + PREDICT.format(samples)
    return submission.run(predict, state, x, samples, modes, gradients, call=call)


@pytest.mark.task(2)
def test_batch_norm_evaluates_while_dropout_samples(submission, rng):
    """A model that comes in training mode is asked with BatchNorm's running statistics all the same."""
    state, x = random_state(rng), torch.randn(6, FEATURES, generator=rng) * 3
    probs = logits_of(state, x).softmax(1)
    got = run_predict(submission, state, x, 2, before="model.train(); ")
    check_probs(got["probs"], probs, 2, "On a model in training mode, which layers must not stay in it?")


def predict_with_masks(sub, x, p, samples, calls):
    import torch
    from torch import nn

    # Logits: 0 for class 0, and for class c what dropout makes of feature c, so that probabilities give masks away.
    features = x.shape[1]
    model = nn.Sequential(nn.Dropout(p), nn.Linear(features, features + 1, bias=False)).to(x.device).eval()
    model[1].weight.data = torch.cat([torch.zeros(1, features), torch.eye(features)]).to(x.device)
    return [sub.mc_dropout_predict(model, x, samples) for _ in range(calls)]


def masks_of(submission, samples: int, batch: int, features: int, p: float, calls: int = 1) -> Tensor:
    """Which features each sample kept of rows of ones: bools of shape [calls · S, B, features]."""
    call = PREDICT.format(samples) + f", the model with Dropout({p})" + (", twice" if calls == 2 else "")
    got = submission.run(predict_with_masks, torch.ones(batch, features), p, samples, calls, call=call)
    hint = "The model gives logits. What turns them into probabilities that sum to 1, and over which dimension?"
    for probs in got:
        check_floats(probs, (samples, batch, features + 1), "the probabilities", hint)
        positive = bool((probs > 0).all())
        check(positive, expected="probabilities", got=f"numbers from {probs.min():.4g} to {probs.max():.4g}", hint=hint)
        total = probs.double().sum(2)
        sums = bool(((total - 1).abs() < 1e-4).all())  # measured: off by up to 1.4e-7
        check(sums, expected="rows that sum to 1", got=f"sums from {total.min():.4g} to {total.max():.4g}", hint=hint)
    # ln of a ratio of probabilities is a difference of logits: 0, or 1 / (1 - p). Measured: off by up to 7.2e-8.
    logits = torch.cat([probs.double().log() for probs in got])
    logits = logits[..., 1:] - logits[..., :1]
    kept, dropped = (logits * (1 - p) - 1).abs() < 1e-3, logits.abs() < 1e-3
    check(
        not bool(((logits - 1).abs() < 1e-3).all()),
        expected="some of the units dropped in each sample",
        got="all of them let through in every sample",
        hint="Dropout does not sample in your passes. In which mode are its layers then?",
    )
    strange = (~(kept | dropped)).nonzero()
    check(
        len(strange) == 0,
        expected=f"in each sample each unit either dropped or {1 / (1 - p):.4g} times as large",
        got=f"{len(strange)} of {logits.numel()} are neither",
        hint="A sample is the softmax of one pass with one mask, not a mean of several, nor something else.",
    )
    return kept


@pytest.mark.task(2)
def test_the_dropout_rate_is_the_layers_own(submission):
    """Each sample drops each unit with the probability p of its layer."""
    masks = masks_of(submission, samples=20, batch=5, features=64, p=0.3)
    share = float((~masks).double().mean())
    check(  # 6400 bits: 2 exp(-2 · 6400 · 0.05²) = 3e-14
        abs(share - 0.3) < 0.05,
        expected="about 30 % of the units dropped",
        got=f"{share:.1%}",
        hint="The model was made with its own p. What in your passes changes how much is dropped?",
    )


def check_independent(masks: Tensor, who: str, hint: str) -> None:
    """Masks [N, bits] at p = 0.5: any two of them agree in about half of their bits."""
    signs = masks.double() * 2 - 1
    agreement = (signs @ signs.T / masks.shape[1] + 1) / 2  # (N, N)
    agreement.fill_diagonal_(0.5)
    place = int((agreement - 0.5).abs().argmax())
    one, other = sorted(divmod(place, len(masks)))
    worst = float(agreement.flatten()[place])
    check(
        abs(worst - 0.5) < 0.2,
        expected=f"any two {who} with about half of their masks in common",
        got=f"{worst:.0%} of {who} {one} and {other}",
        hint=hint,
    )


@pytest.mark.task(2)
def test_rows_of_a_batch_are_independent(submission):
    """Within a sample each row of the batch has a mask of its own, as it has when the model trains."""
    masks = masks_of(submission, samples=20, batch=6, features=64, p=0.5)
    hint = "The rows of x are equal here, and their predictions should not be. Where do the rows get their masks?"
    # 15 pairs with 1280 bits each: 15 · 2 exp(-2 · 1280 · 0.2²) = 1e-43
    check_independent(masks.transpose(0, 1).flatten(1), "rows", hint)
    # One sample at a time, in case that they share masks in some: 300 pairs of 64 bits, 300 · 2^-64 = 2e-17
    for sample in masks:
        distinct = len({tuple(row) for row in sample.tolist()})
        check(distinct == 6, expected="6 rows with 6 masks in each sample", got=f"{distinct} masks", hint=hint)


@pytest.mark.task(2)
def test_samples_are_independent(submission):
    """No two samples share their masks, wholly or in part, in however many passes they are drawn."""
    masks = masks_of(submission, samples=40, batch=6, features=64, p=0.5)
    hint = "Two samples are two draws. What in your code could give both the same mask?"
    # 780 pairs with 384 bits each: 780 · 2 exp(-2 · 384 · 0.2²) = 7e-11
    check_independent(masks.flatten(1), "samples", hint)


@pytest.mark.task(2)
def test_two_calls_are_independent(submission):
    """A second call draws anew: the generator goes on, and is not set back."""
    masks = masks_of(submission, samples=10, batch=6, features=64, p=0.5, calls=2)
    hint = "Samples 0 to 9 are of the first call, the others of the second. Who starts the random numbers over again?"
    # 190 pairs with 384 bits each: 190 · 2 exp(-2 · 384 · 0.2²) = 2e-11
    check_independent(masks.flatten(1), "samples", hint)


def predict_images_or_tokens(sub, weights, x):
    from torch import nn

    head = nn.Linear(weights["head"].shape[1], weights["head"].shape[0], bias=False)
    if "filters" in weights:
        channels, depth, *size = weights["filters"].shape
        first, drop = nn.Conv2d(depth, channels, size, bias=False), nn.Dropout2d(0.0)
    else:
        first, drop = nn.Embedding(*weights["embedding"].shape), nn.Dropout1d(0.0)
    model = nn.Sequential(first, drop, nn.Flatten(), head).to(x.device).train()
    first.weight.data, head.weight.data = weights.get("filters", weights.get("embedding")), weights["head"]
    return sub.mc_dropout_predict(model, x, 3)


@pytest.mark.task(2)
def test_x_may_be_images_or_tokens(submission, rng):
    """x is [B, …]: float images [B, 2, 4, 5], or int64 tokens [B, 6]. Only the model knows what it is."""
    # Small whole numbers: a GPU works convolutions out in TF32, which holds them exactly.
    images, filters = (torch.randint(-3, 4, size, generator=rng).float() for size in ((5, 2, 4, 5), (3, 2, 2, 3)))
    tokens, table = torch.randint(7, (5, 6), generator=rng), torch.randn(7, 3, generator=rng)
    heads = [torch.randn(4, size, generator=rng) / 20 for size in (27, 18)]
    hidden = [torch.nn.functional.conv2d(images.double(), filters.double()), table.double()[tokens]]
    probs = [(each.flatten(1) @ head.double().T).softmax(1) for each, head in zip(hidden, heads, strict=True)]
    first = [{"filters": filters}, {"embedding": table}]
    for kind, x, weights, head, expected in zip(
        ("images", "tokens"), (images, tokens), first, heads, probs, strict=True
    ):
        call = PREDICT.format(3) + f", x being {kind} of shape {list(x.shape)}"
        got = submission.run(predict_images_or_tokens, weights | {"head": head}, x, call=call)
        hint = "What do you do to x before the model sees it? Does that fit every kind of input?"
        check_probs(got, expected, 3, hint)


@pytest.mark.task(2)
def test_prediction_changes_no_weight_and_no_statistic(submission, rng):
    """However many samples are drawn, the model's parameters and running statistics stay bit for bit."""
    state, x = random_state(rng), torch.randn(6, FEATURES, generator=rng) * 3
    got = run_predict(submission, state, x, 4, before="model.train(); ")
    check_state(
        got["state"], state, "Predictions must not teach the model anything. By which way can data get into it?"
    )
    check_tensor(got["x"], x, rtol=0.0, atol=0.0, what="x afterwards", hint="x belongs to the caller.")


@pytest.mark.task(2)
def test_the_result_carries_no_graph(submission, rng):
    """Nobody will differentiate a hundred samples: no graph is kept for them."""
    state, x = random_state(rng), torch.randn(6, FEATURES, generator=rng)
    got = run_predict(submission, state, x, 2)
    check_floats(got["probs"], (2, 6, CLASSES), "the probabilities")
    hint = "Evaluation mode changes what layers do, not what autograd keeps. What switches the recording off?"
    check_equal(got["graph"], False, what="probs.requires_grad", hint=hint)


@pytest.mark.task(2)
def test_recording_is_as_before(submission, rng):
    """Whether torch records gradients is the caller's choice, before and after."""
    state, x = random_state(rng), torch.randn(3, FEATURES, generator=rng)
    for gradients in (True, False):
        before = f"torch.set_grad_enabled({gradients}); "
        got = run_predict(submission, state, x, 2, gradients=gradients, before=before)
        hint = "The switch is one for the whole program. Who sets it back to what it was?"
        check_equal(got["recording"], gradients, what="torch.is_grad_enabled() afterwards", hint=hint)


@pytest.mark.task(2)
def test_flags_are_as_before_a_prediction(submission, rng):
    """A prediction in the middle of training leaves every module's own flag as it was."""
    state, x = random_state(rng), torch.randn(3, FEATURES, generator=rng)
    flags = ([True] * 4, [False] * 4, [True, False, True, True], [False, True, False, True])
    for before, modes in zip(FLAGS, flags, strict=True):
        got = run_predict(submission, state, x, 2, modes=modes, before=f"{before}; ")
        check_flags(got["modes"], modes, "afterwards", OWN_FLAG, ("model", "BatchNorm", "Dropout", "Linear"))


SWALLOWED = "Whoever asked for the prediction wants to hear that it failed. Where does the error end, in your code?"


def predict_and_fail(sub, x, modes):
    from torch import nn

    class Broken(nn.Module):
        def forward(self, x):
            raise ArithmeticError("planned by the test")

    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), Broken()).to(x.device)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    try:
        sub.mc_dropout_predict(model, x, 4)
    except ArithmeticError:
        return {"passed_on": True, "modes": [module.training for module in model.modules()]}
    return {"passed_on": False, "modes": [module.training for module in model.modules()]}


@pytest.mark.task(2)
def test_a_model_that_fails_keeps_its_flags(submission):
    """When the model raises in the middle of a prediction, its flags are put back, and the error is told."""
    modes = [True, False, True, True]
    call = PREDICT.format(4) + ", the model's forward raising ArithmeticError"
    got = submission.run(predict_and_fail, torch.ones(2, 3), modes, call=call)
    hint = "Does your prediction go through the context manager that you wrote for this?"
    check_flags(got["modes"], modes, "afterwards", hint, ("model", "Linear", "Dropout", "the failing module"))
    check_equal(got["passed_on"], True, what="whether the model's error comes out", hint=SWALLOWED)


@pytest.mark.task(2)
def test_fewer_than_one_sample_is_refused(submission, rng):
    """No samples, no prediction: a ValueError."""
    state, x = random_state(rng), torch.randn(3, FEATURES, generator=rng)
    hint = "What would the probabilities of no samples be? When can that be known, and what should the caller hear?"
    for samples in (0, -3):
        check_raises(ValueError, run_predict, submission, state, x, samples, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: class_histogram
# ---------------------------------------------------------------------------------------------------------------------


def random_probs(rng: torch.Generator, *shape: int) -> Tensor:
    """Softmax of random logits, any two of a row at least 0.2 apart: no ties, in whatever way it is worked out."""
    order = torch.rand(shape, generator=rng).argsort(-1)
    return (0.7 * order + 0.5 * torch.rand(shape, generator=rng)).softmax(-1)


def votes_by_hand(probs: Tensor) -> Tensor:
    """Counts [B, C] of [S, B, C]."""
    counts = [[0] * probs.shape[2] for _ in range(probs.shape[1])]
    for sample in probs.tolist():
        for row, each in enumerate(sample):
            counts[row][each.index(max(each))] += 1
    return torch.tensor(counts)


@pytest.mark.task(3)
def test_three_samples_worked_by_hand(submission):
    """Three samples, two rows, three classes: each sample votes for its likeliest class in each row."""
    probs = [
        [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]],
        [[0.4, 0.5, 0.1], [0.2, 0.2, 0.6]],
        [[0.6, 0.1, 0.3], [0.3, 0.6, 0.1]],
    ]
    got = submission.class_histogram(torch.tensor(probs))
    hint = "Row 0: the samples choose 0, 1, 0. Row 1: 2, 2, 1. How often does each class occur in each row?"
    check_tensor(got, torch.tensor([[2, 1, 0], [0, 1, 2]]), what="the counts", hint=hint)


@pytest.mark.task(3)
def test_a_class_that_nobody_chose_counts_zero(submission, rng):
    """The last classes are never the likeliest, and have counts all the same."""
    probs = random_probs(rng, 8, 3, 6)
    probs[:, :, 3:] /= 1000
    expected = votes_by_hand(probs)
    got = submission.class_histogram(probs)
    hint = "The votes alone do not tell how many classes there are. What does?"
    check_tensor(got, expected, what="the counts", hint=hint)


@pytest.mark.task(3)
def test_votes_are_counted_for_each_row(submission, rng):
    """Counts are [B, C], int64, also for one sample, one row or one class."""
    for shape in ((9, 5, 4), (1, 3, 6), (7, 1, 2), (6, 4, 1)):
        probs = random_probs(rng, *shape)
        expected = votes_by_hand(probs)
        got = submission.class_histogram(probs)
        hint = "Which of the dimensions S, B and C does the count do away with?"
        check_tensor(got, expected, what="the counts", hint=hint)


@pytest.mark.task(3)
def test_a_narrow_vote_counts_as_much_as_a_clear_one(submission):
    """Two narrow votes for class 0 against a clear one for class 1: votes are counted, not weighed."""
    probs = torch.tensor([[[0.51, 0.49]], [[0.51, 0.49]], [[0.01, 0.99]]])
    got = submission.class_histogram(probs)
    hint = "The mean of the samples says class 1. But what did each of them choose?"
    check_tensor(got, torch.tensor([[2, 1]]), what="the counts", hint=hint)


@pytest.mark.task(3)
def test_more_samples_than_a_byte_holds(submission, rng):
    """300 votes for one class are 300."""
    probs = random_probs(rng, 300, 2, 3) * 0.1
    probs[:, :, 1] = 0.8
    got = submission.class_histogram(probs)
    check_tensor(
        got,
        torch.tensor([[0, 300, 0]] * 2),
        what="the counts",
        hint="What is the largest number that your counts can hold? Look at their dtype on the way.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: predictive_entropy and mutual_information
# ---------------------------------------------------------------------------------------------------------------------


def entropy(probs: Tensor) -> Tensor:
    """Over the last dimension, in nats, in float64."""
    return -torch.special.xlogy(probs.double(), probs.double()).sum(-1)


def information(probs: Tensor) -> Tensor:
    return entropy(probs.double().mean(0)) - entropy(probs).mean(0)


SURE, UNSURE = [1.0, 0.0], [0.5, 0.5]


@pytest.mark.task(4)
def test_predictive_entropy_worked_by_hand(submission):
    """Nothing is known of a fair coin: ln 2 nats. Of a sure thing all is known: 0."""
    probs = torch.tensor([[UNSURE, SURE, [0.25, 0.75]]])
    expected = torch.tensor([math.log(2), 0.0, 0.25 * math.log(4) + 0.75 * math.log(4 / 3)])
    got = submission.predictive_entropy(probs)
    hint = "H(p) = -sum of p ln p. Which logarithm is that, what is 0 ln 0, and what is the sum over?"
    check_tensor(got, expected, what="H of (1/2, 1/2), (1, 0) and (1/4, 3/4)", hint=hint)


@pytest.mark.task(4)
def test_sure_of_different_things(submission):
    """Two samples, each sure, of different classes: together they know nothing, so the mean comes first."""
    probs = torch.tensor([[SURE, SURE], [SURE[::-1], SURE]])
    got = submission.predictive_entropy(probs)
    hint = "The mean of the entropies is 0 here. What is the entropy of the mean?"
    check_tensor(got, torch.tensor([math.log(2), 0.0]), what="the entropy", hint=hint)


@pytest.mark.task(4)
def test_mutual_information_worked_by_hand(submission):
    """Agreement on 'I don't know' is 0; being sure of different things is ln 2; and there is all between."""
    probs = torch.tensor([[UNSURE, SURE, SURE, [0.9, 0.1]], [UNSURE, SURE[::-1], SURE, [0.5, 0.5]]])
    between = entropy(torch.tensor([0.7, 0.3])) - (entropy(torch.tensor([0.9, 0.1])) + math.log(2)) / 2
    expected = torch.tensor([0.0, math.log(2), 0.0, float(between)])
    got = submission.mutual_information(probs)
    hint = "All the uncertainty, less what the samples have each on their own. What are these two numbers for each row?"
    check_tensor(got, expected, what="the mutual information of four rows", hint=hint)


MEASURES = {"predictive_entropy": lambda probs: entropy(probs.double().mean(0)), "mutual_information": information}


@pytest.mark.task(4)
@pytest.mark.parametrize("name", MEASURES)
def test_a_number_for_each_row(submission, rng, name):
    """The result is [B], in nats, also for one sample, one row or one class."""
    for shape in ((9, 5, 4), (1, 3, 6), (7, 1, 3), (6, 4, 1)):
        probs = random_probs(rng, *shape)
        expected = MEASURES[name](probs).float()
        got = getattr(submission, name)(probs)
        hint = "Over which dimension is the mean, and over which the sum of the entropy? Which one is left?"
        check_tensor(got, expected, what=name, hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize("name", MEASURES)
def test_probabilities_of_zero(submission, rng, name):
    """Some classes have probability 0 in some samples, and some in all: 0 ln 0 is 0."""
    probs = random_probs(rng, 6, 5, 4) * (torch.rand(6, 5, 4, generator=rng) < 0.5)
    probs[:, :, 0] = 0.0
    probs[:, :, 1] += 0.1
    probs /= probs.sum(2, keepdim=True)
    expected = MEASURES[name](probs).float()
    got = getattr(submission, name)(probs)
    hint = "0 times -inf is not a number. Which term of the sum is it, and what should it be?"
    check_tensor(got, expected, what=name, hint=hint)


@pytest.mark.task(4)
def test_float64_stays_float64(submission, rng):
    """Probabilities in float64 give results in float64."""
    probs = (torch.randn(7, 5, 3, generator=rng, dtype=torch.float64) * 2).softmax(-1)
    for name, measure in MEASURES.items():
        expected = measure(probs)
        got = getattr(submission, name)(probs)
        check_tensor(
            got,
            expected,
            rtol=0.0,
            atol=1e-5,
            what=name,
            hint="How many digits are right: about 7, or none? What on the way keeps fewer than float64 has?",
        )


@pytest.mark.task(4)
@pytest.mark.parametrize("name", MEASURES)
def test_never_negative(submission, rng, name):
    """Samples that all say the same: for mutual information the exact answer is 0, and rounding must not go below."""
    row = random_probs(rng, 400, 5)
    row[::2] = torch.eye(5)[torch.randint(5, (200,), generator=rng)]  # every other one is sure
    probs = row.expand(7, 400, 5)
    expected = entropy(row).float() if name == "predictive_entropy" else torch.zeros(400)
    got = getattr(submission, name)(probs)
    hint = "What does rounding do to a difference of two equal things, or to ln(1 + epsilon)?"
    check_tensor(got, expected, what=name, hint=hint)
    below = int((got < 0).sum())
    check(below == 0, expected=f"{name} of at least 0", got=f"{got.min():.3g}, {below} of 400 below 0", hint=hint)


def call_and_look_again(sub, name, probs):
    result = getattr(sub, name)(probs)
    return {"result": result, "probs": probs}


def check_left_alone(submission, name: str, probs: Tensor) -> None:
    got = submission.run(call_and_look_again, name, probs, call=f"{name}(probs), then probs")
    hint = "Which of your operations write into the tensor that they are called on?"
    check_tensor(got["probs"], probs, rtol=0.0, atol=0.0, what="probs afterwards", hint=hint)


@pytest.mark.task(3)
def test_counting_leaves_the_probabilities_alone(submission, rng):
    """The samples are needed again for the next number: the tensor that was given stays as it is."""
    check_left_alone(submission, "class_histogram", random_probs(rng, 4, 3, 5))


@pytest.mark.task(4)
def test_measuring_leaves_the_probabilities_alone(submission, rng):
    """The samples are needed again for the next number: the tensor that was given stays as it is."""
    probs = random_probs(rng, 4, 3, 5)
    probs[:, :, 0] = 0.0  # for whoever replaces zeros by something small
    for name in MEASURES:
        check_left_alone(submission, name, probs)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: plot_histogram
#
# The picture is decoded in the worker, where hostile bytes can do no harm, and comes back as numbers.
# ---------------------------------------------------------------------------------------------------------------------


def draw(sub, charts, name, as_path, existing):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import numpy as np
    import torch
    from PIL import Image

    results = []
    for counts, class_names in charts:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            if existing:
                path.write_bytes(b"an older file " * 10000)
            names = {} if class_names is None else {"class_names": class_names}
            sub.plot_histogram(torch.tensor(counts), path if as_path else str(path), **names)
            result = {"files": sorted(each.name for each in Path(folder).iterdir()), "begins": "", "pixels": None}
            if path.is_file():
                result["begins"] = path.read_bytes()[:8].hex(" ")
                try:
                    with Image.open(path) as image:
                        result["pixels"] = torch.from_numpy(np.array(image.convert("RGBA")))
                except (OSError, SyntaxError, ValueError):
                    pass  # no picture
            results.append(result)
    return results


NAMES = ["cat", "dog", "ship"]
PLOT = "plot_histogram(counts, '{}')"


def pictures_of(submission, charts, call, name="chart.png", as_path=False, existing=False) -> list[Tensor]:
    """Draws counts with class names, chart by chart; the pictures are [height, width, 4] in uint8."""
    got = submission.run(draw, charts, name, as_path, existing, call=call)
    pictures = []
    for result in got:
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
        pictures.append(pixels)
    return pictures


def same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


@pytest.mark.task(5)
def test_a_png_at_exactly_the_path(submission):
    """The path is a str or a Path, with the suffix .png, another one or none: there is the PNG, and nothing else."""
    for name, as_path in (("chart.png", True), ("chart", False), ("chart.jpg", False)):
        call = f"plot_histogram(counts, Path('{name}'))" if as_path else PLOT.format(name)
        pictures_of(submission, [([4, 9, 2], None)], call, name, as_path)


@pytest.mark.task(5)
def test_a_file_that_is_there_is_replaced(submission):
    """An older file at the path gives way to the chart."""
    call = PLOT.format("chart.png") + ", where there is a file already"
    pictures_of(submission, [([4, 9, 2], None)], call, existing=True)


@pytest.mark.task(5)
def test_the_picture_shows_each_count_at_its_class(submission):
    """Other counts, or the same counts for other classes, are another picture."""
    counts = [[4, 9, 2], [9, 4, 2], [4, 2, 9], [4, 9, 3]]
    call = "plot_histogram(counts, path, names), for " + ", ".join(map(str, counts))
    first, *others = pictures_of(submission, [(each, NAMES) for each in counts], call)
    hint = "The counts are counted already: one bar per class, as high as its count. Which function draws bars as told?"
    for each, other in zip(counts[1:], others, strict=True):
        got = f"the same picture for {counts[0]} and {each}"
        check(not same_picture(first, other), expected="pictures that differ", got=got, hint=hint)


@pytest.mark.task(5)
def test_the_picture_shows_each_name_at_its_class(submission):
    """Other names, or the same names for other classes, are another picture; and there need not be any."""
    names = [NAMES, ["dog", "cat", "ship"], ["cat", "dog", "bird"], None]
    call = "plot_histogram([4, 9, 2], path, names), for several names"
    first, *others = pictures_of(submission, [([4, 9, 2], each) for each in names], call)
    for each, other in zip(names[1:], others, strict=True):
        got = f"the same picture for the names {names[0]} and {each}"
        hint = "Who reads the chart wants to know which bar is whose. Where do the names go?"
        check(not same_picture(first, other), expected="pictures that differ", got=got, hint=hint)


def changed_pixels(one: Tensor, other: Tensor) -> int:
    return int((one != other).any(2).sum())


@pytest.mark.task(5)
def test_the_same_chart_is_the_same_picture(submission):
    """Whatever was drawn before, equal counts and names give equal pictures: nothing of an old chart is left."""
    charts = [([4, 9, 2], NAMES), ([1, 3, 8], ["A", "B", "C"]), ([4, 9, 2], NAMES)]
    call = "plot_histogram(counts, path, names), another chart, and then the first one again"
    first, _, again = pictures_of(submission, charts, call)
    got = (
        f"a picture in which {changed_pixels(first, again)} pixels differ" if first.shape == again.shape else "another"
    )
    hint = "Look at the second chart that you draw. Are the bars of the first one still there? Who cleans up?"
    check(same_picture(first, again), expected="the same picture for the same chart", got=got, hint=hint)


@pytest.mark.task(5)
def test_a_larger_count_is_a_longer_bar(submission):
    """A count that grows by 6 changes about twice as much of the picture as one that grows by 3: it is a bar."""
    counts = [[2, 20, 1], [5, 20, 1], [8, 20, 1]]
    call = "plot_histogram(counts, path, names), for " + ", ".join(map(str, counts))
    small, middle, large = pictures_of(submission, [(each, NAMES) for each in counts], call)
    if not small.shape == middle.shape == large.shape:
        return  # cut to what is in it: there is no telling which pixel was which
    one, two = changed_pixels(small, middle), changed_pixels(small, large)
    # Measured with matplotlib 3.11: 2.0 for bars, upright or lying, thin, hatched (1.6), with text (2.0), shares of the
    # total (1.8), logarithmic (1.5), outlines alone (1.3); 1.0 for points, lines, plt.hist(counts), swapped arguments.
    check(
        two > 1.15 * one > 0,
        expected=f"more of the picture changes from {counts[0]} to {counts[2]} than to {counts[1]}",
        got=f"{two} pixels change, and {one} pixels",
        hint="Each class has a bar, and the bar is as long as the count. What do you draw: bars, points, or a line?",
    )


@pytest.mark.task(5)
def test_few_or_many_classes(submission):
    """A chart of one class, and one of many, can be drawn too."""
    many = [1 + 3 * each % 11 for each in range(25)]
    charts = [([7], ["cat"]), (many, [f"class {each}" for each in range(25)])]
    pictures_of(submission, charts, "plot_histogram(counts, path, names), for 1 class and for 25")


def plot_and_look_again(sub, counts):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import torch

    counts = torch.tensor(counts)
    with TemporaryDirectory() as folder:
        sub.plot_histogram(counts, Path(folder) / "chart.png", ["cat", "dog", "ship"])
    return counts.tolist()


@pytest.mark.task(5)
def test_the_counts_are_left_alone(submission):
    """To draw is to look: the counts stay as they are."""
    got = submission.run(plot_and_look_again, [4, 9, 2], call="plot_histogram(counts, path, names), then counts")
    hint = "Which of your operations write into the tensor that they are called on?"
    check_equal(got, [4, 9, 2], what="the counts afterwards", hint=hint)
