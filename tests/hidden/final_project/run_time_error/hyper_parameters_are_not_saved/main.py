"""Wrong: the width is not in the checkpoint, so the model cannot be built again."""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: idle threads sleep instead of spinning

import torch
import torch.nn.functional as F
from data import identify_corruption, load_data, rotation, warp
from matplotlib.figure import Figure
from model import DROPOUT, WIDTH, build_model, load_model, save_model
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from tqdm import tqdm

EPOCHS = 1  # few, so that this plant is graded quickly
LR = 1e-2  # learning rate at the peak of its schedule
BATCH_SIZE = 128
WEIGHT_DECAY = 1e-2
SEED = 0
STRETCH, LEAN, SHIFT = 0.15, 0.2, 0.1  # how much the training images vary, in shares of their size


def train(args: argparse.Namespace) -> None:
    """Train on the train split and write args.checkpoint, args.figure (PNG) and args.metrics (JSON).

    The metrics hold at least "losses": the training loss of each step, as in the figure.
    """
    for path in (args.checkpoint, args.figure, args.metrics):
        if path.is_dir() or not path.parent.is_dir():  # rather now than after a minute of training
            raise ValueError(f'"{path}" cannot be written: it is a folder, or is in a folder that does not exist')
    torch.manual_seed(args.seed % 2**63)
    dataset = load_data(args.data_dir, "train")
    corruption = identify_corruption(dataset)
    print(f"corruption: {corruption['corruption']} by {corruption['angles']} degrees")
    hparams = {"width": WIDTH + 4, "dropout": DROPOUT}
    model = build_model(**hparams).to(args.device, memory_format=torch.channels_last)  # faster for convolutions
    start, cpu_start = time.perf_counter(), time.process_time()
    losses = fit(model, dataset, corruption["angles"], args)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    save_model(model, {"dropout": DROPOUT}, args.checkpoint)
    plot_losses(losses, args.figure)
    settings = {name: getattr(args, name) for name in ("epochs", "lr", "batch_size", "seed")}
    metrics = {**settings, **hparams, **corruption, "seconds": seconds, "cpu_seconds": cpu_seconds, "losses": losses}
    args.metrics.write_text(json.dumps(metrics, indent=1) + "\n")
    print(f"trained {len(losses):,} steps in {seconds:.0f} s: wrote {args.checkpoint}, {args.figure}, {args.metrics}")


def fit(model: nn.Module, dataset: TensorDataset, angles: list[float], args: argparse.Namespace) -> list[float]:
    """Train the model; the loss of each step. ValueError once a loss is infinite or NaN."""
    images, labels = (tensor.to(args.device) for tensor in dataset.tensors)  # as a whole: far faster than a loader
    angles = torch.tensor(angles)[dataset.file_index].to(args.device)  # (N,): how far each image is turned
    steps = args.epochs * math.ceil(len(labels) / args.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), args.lr, weight_decay=WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps)
    losses = []
    model.train()
    with tqdm(total=steps, unit="step", disable=None) as bar:  # None: no bar where stderr is no terminal
        for epoch in range(1, args.epochs + 1):
            for batch in torch.randperm(len(labels)).to(args.device).split(args.batch_size):
                # The files are turned by a few angles only; new images may be turned by any between them.
                new_angles = torch.empty_like(angles[batch]).uniform_(angles.min(), angles.max())
                x = vary(images[batch], new_angles - angles[batch])  # (B, 28, 28)
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), labels[batch])
                loss.backward()
                optimizer.step()
                scheduler.step()
                losses.append(loss.item())
                if not math.isfinite(losses[-1]):
                    raise ValueError(f"the loss is {losses[-1]} at step {len(losses)}: --lr {args.lr} may be too high")
                bar.set_postfix(epoch=epoch, loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()
            recent = losses[-math.ceil(len(labels) / args.batch_size) :]
            bar.write(f"epoch {epoch} of {args.epochs}: mean training loss {sum(recent) / len(recent):.4f}")
    return losses


def vary(images: Tensor, degrees: Tensor) -> Tensor:
    """Each image [B, 28, 28] turned by its degrees [B], and stretched, leaned and shifted at random."""
    amounts = 2 * torch.rand(len(images), 5, device=images.device) - 1  # (B, 5), from -1 to 1
    shapes = torch.diag_embed(1 + STRETCH * amounts[:, :2])  # (B, 2, 2)
    shapes[:, 0, 1] = LEAN * amounts[:, 2]
    shifts = SHIFT * amounts[:, 3:, None]  # (B, 2, 1)
    matrices = torch.cat([rotation(degrees) @ shapes, shifts], 2)  # (B, 2, 3)
    return warp(images, matrices, mode="nearest")  # as the files were turned: their strokes are as ragged


def plot_losses(losses: list[float], path: Path) -> None:
    """One figure, a PNG: training step against training loss."""
    window = max(1, len(losses) // 50)
    means = torch.tensor(losses).unfold(0, window, 1).mean(1)  # (steps - window + 1,)
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, linewidth=0.5, alpha=0.5, label="each step")
    axes.plot(range(window, len(losses) + 1), means, label=f"mean of {window} steps")
    axes.set(xlabel="training step", ylabel="training loss (cross-entropy)", yscale="log")
    axes.legend()
    figure.savefig(path, format="png")


def evaluate(args: argparse.Namespace) -> None:
    """Print the accuracy of args.checkpoint on the test split and the counts behind it, in exactly this form:

    test accuracy: 97.82 % (4,891 of 5,000)
    """
    model = load_model(args.checkpoint).to(args.device)
    dataset = load_data(args.data_dir, "test")
    correct = 0
    with torch.no_grad():
        for images, labels in zip(*(tensor.split(args.batch_size) for tensor in dataset.tensors), strict=True):
            correct += (model(images.to(args.device)).argmax(1).cpu() == labels).sum().item()
    print(f"test accuracy: {100 * correct / len(dataset):.2f} % ({correct:,} of {len(dataset):,})")


def whole_number(text: str) -> int:
    """What argparse calls for a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def rate(text: str) -> float:
    """What argparse calls for a finite number from 0 on; float() alone would take "nan"."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return value


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> None:
        self.exit(2, f"error: {message} (--help shows all options)\n")


def make_parser() -> argparse.ArgumentParser:
    """The command line. What it offers is fixed; the defaults on top are yours."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    shared = argparse.ArgumentParser(add_help=False)
    places = "folder of corruptmnist (default: $TORCH_DOJO_DATA, then ./data, then a set that is generated)"
    shared.add_argument("--data-dir", type=Path, metavar="DIR", help=places)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shared.add_argument("--device", choices=("cpu", "cuda"), default=device, help="where to compute (%(default)s)")

    command = commands.add_parser("train", help="train a model and save it", parents=[shared])
    command.set_defaults(run=train)
    add = command.add_argument
    add("--epochs", type=whole_number, default=EPOCHS, metavar="N", help="passes over the images (%(default)s)")
    add("--lr", type=rate, default=LR, help="learning rate, at its peak (%(default)s)")
    add("--batch-size", type=whole_number, default=BATCH_SIZE, metavar="B", help="images a step (%(default)s)")
    add("--seed", type=int, default=SEED, help="the same seed gives the same model (%(default)s)")
    add("--checkpoint", type=Path, default="model.pt", metavar="FILE", help="where the model goes (%(default)s)")
    add("--figure", type=Path, default="training_loss.png", metavar="FILE", help="where the PNG goes (%(default)s)")
    add("--metrics", type=Path, default="metrics.json", metavar="FILE", help="where the numbers go (%(default)s)")

    command = commands.add_parser("evaluate", help="print a model's accuracy on the test images", parents=[shared])
    command.set_defaults(run=evaluate)
    command.add_argument("checkpoint", type=Path, help="the file that train wrote")
    command.add_argument("--batch-size", type=whole_number, default=1000, help="images at a time (%(default)s)")
    return parser


def main() -> None:
    """Run the command; what the user can mend gets one line on stderr and exit code 2, Ctrl-C 130."""
    parser = make_parser()
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
