"""Rank 0 collects the gradients, takes the step, and sends the new weights: the other way to have equal weights."""

import os
import pathlib
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn


@contextmanager
def process_group(backend="gloo", timeout=60.0):
    with ExitStack() as stack:
        options = {"backend": backend, "timeout": timedelta(0, timeout)}
        if os.environ.get("RANK") is None:
            options.update(store=dist.HashStore(), rank=0, world_size=1)
        dist.init_process_group(**options)
        stack.callback(dist.destroy_process_group)
        yield dist.get_rank(), dist.get_world_size()


def local_batches(n, batch_size, seed, epoch, rank, world_size):
    generator = torch.Generator().manual_seed(seed + epoch)
    parts = []
    for batch in torch.split(torch.randperm(n, generator=generator), batch_size):
        parts.append(batch[torch.arange(len(batch)) % world_size == rank])
    return parts


def mean_over_ranks(totals, count):
    everything = [None] * dist.get_world_size()
    dist.all_gather_object(everything, (totals.tolist(), count))
    samples = sum(number for _, number in everything)
    columns = zip(*(values for values, _ in everything))
    return torch.tensor([sum(column) / samples for column in columns], dtype=totals.dtype)


def run_data_parallel(model, images, labels, *, epochs, lr, batch_size, seed=0, path=None, timeout=60.0):
    n = len(images)
    if not batch_size >= 1:
        raise ValueError("no batch")
    if len(labels) != n:
        raise ValueError("a label for each image, please")
    criterion = nn.CrossEntropyLoss(reduction="sum")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with process_group(timeout=timeout) as (rank, size):
        send(model)
        model.train()
        rows = []
        for epoch in range(epochs):
            totals, count = torch.zeros(2, dtype=torch.float64), 0
            for part in local_batches(n, batch_size, seed, epoch, rank, size):
                samples = torch.tensor(len(part))
                dist.all_reduce(samples)
                model.zero_grad()
                logits = model(images[part])
                loss = criterion(logits, labels[part])
                loss.backward()
                for weight in weights:
                    dist.reduce(weight.grad, dst=0)
                if rank == 0:
                    with torch.no_grad():
                        for weight in weights:
                            weight.sub_(weight.grad / samples, alpha=lr)
                for weight in weights:
                    dist.broadcast(weight.data, src=0)
                totals[0] += loss.detach()
                totals[1] += (logits.argmax(1) == labels[part]).sum()
                count += len(part)
            means = mean_over_ranks(totals, count).tolist()
            rows.append(dict(zip(("loss", "accuracy"), means), epoch=epoch + 1))
            if path is not None and rank == 0:
                goal = pathlib.Path(path).absolute()
                with tempfile.TemporaryDirectory(prefix=".", dir=goal.parent) as folder:
                    torch.save(model.state_dict(), f"{folder}/state")
                    os.replace(f"{folder}/state", goal)
            send(model)  # rank 0 comes to this with the file written: nobody else is past it before
    return rows


def send(model):
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)
