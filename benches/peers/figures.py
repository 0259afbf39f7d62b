"""Makes figures and ratios of the runs, and the tables people read."""

import statistics

import model
from contest import Failed

DAY_SECONDS = 24 * 3600


def backlog_key(engine, backlog, hours):
    return f"{engine}, {backlog} queued, {hours} h"


def summarise(contestants, runs, backlogs, backlog_hours):
    """Everything that is known, ready to be written as JSON."""
    rows = {}
    skipped = {}
    for contestant in contestants:
        if contestant.missing:
            skipped[contestant.name] = contestant.missing
        else:
            rows[contestant.key] = row(contestant, runs[contestant.key])
    costs = {
        engine: [cost(rows, engine, backlog, backlog_hours) for backlog in backlogs]
        for engine in ("heap", "virtual")
        if backlog_key(engine, backlogs[0], backlog_hours[0]) in rows
    }
    return {
        "rows": rows,
        "ns_per_event_by_backlog": {"backlogs": backlogs, **costs},
        "backlog_hours": [f"{hours} h" for hours in backlog_hours],
        "ratios": ratios(rows, costs),
        "skipped": skipped,
    }


def row(contestant, runs):
    """A contestant's medians. Events and the mean wait are of one seed, so all runs agree on them."""
    walls = [run["wall_seconds"] for run in runs]
    figures = {
        "name": contestant.name,
        "command": contestant.words(),
        "wall_seconds": statistics.median(walls),
        "runs": runs,
    }
    if contestant.figures:
        first = runs[0]
        check_events(contestant, first)
        rates = [run["events"] / run["wall_seconds"] for run in runs]
        simulated = first["simulated_seconds"]
        figures |= {
            "events": first["events"],
            "mean_wait_seconds": first["mean_wait_seconds"],
            "simulated_seconds": simulated,
            "events_per_second": statistics.median(rates),
            "events_per_second_range": [min(rates), max(rates)],
            "day_wall_seconds": figures["wall_seconds"] * DAY_SECONDS / simulated,
        }
    return figures


def check_events(contestant, run):
    """Whether a contestant simulates the model and counts its events as all others do."""
    attempts = sum(model.FAIL_SHARE**retries for retries in range(model.MAX_RETRIES + 1))
    expected = model.ARRIVALS_PER_SECOND * (1 + attempts + (attempts - 1)) * run["simulated_seconds"]
    if abs(run["events"] / expected - 1) > 0.03:
        raise Failed(f"{contestant.words()} counts {run['events']} events, not about {expected:.0f}: another model")


def cost(rows, engine, backlog, hours):
    """Nanoseconds per event with so many tasks queued, from the difference of a long and a short run."""
    short, long = (rows[backlog_key(engine, backlog, length)] for length in hours)
    return (long["wall_seconds"] - short["wall_seconds"]) / (long["events"] - short["events"]) * 1e9


def ratios(rows, costs):
    """What is compared, with its goal where there is one; nothing as value where a side is missing."""

    def ratio(name, above, below, at_least=None, at_most=None):
        value = above / below if above and below else None
        met = None
        if value is not None and at_least is not None:
            met = value >= at_least
        if value is not None and at_most is not None:
            met = value <= at_most
        return {"name": name, "value": value, "at_least": at_least, "at_most": at_most, "met": met}

    def figure(key, name):
        return rows.get(key, {}).get(name)

    def rate(key):
        return figure(key, "events_per_second")

    def spread(engine):
        return (max(costs[engine]), min(costs[engine])) if engine in costs else (None, None)

    simpy, promtool = figure("simpy", "day_wall_seconds"), figure("promtool", "wall_seconds")
    both = simpy + promtool if simpy and promtool else None
    return [
        ratio("event rate, virtual engine / heap loop", rate("virtual"), rate("heap"), at_least=0.3),
        ratio("event rate, virtual engine / SimPy", rate("virtual"), rate("simpy")),
        ratio("event rate, virtual engine / ciw", rate("virtual"), rate("ciw")),
        ratio("event rate, heap loop / SimPy", rate("heap"), rate("simpy")),
        ratio("24 h with rules, SimPy + promtool / virtual engine", both, figure("virtual+rules", "wall_seconds"), at_least=30),
        ratio("24 h of rules, promtool / detector", promtool, figure("detector", "wall_seconds"), at_least=25),
        ratio("cost of an event, dearest / cheapest backlog, virtual engine", *spread("virtual"), at_most=1.5),
        ratio("cost of an event, dearest / cheapest backlog, heap loop", *spread("heap")),
    ]


def render(result):
    """Tables for a terminal."""
    rows = result["rows"]
    lines = []

    simulated = [row for key, row in rows.items() if "events" in row and "queued" not in key]
    table = [["MODEL", "M events/s", "range", "24 h takes", "measured over", "events"]]
    for row in simulated:
        low, high = row["events_per_second_range"]
        whole = row["simulated_seconds"] == DAY_SECONDS
        table.append([
            row["name"],
            f"{row['events_per_second'] / 1e6:.3f}",
            f"{low / 1e6:.3f}-{high / 1e6:.3f}",
            f"{'' if whole else '~'}{row['day_wall_seconds']:.2f} s",
            f"{row['simulated_seconds'] / 3600:g} h",
            f"{row['events']}",
        ])
    lines += columns(table)
    if any(row["simulated_seconds"] < DAY_SECONDS for row in simulated):
        lines.append("~ scaled up from what was measured over less")

    table = [["24 H OF RULES", "takes"]]
    table += [[row["name"], f"{row['wall_seconds']:.3f} s"] for row in rows.values() if "events" not in row]
    lines += ["", *columns(table)]

    costs = dict(result["ns_per_event_by_backlog"])
    table = [["NS PER EVENT WITH", *(f"{backlog} queued" for backlog in costs.pop("backlogs"))]]
    table += [[rows[engine]["name"], *(f"{value:.1f}" for value in values)] for engine, values in costs.items()]
    lines += ["", *columns(table)]

    table = [["RATIO", "value", "goal", ""]]
    table += [ratio_line(ratio) for ratio in result["ratios"] if ratio["value"] is not None]
    lines += ["", *columns(table)]

    lines += ["", "COMMANDS"]
    lines += [f"{row['name']}: {row['command']}" for key, row in rows.items() if "queued" not in key]
    lines.append("with tasks queued: the same with --backlog, over " + " and ".join(result["backlog_hours"]))

    if result["skipped"]:
        lines.append("")
    lines += [f"{name}: skipped: {missing}" for name, missing in result["skipped"].items()]
    return "\n".join(lines)


def ratio_line(ratio):
    goal = ""
    if ratio["at_least"] is not None:
        goal = f"at least {ratio['at_least']:g}"
    if ratio["at_most"] is not None:
        goal = f"at most {ratio['at_most']:g}"
    verdict = {True: "met", False: "MISSED", None: ""}[ratio["met"]]
    return [ratio["name"], f"{ratio['value']:.2f}", goal, verdict]


def columns(table):
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
