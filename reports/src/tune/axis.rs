//! What is varied: settings of alerts and the values to try, as a person writes them.

use super::decimal::Decimal;
use firedrill_detector::duration::parse_ms;
use firedrill_detector::tuning::{Field, FindError, Setting, SettingValue, Settings};
use firedrill_detector::yaml::closest;
use thiserror::Error;

/// Most values of one axis.
const VALUES_MAX: i128 = 10_000;
/// About so many steps where none is given: of a number, and of a duration.
const NUMBER_STEPS: i128 = 50;
const DURATION_STEPS: i128 = 20;

/// What an argument must look like.
const ACCEPTED: &str = "ALERT.threshold=LOW..HIGH, ALERT.for=1m..15m/30s with a step, or ALERT.threshold=0.8,0.9 as a list; \
     numbers may be percentages (50%)";

/// A setting and the values to try, in rising order.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The setting's name, as it was asked for.
    pub name: String,
    /// The setting with its value as it stands.
    pub setting: Setting,
    /// The values to try, each once; at least one.
    pub values: Vec<SettingValue>,
}

/// What is wrong with an argument.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{argument}`: {message}{}", hint.as_ref().map_or(String::new(), |hint| format!("\n    {hint}")))]
pub struct AxisProblem {
    /// The argument.
    pub argument: String,
    /// What was found.
    pub message: String,
    /// What is accepted.
    pub hint: Option<String>,
}

impl Axis {
    /// Reads arguments such as `JobQueueBacklog.threshold=0.5..0.99/0.01`.
    ///
    /// Both ends of a range are tried. Where no step is given, that of a number is a round one that makes about 50 values
    /// at most, and that of a duration a whole number of the group's evaluation intervals (`evaluation_interval_ms` where it
    /// has none of its own) that makes about 20. A threshold that is a time may be given as durations, which are seconds.
    ///
    /// # Errors
    /// All that is wrong with any of the arguments.
    pub fn parse_all(
        settings: &Settings,
        arguments: &[impl AsRef<str>],
        evaluation_interval_ms: i64,
    ) -> Result<Vec<Self>, Vec<AxisProblem>> {
        let mut axes: Vec<Self> = Vec::new();
        let mut problems = Vec::new();
        for argument in arguments.iter().map(AsRef::as_ref) {
            let problem = |(message, hint): Wrong| AxisProblem {
                argument: argument.to_owned(),
                message,
                hint,
            };
            match axis(settings, argument, evaluation_interval_ms) {
                Ok(axis) if axes.iter().any(|other| same(&other.setting, &axis.setting)) => {
                    problems.push(problem((format!("{} is varied twice", axis.name), None)));
                }
                Ok(axis) => axes.push(axis),
                Err(wrong) => problems.push(problem(wrong)),
            }
        }
        if arguments.is_empty() {
            problems.push(AxisProblem {
                argument: String::new(),
                message: "there is nothing to vary".into(),
                hint: Some(format!("accepted: {ACCEPTED}")),
            });
        }
        if problems.is_empty() {
            Ok(axes)
        } else {
            Err(problems)
        }
    }
}

fn same(a: &Setting, b: &Setting) -> bool {
    (a.rule, a.field) == (b.rule, b.field)
}

/// Message and hint.
type Wrong = (String, Option<String>);

fn axis(settings: &Settings, argument: &str, evaluation_ms: i64) -> Result<Axis, Wrong> {
    let malformed = |message: &str| (message.to_owned(), Some(format!("accepted: {ACCEPTED}")));
    let (name, values) = argument
        .rsplit_once('=')
        .ok_or_else(|| malformed("there is no `=`"))?;
    let name = name.trim();
    let setting = settings.find(name).map_err(|error| not_found(&error))?;
    let kind = match setting.field {
        Field::Threshold(_) => Kind::Number,
        Field::For | Field::KeepFiringFor => {
            let alert = settings.rules().alerts().nth(setting.rule);
            let own = alert.and_then(|alert| alert.interval_ms);
            Kind::Duration {
                interval_ms: own.unwrap_or(evaluation_ms).max(1),
            }
        }
    };
    let units = match values.split_once("..") {
        Some((low, rest)) => {
            let (high, step) = match rest.split_once('/') {
                Some((high, step)) => (high, Some(step)),
                None => (rest, None),
            };
            kind.range(
                kind.read(low)?,
                kind.read(high)?,
                step.map(|step| kind.read(step)).transpose()?,
            )?
        }
        None => {
            let listed: Result<Vec<Decimal>, Wrong> =
                values.split(',').map(|value| kind.read(value)).collect();
            let listed = listed?;
            let scale = listed.iter().map(|value| value.scale).max().unwrap_or(0);
            let units = listed.iter().map(|value| value.at_scale(scale));
            Units {
                scale,
                values: units.collect(),
            }
        }
    };
    Ok(Axis {
        name: name.to_owned(),
        setting: setting.clone(),
        values: kind.values(units),
    })
}

fn not_found(error: &FindError) -> Wrong {
    let hint = match error {
        FindError::Unknown {
            closest: close,
            accepted,
            name,
        } => {
            let listed = format!("accepted: {}", accepted.join(", "));
            let near = close
                .as_deref()
                .or_else(|| closest(name, accepted.iter().map(String::as_str)));
            Some(near.map_or(listed.clone(), |near| {
                format!("did you mean `{near}`? {listed}")
            }))
        }
        FindError::Ambiguous { .. } => Some("name the group, too".into()),
        FindError::Refused(problem) => problem.hint.clone(),
    };
    let message = match error {
        FindError::Refused(problem) => {
            let (file, line) = (&problem.file, problem.line);
            format!("{file}:{line}:{}: {}", problem.column, problem.message)
        }
        other => other.to_string(),
    };
    (message, hint)
}

/// What the values of an axis are. Durations are counted in milliseconds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Number,
    Duration { interval_ms: i64 },
}

/// Values as multiples of one power of ten.
struct Units {
    scale: u32,
    values: Vec<i128>,
}

impl Kind {
    fn read(self, text: &str) -> Result<Decimal, Wrong> {
        let text = text.trim();
        let duration = parse_ms(text).filter(|_| !text.is_empty());
        let (read, expected) = match self {
            Self::Number => {
                let seconds = duration.map(|ms| Decimal {
                    units: i128::from(ms),
                    scale: 3,
                });
                (Decimal::parse(text).or(seconds), "a number")
            }
            Self::Duration { .. } => {
                let ms = duration.map(|ms| Decimal {
                    units: i128::from(ms),
                    scale: 0,
                });
                (ms, "a duration such as 90s or 10m")
            }
        };
        read.ok_or_else(|| {
            (
                format!("`{text}` is not {expected}"),
                Some(format!("accepted: {ACCEPTED}")),
            )
        })
    }

    fn range(self, low: Decimal, high: Decimal, step: Option<Decimal>) -> Result<Units, Wrong> {
        // Three more digits than written, so that a default step may be finer than its ends.
        let widest = low.scale.max(high.scale);
        let scale = match (self, step) {
            (_, Some(step)) => widest.max(step.scale),
            (Self::Number, None) => widest + 3,
            (Self::Duration { .. }, None) => widest,
        };
        let (low, high) = (low.at_scale(scale), high.at_scale(scale));
        let step = match step {
            Some(step) => step.at_scale(scale),
            None => self.step(high - low),
        };
        if low > high {
            return Err((
                "the range is the wrong way round".into(),
                Some("accepted: LOW..HIGH".into()),
            ));
        }
        if step <= 0 {
            return Err(("the step must be more than 0".into(), None));
        }
        let count = (high - low) / step + 1;
        if count > VALUES_MAX {
            let message = format!("{count} values; the limit is {VALUES_MAX}");
            return Err((message, Some("give a larger step: LOW..HIGH/STEP".into())));
        }
        let mut values: Vec<i128> = (0..count).map(|index| low + index * step).collect();
        if values.last() != Some(&high) {
            values.push(high);
        }
        Ok(Units { scale, values })
    }

    /// The step for so long a range.
    fn step(self, span: i128) -> i128 {
        match self {
            Self::Number => {
                let least = (span + NUMBER_STEPS - 1) / NUMBER_STEPS;
                let powers = (0..30).map(|power| 10_i128.pow(power));
                let mut round = powers.flat_map(|power| [power, 2 * power, 5 * power]);
                round.find(|step| *step >= least).unwrap_or(least).max(1)
            }
            Self::Duration { interval_ms } => {
                let interval = i128::from(interval_ms);
                let least = (span + DURATION_STEPS * interval - 1) / (DURATION_STEPS * interval);
                let mut round = [1, 2, 4].into_iter().chain((1..).map(|n| n * least.max(5)));
                round.find(|count| *count >= least).unwrap_or(least) * interval
            }
        }
    }

    fn values(self, mut units: Units) -> Vec<SettingValue> {
        units.values.sort_unstable();
        units.values.dedup();
        let value = |value: &i128| match self {
            Self::Number => SettingValue::Number(
                Decimal {
                    units: *value,
                    scale: units.scale,
                }
                .value(),
            ),
            Self::Duration { .. } => {
                SettingValue::Milliseconds(i64::try_from(*value).unwrap_or(i64::MAX))
            }
        };
        units.values.iter().map(value).collect()
    }
}
