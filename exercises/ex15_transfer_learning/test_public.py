"""Sample tests of exercise 15. Run them with `make grade EX=15` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal, check_tensor


# A driver: it gets the student's module first, and runs where that module is.
def features_before_and_after(sub, images):
    import torch
    from torch import nn

    backbone = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).to(images.device)
    extractor = sub.feature_extractor(backbone, head="2")
    model = nn.Sequential(extractor, nn.Linear(8, 5)).to(images.device)
    before = extractor(images)
    model.train()
    for _ in range(3):
        model(images)
    model.eval()
    needed = sum(parameter.requires_grad for parameter in extractor.parameters())
    return {"before": before, "after": extractor(images), "needed": needed}


@pytest.mark.task(1)
def test_a_frozen_backbone_stays_as_it_is(submission, rng):
    """Features are what reached the head, and stay the same when the model around is told to train."""
    images = 3 + torch.randn(4, 2, 2, 2, generator=rng)
    expected = images.flatten(1) / (1 + 1e-5) ** 0.5  # a new BatchNorm divides by the root of its variance 1, plus eps
    call = 'extractor = feature_extractor(nn.Sequential(bn, flatten, linear), head="2"); extractor(images)'
    got = submission.run(features_before_and_after, images, call=call)
    hint = "The head is the linear layer. What reaches it, in evaluation mode?"
    check_tensor(got["before"], expected, rtol=1e-5, atol=1e-5, what="the features", hint=hint)
    hint = "Look at backbone[0].running_mean of your copy, before model.train() and after a pass. What moves it?"
    check_tensor(got["after"], expected, rtol=1e-5, atol=1e-5, what="the features after model.train()", hint=hint)
    check_equal(got["needed"], 0, what="how many parameters require gradients", hint="Which attribute says so?")


def learn(sub, name, images, labels, settings):
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 5))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    learned = getattr(sub, name)(model, images, labels, 2, head="3", **settings, device=images.device)
    with torch.no_grad():
        logits = learned(images)
    untouched = all(map(torch.equal, before, (parameter.detach() for parameter in model.parameters())))
    return {
        "logits": logits,
        "untouched": untouched,
        "moved": not torch.equal(learned.state_dict().get("1.weight", before[0]).cpu(), before[0]),
    }


def dark_or_bright(rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Twenty images, and whether they are bright."""
    labels = torch.randint(2, (20,), generator=rng)
    return torch.randn(20, 3, 2, 2, generator=rng) / 4 + 2 * labels[:, None, None, None] - 1, labels


@pytest.mark.task(2)
def test_a_probe_tells_dark_from_bright(submission, rng):
    """On the features of a net that was never trained, a linear layer learns a simple task."""
    images, labels = dark_or_bright(rng)
    settings = {"epochs": 20, "lr": 0.1, "batch_size": 8}
    call = 'linear_probe(model, images, labels, 2, head="3", epochs=20, lr=0.1, batch_size=8, device=device)'
    got = submission.run(learn, "linear_probe", images, labels, settings, call=call)
    hint = "Two classes are asked for. What does your module give for 20 images?"
    check_tensor(got["logits"], torch.zeros(20, 2), atol=torch.inf, what="the logits", hint=hint)
    right = int((got["logits"].argmax(1) == labels).sum())
    hint = "Print the loss after every epoch. Does it fall? Is each image trained on with its own label?"
    check(right >= 19, expected="at least 19 of 20 images right", got=f"{right}", hint=hint)
    check_equal(got["untouched"], True, what="whether the model is as before", hint="Whose weights are trained?")


@pytest.mark.task(3)
@pytest.mark.parametrize("backbone_lr", [0.0, 0.01])
def test_a_rate_for_the_backbone(submission, rng, backbone_lr):
    """The task is learned; the backbone of the copy moves if its rate is not 0, and that of the model never."""
    images, labels = dark_or_bright(rng)
    settings = {"epochs": 20, "backbone_lr": backbone_lr, "head_lr": 0.1, "batch_size": 8}
    told = f"epochs=20, backbone_lr={backbone_lr}, head_lr=0.1, batch_size=8, device=device"
    got = submission.run(learn, "fine_tune", images, labels, settings, call=f'fine_tune(model, …, head="3", {told})')
    check_tensor(got["logits"], torch.zeros(20, 2), atol=torch.inf, what="the logits")
    right = int((got["logits"].argmax(1) == labels).sum())
    hint = "Is the head that is trained the one that answers?"
    check(right >= 19, expected="at least 19 of 20 images right", got=f"{right}", hint=hint)
    hint = "Which parameters are in which group, and with which rate?"
    check_equal(got["moved"], backbone_lr > 0, what="whether the first layer of the copy has moved", hint=hint)
    check_equal(got["untouched"], True, what="whether the model is as before", hint="Whose weights are trained?")
