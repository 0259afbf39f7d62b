"""Makes figures and ratios of the rounds of `throughput`, and the page people read."""

import dataclasses
import os
import pathlib
import platform
import re
import statistics
import subprocess
from typing import Optional

from figures import columns


@dataclasses.dataclass
class Ratio:
    """What is compared, with its goal where there is one, of every round that has both sides."""

    name: str
    values: list
    at_least: Optional[float] = None
    at_most: Optional[float] = None

    @property
    def value(self):
        return statistics.median(self.values) if self.values else None

    @property
    def met(self):
        if self.value is None:
            return None
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def row(self):
        goal = ""
        if self.at_least is not None:
            goal = f"at least {self.at_least:g}"
        if self.at_most is not None:
            goal = f"at most {self.at_most:g}"
        value = "not measured" if self.value is None else f"{self.value:.2f}"
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}" if self.values else ""
        verdict = {True: "met", False: "not met", None: ""}[self.met]
        return [self.name, value, spread, goal, verdict]


def rate(run):
    return run["tasks"] / run["wall_seconds"]


def own_cpu(run):
    return run["own_seconds"] / run["tasks"]


def per_task_bytes(run):
    return run["bytes"] / run["tasks"]


class Result:
    """Everything that was measured."""

    def __init__(self, runs, missing, rounds, seconds, quick, load_average):
        self.runs, self.missing, self.rounds, self.seconds = runs, missing, rounds, seconds
        self.quick, self.load_average = quick, load_average
        self.ratios = self.compared()

    def compared(self):
        def ratio(name, workload, above, below, figure=rate, **goal):
            values = []
            for figures in self.runs[workload]:
                present = [figures[key] for key in below if key in figures]
                if above in figures and present:
                    values.append(figure(figures[above]) / max(figure(run) for run in present))
            return Ratio(name, values, **goal)

        ours, single, limit, go, best = "ours batch", "ours task", ["limit"], ["go 1"], ["go 1", "go 2", "go 4"]
        ten, hundred, held = "drain at concurrency 10", "drain at concurrency 100", "cycle with active tasks held"

        def kept(name, key, **goal):
            return ratio(f"1,000 active tasks held / none: {name}", held, f"{key}, 1000 active", [f"{key}, 0 active"], **goal)

        return [
            ratio("full cycle: ours / the limit", "cycle", ours, limit, at_least=0.85),
            ratio("full cycle: our batch scripts / the limit task by task", "cycle", ours, limit, at_least=1.3),
            ratio("full cycle: ours / Go, 1 server", "cycle", ours, go, at_least=5),
            ratio("full cycle: ours / Go's best of 1, 2 and 4 servers", "cycle", ours, best, at_least=2.5),
            ratio("full cycle: ours / the asynq crate", "cycle", ours, ["crate"]),
            ratio("full cycle: ours task by task / Go, 1 server", "cycle", single, go),
            ratio("drain at concurrency 10: ours / Go, 1 server", ten, ours, go, at_least=2.5),
            ratio("drain at concurrency 10: ours task by task / Go, 1 server", ten, single, go),
            ratio("drain at concurrency 100: ours / Go, 1 server", hundred, ours, go),
            ratio("drain at concurrency 100: ours / Go's best of 1 and 4 servers", hundred, ours, best),
            ratio("drain at concurrency 100: ours / the limit", hundred, ours, limit),
            ratio("drain at concurrency 100: ours / the asynq crate", hundred, ours, ["crate"]),
            ratio("enqueue: ours / the limit", "enqueue", ours, limit, at_least=0.95),
            ratio("enqueue: ours task by task / the limit", "enqueue", single, limit),
            ratio("enqueue: ours / Go", "enqueue", ours, go),
            kept("ours", ours, at_least=0.7),
            kept("asynq's finish script (the limit)", "limit"),
            kept("Go, 1 server", "go 1"),
            ratio("CPU per task of a full cycle: ours / Go, 1 server", "cycle", ours, go, own_cpu, at_most=1),
            ratio("memory per task in progress: ours / Go", "memory", ours, go, per_task_bytes, at_most=1),
        ]

    def table_of_ratios(self):
        return "\n".join(columns([["RATIO", "median", "rounds", "goal", ""], *(ratio.row() for ratio in self.ratios)]))

    def rows(self, workload):
        """Medians of each contestant of a workload."""
        rounds = self.runs[workload]
        for key in rounds[0] if rounds else []:
            yield key, [figures[key] for figures in rounds if key in figures]

    def markdown(self, root):
        lines = ["# Throughput", "", *self.preface(root), ""]
        lines += table(["ratio", "median", "rounds", "goal", ""], [ratio.row() for ratio in self.ratios])
        if self.missing:
            lines += ["", *(f"Not measured: {name}: {why}." for name, why in self.missing.items())]
        for workload in self.runs:
            rows = [self.row(runs) for _, runs in self.rows(workload)]
            lines += ["", f"## {workload[0].upper()}{workload[1:]}", ""]
            if workload in ABOUT:
                lines += [ABOUT[workload], ""]
            head = ["", "bytes per task in progress"] if workload == "memory" else HEAD
            lines += table(head, rows)
        lines += ["", "## Commands", "", "Made by `make bench` (`benches/peers/throughput`), which runs these, with tasks filled in or held before:", ""]
        commands = {runs[0]["command"] for workload in self.runs for _, runs in self.rows(workload)}
        lines += ["```console", *(f"$ {command}" for command in sorted(commands)), "```"]
        return "\n".join(lines) + "\n"

    def preface(self, root):
        def first_line(*words):
            try:
                done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root)
            except OSError:
                return "not there"
            return done.stdout.split("\n")[0] if done.returncode == 0 else "not there"

        cores = os.cpu_count()
        go_module = (root / "asynq/tests/interop/go.mod").read_text()
        asynq = re.search(r"hibiken/asynq (v\S+)", go_module)[1]
        yield (
            f"Tasks a second through one Redis, which all contestants share with their processes on the same machine. Each ran {self.rounds} times for about"
            f" {self.seconds:g} s, in turns; figures are medians, a ratio is the median of the ratios of the rounds, with the least and the largest beside it."
            " Goals were set before. A task has a payload of 100 bytes, and handlers do nothing."
        )
        yield ""
        yield (
            "*Ours* is the `Client` and the `Server` of the `asynq/` crate, in one process with one thread; *in batches* with a `batch` of 50, or of 10 where there are no more slots. *The limit* is a"
            " client with one thread that does nothing but call asynq's three scripts, 16 a write on 4 connections: more Redis does not do task by task."
        )
        yield ""
        if self.quick:
            yield "**One short round of each: this shows that the comparison works, and nothing else.**"
            yield ""
        if self.load_average > cores / 2:
            yield (
                f"**The machine was busy with other work** (load {self.load_average:.1f} on {cores} cores): the ratios are rough and the"
                " absolute figures are worth nothing."
            )
            yield ""
        yield f"- {cpu_model()}, {cores} cores, {memory_gib():.0f} GiB; {platform.platform()}; load before the start {self.load_average:.2f}"
        yield f"- {first_line('redis-server', '--version')}; no persistence, over loopback"
        yield f"- commit {first_line('git', 'rev-parse', '--short', 'HEAD')}; {first_line('rustc', '--version')}; {first_line('go', 'version')}; Go asynq {asynq}; asynq crate 0.1.8"

    @staticmethod
    def row(runs):
        name = runs[0]["name"]
        if "bytes" in runs[0]:
            return [name, f"{statistics.median(map(per_task_bytes, runs)):,.0f}"]
        rates = [rate(run) for run in runs]

        def median(figure):
            return statistics.median(figure(run) for run in runs)

        return [
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{median(own_cpu) * 1e6:.1f}",
            f"{median(lambda run: run['redis_seconds'] / run['tasks']) * 1e6:.1f}",
            f"{median(lambda run: run['redis_seconds'] / run['wall_seconds']) * 100:.0f} %",
        ]


HEAD = ["", "tasks/s", "rounds", "own CPU, us a task", "Redis CPU, us a task", "Redis' share of a core"]
ABOUT = {
    "cycle": "Enqueued, fetched, worked on and finished at the same time, at most 1,000 under way; concurrency 100.",
    "enqueue": "Enqueued and left there.",
    "cycle with active tasks held": "The same with 1,000 tasks that somebody works on all the time: asynq's finish script looks through all of them, ours begins at the end"
    " that is nearer to the task.",
    "growth": "What a full cycle in batches costs with tasks queued before it, and with tasks active all the time.",
    "memory": "10,000 tasks in progress in one server, by the process' resident memory before and then.",
}


def table(head, rows):
    def line(cells):
        return f"| {' | '.join(cells)} |"

    return [line(head), line(["---"] + ["---:"] * (len(head) - 1)), *(line(row) for row in rows)]


def cpu_model():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*: (.*)", info)
    return found[1] if found else platform.machine()


def memory_gib():
    info = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemTotal:\s*(\d+)", info)[1]) / 1024**2
