"""Sample tests of exercise 5. Run them with `make grade EX=5` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal, check_tensor


# A driver: it gets the student's module first, and runs where that module is.
def pass_through(sub, x):
    from torch import nn

    model = nn.Sequential(nn.BatchNorm1d(200), nn.Dropout(0.5)).to(x.device).train()
    with sub.mc_dropout(model):
        output = model(x)
    return {"output": output, "mean": model[0].running_mean, "modes": [module.training for module in model.modules()]}


@pytest.mark.task(1)
def test_dropout_samples_and_batch_norm_sleeps(submission):
    """A new BatchNorm has mean 0 and variance 1: ones stay ones. Then half of them are dropped, the others doubled."""
    got = submission.run(pass_through, torch.ones(3, 200), call="with mc_dropout(model): model(x), x being all ones")
    dropped, doubled = got["output"] == 0, (got["output"] - 2).abs() < 1e-4
    hint = "Which of the two layers is to be in training mode? What would BatchNorm make of a column of equal ones?"
    check(
        bool((dropped | doubled).all() and dropped.any() and doubled.any()),
        expected="some 0, the others 2",
        got=f"numbers from {got['output'].min():.4g} to {got['output'].max():.4g}",
        hint=hint,
    )
    check_tensor(
        got["mean"],
        torch.zeros(200),
        what="the running mean afterwards",
        hint="Has BatchNorm learnt from x? In which mode does it?",
    )
    check_equal(
        got["modes"],
        [True] * 3,
        what="the training flags afterwards",
        hint="They all were on before. Who puts them back, and which of them?",
    )


def predict(sub, x):
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Dropout(0.5)).to(x.device).eval()
    nn.init.ones_(model[0].weight)
    probs = sub.mc_dropout_predict(model, x, samples=7)
    return {"probs": probs, "sums": probs.sum(2)}


@pytest.mark.task(2)
def test_seven_samples(submission):
    """Seven samples, five rows, three classes: probabilities, and not the same ones in every sample."""
    got = submission.run(predict, torch.ones(5, 2), call="mc_dropout_predict(model, x, samples=7)")
    hint = "Each sample is a softmax of the logits. In which dimension are the classes?"
    check_tensor(got["sums"], torch.ones(7, 5), what="the sums over classes", hint=hint)
    differ = bool((got["probs"] != got["probs"][0]).any())
    check(
        differ, expected="samples that differ", got="seven times the same", hint="Is dropout on in each of the passes?"
    )


@pytest.mark.task(3)
def test_three_votes(submission):
    """Of three samples two choose class 0, one chooses class 1, and none class 2."""
    probs = torch.tensor([[[0.7, 0.2, 0.1]], [[0.4, 0.5, 0.1]], [[0.6, 0.1, 0.3]]])  # (3 samples, 1 row, 3 classes)
    hint = "Which class is the likeliest in each sample, and how often does each class occur among these?"
    check_tensor(submission.class_histogram(probs), torch.tensor([[2, 1, 0]]), what="the counts", hint=hint)


@pytest.mark.task(4)
@pytest.mark.parametrize(("name", "expected"), [("predictive_entropy", 0.6931472), ("mutual_information", 0.6931472)])
def test_two_samples_that_disagree(submission, name, expected):
    """Each of two samples is sure, of different classes: ln 2 nats, all of it disagreement."""
    probs = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    got = getattr(submission, name)(probs)
    hint = "The mean is (1/2, 1/2). What is its entropy, what is that of each sample, and what is 0 ln 0?"
    check_tensor(got, torch.tensor([expected]), what=name, hint=hint)


def draw(sub, counts):
    import tempfile
    from pathlib import Path

    import torch

    with tempfile.TemporaryDirectory() as folder:
        sub.plot_histogram(torch.tensor(counts), Path(folder) / "chart", ["cat", "dog", "ship"])
        return {path.name: path.read_bytes()[:4].hex(" ") for path in Path(folder).iterdir()}


@pytest.mark.task(5)
def test_a_png_at_the_path(submission):
    """The file is where it was asked for, under exactly that name, and it is a PNG."""
    got = submission.run(draw, [4, 9, 2], call="plot_histogram(counts, 'chart', ['cat', 'dog', 'ship'])")
    hint = "Look into the folder. Which name has the file, and in which format is it?"
    check_equal(got, {"chart": "89 50 4e 47"}, what="the file and its first four bytes", hint=hint)
