"""Sample tests of exercise 13. Run them with `make grade EX=13` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal


# A driver: it gets the student's module first, and runs where that module is.
def network_facts(sub, images):
    net = sub.CNN().to(images.device)
    return {"parameters": sum(parameter.numel() for parameter in net.parameters()), "logits": net(images).detach()}


@pytest.mark.task(1)
def test_parameters_and_logits(submission):
    """CNN() has 109,962 parameters, and gives ten logits for each of two images."""
    got = submission.run(network_facts, torch.ones(2, 3, 32, 32), call="CNN()(images [2, 3, 32, 32])")
    hint = "Work the parameters of each layer out by hand, and print yours beside them. Which layer differs?"
    check_equal(got["parameters"], 109_962, what="the number of parameters", hint=hint)
    hint = "Two images came in. Which dimension of the result are they, and what is the other one?"
    check_equal(list(got["logits"].shape), [2, 10], what="the shape of the logits", hint=hint)


def train_on_brightness(sub, images, labels):
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 2))
    _, losses = sub.train(net, images, labels, epochs=4, lr=0.3, batch_size=5, device=images.device)
    return losses


@pytest.mark.task(2)
def test_the_loss_falls(submission):
    """Dark images have the class 0, bright ones the class 1: that is learnt in four epochs."""
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0])
    images = (20 + 200 * labels)[:, None, None, None].expand(12, 3, 32, 32).to(torch.uint8)
    call = "train(net, 12 images, labels, epochs=4, lr=0.3, batch_size=5, device=…)"
    losses = submission.run(train_on_brightness, images, labels, call=call)
    check_equal([type(loss).__name__ for loss in losses], ["float"] * 4, what="the types of the losses")
    hint = "The same number four times says more than a loss that wobbles. What has to happen for a weight to move?"
    got = ", ".join(f"{loss:.6f}" for loss in losses)
    check(losses[3] < 0.7 * losses[0], expected="losses that fall by a third at least", got=got, hint=hint)


def predict_brightness(sub, images):
    import torch
    from torch import nn

    net = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 3)).to(images.device)
    with torch.no_grad():  # class 0 up to a mean of 1/4, class 1 up to 3/4, and then class 2
        net[2].weight.copy_(torch.tensor([[-1.0], [0.0], [1.0]]).expand(3, 3) / 3)
        net[2].bias.copy_(torch.tensor([0.25, 0.0, -0.75]))
    return {"classes": sub.predict(net, images, batch_size=2, device=images.device).cpu(), "training": net.training}


@pytest.mark.task(3)
def test_the_brightness_of_five_images(submission):
    """Five images, in batches of two: an answer for each, in their order, and the model is in its own mode again."""
    images = torch.tensor([255, 0, 128, 30, 220], dtype=torch.uint8)[:, None, None, None].expand(5, 3, 32, 32)
    got = submission.run(predict_brightness, images, call="predict(net, five images, batch_size=2, device=…)")
    hint = "What did the model get: bytes, or what it gets in training? And where are the answers of the last batch?"
    check_equal(got["classes"].tolist(), [2, 0, 1, 0, 2], what="the classes", hint=hint)
    check_equal(got["training"], True, what="net.training afterwards", hint="It came in training mode.")
