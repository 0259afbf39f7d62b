//! Values of a plan that can be varied: how many workers, how many slots, how much arrives, how long it takes.

mod scale;

use crate::plan::{Arrivals, Plan, Service};
use crate::units;

/// One value of the plan, with what is tried for it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAxis {
    /// As written, e.g. `workers.w.processes`.
    pub name: String,
    /// The values, in order.
    pub values: Vec<f64>,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Processes(String),
    Concurrency(String),
    /// Arrivals per second.
    Rate(String),
    /// Mean service time, milliseconds.
    Service(String),
}

/// Why an argument cannot be varied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaryError {
    /// It is not of the form.
    #[error(
        "--vary {0}: expected `workers.NAME.processes=1..8`, `workers.NAME.concurrency=5..20/5`, \
         `workload.TASK.rate=5/s..20/s` or `workload.TASK.service=250ms..2s`, with `/STEP` or a list `1,2,4`"
    )]
    Form(String),
    /// The plan has no such worker or task.
    #[error("--vary {axis}: there is no {kind} `{name}` in {scenario}; there are: {known}")]
    Unknown {
        /// The axis.
        axis: String,
        /// `worker` or `task`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The scenario.
        scenario: String,
        /// What there is.
        known: String,
    },
    /// Too many values.
    #[error("--vary {0}: more than {VALUES_MAX} values; take a larger step")]
    TooMany(String),
    /// A burst and a calendar have no rate.
    #[error("--vary {0}: the task arrives in a burst or by the calendar, which has no rate")]
    NoRate(String),
}

/// Most values of one axis.
const VALUES_MAX: usize = 1_000;
/// Values of a range that names no step.
const STEPS: f64 = 10.0;

impl PlanAxis {
    /// Whether an argument names a value of the plan.
    #[must_use]
    pub fn is_named(argument: &str) -> bool {
        argument.starts_with("workers.") || argument.starts_with("workload.")
    }

    /// Reads `NAME=LOW..HIGH[/STEP]` or `NAME=A,B,C`.
    ///
    /// # Errors
    /// See [`VaryError`].
    pub fn parse(argument: &str) -> Result<Self, VaryError> {
        let form = || VaryError::Form(argument.to_owned());
        let (name, range) = argument.split_once('=').ok_or_else(form)?;
        let (kind, rest) = name.split_once('.').ok_or_else(form)?;
        let (of, field) = rest.rsplit_once('.').ok_or_else(form)?;
        let of = of.to_owned();
        let what = match (kind, field) {
            ("workers", "processes") => What::Processes(of),
            ("workers", "concurrency") => What::Concurrency(of),
            ("workload", "rate") => What::Rate(of),
            ("workload", "service") => What::Service(of),
            _ => return Err(form()),
        };
        let values = values(&what, range).ok_or_else(form)?;
        if values.len() > VALUES_MAX {
            return Err(VaryError::TooMany(argument.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            values,
            what,
        })
    }

    /// A value as it is written.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self.what {
            What::Processes(_) | What::Concurrency(_) => format!("{value:.0}"),
            What::Rate(_) => format!("{value}/s"),
            What::Service(_) => units::format(value as i64),
        }
    }

    /// Puts a value into a plan.
    ///
    /// # Errors
    /// When the plan has no such worker or task.
    pub fn apply(&self, value: f64, plan: &mut Plan) -> Result<(), VaryError> {
        let unknown = |kind, name: &String, known: Vec<&str>| VaryError::Unknown {
            axis: self.name.clone(),
            kind,
            name: name.clone(),
            scenario: plan.name.clone(),
            known: known.join(", "),
        };
        match &self.what {
            What::Processes(name) | What::Concurrency(name) => {
                let known: Vec<&str> = plan
                    .workers
                    .iter()
                    .map(|other| other.name.as_str())
                    .collect();
                let missing = unknown("worker", name, known);
                let worker = plan.workers.iter_mut().find(|worker| worker.name == *name);
                let worker = worker.ok_or(missing)?;
                let count = value as u32;
                if matches!(self.what, What::Concurrency(_)) {
                    worker.concurrency = count;
                    return Ok(());
                }
                worker.processes = count;
                plan.select_anew();
            }
            What::Rate(name) | What::Service(name) => {
                let known: Vec<&str> = plan
                    .workload
                    .iter()
                    .map(|other| other.task.as_str())
                    .collect();
                let missing = unknown("task", name, known);
                let task = plan.workload.iter_mut().find(|task| task.task == *name);
                let task = task.ok_or(missing)?;
                if matches!(self.what, What::Service(_)) {
                    task.service = task.service.with_mean_ms(value);
                    return Ok(());
                }
                match &mut task.arrivals {
                    Arrivals::Poisson { rate_per_sec, .. }
                    | Arrivals::Constant { rate_per_sec, .. } => {
                        *rate_per_sec = value;
                    }
                    Arrivals::Diurnal { mean_per_sec, .. } => *mean_per_sec = value,
                    Arrivals::None
                    | Arrivals::Stages { .. }
                    | Arrivals::Mmpp { .. }
                    | Arrivals::Trace { .. }
                    | Arrivals::Burst { .. }
                    | Arrivals::Cron { .. } => {
                        return Err(VaryError::NoRate(self.name.clone()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn values(what: &What, range: &str) -> Option<Vec<f64>> {
    let number = |text: &str| -> Option<f64> {
        let value = match what {
            What::Processes(_) => {
                f64::from(text.parse::<u32>().ok().filter(|n| (1..=64).contains(n))?)
            }
            What::Concurrency(_) => f64::from(
                text.parse::<u32>()
                    .ok()
                    .filter(|n| (1..=100_000).contains(n))?,
            ),
            What::Rate(_) => units::rate(text)?,
            What::Service(_) => units::micros(text)? / 1e3,
        };
        (value.is_finite() && value > 0.0).then_some(value)
    };
    let Some((low, rest)) = range.split_once("..") else {
        return range.split(',').map(|text| number(text.trim())).collect();
    };
    // A rate has a slash of its own.
    let (high, step) = match what {
        What::Rate(_) => match rest.match_indices('/').nth(1) {
            Some((at, _)) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        },
        _ => rest
            .split_once('/')
            .map_or((rest, None), |(high, step)| (high, Some(step))),
    };
    let (low, high) = (number(low)?, number(high)?);
    if high < low {
        return None;
    }
    let step = match (step, what) {
        (Some(step), _) => number(step)?,
        (None, What::Processes(_) | What::Concurrency(_)) => ((high - low) / 20.0).ceil().max(1.0),
        (None, _) => (high - low) / STEPS,
    };
    let count = if step > 0.0 {
        ((high - low) / step + 1e-9).floor() as usize
    } else {
        0
    };
    let mut values: Vec<f64> = (0..=count.min(VALUES_MAX))
        .map(|n| low + n as f64 * step)
        .collect();
    // Both ends of a range are tried.
    if values.last().is_some_and(|last| *last < high - 1e-9) {
        values.push(high);
    }
    Some(values)
}

/// Every combination of the axes' values, the last axis fastest.
#[must_use]
pub fn each_combination(axes: &[PlanAxis]) -> Vec<Vec<f64>> {
    axes.iter().fold(vec![Vec::new()], |rows, axis| {
        let extend = |row: &Vec<f64>| {
            let row = row.clone();
            axis.values.iter().map(move |value| {
                let mut row = row.clone();
                row.push(*value);
                row
            })
        };
        rows.iter().flat_map(extend).collect()
    })
}

impl Service {
    /// The same distribution stretched to another mean.
    #[must_use]
    pub fn with_mean_ms(&self, mean_ms: f64) -> Self {
        match self {
            Self::Lognormal { sigma, .. } => Self::Lognormal {
                mu: libm::log(mean_ms / 1e3) - sigma * sigma / 2.0,
                sigma: *sigma,
            },
            Self::Exponential { .. } => Self::Exponential { mean_ms },
            Self::Constant { .. } => Self::Constant { ms: mean_ms },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;

    fn tried(argument: &str) -> Vec<f64> {
        PlanAxis::parse(argument).unwrap().values
    }

    #[test]
    fn ranges_steps_and_lists() {
        assert_eq!(tried("workers.w.processes=1..4"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            tried("workers.w.concurrency=5..20/5"),
            [5.0, 10.0, 15.0, 20.0]
        );
        assert_eq!(
            tried("workload.email:send.rate=5/s..20/s/5/s"),
            [5.0, 10.0, 15.0, 20.0]
        );
        assert_eq!(
            tried("workload.email:send.service=250ms,1s"),
            [250.0, 1_000.0]
        );
        assert_eq!(
            tried("workers.w.concurrency=5..12/5"),
            [5.0, 10.0, 12.0],
            "both ends are tried"
        );
        for bad in [
            "workers.w.threads=1..2",
            "workers.w.processes=0..2",
            "workers.w.processes=4..1",
            "workers.w=1",
        ] {
            assert!(PlanAxis::parse(bad).is_err(), "{bad}");
        }
        let many = PlanAxis::parse("workload.a.service=1ms..10s/1ms");
        assert!(matches!(many, Err(VaryError::TooMany(_))));
    }

    #[test]
    fn values_go_into_the_plan_and_names_are_checked() {
        let mut plan = plan_with_arrivals("{ poisson: 10/s }");
        let rate =
            PlanAxis::parse(&format!("workload.{}.rate=7/s", plan.workload[0].task)).unwrap();
        rate.apply(7.0, &mut plan).unwrap();
        assert!(matches!(
            plan.workload[0].arrivals,
            Arrivals::Poisson {
                rate_per_sec: 7.0,
                ..
            }
        ));
        let unknown = PlanAxis::parse("workers.nobody.processes=2").unwrap();
        let error = unknown.apply(2.0, &mut plan).unwrap_err().to_string();
        assert!(error.contains("there is no worker `nobody`"), "{error}");
    }

    #[test]
    fn combinations_run_through_the_last_axis_first() {
        let axes = ["workers.w.processes=1,2", "workers.w.concurrency=5,6"]
            .map(|a| PlanAxis::parse(a).unwrap());
        assert_eq!(
            each_combination(&axes),
            [[1.0, 5.0], [1.0, 6.0], [2.0, 5.0], [2.0, 6.0]]
        );
    }
}
