"""A command in a fork of a process that has loaded callrouter: loading it takes longer than what most of them do."""

from __future__ import annotations

import os
import runpy
import sys
from multiprocessing import get_context
from pathlib import Path

from callrouter.cli import MODULES, main

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "twilio.rest", "presence.client", *(f"callrouter.cli.{name}" for name in MODULES.values())]
)


def forked(program: list[str], env: dict[str, str], folder: Path, patience: float) -> tuple[int, str, str]:
    """How `callrouter …` or `python FILE` ended, and what it printed: as a terminal in `folder` would see it.

    TimeoutError when it goes on for more than `patience` seconds.
    """
    out, err = folder / "said", folder / "complained"
    process = FORKS.Process(target=_run, args=(program, env, folder, out, err))
    process.start()
    process.join(patience)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{' '.join(program)} does not end within {patience} s: {err.read_text()}")
    return process.exitcode, out.read_text(), err.read_text()


def _run(program: list[str], env: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    if program[0] == "callrouter":
        sys.argv = program
        main()
    else:
        sys.argv = program[1:]
        runpy.run_path(program[1], run_name="__main__")
