"""A GPU's memory: the one that wants more than its share is told so, and nobody pays for what others hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalog import Exercise, Limits
from grader.errors import JudgeError
from grader.gpu import Memory, Slot, account, memory, ran_out
from grader.grading import Settings, grade, open_sandbox
from grader.remote import RemoteSubmission
from grader.result import Failed, Report, Verdict
from grader.sandbox import Mode, Sandbox
from tests.grader.gpus import TOTAL, Gpus

SUITE = """
import pytest
from grader.checks import check_equal, check_raises

@pytest.mark.task(1)
def test_fits(submission):
    check_equal(submission.double(400), 800)

@pytest.mark.task(1)
def test_fits_as_well(submission):
    check_equal(submission.double(440), 880)

@pytest.mark.task(2)
def test_refuses(submission):
    check_raises(RuntimeError, submission.double, -1)
"""
HONEST = """
import fake_cuda

def double(x):
    if x < 0:
        raise RuntimeError("negative")
    fake_cuda.claim(x{more})
    return 2 * x
"""
FAITHFUL, GREEDY = HONEST.format(more=""), HONEST.format(more=" + 100")
ON_PURPOSE = """
class OutOfMemoryError(Exception):
    pass

def double(x):
    raise OutOfMemoryError("CUDA out of memory")
"""
SLOT = Slot("0", 2)
BUDGET = "at most 450 MB of the GPU's memory, the share of one of 2 slots"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpus]:
    gpus = Gpus(tmp_path_factory.mktemp("gpus"))
    gpus.put(1)
    with pytest.MonkeyPatch.context() as patch:
        gpus.install(patch)
        yield gpus


@pytest.fixture(scope="module")
def warm(made: Gpus) -> Iterator[Sandbox]:
    with Sandbox(["torch", "fake_cuda"], Mode.AUTO, SLOT) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _plenty(made: Gpus) -> None:
    made.say(f"{TOTAL}, {TOTAL - 50}")


@pytest.fixture
def report_on(toy: Exercise, tmp_path: Path, warm: Sandbox):
    """Grades a text of `double.py` on the GPU."""
    (toy.hidden / "test_double.py").write_text(SUITE)

    def report_on(text: str) -> Report:
        folder = tmp_path / "handed"
        folder.mkdir(exist_ok=True)
        (folder / "double.py").write_text(text)
        return grade(toy, folder, Settings(seed=5), sandbox=warm)

    return report_on


def told(report: Report) -> list[tuple[Verdict, int]]:
    return [(test.verdict, test.attempts) for task in report.tasks for test in task.tests]


def test_within_its_share_nothing_is_asked(report_on, made: Gpus) -> None:
    report = report_on(FAITHFUL)
    assert (report.verdict, report.provenance.device) == (Verdict.ACCEPTED, "cuda")
    assert made.asked == []


def test_beyond_its_share_is_its_own_doing_and_not_doubted_twice(report_on, made: Gpus) -> None:
    report = report_on(GREEDY)
    assert told(report) == [(Verdict.MEMORY_LIMIT, 2), (Verdict.MEMORY_LIMIT, 1), (Verdict.ACCEPTED, 1)]
    failure = report.tasks[0].tests[0].failure
    assert failure is not None
    assert (failure.expected, failure.got, failure.call) == (BUDGET, "more", "double(400)")
    assert made.asked[0].startswith("--id=0 --query-gpu=memory.total,memory.free")


def test_where_others_hold_the_memory_it_is_a_fault_of_ours(report_on, made: Gpus) -> None:
    made.say(f"{TOTAL}, 449")
    report = report_on(GREEDY)
    assert told(report) == [(Verdict.JUDGE_ERROR, 2), (Verdict.JUDGE_ERROR, 2), (Verdict.ACCEPTED, 1)]
    failure = report.tasks[0].tests[0].failure
    assert failure is not None
    assert "of GPU 0's 1,000 MB only 449 are free" in failure.private
    assert report.exit_code == 3


def test_what_others_held_for_a_moment_is_forgotten_with_the_second_try(report_on, made: Gpus) -> None:
    made.say(f"{TOTAL}, 449", f"{TOTAL}, 450")
    assert told(report_on(GREEDY))[0] == (Verdict.MEMORY_LIMIT, 2)


@pytest.mark.parametrize("free", [TOTAL, 100])
def test_an_error_that_only_looks_like_it_gains_nothing(report_on, made: Gpus, free: int) -> None:
    made.say(f"{TOTAL}, {free}")
    report = report_on(ON_PURPOSE)
    assert report.points == 0
    assert report.verdict is (Verdict.MEMORY_LIMIT if free == TOTAL else Verdict.JUDGE_ERROR)


def test_without_nvidia_smi_the_share_is_told_in_percent(report_on, made: Gpus) -> None:
    made.say("[N/A], [N/A]")
    failure = report_on(GREEDY).tasks[0].tests[0].failure
    assert failure is not None
    assert failure.expected == "at most 45% of the GPU's memory, the share of one of 2 slots"


def test_who_asks_the_same_worker_again_is_told_the_same(warm: Sandbox, made: Gpus) -> None:
    one = RemoteSubmission(warm, {"double.py": GREEDY}, Limits(), 1)
    for _ in range(2):
        with pytest.raises(Failed) as failed:
            one.double(440)
        assert failed.value.verdict is Verdict.MEMORY_LIMIT
    assert len(made.asked) == 1
    one.finish()
    made.say(f"{TOTAL}, 100")
    other = RemoteSubmission(warm, {"double.py": GREEDY}, Limits(), 1)
    for _ in range(2):
        with pytest.raises(JudgeError, match="others hold the rest"):
            other.double(440)
    other.finish()


def test_inputs_that_find_no_room_are_ours_before_the_submission_has_run_and_not_after(warm: Sandbox) -> None:
    worker = warm.spawn({"double.py": FAITHFUL}, Limits(), 1)
    reply = {"fault": "a worker could not read a request: CUDA out of memory. Tried to allocate 20.00 GiB."}
    account(reply, SLOT, worker, begun=False)
    with pytest.raises(Exception, match="450 MB"):
        account(reply, SLOT, worker, begun=True)


def test_the_share_is_set_before_there_is_a_context(warm: Sandbox) -> None:
    """A context would keep the forks that scripts are from having one."""
    text = "import fake_cuda, os, torch\ndef double(x): return [fake_cuda.fraction, torch.cuda.is_initialized(), "
    text += "(fake_cuda.claim(1), fake_cuda.fraction)[1], os.environ['CUDA_VISIBLE_DEVICES']]\n"
    one = RemoteSubmission(warm, {"double.py": text}, Limits(), 1)
    assert one.double(1) == [1.0, False, 0.45, "0"]
    one.finish()


def test_workers_that_run_side_by_side_have_a_share_each(toy: Exercise, made: Gpus) -> None:
    with open_sandbox(replace(toy, preload=[]), Settings(slots=3), workers=2) as sandbox:
        assert sandbox.slot == Slot("0", 6)
    with open_sandbox(replace(toy, preload=[], device="cpu"), Settings(slots=3)) as sandbox:
        assert (sandbox.slot, sandbox.device) == (None, "cpu")


@pytest.mark.parametrize(
    ("says", "due"),
    [
        ("81559, 80123", Memory(81559, 80123)),
        ("[N/A], [N/A]", None),
        ("No devices were found", None),
        ("1, 2, 3", None),
        ("", None),
    ],
)
def test_what_nvidia_smi_says_is_read_or_not_known(made: Gpus, says: str, due: Memory | None) -> None:
    made.say(says or " ")
    assert memory("0") == due


def test_a_machine_without_nvidia_smi_knows_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory("0") is None


@pytest.mark.parametrize(
    ("reply", "due"),
    [
        ({"raised": {"name": "OutOfMemoryError", "message": ""}}, True),
        ({"raised": {"name": "RuntimeError", "message": "CUDA error: out of memory\nCUDA kernel errors"}}, True),
        ({"raised": {"name": "RuntimeError", "message": "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"}}, True),
        ({"raised": {"name": "RuntimeError", "message": "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"}}, True),
        ({"import_failed": {"name": "OutOfMemoryError", "message": "CUDA out of memory."}}, True),
        ({"fault": "a worker could not read a request: CUDA out of memory."}, True),
        ({"raised": {"name": "RuntimeError", "message": "DefaultCPUAllocator: can't allocate memory"}}, False),
        ({"raised": {"name": "MemoryError", "message": ""}}, False),
        ({"raised": {"name": ["OutOfMemoryError"], "message": 3}}, False),
        ({"raised": "CUDA out of memory"}, False),
        ({"ok": {"name": "OutOfMemoryError", "message": "CUDA out of memory"}}, False),
        ({"raised": {"name": "OutOfMemoryError"}, "ok": 1}, False),
        ([], False),
    ],
)
def test_it_is_known_by_what_torch_and_cuda_call_it(reply: object, due: bool) -> None:
    assert ran_out(reply) is due


def test_on_a_cpu_such_an_error_is_like_any_other(toy: Exercise, tmp_path: Path, made: Gpus) -> None:
    (toy.hidden / "test_double.py").write_text(SUITE)
    (tmp_path / "double.py").write_text(ON_PURPOSE)
    exercise = replace(toy, preload=[], device="cuda")
    report = grade(exercise, tmp_path / "double.py", Settings(device="cpu", seed=5))
    assert report.tasks[0].verdict is Verdict.RUN_TIME_ERROR
    assert made.asked == []
    assert any("run on a CPU" in remark for remark in report.remarks)
