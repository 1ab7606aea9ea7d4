"""A worker process and its requests: every end has a status and a reason."""

import os
from collections.abc import Iterator

import pytest

from dig_bench.run.task import TaskError
from dig_bench.run.worker_process import Worker, run_once


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("tasks:come_to")
    yield worker
    worker.kill()


def call(worker: Worker, end: str, *, timeout_s: float = 60, **arguments: int) -> tuple[str, str]:
    with pytest.raises(TaskError) as found:
        worker.call({"end": end, **arguments}, timeout_s=timeout_s, say=lambda text: None)
    return found.value.status, str(found.value)


def test_a_task_returns_its_value_and_reports_its_phases() -> None:
    heard: list[str] = []
    assert run_once("tasks:talk", {"number": 6}, say=heard.append, timeout_s=60) == 7
    assert heard == ["first", "second"]


def test_a_worker_answers_again_after_a_task_that_failed(worker: Worker) -> None:
    status, words = call(worker, "run_out_of_memory")
    assert status == "oom"
    assert "Tried to allocate" in words
    assert call(worker, "refuse") == ("unsupported", "not here")
    assert call(worker, "raise_words") == ("crashed", "RuntimeError: several lines")
    assert worker.call({"end": "talk", "number": 1}, timeout_s=60, say=lambda text: None) == 2
    assert call(worker, "hang", timeout_s=0.3) == ("timeout", "no result within 0.3 s")


def test_a_worker_that_ends_by_itself_is_a_crash_with_its_last_words(worker: Worker) -> None:
    assert call(worker, "leave") == ("crashed", "the worker ended with exit code 3: no such kernel")


def test_a_signal_is_a_crash_with_its_name() -> None:
    with pytest.raises(TaskError, match="killed by SIGSEGV") as found:
        run_once("tasks:die", {}, timeout_s=60, say=lambda text: None)
    assert found.value.status == "crashed"


def test_a_task_that_cannot_be_imported_is_a_crash_that_says_so() -> None:
    with pytest.raises(TaskError, match=r"exit code 1: ModuleNotFoundError: No module named 'no_such_module'"):
        run_once("no_such_module:task", {}, timeout_s=60, say=lambda text: None)


def test_the_replies_become_readable_when_the_task_is_imported(worker: Worker) -> None:
    assert os.read(worker.replies, 100) == b'{"ready": true}\n'
