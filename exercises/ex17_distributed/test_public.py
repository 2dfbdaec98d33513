"""Sample tests of exercise 17. Run them with `make grade EX=17` or, in your own process, with `pytest`."""

import pytest
import torch

from grader.checks import check, check_equal, check_tensor


def join_alone(sub):
    """Without torchrun, a process is a group of its own."""
    import torch
    import torch.distributed as dist

    with sub.process_group() as pair:
        total = torch.tensor([3.0])
        dist.all_reduce(total)
    return [list(pair), total.item(), dist.is_initialized()]


@pytest.mark.task(1)
def test_a_group_of_one(submission):
    """Rank 0 of 1; a sum over one rank changes nothing; afterwards the group is left."""
    call = "with process_group() as (rank, world_size): dist.all_reduce(torch.tensor([3.0]))"
    got = submission.run(join_alone, call=call)
    hint = "What does init_process_group need to know, where no torchrun has set it? And what undoes it?"
    check_equal(got, [[0, 1], 3.0, False], what="rank and world_size, the sum, dist.is_initialized()", hint=hint)


@pytest.mark.task(2)
def test_two_ranks_share_the_samples(submission):
    """5 samples in batches of 4: parts of 2 and 2, then of 1 and 0."""
    parts = [submission.local_batches(5, 4, seed=7, epoch=0, rank=rank, world_size=2) for rank in range(2)]
    order = torch.randperm(5, generator=torch.Generator().manual_seed(7))
    due = [[order[[0, 2]], order[[4]]], [order[[1, 3]], order[5:]]]
    for rank in range(2):
        right = type(parts[rank]) is list and len(parts[rank]) == 2
        check(
            right, expected=f"a list of 2 tensors on rank {rank}", got=f"{parts[rank]}", hint="How many batches are 5?"
        )
        for got, expected in zip(parts[rank], due[rank], strict=True):
            check_tensor(got, expected, what=f"a part of rank {rank}", hint="Which entries of a batch are whose?")


def on_two_ranks(sub, images, labels):
    """Two forks that train together, as torchrun would start them; the weights of both and their rows."""
    import os
    import socket
    import sys
    import tempfile

    import torch
    from torch import nn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sub.run_data_parallel  # noqa: B018 imported now, and not by each rank
    children, folder = [], tempfile.mkdtemp()
    for rank in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
                os.environ.update({key: str(value) for key, value in told.items()}, MASTER_ADDR="127.0.0.1")
                os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
                torch.set_num_threads(1)
                model = nn.Linear(2, 2, bias=False)
                nn.init.constant_(model.weight, rank)  # rank 0 begins with zeros, rank 1 with ones
                rows = sub.run_data_parallel(model, images, labels, epochs=1, lr=2.0, batch_size=3, timeout=4.0)
                torch.save({"weight": model.weight.data, "loss": rows[0]["loss"]}, f"{folder}/{rank}.pt")
                code = 0
            except NotImplementedError:
                code = 2
            except Exception as error:  # noqa: BLE001 the other rank is to be waited for, too
                print(f"rank {rank}: {type(error).__name__}: {error}", flush=True)
            finally:
                os._exit(code)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if 2 in codes:
        raise NotImplementedError("task 4: the same training as that of a single process")
    return [torch.load(f"{folder}/{rank}.pt") if code == 0 else None for rank, code in enumerate(codes)]


@pytest.mark.task(4)
def test_one_step_of_two_ranks(submission):
    """Three images, two for rank 0 and one for rank 1: by hand, the step of the whole batch from rank 0's zeros."""
    images, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 1, 1])
    # From zeros every probability is 1/2: the gradient of row 0 is the mean of (1/2 − [label is 0]) · image.
    step = torch.tensor([[0.0, 2 / 3], [0.0, -2 / 3]])
    call = "run_data_parallel(nn.Linear(2, 2, bias=False), …, epochs=1, lr=2.0, batch_size=3) on 2 ranks"
    got = submission.run(on_two_ranks, images, labels, call=call)
    for rank, answer in enumerate(got):
        check(answer is not None, expected=f"weights on rank {rank}", got="an exception, printed above")
        hint = "Which weights does each rank begin with? And how much does each of the three images weigh?"
        check_tensor(answer["weight"], -step, what=f"the weights on rank {rank}", hint=hint)
