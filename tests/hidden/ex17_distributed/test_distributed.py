"""Hidden suite of exercise 17.

Each rank is a fork of the worker, with the variables that torchrun sets. What they end with is compared with one
training that the judge works out in a single process, by autograd and SGD by hand, in float64.
"""

import inspect
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.checks import check, check_close, check_equal, check_raises, check_tensor, show

State = dict[str, Tensor]

ROWS, COLUMNS, HIDDEN, CLASSES = 2, 3, 5, 4
LONG = 60.0  # seconds: longer than a test may take, so that what waits for ever is seen as that
SHORT = 0.5  # where somebody is waited for in vain
NEAR = 1e-5  # relative, of a metric: whether it is summed up in float32 or in float64 is free, float32 errs by 1e-7


# ---------------------------------------------------------------------------------------------------------------------
# What the judge works out
# ---------------------------------------------------------------------------------------------------------------------


def random_state(rng: torch.Generator, norm: bool = False) -> State:
    """Weights of Flatten, Linear, Tanh or BatchNorm1d, Linear."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    state = {"1.weight": draw(HIDDEN, ROWS * COLUMNS), "1.bias": draw(HIDDEN)}
    if norm:
        state |= {"2.weight": draw(HIDDEN), "2.bias": draw(HIDDEN), "2.running_mean": draw(HIDDEN)}
        state |= {"2.running_var": draw(HIDDEN).exp(), "2.num_batches_tracked": torch.tensor(7)}
    return state | {"3.weight": draw(CLASSES, HIDDEN), "3.bias": draw(CLASSES)}


def data_for(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    images = torch.randn(n, ROWS, COLUMNS, generator=rng, dtype=torch.float64)
    return images, torch.randint(CLASSES, (n,), generator=rng)


def seed_from(rng: torch.Generator) -> int:
    return int(torch.randint(1 << 20, (), generator=rng))


def settings_for(rng: torch.Generator, batch_size: int = 4, epochs: int = 2, **more: Any) -> dict[str, Any]:
    return {"epochs": epochs, "lr": 0.5, "batch_size": batch_size, "seed": seed_from(rng), "timeout": LONG, **more}


def global_batches(n: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed + epoch))
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


def in_one_process(
    start: State, images: Tensor, labels: Tensor, settings: dict[str, Any], frozen: tuple[str, ...] = (), size: int = 1
) -> tuple[State, list[dict[str, float]]]:
    """The state and the rows after SGD by hand. Only a BatchNorm asks how many ranks there are: each has its own."""
    state = {name: value.clone() for name, value in start.items()}
    names = [name for name in state if name.endswith(("weight", "bias")) and name not in frozen]
    weights = [state[name].requires_grad_() for name in names]
    rows = []
    for epoch in range(settings["epochs"]):
        total, right = 0.0, 0
        for batch in global_batches(len(images), settings["batch_size"], settings["seed"], epoch):
            loss = torch.zeros((), dtype=images.dtype)
            for rank in range(size):
                x, y = images[batch[rank::size]], labels[batch[rank::size]]
                h = F.linear(x.flatten(1), state["1.weight"], state["1.bias"])
                if "2.weight" in state:
                    mean, var = state["2.running_mean"], state["2.running_var"]
                    running = (mean, var) if rank == 0 else (mean.clone(), var.clone())
                    h = F.batch_norm(h, *running, state["2.weight"], state["2.bias"], training=True)
                else:
                    h = h.tanh()
                logits = F.linear(h, state["3.weight"], state["3.bias"])
                loss = loss + F.cross_entropy(logits, y, reduction="sum")
                right += int((logits.argmax(1) == y).sum())
            total += float(loss.detach())
            if "2.weight" in state:
                state["2.num_batches_tracked"] += 1
            slopes = torch.autograd.grad(loss / len(batch), weights)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    weight -= settings["lr"] * slope
        rows.append({"epoch": epoch + 1, "loss": total / len(images), "accuracy": right / len(images)})
    return {name: value.detach() for name, value in state.items()}, rows


# ---------------------------------------------------------------------------------------------------------------------
# How ranks are started
# ---------------------------------------------------------------------------------------------------------------------


def on_ranks(sub, source, name, size, arguments, options):
    """What `name(sub, rank, *arguments)` of `source` returned on each of `size` ranks; None where nothing came.

    Its first exception is raised again here. With `watched` these ranks alone are waited for, whatever comes; the
    others are ended then.
    """
    import builtins
    import os
    import signal
    import socket
    import sys
    import time
    import traceback
    from pathlib import Path

    import torch

    space = {"__name__": name}
    exec(compile(source, f"<driver {name}>", "exec"), space)
    file = sys.modules[sub.run_data_parallel.__module__].__file__  # imported now, and not by each rank
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sys.stdout.flush()
    save, children = torch.save, {}
    for rank in range(size - options.get("absent", 0)):
        child = os.fork()
        if child:
            children[rank] = child
            continue
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # gloo's warnings of host names
            sys.stderr = sys.stdout
            os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
            if options.get("torchrun", True):
                local = 0 if options.get("nodes") else rank  # one process on each node, or one node
                told = {"RANK": rank, "LOCAL_RANK": local, "WORLD_SIZE": size, "MASTER_PORT": port}
                os.environ.update({key: str(value) for key, value in told.items()}, MASTER_ADDR="127.0.0.1")
            torch.set_num_threads(1)
            outcome = {"value": space[name](sub, rank, *arguments)}
        except BaseException as error:  # noqa: BLE001 whatever it is, the parent raises it
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
            kind = type(error).__name__ if type(error).__module__ == "builtins" else "RuntimeError"
            outcome = {"kind": kind, "words": str(error), "line": lines[-1] if lines else 0, "time": time.monotonic()}
        try:
            save(outcome, f".rank-{rank}.new")
            Path(f".rank-{rank}.new").rename(f".rank-{rank}")
            sys.stdout.flush()
        finally:
            os._exit(0)
    outcomes, failed_at = [None] * size, None
    waiting = set(options.get("watched", children))
    while waiting:
        for rank in sorted(waiting):
            pid, status = os.waitpid(children[rank], os.WNOHANG)
            if pid == 0:
                continue
            waiting.remove(rank)
            del children[rank]
            outcomes[rank] = {"kind": "RuntimeError", "words": f"the process ended ({status})", "line": 0, "time": 1e99}
            if Path(f".rank-{rank}").exists():
                outcomes[rank] = torch.load(f".rank-{rank}", weights_only=False)
                Path(f".rank-{rank}").unlink()
            if "kind" in outcomes[rank] and failed_at is None:
                failed_at = time.monotonic()
        if failed_at is not None and "watched" not in options and time.monotonic() > failed_at + 0.5:
            break  # one that can't go on without the others waits in vain
        time.sleep(0.002)
    for child in children.values():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    failed = [(rank, outcome) for rank, outcome in enumerate(outcomes) if outcome and "kind" in outcome]
    unwritten = [each for each in failed if each[1]["kind"] == "NotImplementedError"]
    if failed:
        rank, first = unwritten[0] if unwritten else min(failed, key=lambda each: each[1]["time"])
        words = first["words"] if unwritten or size == 1 else f"{first['words']} (on rank {rank} of {size})"
        try:
            error = getattr(builtins, first["kind"])(words)
        except TypeError:  # some take more than a text
            error = RuntimeError(words)
        if first["line"]:
            exec(compile("\n" * (first["line"] - 1) + "raise error", file, "exec"), {"error": error})
        raise error
    return [None if outcome is None else outcome["value"] for outcome in outcomes]


def started(submission, body, size: int, *arguments: Any, call: str, **options: Any) -> list[Any]:
    """What `body` returned on each rank."""
    return submission.run(on_ranks, inspect.getsource(body), body.__name__, size, list(arguments), options, call=call)


def told(settings: dict[str, Any], size: int, n: int, note: str = "") -> str:
    """The line that a student would type."""
    shown = {name: value for name, value in settings.items() if name != "timeout" or value != LONG}
    arguments = ", ".join(f"{name}={value!r}" for name, value in shown.items())
    where = f"on {size} ranks" if size > 1 else "in a single process"
    return f"run_data_parallel(model, images, labels, {arguments}) {where}, {n} images{note}"


# ---------------------------------------------------------------------------------------------------------------------
# What the judge compares
# ---------------------------------------------------------------------------------------------------------------------


def check_states(got: list[Any], due: State, hint: str) -> None:
    """Every rank has this state."""
    for rank, answer in enumerate(got):
        check_state(answer["state"], due, f"on rank {rank}" if len(got) > 1 else "at the end", hint)


def check_state(got: Any, due: State, where: str, hint: str) -> None:
    names = list(got) if type(got) is dict else show(got)
    expected = f"a state_dict of {', '.join(due)}"
    check(type(got) is dict and set(got) == set(due), expected=expected, got=f"{names}", hint=hint)
    for name, value in due.items():
        check_tensor(got[name], value, what=f"{name} {where}", hint=hint)


def check_rows(got: list[Any], due: list[dict[str, float]], hint: str) -> None:
    """Every rank has returned these rows."""
    for rank, answer in enumerate(got):
        rows, where = answer["rows"], f" on rank {rank}" if len(got) > 1 else ""
        right = type(rows) is list and len(rows) == len(due) and all(type(row) is dict for row in rows)
        check(right, expected=f"a list of {len(due)} dicts{where}", got=show(rows), hint="One row for each epoch?")
        for row, right_row in zip(rows, due, strict=True):
            keys = ", ".join(map(str, row))
            check(set(row) >= set(right_row), expected=f"keys {', '.join(right_row)}{where}", got=keys, hint=hint)
            epoch = right_row["epoch"]
            counting = "The first epoch has the number 1, for people who read the table."
            check_equal(row["epoch"], epoch, what=f"the epoch of row {epoch - 1}{where}", hint=counting)
            for name in ("loss", "accuracy"):
                what = f"the {name} of epoch {epoch}{where}"
                check_close(row[name], right_row[name], rel=NEAR, abs=1e-9, what=what, hint=hint)


def check_batches(got: Any, due: list[Tensor], hint: str) -> None:
    right = type(got) is list and len(got) == len(due)
    came = f"{len(got)} of them" if type(got) is list else show(got)
    check(right, expected=f"a list of {len(due)} tensors, one for each global batch", got=came, hint=hint)
    for number, (part, right_part) in enumerate(zip(got, due, strict=True)):
        check_tensor(part, right_part, what=f"the part of batch {number}", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 2: local_batches
# ---------------------------------------------------------------------------------------------------------------------


def parts_due(n: int, batch_size: int, seed: int, epoch: int, rank: int, world_size: int) -> list[Tensor]:
    return [batch[rank::world_size] for batch in global_batches(n, batch_size, seed, epoch)]


@pytest.mark.task(2)
def test_a_single_rank_has_the_global_batches(submission, rng):
    """With one rank the parts are the batches themselves: torch.randperm(n) by its own generator, cut in pieces."""
    seed = seed_from(rng)
    due = parts_due(12, 4, seed, 0, 0, 1)
    hint = "Which seed has the generator in epoch 0, which numbers does torch.randperm draw, and how many make a batch?"
    check_batches(submission.local_batches(12, 4, seed, 0, 0, 1), due, hint)


@pytest.mark.task(2)
def test_a_rank_has_every_second_entry(submission, rng):
    """Of each global batch rank 0 has the entries 0, 2, 4, and rank 1 the entries 1, 3, 5."""
    seed = seed_from(rng)
    for rank in range(2):
        due = parts_due(18, 6, seed, 0, rank, 2)
        hint = "batch_size counts the samples of all ranks together. Which of a batch's entries are this rank's?"
        check_batches(submission.local_batches(18, 6, seed, 0, rank, 2), due, hint)


@pytest.mark.task(2)
def test_each_epoch_has_an_order_of_its_own(submission, rng):
    """DistributedSampler needs set_epoch for this: without it each epoch repeats the order of the first one."""
    seed = seed_from(rng)
    for epoch in (1, 2, 5):
        due = parts_due(14, 7, seed, epoch, 1, 2)
        hint = "What tells the orders of two epochs apart? And do all ranks draw the same one?"
        check_batches(submission.local_batches(14, 7, seed, epoch, 1, 2), due, hint)


@pytest.mark.task(2)
def test_the_last_batch_is_smaller(submission, rng):
    """17 samples in batches of 5 leave 2 for the last one: nothing is dropped, and nothing is taken twice."""
    seed = seed_from(rng)
    for rank in range(3):
        due = parts_due(17, 5, seed, 1, rank, 3)
        hint = "Count the samples over all ranks: 17? DistributedSampler repeats some of them, or drops some."
        check_batches(submission.local_batches(17, 5, seed, 1, rank, 3), due, hint)


@pytest.mark.task(2)
def test_a_batch_may_have_nothing_for_a_rank(submission, rng):
    """One sample is left for three ranks: two of them get an empty tensor, and take part in the step all the same."""
    seed = seed_from(rng)
    for rank in range(3):
        due = parts_due(7, 3, seed, 0, rank, 3)
        hint = (
            "Every rank takes as many steps as the others, or somebody waits. What is the part of one without samples?"
        )
        check_batches(submission.local_batches(7, 3, seed, 0, rank, 3), due, hint)
    due = parts_due(2, 8, seed, 0, 3, 4)
    hint = "Fewer samples than ranks, and fewer than a batch: how many batches are there, and what has rank 3?"
    check_batches(submission.local_batches(2, 8, seed, 0, 3, 4), due, hint)


def batches_and_the_generator(sub, n, seed, before):
    import torch

    torch.manual_seed(before)
    parts = sub.local_batches(n, 4, seed, 0, 0, 2)
    return {"parts": parts, "next": torch.rand(3)}


@pytest.mark.task(2)
def test_torch_s_own_generator_is_left_alone(submission, rng):
    """Ranks have drawn other numbers before; an order from torch's own generator would differ from rank to rank."""
    seed, before = seed_from(rng), seed_from(rng)
    due = parts_due(12, 4, seed, 0, 0, 2)
    after = torch.rand(3, generator=torch.Generator().manual_seed(before))
    call = f"torch.manual_seed({before}); local_batches(12, 4, {seed}, 0, 0, 2); torch.rand(3)"
    got = submission.run(batches_and_the_generator, 12, seed, before, call=call)
    hint = "Dropout draws from torch's own generator. Who draws the order?"
    check_batches(got["parts"], due, hint)
    check_tensor(got["next"], after, what="torch.rand(3) afterwards", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 3: mean_over_ranks
# ---------------------------------------------------------------------------------------------------------------------


def reduce_totals(sub, rank, totals, counts):
    from datetime import timedelta

    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    mine = totals[rank].clone()
    means = sub.mean_over_ranks(mine, counts[rank])
    dist.barrier()
    dist.destroy_process_group()
    return {"means": means, "totals": mine}


def check_means(submission, totals: list[Tensor], counts: list[int], hint: str) -> None:
    due = torch.stack(totals).sum(0) / sum(counts)
    lines = "; ".join(
        f"rank {rank}: mean_over_ranks({show(mine.tolist())}, {count})"
        for rank, (mine, count) in enumerate(zip(totals, counts, strict=True))
    )
    got = started(submission, reduce_totals, len(totals), totals, counts, call=lines)
    for rank, answer in enumerate(got):
        check_tensor(answer["means"], due, what=f"the means on rank {rank}", hint=hint)
        changed = "all_reduce writes into the tensor that it is given. Whose is it?"
        check_tensor(answer["totals"], totals[rank], rtol=0, atol=0, what=f"totals on rank {rank} after", hint=changed)


@pytest.mark.task(3)
def test_unequal_counts_are_weighted(submission, rng):
    """The mean over 11 samples is no mean of two means, when one rank has 10 of them and the other 1."""
    totals = [torch.randn(2, generator=rng, dtype=torch.float64) for _ in range(2)]
    hint = "A rank with ten samples should count ten times as much. Which numbers can be added, before the division?"
    check_means(submission, totals, [10, 1], hint)


@pytest.mark.task(3)
def test_a_rank_without_samples_takes_part(submission, rng):
    """Its sums are 0 and its count is 0: no division by zero, and nobody waits for it."""
    totals = [torch.randn(3, generator=rng, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)]
    hint = "Where does your code divide, and by what on the rank that has no samples?"
    check_means(submission, totals, [7, 0], hint)


@pytest.mark.task(3)
def test_the_dtype_of_the_totals_is_kept(submission, rng):
    """float32 comes back as float32; and with one rank the mean is the sum by the count."""
    totals = [torch.randn(1, generator=rng) for _ in range(2)]
    hint = "What is the dtype of the result, when an integer count stands beside the sums?"
    check_means(submission, totals, [3, 4], hint)
    check_means(submission, [torch.randn(2, generator=rng, dtype=torch.float64)], [5], hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1: process_group
# ---------------------------------------------------------------------------------------------------------------------


def join_and_sum(sub, rank, again):
    import torch
    import torch.distributed as dist

    found = []
    for _ in range(again):
        with sub.process_group("gloo", timeout=60.0) as pair:
            total = torch.tensor([1.0 + 10 * rank], dtype=torch.float64)
            dist.all_reduce(total)
            dist.barrier()
        found += [list(pair), total.item(), dist.is_initialized()]
    return found


@pytest.mark.task(1)
def test_two_ranks_find_each_other(submission):
    """Inside of the block dist.all_reduce adds up what both ranks have; `as` gives the rank and the number of ranks."""
    call = 'with process_group("gloo", timeout=60.0) as (rank, world_size): dist.all_reduce(…) on 2 ranks'
    got = started(submission, join_and_sum, 2, 1, call=call)
    hint = "Which variables has torchrun set, and what does dist.init_process_group do with them?"
    for rank, answer in enumerate(got):
        check_equal(answer[0], [rank, 2], what=f"rank and world_size on rank {rank}", hint=hint)
        check_equal(answer[1], 12.0, what=f"the sum of 1 + 10·rank, on rank {rank}", hint=hint)


@pytest.mark.task(1)
def test_rank_is_not_the_number_on_the_node(submission):
    """Three nodes with a process each: LOCAL_RANK is 0 on all of them, it only chooses a GPU of the node."""
    call = "with process_group() as (rank, world_size): … on 3 nodes, where LOCAL_RANK is 0 each time"
    got = started(submission, join_and_sum, 3, 1, call=call, nodes=True)
    hint = "Which of RANK and LOCAL_RANK counts through all processes of all nodes?"
    for rank, answer in enumerate(got):
        check_equal(answer[:2], [[rank, 3], 33.0], what=f"rank, world_size and the sum on rank {rank}", hint=hint)


@pytest.mark.task(1)
def test_without_torchrun_a_process_is_a_group_of_its_own(submission):
    """The same lines run under `python train.py`: without the variables there is one rank, with the number 0."""
    call = "with process_group() as (rank, world_size): dist.all_reduce(…) without RANK in the environment"
    got = started(submission, join_and_sum, 1, 1, call=call, torchrun=False)
    hint = "Who would tell init_process_group its rank and its partners here? A group of one needs no port to meet at."
    check_equal(got[0][:2], [[0, 1], 1.0], what="rank, world_size and the sum", hint=hint)


def join_beside_others(sub, rank):
    import contextlib
    import socket

    import torch.distributed as dist

    taken = []
    for port in (29500, 12355, 12345, 23456):  # that examples on the net use
        other = socket.socket()
        with contextlib.suppress(OSError):
            other.bind(("0.0.0.0", port))
            other.listen()
        taken.append(other)
    with sub.process_group() as pair:
        dist.barrier()
    return list(pair)


@pytest.mark.task(1)
def test_two_trainings_fit_on_one_machine(submission):
    """Whoever is alone takes no fixed port: a second training, of somebody else, may have it already."""
    call = "with process_group() as (rank, world_size): … without torchrun, while another program listens on port 29500"
    got = started(submission, join_beside_others, 1, call=call, torchrun=False)
    hint = "Which port do you choose, and what if it is taken? Does a process need one to meet nobody?"
    check_equal(got[0], [0, 1], what="rank and world_size", hint=hint)


@pytest.mark.task(1)
def test_the_group_is_left_at_the_end(submission):
    """After the block there is no process group, so that the next one can be joined."""
    call = "with process_group(): …, twice, without torchrun; then dist.is_initialized()"
    got = started(submission, join_and_sum, 1, 2, call=call, torchrun=False)
    hint = "What undoes init_process_group, and where does it stand?"
    check_equal(got[0], [[0, 1], 1.0, False] * 2, what="rank and world_size, the sum, is_initialized; twice", hint=hint)


def leave_with_an_error(sub, rank):
    import torch.distributed as dist

    came = "no exception"
    try:
        with sub.process_group():
            raise ArithmeticError("in the block")
    except NotImplementedError:
        raise
    except Exception as error:  # noqa: BLE001 any other than that one is a mistake
        came = f"{type(error).__name__}: {error}"
    return [came, dist.is_initialized()]


@pytest.mark.task(1)
def test_the_group_is_left_after_an_exception(submission):
    """An exception in the block comes out of it as it is, and the group is left all the same."""
    call = 'with process_group(): raise ArithmeticError("in the block"); then dist.is_initialized()'
    got = started(submission, leave_with_an_error, 1, call=call, torchrun=False)
    hint = "Which lines of your context manager run after an exception at its yield?"
    check_equal(got[0], ["ArithmeticError: in the block", False], what="the exception, is_initialized", hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 4: run_data_parallel
# ---------------------------------------------------------------------------------------------------------------------


def train(sub, rank, starts, images, labels, settings, noise, frozen):
    import torch
    from torch import nn

    torch.manual_seed(noise + rank)
    torch.rand(rank + 1)
    start = starts[rank]
    hidden, inputs = start["1.weight"].shape
    middle = nn.BatchNorm1d(hidden) if "2.weight" in start else nn.Tanh()
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), middle, nn.Linear(hidden, len(start["3.bias"])))
    model.to(images.dtype).load_state_dict(start)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in frozen
    seen, modes = [images[:0, 0, 0]], []

    def look(module, arguments):
        seen.append(arguments[0][:, 0, 0].clone())
        modes.append(module.training)

    model.register_forward_pre_hook(look)
    model.eval()
    rows = sub.run_data_parallel(model, images, labels, **settings)
    return {"state": dict(model.state_dict()), "rows": rows, "seen": torch.cat(seen), "modes": modes}


def trained(
    submission, rng, size: int, starts: list[State], data: tuple[Tensor, Tensor], settings: dict, **more: Any
) -> list[Any]:
    """What each rank ends with, when rank k begins with the k-th of `starts`."""
    call = told(settings, size, len(data[0]), more.pop("note", ""))
    frozen = list(more.pop("frozen", ()))
    return started(submission, train, size, starts, *data, settings, seed_from(rng), frozen, call=call, **more)


@pytest.mark.task(4)
def test_a_single_process_trains_by_sgd(submission, rng):
    """Without torchrun it is the training loop of exercise 3: plain SGD on the mean loss of each batch."""
    start, data, settings = random_state(rng), data_for(rng, 11), settings_for(rng)
    hint = "One process, 11 images in batches of 4: begin here. Which batches, which loss, which steps?"
    due, _ = in_one_process(start, *data, settings)
    got = trained(submission, rng, 1, [start], data, settings, torchrun=False)
    check_states(got, due, hint)
    due, _ = in_one_process(start, *data, settings | {"seed": 0})
    del settings["seed"]
    got = trained(submission, rng, 1, [start], data, settings, torchrun=False)
    check_states(got, due, "The seed is 0 where nobody says anything.")


@pytest.mark.task(4)
def test_two_ranks_train_as_one_process_would(submission, rng):
    """Two ranks with 2 images each take the step that one process takes with all 4: lr and batch mean the same."""
    start, data, settings = random_state(rng), data_for(rng, 12), settings_for(rng)
    due, _ = in_one_process(start, *data, settings)
    got = trained(submission, rng, 2, [start, start], data, settings)
    hint = "Work out one step by hand: which gradient has each rank, which one has the whole batch? A sum, or a mean?"
    check_states(got, due, hint)


@pytest.mark.task(4)
def test_the_weights_of_rank_0_count(submission, rng):
    """Each process has initialised a model of its own, with other numbers. Averaging gradients makes them no equals."""
    starts, data, settings = [random_state(rng) for _ in range(2)], data_for(rng, 8), settings_for(rng, epochs=1)
    due, _ = in_one_process(starts[0], *data, settings)
    got = trained(submission, rng, 2, starts, data, settings, note=", other weights on each rank")
    hint = "Which weights does each rank begin with, and who tells them to whom?"
    check_states(got, due, hint)


@pytest.mark.task(4)
def test_no_epochs_still_make_the_ranks_equal(submission, rng):
    """With epochs=0 nothing is trained: the result is [], and every rank has rank 0's weights and buffers."""
    starts, data = [random_state(rng, norm=True) for _ in range(2)], data_for(rng, 8)
    settings = settings_for(rng, epochs=0)
    got = trained(submission, rng, 2, starts, data, settings, note=", a BatchNorm in the model")
    hint = "A state is more than parameters: what else has a BatchNorm?"
    check_states(got, starts[0], hint)
    check_rows(got, [], hint)


@pytest.mark.task(4)
def test_parts_of_unequal_size(submission, rng):
    """A batch of 3 gives rank 0 two images and rank 1 one: a mean of the two means would count that one double."""
    start, data, settings = random_state(rng), data_for(rng, 9), settings_for(rng, batch_size=3)
    due, _ = in_one_process(start, *data, settings)
    got = trained(submission, rng, 2, [start, start], data, settings)
    hint = "Each image of a batch weighs the same in its mean. How much does it weigh on a rank with fewer of them?"
    check_states(got, due, hint)


@pytest.mark.task(4)
def test_a_batch_that_leaves_a_rank_without_images(submission, rng):
    """9 images in batches of 4 leave one, and rank 1 nothing: it takes part in the step, with a gradient of 0."""
    start, data, settings = random_state(rng), data_for(rng, 9), settings_for(rng)
    due, _ = in_one_process(start, *data, settings)
    got = trained(submission, rng, 2, [start, start], data, settings)
    hint = "The last batch is one image. What does it weigh in its step, and what does rank 1 do in the meantime?"
    check_states(got, due, hint)


@pytest.mark.task(4)
def test_batches_of_one_image(submission, rng):
    """With batch_size=1 rank 0 has every image, and rank 1 none at all: it ends with the same weights and rows."""
    start, data, settings = random_state(rng), data_for(rng, 3), settings_for(rng, batch_size=1)
    due, rows = in_one_process(start, *data, settings)
    got = trained(submission, rng, 2, [start, start], data, settings)
    hint = "batch_size=1 is allowed. What do you divide by on a rank that never sees an image?"
    check_states(got, due, hint)
    check_rows(got, rows, hint)


@pytest.mark.task(4)
def test_three_ranks_train_as_one_process_would(submission, rng):
    """The number of ranks changes the speed, and not the result."""
    start, data, settings = random_state(rng), data_for(rng, 11), settings_for(rng)
    due, _ = in_one_process(start, *data, settings)
    got = trained(submission, rng, 3, [start] * 3, data, settings)
    check_states(got, due, "It holds for two ranks. Where does your code think of 2?")


@pytest.mark.task(4)
def test_a_rank_works_on_its_own_part_only(submission, rng):
    """Two ranks that both work on the whole batch get the right weights too, in no less time than one."""
    start, data, settings = random_state(rng), data_for(rng, 10), settings_for(rng, epochs=3)
    got = trained(submission, rng, 2, [start, start], data, settings)
    for rank, answer in enumerate(got):
        due = torch.zeros(10, dtype=torch.int64)
        for epoch in range(3):
            due += torch.bincount(torch.cat(parts_due(10, 4, settings["seed"], epoch, rank, 2)), minlength=10)
        seen = answer["seen"]
        check(type(seen) is Tensor and seen.dim() == 1, expected="a model that gets batches", got=show(seen))
        came = (seen[:, None] == data[0][:, 0, 0]).sum(0)
        hint = "Which images does the model see on this rank? Those of local_batches, each once in its epoch?"
        check_tensor(came, due, what=f"how often rank {rank} fed image 0, 1, … to the model in 3 epochs", hint=hint)


@pytest.mark.task(4)
def test_the_model_is_trained_in_training_mode(submission, rng):
    """The model comes in evaluation mode here; dropout and BatchNorm want to know that they are trained."""
    start, data, settings = random_state(rng), data_for(rng, 8), settings_for(rng)
    got = trained(submission, rng, 2, [start, start], data, settings, note=", model.eval() before")
    hint = "Who sets the mode of the model, if not the training?"
    for rank, answer in enumerate(got):
        flags = [set(answer["modes"])] if type(answer["modes"]) is list else [{None}]
        check(flags[0] == {True}, expected=f"training mode on rank {rank}", got=show(answer["modes"]), hint=hint)


@pytest.mark.task(4)
def test_buffers_are_those_of_rank_0(submission, rng):
    """A BatchNorm normalises each rank's part by itself and counts what it saw; at the end rank 0's counts for all."""
    start, data, settings = random_state(rng, norm=True), data_for(rng, 12), settings_for(rng, batch_size=6)
    due, _ = in_one_process(start, *data, settings, size=2)
    got = trained(submission, rng, 2, [start, start], data, settings, note=", a BatchNorm in the model")
    hint = "all_reduce makes the gradients equal. What has rank 1's BatchNorm seen, and who tells it of rank 0's?"
    check_states(got, due, hint)


@pytest.mark.task(4)
def test_frozen_parameters_stay(submission, rng):
    """A parameter without requires_grad has no gradient to send, and stays as rank 0 has it."""
    starts, data, settings = [random_state(rng) for _ in range(2)], data_for(rng, 8), settings_for(rng)
    frozen = ("1.weight", "1.bias")
    due, _ = in_one_process(starts[0], *data, settings, frozen)
    note = ", the first layer is frozen"
    got = trained(submission, rng, 2, starts, data, settings, frozen=frozen, note=note)
    check_states(got, due, "Whose .grad is None here, and what becomes of its values on the other ranks?")


@pytest.mark.task(4)
def test_float32_stays_float32(submission, rng):
    """Weights and images of float32, as nearly always."""
    start, data, settings = random_state(rng), data_for(rng, 10), settings_for(rng)
    due, _ = in_one_process(start, *data, settings)
    narrow = {name: value.float() for name, value in start.items()}
    got = trained(submission, rng, 2, [narrow, narrow], (data[0].float(), data[1]), settings)
    hint = "Where do numbers change their dtype on the way?"
    for rank, answer in enumerate(got):
        for name, value in due.items():
            # float32 errs by up to 4e-6 here, of 500 trainings.
            check_tensor(answer["state"][name], value.float(), atol=5e-5, what=f"{name} on rank {rank}", hint=hint)


@pytest.mark.task(4)
def test_the_rows_of_a_single_process(submission, rng):
    """A row says the epoch, and loss and accuracy over all samples, each before the step that it was used for."""
    start, data, settings = random_state(rng), data_for(rng, 11), settings_for(rng, epochs=3)
    _, due = in_one_process(start, *data, settings)
    got = trained(submission, rng, 1, [start], data, settings, torchrun=False)
    check_rows(got, due, "A mean over samples: how much does the last batch count, which has 3 of them and not 4?")


@pytest.mark.task(4)
def test_every_rank_returns_the_rows_of_all(submission, rng):
    """9 images in batches of 4: rank 0 works on 5 and rank 1 on 4, and both say what holds for the 9."""
    start, data, settings = random_state(rng), data_for(rng, 9), settings_for(rng)
    _, due = in_one_process(start, *data, settings)
    got = trained(submission, rng, 2, [start, start], data, settings)
    check_rows(got, due, "Over whose images is this a mean, and how much does each rank count in it?")


def train_with_mistakes(sub, rank, images, labels, batch_size):
    from torch import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 4)).to(images.dtype)
    rows = sub.run_data_parallel(model, images, labels, epochs=1, lr=0.5, batch_size=batch_size)
    return {"rows": rows}


@pytest.mark.task(4)
@pytest.mark.parametrize("what", ["batch_size", "labels"])
def test_what_makes_no_sense_is_refused(submission, rng, what):
    """A batch_size of 0, or labels that are not as many as images: ValueError, before anybody waits for anybody."""
    images, labels = data_for(rng, 6)
    size = 0 if what == "batch_size" else 4
    labels = labels[:5] if what == "labels" else labels
    call = f"run_data_parallel(model, images[6], labels[{len(labels)}], epochs=1, lr=0.5, batch_size={size})"
    function, arguments = (on_ranks, inspect.getsource(train_with_mistakes)), [images, labels, size]
    for ranks in (1, 2):
        options = {"torchrun": ranks == 2, "absent": ranks - 1}  # the second rank does not come: who waits, fails
        parameters = [function[1], train_with_mistakes.__name__, ranks, arguments, options]
        hint = "When is it known that this can't work: before the ranks have met, or after?"
        check_raises(ValueError, submission.run, function[0], *parameters, call=call, hint=hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 5: the file
# ---------------------------------------------------------------------------------------------------------------------


def train_to_a_file(sub, rank, start, images, labels, settings, way):
    import resource
    import tempfile
    import time
    from pathlib import Path

    import torch
    import torch.distributed as dist
    from torch import nn

    hidden, inputs = start["1.weight"].shape
    last = nn.Linear(hidden, len(start["3.bias"]))
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.Tanh(), last).to(images.dtype)
    model.load_state_dict(start)
    folder, here = Path(f"of-{rank}" if way == "own folders" else "common"), Path()
    folder.mkdir(exist_ok=True)
    if Path("/dev/shm").is_dir():
        tempfile.tempdir = "/dev/shm"  # another file system, as the system's temporary folder often is
    file, save, raised = folder / "model.pt", torch.save, ""
    ceiling = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if way == "slow" and rank == 0:

        def slowly(*arguments, **more):
            time.sleep(0.3)
            save(*arguments, **more)

        torch.save = slowly
    if way == "full":
        file.write_bytes(b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, ceiling))
    if way != "none":
        settings |= {"path": file if way == "slow" else str(file)}
    before = set(here.iterdir())
    try:
        sub.run_data_parallel(model, images, labels, **settings)
    except NotImplementedError:
        raise
    except Exception as error:
        if way != "full":
            raise
        raised = type(error).__name__
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ceiling, ceiling))
    found = {
        "names": sorted(each.name for each in folder.iterdir()),
        "raised": raised,
        "left": not dist.is_initialized(),
    }
    found["new"] = sorted(each.name for each in set(here.iterdir()) - before if not each.name.startswith(".rank-"))
    if way == "full":
        found["old"] = file.exists() and file.read_bytes() == b"old"
    elif file.exists():
        state = torch.load(file, weights_only=True)
        found["state"] = dict(state) if isinstance(state, dict) else type(state).__name__
    return found


def filed(submission, rng, way: str, note: str, epochs: int = 2, size: int = 2, **more: Any) -> tuple[list[Any], State]:
    start, data, settings = random_state(rng), data_for(rng, 8), settings_for(rng, epochs=epochs)
    due, _ = in_one_process(start, *data, settings)
    shown = settings if way == "none" else settings | {"path": "model.pt"}
    call = told(shown, size, 8, note)
    return started(submission, train_to_a_file, size, start, *data, settings, way, call=call, **more), due


@pytest.mark.task(5)
def test_the_file_holds_the_trained_model(submission, rng):
    """The file is the model's own state_dict, which any process reads with weights_only=True and no wrapper around."""
    got, due = filed(submission, rng, "own folders", "")
    hint = "What is in the file, under which names? DistributedDataParallel is a module around yours."
    check_equal(got[0]["names"], ["model.pt"], what="the files that rank 0 finds", hint=hint)
    check_state(got[0]["state"], due, "in the file", hint)


@pytest.mark.task(5)
def test_one_rank_writes(submission, rng):
    """Two nodes with a disk each, and on both a process with LOCAL_RANK 0: only rank 0 of all writes."""
    got, _ = filed(submission, rng, "own folders", "; each rank has a folder of its own, LOCAL_RANK is 0", nodes=True)
    names = [answer["names"] for answer in got]
    hint = "Which rank writes? There is one LOCAL_RANK 0 on each node."
    check_equal(names, [["model.pt"], []], what="the files that rank 0 and rank 1 find on their disks", hint=hint)


@pytest.mark.task(5)
def test_nobody_returns_before_the_file_is_there(submission, rng):
    """The disk is slow; rank 1 has nothing to write, and would look for the file too early."""
    got, due = filed(submission, rng, "slow", "; torch.save takes 0.3 s; rank 1 looks for the file", epochs=1)
    hint = "What does rank 1 do while rank 0 writes, and which call would keep it waiting?"
    for rank, answer in enumerate(got):
        check_equal(answer["names"], ["model.pt"], what=f"the files when rank {rank} returns", hint=hint)
        check_state(answer["state"], due, f"in the file when rank {rank} returns", hint)


@pytest.mark.task(5)
def test_a_full_disk_leaves_the_old_file(submission, rng):
    """The write breaks off after 700 bytes: the old file is still there, whole, nothing lies beside it, all raise."""
    got, _ = filed(submission, rng, "full", "; the disk is full after 700 bytes")
    hint = "In which file do the first 700 bytes stand? Exercise 4 has written files in one piece."
    check(got[0]["old"] is True, expected="model.pt is still the old file", got="something else, or none", hint=hint)
    check_equal(got[0]["names"], ["model.pt"], what="the names in the folder afterwards", hint=hint)
    for rank, answer in enumerate(got):
        hint = "Rank 0 could not write. What does it do, and what do the others wait for?"
        check(answer["raised"] != "", expected=f"an exception on rank {rank}", got="none", hint=hint)


@pytest.mark.task(5)
def test_without_a_path_nothing_is_written(submission, rng):
    """path=None is the default: no file appears."""
    got, _ = filed(submission, rng, "none", "", epochs=1)
    for answer in got:
        check_equal(answer["new"], [], what="new files in the current folder", hint="Who asked for a file?")


# ---------------------------------------------------------------------------------------------------------------------
# Task 6: a rank that dies
# ---------------------------------------------------------------------------------------------------------------------


def train_into_trouble(sub, rank, start, images, labels, settings, fault, after):
    import os
    import signal
    import time
    from pathlib import Path

    import torch
    import torch.distributed as dist
    from torch import nn

    hidden, inputs = start["1.weight"].shape
    last = nn.Linear(hidden, len(start["3.bias"]))
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.Tanh(), last).to(images.dtype)
    model.load_state_dict(start)
    steps = []

    def look(module, arguments):
        steps.append(1)
        if rank == 1 and len(steps) > after:
            if fault == "sleeps":
                time.sleep(600)
            if fault == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ArithmeticError("a bad image")

    hook = model.register_forward_pre_hook(look)
    found = {"raised": "no exception"}
    try:
        sub.run_data_parallel(model, images, labels, **settings)
    except NotImplementedError:
        raise
    except Exception as error:  # noqa: BLE001 which one it is depends on where it is noticed
        found["raised"] = f"{type(error).__name__}: {error}"
    found["joined"] = dist.is_initialized()
    if settings.get("path") and rank == 0:
        found["file"] = dict(torch.load(settings["path"], weights_only=True)) if Path(settings["path"]).exists() else {}
    if fault == "raises" and rank == 0:  # and now by itself
        hook.remove()
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
            del os.environ[name]
        model.load_state_dict(start)
        sub.run_data_parallel(model, images, labels, **settings)
        found["state"] = dict(model.state_dict())
    return found


def troubled(submission, rng, fault: str, watched: list[int], after: int = 3, **more: Any) -> tuple[list[Any], dict]:
    start, data = random_state(rng), data_for(rng, 8)
    settings = settings_for(rng, epochs=2, **{"timeout": SHORT, **more})
    call = told(settings, 2, 8, f"; rank 1 {fault} in step {after + 1}")
    got = started(submission, train_into_trouble, 2, start, *data, settings, fault, after, call=call, watched=watched)
    return got, {"start": start, "data": data, "settings": settings}


@pytest.mark.task(6)
def test_a_rank_that_hangs_is_noticed(submission, rng):
    """Rank 1 hangs in the third step; rank 0 raises when `timeout` is over, instead of waiting for half an hour."""
    got, _ = troubled(submission, rng, "sleeps", [0], after=2)
    hint = "How long does rank 0 wait in all_reduce, where does the argument timeout go, and who catches what?"
    check(got[0]["raised"] != "no exception", expected="an exception on rank 0", got="none", hint=hint)
    check_equal(
        got[0]["joined"], False, what="dist.is_initialized() on rank 0 afterwards", hint="Who leaves the group?"
    )


@pytest.mark.task(6)
def test_a_killed_rank_leaves_the_file_of_the_last_epoch(submission, rng):
    """Rank 1 is killed in epoch 2: rank 0 raises, and the file has the weights after epoch 1."""
    got, given = troubled(submission, rng, "is killed", [0], path="model.pt", timeout=LONG)
    due, _ = in_one_process(given["start"], *given["data"], given["settings"] | {"epochs": 1})
    hint = "A machine fails in the last of 90 epochs. When is the file written?"
    check(got[0]["raised"] != "no exception", expected="an exception on rank 0", got="none", hint=hint)
    check_state(got[0]["file"], due, "in the file", hint)


@pytest.mark.task(6)
def test_an_exception_reaches_every_rank(submission, rng):
    """Rank 1 meets a bad image: it raises that very exception, rank 0 raises too, and both have left the group."""
    got, _ = troubled(submission, rng, "raises", [0, 1], timeout=LONG)
    hint = "Who catches it on its way, and what do the other ranks hear of it?"
    check_equal(got[1]["raised"], "ArithmeticError: a bad image", what="what rank 1 raises", hint=hint)
    check(got[0]["raised"] != "no exception", expected="an exception on rank 0", got="none", hint=hint)
    joined = [answer["joined"] for answer in got]
    check_equal(joined, [False, False], what="dist.is_initialized() afterwards, on both ranks", hint="Who leaves?")


@pytest.mark.task(6)
def test_after_a_failure_a_process_can_train_again(submission, rng):
    """After rank 1's exception, rank 0 starts anew by itself, in the same process, and ends where it should."""
    got, given = troubled(submission, rng, "raises", [0], timeout=LONG)
    due, _ = in_one_process(given["start"], *given["data"], given["settings"])
    hint = "What of the first training is still there when the second one begins?"
    check_state(got[0]["state"], due, "after the second training", hint)


# ---------------------------------------------------------------------------------------------------------------------
# Task 1, what takes longer: torchrun itself, and waiting in vain
# ---------------------------------------------------------------------------------------------------------------------


def by_torchrun(sub, size):
    import os
    import sys

    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    def rank(*_):
        import torch
        import torch.distributed as dist

        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            with sub.process_group("gloo", timeout=60.0) as pair:
                total = torch.tensor([1.0 + 10 * pair[0]])
                dist.all_reduce(total)
            return [*pair, total.item()]
        except BaseException as error:  # noqa: BLE001 raised below
            return [type(error).__name__, str(error)]

    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    sub.process_group  # noqa: B018 imported now, and not by each rank
    errors = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        local = {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1", "run_id": "dojo"}
        quick = {"max_restarts": 0, "monitor_interval": 0.02, "start_method": "fork"}
        config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=size, **local, **quick)
        answers = elastic_launch(config, rank)()
    finally:
        os.dup2(errors, 2)
    for answer in answers.values():
        if type(answer[0]) is str:
            raise (
                NotImplementedError(answer[1])
                if answer[0] == "NotImplementedError"
                else RuntimeError(": ".join(answer))
            )
    return [answers[number] for number in range(size)]


@pytest.mark.task(1)
def test_torchrun_itself_starts_them(submission):
    """torchrun keeps the store where the ranks meet in its own process, and tells them so in the environment."""
    call = "torchrun --nproc-per-node=2 of: with process_group() as (rank, world_size): dist.all_reduce(…)"
    got = submission.run(by_torchrun, 2, call=call)
    hint = "init_process_group reads more of torchrun's variables than the five. Does anything of yours open the port?"
    check_equal(got, [[0, 2, 12.0], [1, 2, 12.0]], what="rank, world_size and the sum, on both ranks", hint=hint)


def wait_in_vain(sub, rank, timeout, sleeper):
    import time

    import torch
    import torch.distributed as dist

    try:
        with sub.process_group("gloo", timeout=timeout):
            dist.barrier()
            if rank == sleeper:
                time.sleep(600)
            dist.all_reduce(torch.ones(1))
    except NotImplementedError:
        raise
    except Exception as error:  # noqa: BLE001 which one it is depends on where it is noticed
        return [type(error).__name__, dist.is_initialized()]
    return ["no exception", dist.is_initialized()]


@pytest.mark.task(1)
def test_a_rank_that_never_comes_is_not_waited_for(submission):
    """One of two processes was never started: the other one raises when the timeout is over."""
    call = f"with process_group(timeout={SHORT}): … on 2 ranks, of which the second is never started"
    got = started(submission, wait_in_vain, 2, SHORT, 1, call=call, absent=1, watched=[0])
    hint = "How long does init_process_group wait for the others, and which argument says so?"
    check(got[0][0] != "no exception", expected="an exception on rank 0", got="none", hint=hint)


@pytest.mark.task(1)
def test_a_rank_that_says_nothing_is_not_waited_for(submission):
    """A rank that hangs keeps its connections open, and looks like one that computes: only the time tells."""
    call = f"with process_group(timeout={SHORT}): dist.all_reduce(…) on rank 0, while rank 1 sleeps"
    got = started(submission, wait_in_vain, 2, SHORT, 1, call=call, watched=[0])
    hint = "torch waits for 30 minutes by default. timedelta(5) are five days."
    check(got[0][0] != "no exception", expected="an exception on rank 0", got="none", hint=hint)
    check_equal(got[0][1], False, what="dist.is_initialized() afterwards", hint="Is the group left after that, too?")
