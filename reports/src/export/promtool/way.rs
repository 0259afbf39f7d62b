//! A drill written as a test in one way, and what our own run of it gives.

use super::super::series;
use super::grid::Grid;
use super::suite::head;
use super::{Drill, ExportError, Rules, quoted};
use crate::record::AlertState;
use firedrill_detector::anatomy::{PartKind, SeriesSelector};
use firedrill_detector::unit_test::{FiringAlert, RunOptions, TestFile};
use firedrill_detector::yaml::Problem;
use firedrill_detector::{Labels, RuleFile, Timestamp, duration};
use std::collections::{BTreeMap, BTreeSet};

/// A test as it goes into the file.
#[derive(Default)]
pub(super) struct Written {
    pub(super) text: String,
    /// Where what it expects is not what the drill had.
    pub(super) differences: Vec<String>,
}

/// An alert at a time of the test, in milliseconds.
type Question = (i64, String);

/// A way to write a drill.
pub(super) struct Way<'a> {
    drill: &'a Drill<'a>,
    rules: Rules<'a>,
    /// How far places of samples are apart.
    step_ms: i64,
    /// Whether it begins at the drill's time of day.
    has_start: bool,
}

impl<'a> Way<'a> {
    pub(super) fn new(
        drill: &'a Drill<'a>,
        rules: Rules<'a>,
        step_ms: i64,
        has_start: bool,
    ) -> Self {
        Self {
            drill,
            rules,
            step_ms,
            has_start,
        }
    }

    pub(super) fn write(&self) -> Result<Written, ExportError> {
        let mut text = self.input();
        let questions = self.questions();
        let answers = self.ask(&text, &questions)?;
        for (question, found) in questions.iter().zip(&answers) {
            text.push_str(&case(question, found));
        }
        Ok(Written {
            text,
            differences: self.differences(&questions, &answers),
        })
    }

    fn phase_ms(&self) -> i64 {
        self.drill.record.header.evaluation_phase_ms
    }

    fn interval_ms(&self) -> i64 {
        self.drill.record.header.evaluation_interval_ms
    }

    /// All that the rules look at.
    fn selectors(&self) -> Vec<SeriesSelector> {
        let anatomies = self.rules.set.anatomies();
        let parts = anatomies.into_iter().flat_map(|anatomy| anatomy.parts);
        let selectors = parts.filter_map(|part| match part.kind {
            PartKind::Selector(selector) => Some(selector),
            PartKind::Operation { .. } | PartKind::Absent { .. } => None,
        });
        selectors.collect()
    }

    /// The test without its cases. It begins with the drill's first evaluation.
    fn input(&self) -> String {
        let header = &self.drill.record.header;
        let from = Timestamp(header.epoch_ms.saturating_add(self.phase_ms()));
        let selectors = self.selectors();
        let is_wanted = |labels: &Labels| selectors.iter().any(|one| one.matches(labels));
        let grid = Grid::new(self.drill.record, from, self.step_ms, is_wanted);
        let start = match self.has_start {
            true => format!("    start_timestamp: {}\n", from.0 as f64 / 1000.0),
            false => String::new(),
        };
        let name = format!(
            "{}, seed {}, {}",
            header.scenario, header.seed, header.engine
        );
        let series: String = grid
            .written()
            .map(|(labels, values)| {
                let series = quoted(&series(labels.name(), labels));
                format!(
                    "      - series: {series}\n        values: {}\n",
                    quoted(&values)
                )
            })
            .collect();
        let series = match series.as_str() {
            "" => " []\n".to_owned(),
            series => format!("\n{series}"),
        };
        format!(
            "  - name: {}\n    interval: {}\n{start}    input_series:{series}    alert_rule_test:\n",
            quoted(&name),
            duration::format_ms(self.step_ms),
        )
    }

    /// Just before each beginning and end of an alert, and then; at the end, every alert.
    fn questions(&self) -> Vec<Question> {
        let mut all = BTreeSet::new();
        for transition in &self.drill.replay.transitions {
            let fires = [transition.from, transition.to].map(|state| state == AlertState::Firing);
            if fires[0] != fires[1] {
                let at_ms = transition.at_ms - self.phase_ms();
                let both = [at_ms - self.interval_ms(), at_ms].into_iter();
                let asked = both.filter(|at_ms| *at_ms >= 0);
                all.extend(asked.map(|at_ms| (at_ms, transition.alert.clone())));
            }
        }
        let length_ms = (self.drill.record.end_ms() - self.phase_ms()).max(0);
        let last_ms = length_ms - length_ms % self.interval_ms().max(1);
        let alerts = self.rules.set.alerts();
        all.extend(alerts.map(|alert| (last_ms, alert.name.to_owned())));
        all.into_iter().collect()
    }

    /// What fires in our run of the test, by question.
    fn ask(
        &self,
        test: &str,
        questions: &[Question],
    ) -> Result<Vec<Vec<FiringAlert>>, ExportError> {
        let fail = |why: String| ExportError::NotRun {
            scenario: self.drill.record.header.scenario.clone(),
            why,
        };
        let all = |problems: Vec<Problem>| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            fail(told.join("\n"))
        };
        // Each wants an alert that there cannot be, so that what there is comes back.
        let impossible = [FiringAlert {
            labels: vec![("firedrill".to_owned(), "asks".to_owned())],
            annotations: Vec::new(),
        }];
        let cases: String = questions
            .iter()
            .map(|question| case(question, &impossible))
            .collect();
        let text = head(self.rules.names, self.interval_ms()) + test + &cases;
        let file = TestFile::parse_as("the test", &text, self.rules.compat).map_err(all)?;
        let rules = self.rules.texts.iter().map(|rules| RuleFile {
            name: rules.name.clone(),
            text: rules.text.clone(),
        });
        let options = RunOptions {
            compat: self.rules.compat,
            unknown_keys: self.rules.reading.unknown_keys,
            experimental_functions: self.rules.reading.experimental_functions,
            ..RunOptions::default()
        };
        let runs = file
            .run_each(&rules.collect::<Vec<_>>(), &options)
            .map_err(all)?;
        let mut found: BTreeMap<Question, Vec<FiringAlert>> = BTreeMap::new();
        for failure in runs.flat_map(|run| run.failures) {
            let Some((alert, firing)) = failure.firing() else {
                return Err(fail(failure.to_string()));
            };
            found.insert((failure.at_ms, alert.to_owned()), firing);
        }
        let answers = questions.iter();
        let answers = answers.map(|question| found.remove(question).unwrap_or_default());
        Ok(answers.collect())
    }

    /// Where what fires is not what fired in the drill.
    fn differences(&self, questions: &[Question], answers: &[Vec<FiringAlert>]) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((at_ms, alert), found) in questions.iter().zip(answers) {
            let fired = self.fired(alert, at_ms + self.phase_ms());
            let found: BTreeSet<BTreeMap<String, String>> = found
                .iter()
                .map(|alert| alert.labels.iter().cloned().collect())
                .collect();
            if !found.iter().eq(fired.iter().copied()) {
                wrong.push(format!(
                    "at {} {} of {alert} fire here, and {} did in the drill",
                    duration::format_ms(*at_ms),
                    found.len(),
                    fired.len(),
                ));
            }
        }
        wrong
    }

    /// The instances of an alert that fired in the drill at a time of the drill.
    fn fired(&self, alert: &str, at_ms: i64) -> BTreeSet<&BTreeMap<String, String>> {
        let mut firing = BTreeSet::new();
        let transitions = self.drill.replay.transitions.iter();
        for transition in transitions.filter(|one| one.alert == alert && one.at_ms <= at_ms) {
            match transition.to {
                AlertState::Firing => firing.insert(&transition.labels),
                AlertState::Pending | AlertState::Inactive => firing.remove(&transition.labels),
            };
        }
        firing
    }
}

/// A case of a test.
fn case((at_ms, alert): &Question, expected: &[FiringAlert]) -> String {
    let mut text = format!(
        "      - eval_time: {}\n        alertname: {}\n",
        duration::format_ms(*at_ms),
        quoted(alert)
    );
    if expected.is_empty() {
        return text + "        exp_alerts: []\n";
    }
    text.push_str("        exp_alerts:\n");
    for firing in expected {
        let (labels, annotations) = (pairs(&firing.labels), pairs(&firing.annotations));
        text.push_str(&format!(
            "          - exp_labels:{labels}            exp_annotations:{annotations}"
        ));
    }
    text
}

fn pairs(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return " {}\n".to_owned();
    }
    let lines = pairs
        .iter()
        .map(|(name, value)| format!("              {}: {}\n", quoted(name), quoted(value)));
    format!("\n{}", lines.collect::<String>())
}
