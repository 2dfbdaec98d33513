"""DistributedDataParallel sends the weights and averages the gradients; each rank scales its loss to make up for it."""

import contextlib
import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class process_group:
    """A context manager as a class, with a store on a port that the system chooses where there is no torchrun."""

    def __init__(self, backend="gloo", timeout=60.0):
        self.backend = backend
        self.limit = timedelta(seconds=timeout)

    def __enter__(self):
        if "RANK" in os.environ:
            dist.init_process_group(self.backend, init_method="env://", timeout=self.limit)
        else:
            store = dist.TCPStore("127.0.0.1", 0, 1, True, timeout=self.limit)
            dist.init_process_group(self.backend, store=store, rank=0, world_size=1, timeout=self.limit)
        return dist.get_rank(), dist.get_world_size()

    def __exit__(self, *_):
        dist.destroy_process_group()


def local_batches(n, batch_size, seed, epoch, rank, world_size):
    generator = torch.Generator()
    generator.manual_seed(seed + epoch)
    order = torch.randperm(n, generator=generator).tolist()
    batches = [order[start : start + batch_size] for start in range(0, n, batch_size)]
    return [torch.tensor(batch[rank::world_size], dtype=torch.int64) for batch in batches]


def mean_over_ranks(totals, count):
    sums, counts = totals.clone(), totals.new_full((), count)
    dist.all_reduce(sums)
    dist.all_reduce(counts)
    return sums / counts


def run_data_parallel(model, images, labels, *, epochs, lr, batch_size, seed=0, path=None, timeout=60.0):
    n = images.shape[0]
    if batch_size <= 0 or n != labels.shape[0]:
        raise ValueError(f"batch_size {batch_size}, {n} images, {labels.shape[0]} labels")
    with process_group("gloo", timeout) as (rank, size):
        ddp = DistributedDataParallel(model, broadcast_buffers=True)
        loss_of = nn.CrossEntropyLoss(reduction="none")
        optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr)
        history = []
        ddp.train()
        for epoch in range(1, epochs + 1):
            loss_sum, right, count = 0.0, 0, 0
            left = n
            for part in local_batches(n, batch_size, seed, epoch - 1, rank, size):
                whole = min(left, batch_size)
                left -= whole
                logits = ddp(images[part])
                losses = loss_of(logits, labels[part])
                optimizer.zero_grad(set_to_none=True)
                (losses.sum() * size / whole).backward()  # it averages over the ranks, and we want a sum
                optimizer.step()
                loss_sum += losses.sum().item()
                right += (logits.argmax(dim=-1) == labels[part]).sum().item()
                count += part.numel()
            means = mean_over_ranks(torch.tensor([loss_sum, right], dtype=torch.float64), count)
            history.append({"epoch": epoch, "loss": means[0].item(), "accuracy": means[1].item(), "ranks": size})
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)
            if path is not None:
                if rank == 0:
                    save(ddp.module.state_dict(), str(path))
                dist.barrier()
    return history


def save(state, path):
    new = f"{path}.{os.getpid()}"
    try:
        torch.save(state, new)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise
