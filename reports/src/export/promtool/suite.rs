//! The test file: a test for each drill, in the way of writing in which alerts come as they came.

use super::way::{Way, Written};
use super::{Drill, ExportError, Rules, Suite, quoted};
use firedrill_detector::{Compat, duration};

/// Grids that are tried, coarse ones first: the finer, the longer the file.
const STEPS_MS: [i64; 3] = [1000, 200, 50];

pub(super) fn suite(drills: &[Drill<'_>], rules: Rules<'_>) -> Result<Suite, ExportError> {
    let mut suite = Suite::default();
    let Some(first) = drills.first() else {
        return Ok(suite);
    };
    let interval_ms = first.record.header.evaluation_interval_ms;
    suite.text = format!(
        "# Drills of firedrill as unit tests, for {}: `promtool test rules` runs them.\n",
        rules.promtool()
    );
    suite.text.push_str(&head(rules.names, interval_ms));
    for drill in drills {
        let header = &drill.record.header;
        if header.evaluation_interval_ms != interval_ms {
            return Err(ExportError::Intervals {
                first: first.record.header.scenario.clone(),
                first_ms: interval_ms,
                scenario: header.scenario.clone(),
                interval_ms: header.evaluation_interval_ms,
            });
        }
        let written = best(drill, rules)?;
        for difference in written.differences {
            let difference = format!("{}: {difference}", header.scenario);
            suite.text.push_str(&format!("  # {difference}\n"));
            suite.differences.push(difference);
        }
        suite.text.push_str(&written.text);
    }
    Ok(suite)
}

/// Everything before the tests.
pub(super) fn head(names: &[String], interval_ms: i64) -> String {
    let names: String = names
        .iter()
        .map(|name| format!("  - {}\n", quoted(name)))
        .collect();
    let interval = duration::format_ms(interval_ms);
    format!("rule_files:\n{names}evaluation_interval: {interval}\ntests:\n")
}

/// The first way to write a drill in which alerts come as they came; if there is none, the one that differs least.
fn best(drill: &Drill<'_>, rules: Rules<'_>) -> Result<Written, ExportError> {
    let starts = match rules.compat {
        Compat::V2 => &[false][..],
        // Rules that look at the clock need the time of day.
        Compat::V3 => &[false, true],
    };
    let mut least = Written::default();
    for step_ms in STEPS_MS {
        for has_start in starts {
            let written = Way::new(drill, rules, step_ms, *has_start).write()?;
            if written.differences.is_empty() {
                return Ok(written);
            }
            if least.text.is_empty() || written.differences.len() < least.differences.len() {
                least = written;
            }
        }
    }
    Ok(least)
}
