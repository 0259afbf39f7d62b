//! What an alert says, whoever tells of it.

use std::collections::BTreeMap;

/// What an alert says to whoever is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    /// Who tells: the name of a source of alerts, or [`DETECTOR`].
    pub source: String,
    /// The instance's labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, rendered; none where the source has none.
    pub annotations: BTreeMap<String, String>,
}

/// Who tells of alerts that our own detector finds.
pub const DETECTOR: &str = "firedrill";

impl Notice {
    /// How bad it is, as its rule has it.
    #[must_use]
    pub fn severity(&self) -> Option<&str> {
        told(&self.labels, &["severity"])
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        told(&self.annotations, &["summary", "description", "message"])
    }

    /// Where it is said what to do.
    #[must_use]
    pub fn runbook(&self) -> Option<&str> {
        told(&self.annotations, &["runbook_url", "runbook"])
    }
}

/// The first of these names that has a text.
fn told<'t>(texts: &'t BTreeMap<String, String>, names: &[&str]) -> Option<&'t str> {
    let found = names.iter().filter_map(|name| texts.get(*name));
    found.map(|text| text.trim()).find(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(annotations: &[(&str, &str)]) -> Notice {
        let pairs = annotations.iter();
        Notice {
            annotations: pairs
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            ..Notice::default()
        }
    }

    #[test]
    fn what_has_no_text_is_not_said() {
        let empty = says(&[("summary", " \n"), ("description", " all is down ")]);
        assert_eq!(empty.summary(), Some("all is down"));
        assert_eq!((empty.runbook(), empty.severity()), (None, None));
        let both = says(&[("description", "long"), ("summary", "short")]);
        assert_eq!(both.summary(), Some("short"));
    }
}
