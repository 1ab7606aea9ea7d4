"""Tasks for a process of their own, which imports them by name: each comes to another end."""

import os
import signal
import sys
import time

import torch

from dig_bench.profile.apart import Say, TaskError


def talk(say: Say) -> int:
    say("first")
    say("second")
    return 7


def run_out_of_memory(say: Say) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 EiB")


def refuse(say: Say) -> None:
    raise TaskError("unsupported", "not here")


def raise_words(say: Say) -> None:
    raise RuntimeError("several\nlines")


def leave(say: Say) -> None:
    print("no such kernel\n", file=sys.stderr, flush=True)
    os._exit(3)


def die(say: Say) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(say: Say) -> None:
    time.sleep(600)
