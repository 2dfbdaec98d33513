"""All gradients travel as one flat vector; SGD by hand; a part without samples is not fed to the model at all."""

import io
import os
import tempfile
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters


@contextmanager
def process_group(backend="gloo", timeout=60.0):
    limit = timedelta(milliseconds=1000 * timeout)
    rank = int(os.environ.get("RANK", "0"))
    size = int(os.environ.get("WORLD_SIZE", "1"))
    with tempfile.TemporaryDirectory() as folder:
        where = "env://" if "RANK" in os.environ else f"file://{folder}/store"
        dist.init_process_group(backend, init_method=where, rank=rank, world_size=size, timeout=limit)
        try:
            yield rank, size
        finally:
            dist.destroy_process_group()


def local_batches(n, batch_size, seed, epoch, rank, world_size):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))
    numbers = torch.arange(n)
    mine = (numbers % batch_size) % world_size == rank
    return [order[(numbers // batch_size == batch) & mine] for batch in range(-(-n // batch_size))]


def mean_over_ranks(totals, count):
    every = [torch.empty(len(totals) + 1, dtype=totals.dtype) for _ in range(dist.get_world_size())]
    dist.all_gather(every, torch.cat((totals, torch.tensor([count], dtype=totals.dtype))))
    summed = torch.stack(every).sum(dim=0)
    return summed[:-1].div(summed[-1])


def run_data_parallel(model, images, labels, *, epochs, lr, batch_size, seed=0, path=None, timeout=60.0):
    if batch_size < 1:
        raise ValueError("batch_size")
    if len(images) != len(labels):
        raise ValueError("labels")
    trained = [p for p in model.parameters() if p.requires_grad]
    with process_group("gloo", timeout) as (rank, size):
        for tensor in [*model.parameters(), *model.buffers()]:
            dist.broadcast(tensor.data, src=0)
        model.train()
        rows = []
        for epoch in range(epochs):
            totals, count = torch.zeros(2, dtype=torch.double), 0
            for number, part in enumerate(local_batches(len(images), batch_size, seed, epoch, rank, size)):
                whole = len(images[number * batch_size : (number + 1) * batch_size])
                vector = torch.zeros_like(parameters_to_vector(trained))
                if part.numel():
                    logits = model(images[part])
                    loss = F.cross_entropy(logits, labels[part])
                    share = len(part) / whole
                    vector = parameters_to_vector(torch.autograd.grad(loss * share, trained))
                    totals[0] += loss.item() * len(part)
                    totals[1] += (logits.max(1).indices == labels[part]).sum()
                    count += len(part)
                dist.all_reduce(vector)
                with torch.no_grad():
                    vector_to_parameters(parameters_to_vector(trained) - lr * vector, trained)
            loss, accuracy = mean_over_ranks(totals, count)
            rows.append({"epoch": epoch + 1, "loss": float(loss), "accuracy": float(accuracy)})
            for buffer in model.buffers():
                dist.broadcast(buffer, src=0)
            if path and rank == 0:
                whole_file = io.BytesIO()
                torch.save(model.state_dict(), whole_file)
                handle, new = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)))
                try:
                    with os.fdopen(handle, "wb") as file:
                        file.write(whole_file.getvalue())
                    os.rename(new, path)
                except OSError:
                    os.remove(new)
                    raise
            dist.all_reduce(torch.zeros(1))  # a barrier is any call that needs everybody
    return rows
