"""Divides by a count in float64, and so turns float32 into float64."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


@contextmanager
def process_group(backend: str = "gloo", timeout: float = 60.0) -> Iterator[tuple[int, int]]:
    """Join the other ranks; leave them at the end of the `with` block, also when it ends with an exception.

    RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are read from the environment, where torchrun has put them. Where
    there is no RANK, the process is a group of its own.

    Input: "gloo" on CPUs, "nccl" on GPUs; after `timeout` seconds without an answer of the others, joining them and
    each collective call raise.
    Output, of the `with`: (rank, world_size).
    """
    alone = {} if "RANK" in os.environ else {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    dist.init_process_group(backend, timeout=timedelta(seconds=timeout), **alone)
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


def local_batches(n: int, batch_size: int, seed: int, epoch: int, rank: int, world_size: int) -> list[Tensor]:
    """What `rank` works on in one epoch over n samples: for each global batch the indices of its part.

    The order of epoch e = 0, 1, … is torch.randperm(n) of a generator with the seed `seed + e`, on every rank. Each
    `batch_size` of it are a global batch, the last one may be smaller. Of a global batch, rank r has the entries r,
    r + world_size, r + 2 · world_size and so on.

    Output: one int64 tensor for each global batch, possibly empty. Together the ranks have each sample exactly once.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))
    return [batch[rank::world_size] for batch in order.split(batch_size)]


def mean_over_ranks(totals: Tensor, count: int) -> Tensor:
    """Means over the samples of all ranks, from each rank's sums. Called inside of a process group, by every rank.

    Input: `totals` [M], sums over the `count` samples of this rank, which may be none.
    Output: [M], the sums over all ranks by the number of all samples, the same on each rank, in the dtype of `totals`.
    """
    sums = torch.cat([totals.double(), torch.tensor([count])])
    dist.all_reduce(sums)
    return sums[:-1] / sums[-1]


def share_state(model: nn.Module) -> None:
    """Give every rank the parameters and buffers of rank 0. A helper: the tests look at `run_data_parallel`."""
    for value in model.state_dict().values():  # views of the model's own memory
        dist.broadcast(value, src=0)


def write_atomically(state: dict[str, Tensor], path: str | os.PathLike) -> None:
    """Write a state_dict so that others see the old file or the new one, and no third. A helper, too."""
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        torch.save(state, Path(folder) / path.name)
        (Path(folder) / path.name).replace(path)


def run_data_parallel(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int = 0,
    path: str | os.PathLike | None = None,
    timeout: float = 60.0,
) -> list[dict[str, float]]:
    """Train `model` in place by plain SGD, on all ranks together, as one process with the whole batch would.

    Each rank calls it with a model of the same kind, on the CPU or on a GPU of its own, and with the same data and
    settings. The weights that count at the start are those of rank 0.

    Input: images [N, …], labels [N] int64, on any device; `batch_size` counts the samples of all ranks together;
    `seed` decides the order of the data; `timeout` in seconds, for `process_group`.
    Output: a row for each epoch, the same on every rank: "epoch" (from 1), "loss" and "accuracy" (means over all
    samples, each before the step that it is used for).
    Files: after each epoch, rank 0 writes the model's state_dict to `path`, atomically. No other rank writes.
    Errors: ValueError for a batch_size below 1, and where labels are not as many as images. Whatever goes wrong on
    one rank raises there, and within `timeout` on the others. The process group is left in any case.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is to be at least 1, not {batch_size}")
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images have {len(labels)} labels")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(parameters, lr=lr)
    rows = []
    backend = dist.get_default_backend_for_device(device)  # gloo for a CPU, nccl for a GPU
    with process_group(backend, timeout) as (rank, world_size):
        share_state(model)
        model.train()
        for epoch in range(epochs):
            totals, seen = torch.zeros(2, dtype=torch.float64, device=device), 0  # loss, right answers; samples
            for number, part in enumerate(local_batches(len(images), batch_size, seed, epoch, rank, world_size)):
                x, y = images[part].to(device), labels[part].to(device)
                logits = model(x)  # [b, C], b = 0 where the last batch has too few samples for all ranks
                loss = F.cross_entropy(logits, y, reduction="sum")
                optimizer.zero_grad()
                # The mean over the global batch is a sum over the ranks, if each divides by the size of the whole.
                (loss / min(batch_size, len(images) - number * batch_size)).backward()
                for parameter in parameters:
                    dist.all_reduce(parameter.grad)
                optimizer.step()
                totals += torch.stack([loss.detach(), (logits.argmax(1) == y).sum()])
                seen += len(part)
            loss, accuracy = mean_over_ranks(totals, seen).tolist()
            rows.append({"epoch": epoch + 1, "loss": loss, "accuracy": accuracy})
            share_state(model)  # the buffers: a BatchNorm has seen other samples on each rank
            if path is not None and rank == 0:
                write_atomically(model.state_dict(), path)
            dist.barrier()  # nobody goes on, or returns, before the file is there
    return rows
