//! Alerts that a directive names: `NAME`, or `NAME{label="value"}` for some of its instances only.

use firedrill_detector::Labels;
use firedrill_detector::anatomy::SeriesSelector;
use firedrill_detector::{Compat, sample::METRIC_NAME};
use std::collections::BTreeMap;

/// Instances of an alert.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    text: String,
    pub(super) alert: String,
    /// What their labels must be; none: whatever they are.
    selector: Option<SeriesSelector>,
}

impl PartialEq for Meant {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Meant {}

impl Meant {
    /// Reads one, or says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (alert, labels) = match text.split_once('{') {
            None => (text, None),
            // Under a name of our own: alerts may have names that no metric has.
            Some((alert, labels)) => (alert.trim(), Some(format!("alert{{{labels}"))),
        };
        if alert.is_empty() {
            return Err("a name is missing".into());
        }
        let selector = labels
            .map(|labels| SeriesSelector::parse(&labels, Compat::default()))
            .transpose()
            .map_err(|error| format!("the labels of `{text}` cannot be read: {error}"))?;
        Ok(Self {
            text: text.to_owned(),
            alert: alert.to_owned(),
            selector,
        })
    }

    /// Reads a list of them.
    pub(super) fn list(text: &str) -> Result<Vec<Self>, String> {
        split(text).into_iter().map(Self::parse).collect()
    }

    /// Whether an instance of its alert with these labels is meant.
    pub(super) fn accepts(&self, labels: &BTreeMap<String, String>) -> bool {
        let Some(selector) = &self.selector else {
            return true;
        };
        let named = labels
            .iter()
            .filter(|(name, _)| *name != METRIC_NAME)
            .map(|(name, value)| (name.as_str(), value.as_str()));
        selector.matches(&Labels::from_pairs(named.chain([(METRIC_NAME, "alert")])))
    }
}

/// The parts between commas that stand in no braces and no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_choose_instances() {
        let list = Meant::list(r#"A{queue="a,b", x=~"1|2"} , B"#).unwrap();
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs.map(|(n, v)| ((*n).into(), (*v).into())).collect()
        };
        assert_eq!((list[0].alert.as_str(), list[1].alert.as_str()), ("A", "B"));
        assert!(list[0].accepts(&labels(&[("queue", "a,b"), ("x", "2")])));
        assert!(!list[0].accepts(&labels(&[("queue", "a"), ("x", "2")])));
        assert!(list[1].accepts(&labels(&[])));
        for bad in ["A,", "A{queue=low}", "A{queue=\"low\"", "{queue=\"low\"}"] {
            assert!(Meant::list(bad).is_err(), "{bad}");
        }
    }
}
