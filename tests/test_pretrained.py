"""Exercise 15's lesson with the weights of torchvision's ResNet-18: a file of their form stands in for them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from pathlib import Path

import pytest
import torch

from grader.catalog import Catalog
from grader.proof.rules import examples

models = pytest.importorskip("torchvision.models")
EXERCISE = Catalog(Path(__file__).resolve().parent.parent).find("15")


def test_the_pretrained_resnet_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(0)
    stored = models.resnet18().state_dict()
    file = tmp_path / "hub/checkpoints" / Path(models.ResNet18_Weights.DEFAULT.url).name
    file.parent.mkdir(parents=True)
    torch.save(stored, file)

    (block,) = (block for block in examples(EXERCISE) if "ResNet18_Weights" in block)
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(block, "the lesson", "exec"), names)
    assert said.getvalue().splitlines() == [f"ResNet-18, pretrained on ImageNet, from '{file}'", "features: 512"]

    (line,) = (line for line in block.splitlines() if line.startswith("# probe = "))
    spec = importlib.util.spec_from_file_location("transfer_learning", EXERCISE.solution / EXERCISE.files[0])
    assert spec is not None
    assert spec.loader is not None
    solution = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(solution)
    images = torch.randint(0, 256, (20, 3, 40, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[10:] //= 4  # a task: the dark ones
    names |= {"linear_probe": solution.linear_probe, "images": images, "labels": torch.arange(20) // 10}
    exec(compile(line.removeprefix("# "), "the lesson", "exec"), names)
    probe = names["probe"]
    assert isinstance(probe, torch.nn.Module)
    with torch.no_grad():
        assert (probe(images).argmax(1) == names["labels"]).float().mean() > 0.9
    trained = [parameter for parameter in probe.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in trained) == 512 * 10 + 10
    state = probe.state_dict()
    for name, value in stored.items():
        if not name.startswith("fc."):
            (own,) = (each for each in state if each.endswith(f"net.{name}"))
            assert torch.equal(state[own], value), name
