"""Runs the contestants in turns, each as a process of its own, at the project's root and with a bound on its time."""

import dataclasses
import json
import subprocess
import sys
import time
from typing import Optional

BOUND_SECONDS = 600


class Failed(Exception):
    """A contestant, or what it needs, did not work."""


@dataclasses.dataclass
class Contestant:
    """A command that is measured."""

    key: str
    name: str
    command: list
    missing: Optional[str] = None
    # Whether it prints figures of its own. Otherwise the whole process is measured.
    figures: bool = True

    def words(self):
        """The command as one would type it at the project's root."""
        return " ".join(str(word) for word in self.command)


def run_all(contestants, repetitions, root):
    """The figures of every run, by contestant; nothing of those that miss something."""
    present = [contestant for contestant in contestants if contestant.missing is None]
    runs = {contestant.key: [] for contestant in present}
    for repetition in range(repetitions):
        for contestant in present:
            print(f"{repetition + 1}/{repetitions} {contestant.words()}", file=sys.stderr)
            runs[contestant.key].append(run_once(contestant, root))
    return runs


def run_once(contestant, root):
    start = time.perf_counter()
    try:
        done = subprocess.run(
            contestant.command, cwd=root, stdout=subprocess.PIPE, text=True, timeout=BOUND_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{contestant.words()} took longer than {BOUND_SECONDS} s") from None
    except OSError as error:
        raise Failed(f"{contestant.words()}: {error}") from None
    process_seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise Failed(f"{contestant.words()} ended with {done.returncode}")
    if not contestant.figures:
        return {"wall_seconds": process_seconds}
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Failed(f"{contestant.words()} printed no figures: {done.stdout!r}") from None
