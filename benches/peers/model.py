"""The queue that simulators are compared on, as benches/src/model.rs has it, and how a run reports its figures."""

import argparse
import json
import time

ARRIVALS_PER_SECOND = 90.0
MEAN_SERVICE_SECONDS = 1.0
SERVERS = 100
FAIL_SHARE = 0.1
MAX_RETRIES = 3


def retry_delay_seconds(rng, failures):
    """How long a task that failed so many times (at least once) rests before its next attempt."""
    return 2**failures * rng.uniform(1.0, 2.0)


def measure(simulate):
    """Runs `simulate(seconds, seed, fail_share)`, which returns (events, mean wait), and prints one line of JSON.

    Imports and the start of the interpreter are not measured.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, required=True, help="simulated hours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fail-share", type=float, default=FAIL_SHARE, help="0 makes it M/M/c, to be checked with theory")
    arguments = parser.parse_args()
    seconds = arguments.hours * 3600
    start = time.perf_counter()
    events, mean_wait_seconds = simulate(seconds, arguments.seed, arguments.fail_share)
    wall_seconds = time.perf_counter() - start
    figures = {
        "events": events,
        "simulated_seconds": seconds,
        "wall_seconds": wall_seconds,
        "mean_wait_seconds": mean_wait_seconds,
    }
    print(json.dumps(figures))
