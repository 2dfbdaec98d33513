"""What is due after a save, in which order, and when a verdict is complete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.catalog import Exercise, Task
from grader.live.board import Board
from grader.live.station import Item
from grader.result import Failure, TestResult, Verdict

ITEMS = [
    Item("a1", "A one", 1, False),
    Item("a2", "A two", 1, False),
    Item("b1", "B one", 2, False),
    Item("b_trains", "B learns", 2, True),
    Item("b2", "B two", 2, False),
    Item("c_trains", "C learns", 3, True),
]
TASK_OF = {item.name: item.task for item in ITEMS}


@pytest.fixture
def board(toy: Exercise) -> Board:
    tasks = [Task(number, f"task {number}", number, ["a hint"]) for number in (1, 2, 3)]
    board = Board(replace(toy, tasks=tasks))
    board.collect(ITEMS)
    return board


def end(board: Board, *names: str, verdict: Verdict = Verdict.ACCEPTED) -> None:
    for name in names:
        failure = None if verdict is Verdict.ACCEPTED else Failure("1", "2")
        board.take(TestResult(name, name, TASK_OF[name], verdict, 0.1, failure), frozenset())


def test_at_first_all_is_due_and_nothing_is_known(board: Board) -> None:
    assert board.quick() == ["a1", "a2", "b1", "b2"]
    assert [row.verdict for row in board.rows] == [None, None, None]
    assert not board.settled
    assert not board.complete


def test_tests_that_train_come_after_the_quick_ones_of_all_tasks(board: Board) -> None:
    end(board, "a1", "a2", "b1", "b2")
    assert board.settled
    assert not board.complete
    assert board.training() == ["b_trains", "c_trains"]
    assert [row.verdict for row in board.rows] == [Verdict.ACCEPTED, None, None]  # not earned before it has trained
    end(board, "b_trains", "c_trains")
    assert board.complete
    assert board.solved
    assert board.points == board.max_points == 6


def test_a_task_with_a_quick_failure_is_not_trained(board: Board) -> None:
    end(board, "a1", "a2", "b1")
    end(board, "b2", verdict=Verdict.WRONG_ANSWER)
    assert board.training() == ["c_trains"]
    end(board, "c_trains")
    assert board.complete
    assert not board.solved
    spared = next(result for result in board.outcomes() if result.name == "b_trains")
    assert (spared.verdict, spared.attempts) == (Verdict.WRONG_ANSWER, 0)
    assert len(board.outcomes()) == len(ITEMS)


def test_an_untouched_task_stays_not_attempted_with_its_training_spared(board: Board) -> None:
    end(board, "a1", "a2")
    end(board, "b1", "b2", verdict=Verdict.NOT_ATTEMPTED)
    end(board, "c_trains", verdict=Verdict.NOT_ATTEMPTED)
    assert board.complete
    assert [row.verdict for row in board.rows] == [Verdict.ACCEPTED, Verdict.NOT_ATTEMPTED, Verdict.NOT_ATTEMPTED]
    assert {result.verdict for result in board.outcomes() if result.task == 2} == {Verdict.NOT_ATTEMPTED}


def test_the_first_failing_task_runs_first_and_in_it_what_failed(board: Board) -> None:
    end(board, "a1", "a2", "b1", "b2")
    end(board, "b2", verdict=Verdict.WRONG_ANSWER)
    board.change(["a1", "a2", "b1", "b2"])
    assert board.quick() == ["b2", "b1", "a1", "a2"]
    end(board, "a2", verdict=Verdict.RUN_TIME_ERROR)
    board.change(["a1", "a2", "b1", "b2"])
    assert board.quick() == ["a2", "a1", "b2", "b1"]


def test_a_failure_is_told_before_what_was_never_begun(board: Board) -> None:
    end(board, "a1", "a2", verdict=Verdict.NOT_ATTEMPTED)
    assert board.first is not None
    assert board.first.task.number == 1
    end(board, "b1", verdict=Verdict.WRONG_ANSWER)
    assert board.first.task.number == 2
    assert [result.name for result in board.failures(2)] == ["b1"]


def test_what_a_save_does_not_affect_stays_and_what_was_due_stays_due(board: Board) -> None:
    end(board, "a1", "a2", "b1")
    board.change(["a1"])
    assert board.quick() == ["a1", "b2"]
    end(board, "a1", "b2")
    assert board.settled


def test_a_fault_of_ours_runs_again_with_the_next_save(board: Board) -> None:
    end(board, "a1", "a2", "b1", "b2")
    end(board, "a2", verdict=Verdict.JUDGE_ERROR)
    board.change([])
    assert board.quick() == ["a2"]


def test_all_tests_means_those_that_train_too(board: Board) -> None:
    end(board, "a1", "a2", "b1", "c_trains")
    end(board, "b2", verdict=Verdict.WRONG_ANSWER)
    board.change_all()
    assert board.quick() == ["b2", "b1", "a1", "a2"]
    end(board, "a1", "a2", "b1")
    end(board, "b2", verdict=Verdict.WRONG_ANSWER)
    assert board.training() == ["b_trains", "c_trains"]


def test_a_new_suite_forgets_tests_that_are_gone(board: Board) -> None:
    end(board, "a1", "a2", verdict=Verdict.WRONG_ANSWER)
    board.collect(ITEMS[1:3])
    assert board.failed == {"a2"}
    assert board.quick() == ["a2", "b1"]


def test_a_task_without_tests_here_counts_for_nothing(board: Board) -> None:
    board.collect(ITEMS[:2])
    end(board, "a1", "a2")
    assert board.solved
    assert board.max_points == 1


def test_where_nothing_fails_what_takes_long_begins_first(board: Board) -> None:
    end(board, "a1", "a2", "b1", "b2")
    board.take(replace(board.results["b2"], seconds=3.0), frozenset())
    board.change_all()
    assert board.quick() == ["b2", "a1", "a2", "b1"]
    end(board, "a2", verdict=Verdict.WRONG_ANSWER)
    board.change_all()
    assert board.quick()[0] == "a2"
