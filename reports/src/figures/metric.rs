//! Which figures there are: the one place that says so. Gates, their documentation, comparisons and benchmarks go by it.

use serde::{Serialize, Serializer};

/// A figure that drills have.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// As it is written; the unit is its last word.
    pub name: &'static str,
    /// What kind of number it is: that says how it can be put together over drills.
    pub kind: Kind,
    /// Labels that tell one from another, besides `scenario`.
    pub labels: &'static [&'static str],
    /// Which way it should go.
    pub better: Better,
    /// What is no difference between two runs.
    pub floor: Floor,
    /// What it means, a sentence without a full stop.
    pub meaning: &'static str,
}

/// What kind of number a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How many.
    Count,
    /// A share of something, from 0 to 1.
    Share,
    /// How long something took, in seconds; what never came is later than anything.
    Seconds,
    /// How many in a week.
    PerWeek,
    /// How many in a second.
    PerSecond,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The less the better.
    Less,
    /// The more the better.
    More,
    /// It says how large a drill was, not how good anything is.
    Neither,
}

/// What is no difference between two runs, whatever statistics say: the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// In the figure's unit.
    pub absolute: f64,
    /// As a share of the baseline.
    pub relative: f64,
}

/// A label of figures: its name, and what it says.
pub const LABELS: [(&str, &str); 6] = [
    ("scenario", "name of the scenario"),
    ("cause", "cause of the incident, such as `worker-crashed`"),
    ("incident", "number of the incident in its scenario, from 0"),
    ("wanted", "what the incident deserves: `page` or `ticket`"),
    (
        "alert",
        "what this alert alone made of it; without it, what all right alerts together did",
    ),
    ("queue", "queue of the tasks"),
];

/// The label that takes figures apart: those of single alerts are meant only where it is asked for.
pub const ALERT: &str = "alert";

const OF_INCIDENT: &[&str] = &["cause", "incident", "wanted"];
const OF_SIGHT: &[&str] = &["cause", "incident", "wanted", ALERT];
const ONE_IN_A_HUNDRED: Floor = Floor {
    absolute: 0.01,
    relative: 0.0,
};
/// What a machine does with the same load from one minute to the next.
const FIVE_PERCENT: Floor = Floor {
    absolute: 0.0,
    relative: 0.05,
};
/// Timers err by a millisecond.
const A_TIMER: Floor = Floor {
    absolute: 0.001,
    relative: 0.05,
};
const ONE_PERCENT: Floor = Floor {
    absolute: 0.0,
    relative: 0.01,
};
/// Rules are evaluated every 15 s by default, and where in that an incident begins is chance.
const AN_EVALUATION: Floor = Floor {
    absolute: 15.0,
    relative: 0.0,
};

/// Of how long tasks wait.
const A_WAIT: Floor = Floor {
    absolute: 0.5,
    relative: 0.05,
};

/// One with the floor that is usual for its kind.
const fn usual(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    better: Better,
    meaning: &'static str,
) -> Metric {
    let floor = match kind {
        Kind::Share => ONE_IN_A_HUNDRED,
        Kind::Seconds => AN_EVALUATION,
        Kind::Count | Kind::PerWeek => ONE_PERCENT,
        Kind::PerSecond => FIVE_PERCENT,
    };
    Metric {
        name,
        kind,
        labels,
        better,
        floor,
        meaning,
    }
}

/// All figures.
pub static METRICS: [Metric; 31] = [
    usual(
        Kind::Share,
        "alert_recall",
        OF_SIGHT,
        Better::More,
        "incidents that somebody was told of while they were on",
    ),
    usual(
        Kind::Share,
        "alert_recall_by_deadline",
        OF_SIGHT,
        Better::More,
        "incidents that somebody was told of by the deadline",
    ),
    usual(
        Kind::Share,
        "alert_precision",
        &[ALERT],
        Better::More,
        "right pages, of those that were right or wrong",
    ),
    usual(
        Kind::Seconds,
        "detect_seconds",
        OF_SIGHT,
        Better::Less,
        "from the fault until somebody was told",
    ),
    usual(
        Kind::Seconds,
        "undetected_impact_seconds",
        OF_INCIDENT,
        Better::Less,
        "how long users were harmed before anybody was told",
    ),
    usual(
        Kind::Count,
        "cleared_early",
        OF_SIGHT,
        Better::Less,
        "incidents whose alerts were over while users were still being harmed",
    ),
    usual(
        Kind::Count,
        "alert_flaps",
        &["cause", "incident", "wanted", ALERT],
        Better::Less,
        "firings of an alert instance beyond its first in an incident",
    ),
    usual(
        Kind::Count,
        "false_pages",
        &[ALERT],
        Better::Less,
        "pages with nothing wrong",
    ),
    usual(
        Kind::PerWeek,
        "false_pages_per_week",
        &[],
        Better::Less,
        "false pages in quiet time; those of harmless events are in `harmless_trips`",
    ),
    usual(
        Kind::Share,
        "harmless_trips",
        &[],
        Better::Less,
        "harmless events with a page",
    ),
    usual(
        Kind::Count,
        "jobs_enqueued",
        &[],
        Better::Neither,
        "tasks that Redis took",
    ),
    usual(
        Kind::Count,
        "jobs_rejected",
        &[],
        Better::Less,
        "tasks that the producer could not enqueue",
    ),
    usual(
        Kind::Count,
        "jobs_succeeded",
        &[],
        Better::More,
        "tasks that were done",
    ),
    usual(
        Kind::Count,
        "jobs_archived",
        &[],
        Better::Less,
        "tasks that were given up",
    ),
    usual(
        Kind::Count,
        "jobs_lost",
        &[],
        Better::Less,
        "tasks that were taken, never done, and that nobody can run any more",
    ),
    usual(
        Kind::Count,
        "jobs_duplicated",
        &[],
        Better::Less,
        "tasks run again although no failure was reported",
    ),
    usual(
        Kind::Count,
        "jobs_stuck",
        &[],
        Better::Less,
        "tasks in Redis at the end that nobody will run as things are",
    ),
    usual(
        Kind::Count,
        "jobs_late",
        &[],
        Better::Less,
        "tasks that waited beyond their queue's `wait_objective`",
    ),
    usual(
        Kind::Count,
        "jobs_harmed",
        OF_INCIDENT,
        Better::Less,
        "tasks that an incident harmed",
    ),
    Metric {
        floor: A_WAIT,
        ..usual(
            Kind::Seconds,
            "job_wait_seconds",
            &["queue"],
            Better::Less,
            "from a task's enqueueing to its first start",
        )
    },
    usual(
        Kind::Share,
        "drills_passed",
        &[],
        Better::More,
        "drills with every incident told of by its deadline and no false page",
    ),
    usual(
        Kind::Count,
        "drills_inconclusive",
        &[],
        Better::Less,
        "drills and loads that prove nothing; they have no part in any other figure",
    ),
    usual(
        Kind::PerSecond,
        "load_rate",
        &[],
        Better::More,
        "tasks of a load that were done per second, or enqueued where firedrill's workers had no part",
    ),
    Metric {
        floor: A_TIMER,
        ..usual(
            Kind::Seconds,
            "load_enqueue_seconds",
            &[],
            Better::Less,
            "from a task's intended arrival until Redis had taken it",
        )
    },
    Metric {
        floor: A_TIMER,
        ..usual(
            Kind::Seconds,
            "load_wait_seconds",
            &[],
            Better::Less,
            "from a task's intended arrival until its handler began",
        )
    },
    Metric {
        floor: A_TIMER,
        ..usual(
            Kind::Seconds,
            "load_service_seconds",
            &[],
            Better::Less,
            "how long handlers worked",
        )
    },
    Metric {
        floor: A_TIMER,
        ..usual(
            Kind::Seconds,
            "load_end_to_end_seconds",
            &[],
            Better::Less,
            "from a task's intended arrival until its handler had succeeded",
        )
    },
    usual(
        Kind::Share,
        "load_errors",
        &[],
        Better::Less,
        "calls that Redis refused or did not answer and executions that failed, of all calls and executions",
    ),
    usual(
        Kind::Count,
        "load_backlog",
        &[],
        Better::Less,
        "most tasks of a load that were pending or active at a time",
    ),
    usual(
        Kind::Share,
        "load_redis_cpu",
        &[],
        Better::Less,
        "share of a core that Redis took during a load",
    ),
    usual(
        Kind::Share,
        "load_worker_cpu",
        &[],
        Better::Less,
        "share of a core that the busiest worker process took during a load",
    ),
];

impl Metric {
    /// The figure of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Whether figures of this kind tell these apart.
    #[must_use]
    pub fn has_label(&self, label: &str) -> bool {
        label == "scenario" || self.labels.contains(&label)
    }
}

impl Kind {
    /// Its unit, for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Count => "number",
            Self::Share => "share, 0 to 1",
            Self::Seconds => "seconds",
            Self::PerWeek => "per week",
            Self::PerSecond => "per second",
        }
    }
}

impl Better {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Less => "less",
            Self::More => "more",
            Self::Neither => "-",
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_own_name_and_known_labels() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(
                METRICS[..index]
                    .iter()
                    .all(|other| other.name != metric.name),
                "{}",
                metric.name
            );
            let known = |label: &&str| LABELS.iter().any(|(name, _)| name == label);
            assert!(metric.labels.iter().all(known), "{}", metric.name);
            assert!(!metric.meaning.ends_with('.'), "{}", metric.name);
        }
    }
}
