"""A day of a job queue as a file of `promtool test rules`: an incident and a stall, evaluated every 15 s.

Ratios stay off the rules' thresholds: there promtool's own verdict depends on the order in which it adds.
"""

import pathlib
import shutil

STEP_SECONDS = 15
STEPS = 24 * 3600 // STEP_SECONDS + 1

# What the counters of successes and failures of a queue gain in a step, and until which step.
PHASES = [(1_440, 97, 1), (2_000, 97, 70), (3_000, 97, 1), (3_300, 0, 0), (STEPS, 97, 1)]

# Which alerts fire: deep in the incident, deep in the stall and at the end of the day.
FIRING = {
    1_700: ["JobFailureRate", "JobFailureRateCritical", "JobQueueBacklog"],
    3_200: ["JobProcessingStalled"],
    STEPS - 1: [],
}


def values(status):
    """One counter's day in promtool's notation, `first+gain x further samples` a phase."""
    parts, total, step = [], 0, 0
    for until, success, failed in PHASES:
        gain = success if status == "success" else failed
        first = total + gain if step else 0
        parts.append(f"{first}+{gain}x{until - step - 1}")
        total, step = first + gain * (until - step - 1), until
    return " ".join(parts)


def write(folder, rules, series):
    """Writes the test file and a copy of the rules beside it, and returns the test file. `series` is even."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(rules, folder / "rules.yml")
    lines = [
        "rule_files: [rules.yml]",
        f"evaluation_interval: {STEP_SECONDS}s",
        "tests:",
        f"- interval: {STEP_SECONDS}s",
        "  input_series:",
    ]
    for queue in range(series // 2):
        for status in ("success", "failed"):
            labels = f'task_type="email:send",queue="q{queue}",status="{status}"'
            lines.append(f"  - series: 'job_processed_total{{{labels}}}'")
            lines.append(f"    values: '{values(status)}'")
    lines.append("  promql_expr_test:")
    for step, alerts in FIRING.items():
        lines.append("  - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})")
        lines.append(f"    eval_time: {step * STEP_SECONDS}s")
        samples = [f"{{ labels: '{{alertname=\"{alert}\"}}', value: 1 }}" for alert in alerts]
        lines.append(f"    exp_samples: [{', '.join(samples)}]")
    path = folder / "day.yml"
    path.write_text("\n".join(lines) + "\n")
    return path
