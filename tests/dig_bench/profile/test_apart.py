"""Tasks in a process of their own: whatever happens to it has a status, and its words."""

from collections.abc import Callable

import pytest

from dig_bench.profile.apart import Say, TaskError, apart
from profile_tasks import die, hang, leave, raise_words, refuse, run_out_of_memory, talk


def test_a_task_gives_its_value_and_is_heard_meanwhile() -> None:
    heard: list[str] = []
    assert apart(talk, say=heard.append, timeout_s=60) == 7
    assert heard == ["first", "second"]


@pytest.mark.parametrize(
    ("task", "timeout_s", "status", "words"),
    [
        (run_out_of_memory, 60, "oom", "Tried to allocate"),
        (refuse, 60, "unsupported", "not here"),
        (raise_words, 60, "crashed", "RuntimeError: several lines"),
        (leave, 60, "crashed", "exit code 3 no such kernel"),
        (die, 60, "crashed", "SIGSEGV"),
        (hang, 3, "timeout", "no result within 3 s"),
    ],
)
def test_a_task_that_fails_says_how(task: Callable[[Say], None], timeout_s: float, status: str, words: str) -> None:
    with pytest.raises(TaskError, match=words) as found:
        apart(task, say=lambda text: None, timeout_s=timeout_s)
    assert found.value.status == status
