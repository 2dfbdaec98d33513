"""What the warm judge is said to be doing."""

from __future__ import annotations

from grader.live.errand import Errand, Phase


def test_it_counts_tests_of_the_run_that_is_under_way():
    errand = Errand()
    assert (errand.phase, errand.running, errand.ticking) == (Phase.WARMING, False, True)
    assert errand.words == "warming up 0 s"
    errand.launch(Phase.QUICK, ["a", "b"])
    assert (errand.words, errand.running, errand.under_way) == ("running 1 of 2", True, {"a", "b"})
    errand.begun("b")
    assert errand.under_way == {"b"}
    errand.ended("b")
    assert errand.words == "running 2 of 2"
    errand.ended("a")
    assert errand.words == "running 2 of 2"
    errand.launch(Phase.TRAINING, ["c"])
    assert (errand.words, errand.ticking, errand.names) == ("training 0 s", True, ["c"])


def test_where_nothing_goes_on_nothing_is_said():
    errand = Errand()
    for phase in (Phase.IDLE, Phase.BROKEN):
        errand.turn(phase)
        assert (errand.words, errand.running) == ("", False)
