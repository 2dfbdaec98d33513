"""The judges of a Ray cluster: batches of submissions go out as tasks, reports come back.

Ray finds the node, brings the course there, and tries a task again whose node was lost. What a submission may do, and
for how long, is decided there as here: below each task stands the course's own judge with its sandbox.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from grader.catalog import Exercise
from grader.cohort.docket import Docket
from grader.cohort.node import Answer, Batch, grade_batch
from grader.cohort.queues import Work
from grader.devices import device_for
from grader.errors import JudgeError, UsageError
from grader.gradebook.claims import Claim
from grader.grading import Settings
from grader.result import Report

LOOK_SECONDS = 0.5  # between two looks at the state
LARGEST = 8  # submissions in a batch: what is lost with a node is graded again
AHEAD = 2  # batches for each core, so that none waits for us
RETRIES = 3  # of a task, by Ray, when its process or its node is lost
REACH_SECONDS = 10.0
HOST_PORT = re.compile(r"(?P<host>[^:/]+):(?P<port>[0-9]+)")
STAYS = [".git", ".venv", "reports", "data", "build", "*.sqlite*", "**/__pycache__"]  # not brought to the nodes


class Sent(NamedTuple):
    """A submission that is part of a batch on its way."""

    work: Work
    claim: Claim


class Cluster:
    """A connection to a cluster, for one run. Raises UsageError where there is none."""

    def __init__(self, root: Path, settings: Settings, address: str | None, submissions: Path) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise UsageError("ENGINE=ray needs Ray: pip install 'torch-dojo[cluster]'") from None
        self._ray: Any = ray
        self._settings = settings
        self._out: dict[Any, list[Sent]] = {}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        stays = list(STAYS)
        if submissions.resolve().is_relative_to(root):  # each node gets those that it grades, and no others
            stays.append(str(submissions.resolve().relative_to(root)))
        self._connect(address, {"working_dir": str(root), "excludes": stays})

    def _connect(self, address: str | None, environment: dict[str, Any]) -> None:
        try:
            if address is not None and (place := HOST_PORT.fullmatch(address)):  # Ray would try for minutes
                socket.create_connection((place["host"], int(place["port"])), REACH_SECONDS).close()
            self._ray.init(
                address=address,
                runtime_env=environment,
                logging_level=logging.ERROR,
                log_to_driver=False,
                include_dashboard=False if address is None else None,
            )
        except (ConnectionError, OverflowError, RuntimeError, ValueError, OSError) as error:
            where = f"at '{address}'" if address else "on this machine"
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(f"there is no Ray cluster {where} that can be used: {reason}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def judges(self, jobs: int | None, gpu: bool) -> int:
        """How many can be at work at this moment: one for each core of the cluster, or for each slot of its GPUs."""
        return max(1, self._count("GPU") * (jobs or 1) if gpu else self._count("CPU"))

    def device_for(self, exercise: Exercise) -> str:
        """A GPU of the cluster where it has any, unless the settings or the exercise say otherwise."""
        return device_for(exercise, self._settings.device, self._count("GPU") > 0, "the cluster")

    def _count(self, resource: str) -> int:
        return int(self._ray.cluster_resources().get(resource, 0))

    def run(self, docket: Docket) -> None:
        """Until everything is graded. Raises what ends the run early; then nothing that was told is lost."""
        task, plan = self._ray.remote(max_retries=RETRIES)(grade_batch), docket.plan
        slots, slug = plan.settings.slots, ""
        try:
            while True:
                judges = self.judges(slots, plan.gpu)
                while len(self._out) < AHEAD * judges and (batch := self._batch(docket, slug, judges)):
                    exercise = batch[0].work.exercise
                    slug, needs = exercise.slug, needed(exercise, plan.devices[exercise.slug], slots)
                    self._out[task.options(**needs).remote(order(docket, batch))] = batch
                if not self._out and docket.is_empty:
                    return
                self._hear(docket)
                docket.tick([sent.work for batch in self._out.values() for sent in batch], judges)
        finally:
            docket.close()

    def _batch(self, docket: Docket, slug: str, judges: int) -> list[Sent]:
        """The next submissions of one exercise, all claimed. Few where little is left, so that all nodes work."""
        most = max(1, min(LARGEST, len(docket) // (AHEAD * judges)))
        batch: list[Sent] = []
        while len(batch) < most and (work := docket.next(slug, Counter())) is not None:
            if batch and work.exercise != batch[0].work.exercise:
                docket.put_back(work)
                break
            slug = work.exercise.slug
            if claim := docket.claim(work):
                batch.append(Sent(work, claim))
        return batch

    def _hear(self, docket: Docket) -> None:
        """Waits until a batch has come back, or it is time to look at the state."""
        if not self._out:
            time.sleep(LOOK_SECONDS)
            return
        ready, _ = self._ray.wait(list(self._out), timeout=LOOK_SECONDS)
        for reference in ready:
            batch = self._out.pop(reference)
            try:
                answers: Sequence[Answer] = self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, UsageError):
                    raise UsageError(str(error.cause)) from None
                answers = [Answer(lost=f"{type(error.cause).__name__} on a node: {error.cause}")] * len(batch)
            except self._ray.exceptions.RayError as error:
                answers = [Answer(lost=f"{type(error).__name__} after {RETRIES} tries")] * len(batch)
            for sent, answer in zip(batch, answers, strict=True):
                settle(docket, sent, answer)


def needed(exercise: Exercise, device: str, slots: int) -> dict[str, float]:
    """What Ray is to keep for a batch. Its fractions of a GPU are book-keeping: the share is bounded in the worker.

    Ray counts in ten-thousandths, and rounds up what does not fit: seven sevenths would be more than one GPU.
    """
    if device != "cuda":
        return {"num_cpus": 1}
    return {"num_gpus": 1 if exercise.exclusive else (10_000 // slots) / 10_000}


def order(docket: Docket, batch: Sequence[Sent]) -> Batch:
    """The batch as a node is told of it."""
    plan = docket.plan
    exercise = batch[0].work.exercise
    settings = replace(plan.settings, device=plan.devices[exercise.slug])
    return Batch(exercise.key, settings, plan.seed, [sent.work.submission for sent in batch])


def settle(docket: Docket, sent: Sent, answer: Answer) -> None:
    """Keeps what a node says of one submission, if it was graded by the tests that are due."""
    work, claim = sent
    slug, reason = work.exercise.slug, answer.lost
    if not reason:
        try:
            report = Report.from_json(answer.report)
        except JudgeError as error:
            reason = str(error)
        else:
            if report.provenance.suite_sha256 == docket.suite(work.exercise).sha256:
                docket.started(slug)
                docket.keep(work, report)
                return
            reason = "a node has another version of the tests"
    docket.note(reason)
    if answer.seen:
        docket.lost(work, claim, reason)
    else:
        docket.not_started(slug, reason)
        docket.release(claim)
        docket.put_back(work)
