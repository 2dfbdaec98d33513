"""Sample tests of exercise 10. Run them with `make grade EX=10` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check_equal, check_raises, check_tensor


def save_one(sub, weight):
    """What is in the file, key by key."""
    import tempfile
    from pathlib import Path

    import torch
    from torch import nn

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        model = nn.Linear(2, 1, bias=False).to(weight)
        model.load_state_dict({"weight": weight})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        sub.save_checkpoint(path, model, {"width": 2, "dropout": 0.2}, optimizer, epoch=3)
        inside = torch.load(path, weights_only=True, map_location=weight.device)
        names = [each.name for each in Path(folder).iterdir()]
    keys = ["model", "hyperparameters", "epoch", "optimizer", "scheduler", "generator"]
    found = {key: inside.get(key, "no such key") for key in keys}
    return found | {"model": dict(found["model"]), "names": names}


@pytest.mark.task(1)
def test_what_is_in_the_file(submission):
    """A model with its weight, its hyper-parameters and its optimiser, after 3 epochs; no scheduler, no generator."""
    weight = torch.tensor([[2.0, -1.0]])
    call = "save_checkpoint(path, model, {'width': 2, 'dropout': 0.2}, optimizer, epoch=3)"
    got = submission.run(save_one, weight, call=call)
    hint = "The README has a table of the keys. Which value belongs to this one?"
    check_tensor(got["model"].get("weight"), weight, what="the weight in the file", hint=hint)
    check_equal(got["hyperparameters"], {"width": 2, "dropout": 0.2}, what="hyperparameters", hint=hint)
    check_equal(got["epoch"], 3, what="epoch", hint=hint)
    check_equal(got["optimizer"]["param_groups"][0]["lr"], 0.25, what="the lr in the file", hint=hint)
    check_equal([got["scheduler"], got["generator"]], [None, None], what="scheduler and generator", hint=hint)


@pytest.mark.task(4)
def test_the_file_is_alone_in_its_folder(submission):
    """Whatever is needed while the file is written is gone afterwards."""
    got = submission.run(
        save_one, torch.tensor([[2.0, -1.0]]), call='save_checkpoint("run.pt", …), a look into the folder'
    )
    check_equal(got["names"], ["run.pt"], what="the names in the folder", hint="Who takes away what you needed?")


def load_one(sub, x):
    """Outputs of a model that was saved with dropout 0.2, in training mode, and its modes in both cases."""
    import tempfile
    from pathlib import Path

    import torch
    from torch import nn

    def build(width, dropout=0.5):
        return nn.Sequential(nn.Linear(width, width, bias=False), nn.Dropout(dropout))

    content = {"model": {"0.weight": torch.eye(2)}, "hyperparameters": {"width": 2, "dropout": 0.2}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        torch.save(content, path)
        model = sub.load_checkpoint(path, build, map_location=x.device, train=True)
        modes = [model.training, sub.load_checkpoint(path, build).training]
    return model(x).detach(), modes


@pytest.mark.task(2)
def test_a_dropout_of_a_fifth_comes_back_as_one(submission):
    """What dropout keeps, it divides by 1 - 0.2: ones become 1.25, and with the default of 0.5 they would be 2."""
    x = torch.ones(30, 2)
    got, modes = submission.run(load_one, x, call="load_checkpoint(path, build, train=True), and without train")
    kept = got != 0 if isinstance(got, torch.Tensor) and got.shape == x.shape else x != 0
    check_tensor(got, 1.25 * kept, what="what dropout lets through", hint="Where does build get its dropout from?")
    check_equal(modes, [True, False], what="the training flag, with train=True and without", hint="Which call sets it?")


def load_half_a_file(sub):
    import tempfile
    from pathlib import Path

    import torch
    from torch import nn

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        torch.save({"model": {"weight": torch.ones(1, 2)}, "hyperparameters": {}}, path)
        path.write_bytes(path.read_bytes()[:500])
        sub.load_checkpoint(path, lambda: nn.Linear(2, 1, bias=False))


@pytest.mark.task(3)
def test_half_a_file_is_a_value_error(submission):
    """The message says which file it was."""
    hint = "What does torch.load raise here? Catch that, and say it in words that help."
    call = 'load_checkpoint("run.pt", build) of a file that was cut off'
    check_raises(ValueError, submission.run, load_half_a_file, call=call, mentions=["run.pt"], hint=hint)


def stop_and_go_on(sub, orders):
    """The steps of SGD with momentum 0.5, lr 1 and a slope of 1, two before the break and one after it."""
    import tempfile
    from pathlib import Path

    import torch
    from torch import nn

    def begin(lr, seed):
        model = nn.Linear(1, 1, bias=False).to(orders.device)
        nn.init.zeros_(model.weight)
        return model, torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5), torch.Generator().manual_seed(seed)

    def step(model, optimizer):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        model, optimizer, generator = begin(lr=1.0, seed=7)
        step(model, optimizer)
        step(model, optimizer)
        torch.randperm(9, generator=generator)
        sub.save_checkpoint(path, model, {}, optimizer, None, generator, epoch=2)
        model, optimizer, generator = begin(lr=3.0, seed=99)
        epoch = sub.resume(path, model, optimizer, generator=generator)
    step(model, optimizer)
    return epoch, model.weight.detach(), torch.randperm(9, generator=generator).to(orders.device)


@pytest.mark.task(5)
def test_the_third_step_after_a_break(submission):
    """Steps of 1 and 1.5 lead to -2.5. The third is 1.75 long, and the second order of the data follows the first."""
    generator = torch.Generator().manual_seed(7)
    orders = torch.stack([torch.randperm(9, generator=generator) for _ in range(2)])
    call = "two steps, save_checkpoint(path, …, epoch=2), all made anew, resume(path, …), one more step"
    epoch, weight, order = submission.run(stop_and_go_on, orders, call=call)
    check_equal(epoch, 2, what="what resume returned", hint="How many epochs are done?")
    check_tensor(weight, torch.tensor([[-4.25]]), what="the weight", hint="Who knows the velocity, and who the lr?")
    check_tensor(order, orders[1], what="the next order of the data", hint="Is a seed enough to know what comes next?")
