//! A team's Prometheus, asked for each symptom: its HTTP API, read-only.

use firedrill_detector::anatomy::SeriesSelector;
use firedrill_reports::cause::symptom::{SYMPTOMS, Symptom};
use firedrill_reports::cause::{Seen, Sight, Unknown};
use firedrill_sim::http::get::{Client, GetError, Url};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Within what a series must have been there to be taken for one that this Prometheus has.
const LATELY: &str = "1h";

/// A Prometheus.
pub(super) struct Prometheus<'u> {
    url: &'u Url,
    client: &'u Client,
}

/// What it said.
pub(super) struct Told {
    pub(super) sight: Sight,
    /// For people.
    pub(super) lines: Vec<String>,
}

/// Why it could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// No answer.
    #[error("--prometheus: {error}{}", address(.error))]
    Get {
        /// Why.
        #[from]
        error: GetError,
    },
    /// An answer that is none of Prometheus'.
    #[error("--prometheus: {url} does not answer as Prometheus does: {reason}")]
    Foreign {
        /// Whom.
        url: String,
        /// What was wrong.
        reason: String,
    },
}

/// What to do about an error that does not say it.
fn address(error: &GetError) -> &'static str {
    match error {
        GetError::Untrusted { .. } | GetError::Status { status: 401, .. } => "",
        _ => "\n    name the address of Prometheus itself, such as http://host:9090",
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl<'u> Prometheus<'u> {
    pub(super) const fn new(url: &'u Url, client: &'u Client) -> Self {
        Self { url, client }
    }

    /// Asks for every symptom.
    ///
    /// # Errors
    /// When it does not answer, or not as Prometheus. What it does not know is unknown.
    pub(super) async fn ask(&self) -> Result<Told, AskError> {
        let mut sight = Sight::default();
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        for symptom in SYMPTOMS {
            let lacks = self.lacks(symptom, &mut known).await?;
            if !lacks.is_empty() {
                let lacks: Vec<String> = lacks.into_iter().collect();
                let lacks = lacks.join(", ");
                sight.unknown.push(Unknown { symptom, lacks });
                continue;
            }
            match self.query(symptom.expr).await {
                Ok(found) => sight
                    .seen
                    .extend(found.into_iter().map(|sample| seen(symptom, sample))),
                // Such as labels that are there twice: nothing can be said.
                Err(AskError::Get {
                    error: GetError::Status { said, .. },
                }) => {
                    sight.unknown.push(Unknown {
                        symptom,
                        lacks: said,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        let has = known.values().filter(|known| **known).count();
        let line = format!(
            "{} answers; of {} series that symptoms look at, it has {has}",
            self.url,
            known.len()
        );
        Ok(Told {
            sight,
            lines: vec![line],
        })
    }

    /// The series of a symptom that this Prometheus did not have lately.
    async fn lacks(
        &self,
        symptom: &Symptom,
        known: &mut BTreeMap<String, bool>,
    ) -> Result<BTreeSet<String>, AskError> {
        let mut lacks = BTreeSet::new();
        for selector in symptom.selectors() {
            // A label's value may be missing while all is well: it is the metric that must be there, and of `up` the job.
            let text = match selector.name() {
                Some(name) if name != "up" => name,
                _ => SeriesSelector::text(&selector),
            };
            let is_known = match known.get(text) {
                Some(is_known) => *is_known,
                None => {
                    let query = format!("count(present_over_time({text}[{LATELY}]))");
                    let found = !self.query(&query).await?.is_empty();
                    known.insert(text.to_owned(), found);
                    found
                }
            };
            if !is_known {
                lacks.insert(text.to_owned());
            }
        }
        Ok(lacks)
    }

    async fn query(&self, expr: &str) -> Result<Vec<Sample>, AskError> {
        let url = self.url.below("/api/v1/query").with("query", expr);
        let text = self.client.get(&url, PATIENCE).await?;
        let answer: Result<Answer, _> = serde_json::from_str(&text);
        let answer = answer.map_err(|error| AskError::Foreign {
            url: self.url.to_string(),
            reason: error.to_string(),
        })?;
        Ok(answer.data.result)
    }
}

fn seen(symptom: &'static Symptom, sample: Sample) -> Seen {
    let mut labels = sample.metric;
    labels.remove("__name__");
    Seen {
        symptom,
        labels,
        value: sample.value.1.parse().unwrap_or(f64::NAN),
        window: None,
    }
}
