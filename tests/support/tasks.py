"""Tasks for worker processes, which import them by name: each comes to another end."""

import os
import signal
import sys
import time
from typing import NoReturn

import torch

from dig_bench.run.task import Say, TaskError


def talk(say: Say, *, number: int) -> int:
    say("first")
    say("second")
    return number + 1


def run_out_of_memory(say: Say) -> NoReturn:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 EiB")


def refuse(say: Say) -> NoReturn:
    raise TaskError("unsupported", "not here")


def raise_words(say: Say) -> NoReturn:
    raise RuntimeError("several\nlines")


def leave(say: Say) -> NoReturn:
    print("no such kernel\n", file=sys.stderr, flush=True)
    os._exit(3)


def die(say: Say) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(say: Say) -> None:
    time.sleep(600)


ENDS = {each.__name__: each for each in (talk, run_out_of_memory, refuse, raise_words, leave, die, hang)}


def come_to(say: Say, *, end: str, **arguments: int) -> int | None:
    """Any of them: one worker tries several."""
    return ENDS[end](say, **arguments)
