//! Which severities the alerts of a pack can have, and whether those that are to page are among them.

use super::RulePack;
use crate::alertmanager::Labels;
use firedrill_detector::RuleSet;
use firedrill_detector::rules::AlertRule;
use firedrill_detector::yaml::{Position, Problem, Problems, closest};
use std::collections::BTreeSet;
use thiserror::Error;

/// The label that says how bad an alert is.
const SEVERITY: &str = "severity";

/// Severities that alerts can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severities {
    known: BTreeSet<String>,
    /// A severity may be made of labels or values, so that it can be anything.
    open: bool,
}

/// Why severities of pages are not accepted: a typo in one changes every verdict.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PagesError {
    /// There is nothing between two commas.
    #[error("a severity that pages is empty; the alerts have {there}")]
    Empty {
        /// The severities there are.
        there: String,
    },
    /// No alert has it.
    #[error("no alert has the severity `{severity}`; {hint}the alerts have {there}")]
    Unknown {
        /// As written.
        severity: String,
        /// What was probably meant, with a blank behind it; or nothing.
        hint: String,
        /// The severities there are.
        there: String,
    },
    /// No alert is routed to a receiver that pages.
    #[error("none of the alerts would page: {file} routes none of them to a receiver that pages")]
    NoRoute {
        /// The Alertmanager file.
        file: String,
    },
    /// No alert would page.
    #[error(
        "none of the alerts would page: {pages} do, and the alerts have {there}; name those that reach a person with \
         `--pages SEVERITY` or in a rule file with `# firedrill: pages = SEVERITY`"
    )]
    NoPage {
        /// The severities that page.
        pages: String,
        /// The severities there are.
        there: String,
    },
}

impl Severities {
    /// Those of all alerts of a rule set.
    #[must_use]
    pub fn of(rules: &RuleSet) -> Self {
        let mut all = Self {
            known: BTreeSet::new(),
            open: false,
        };
        for alert in rules.alerts() {
            all.add(&alert);
        }
        all
    }

    /// Those of one alert.
    #[must_use]
    pub fn of_alert(alert: &AlertRule<'_>) -> Self {
        let mut own = Self {
            known: BTreeSet::new(),
            open: false,
        };
        own.add(alert);
        own
    }

    fn add(&mut self, alert: &AlertRule<'_>) {
        let label = alert.labels.iter().find(|(name, _)| *name == SEVERITY);
        match label.map(|(_, text)| literals(text)) {
            Some(Some(found)) => self.known.extend(found),
            Some(None) => self.open = true,
            // The expression's own labels stay on the alert.
            None => self.open |= alert.expr.contains(SEVERITY),
        }
    }

    /// Whether an alert can have this severity.
    #[must_use]
    pub fn can_be(&self, severity: &str) -> bool {
        self.open || self.known.contains(severity)
    }

    fn there(&self) -> String {
        match self.known.is_empty() {
            true => "no severity at all".to_owned(),
            false => listed(&self.known),
        }
    }

    fn check_one(&self, severity: &str) -> Result<(), PagesError> {
        if severity.is_empty() {
            return Err(PagesError::Empty {
                there: self.there(),
            });
        }
        if self.can_be(severity) {
            return Ok(());
        }
        let close = closest(severity, self.known.iter().map(String::as_str));
        Err(PagesError::Unknown {
            severity: severity.to_owned(),
            hint: close.map_or(String::new(), |close| format!("did you mean `{close}`? ")),
            there: self.there(),
        })
    }
}

/// Labels that all instances of an alert have: its name, and what its rule says without a template.
pub(crate) fn known_labels(alert: &AlertRule<'_>) -> Labels {
    let own = alert.labels.iter();
    let known = own.filter(|(_, text)| !text.contains("{{"));
    let known = known.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let name = [("alertname".to_owned(), alert.name.to_owned())];
    known.chain(name).collect()
}

impl RulePack {
    /// Has other severities page than the rule files say.
    ///
    /// # Errors
    /// With every one that is empty or that no alert has.
    pub fn page_on(
        &mut self,
        pages: &[String],
        severities: &Severities,
    ) -> Result<(), Vec<PagesError>> {
        let trimmed: Vec<&str> = pages.iter().map(|severity| severity.trim()).collect();
        let wrong: Vec<PagesError> = trimmed
            .iter()
            .filter_map(|severity| severities.check_one(severity).err())
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        self.pages = trimmed.into_iter().map(str::to_owned).collect();
        self.said.clear();
        Ok(())
    }

    /// Looks whether alerts have the severities that the rule files say are pages.
    ///
    /// # Errors
    /// With every one that no alert has, where it stands.
    pub fn check_said_pages(&self, severities: &Severities) -> Result<(), Vec<Problem>> {
        let mut found = Vec::new();
        for (file, at, said) in &self.said {
            let mut problems = Problems::new(file);
            for severity in said {
                if let Err(error) = severities.check_one(severity) {
                    problems.push(*at, error.to_string());
                }
            }
            found.extend(problems.into_vec());
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Whether an alert can page, by its severities or by the routes of the pack's Alertmanager. What its labels come to
    /// when it fires may not be known.
    #[must_use]
    pub fn can_page(&self, alert: &AlertRule<'_>) -> bool {
        let Some(config) = self.alertmanager() else {
            let severities = Severities::of_alert(alert);
            return self.pages.iter().any(|page| severities.can_be(page));
        };
        config.may_page(&known_labels(alert))
    }

    /// The labels that all alerts which can page have in common, or all which cannot, without the alert's name; with `severity`
    /// first, as one of them has it where they differ. Empty: there is no such alert, or it has no labels.
    #[must_use]
    pub fn labels_of(&self, rules: &RuleSet, paging: bool) -> Vec<(String, String)> {
        const NAME: &str = "alertname";
        let own = rules
            .alerts()
            .filter(|alert| self.can_page(alert) == paging);
        let own: Vec<Labels> = own.map(|alert| known_labels(&alert)).collect();
        let mut common: Vec<(String, String)> = Vec::new();
        for (name, value) in own.iter().flatten() {
            let is_meant = name != NAME
                && !common.iter().any(|(known, _)| known == name)
                && (name == SEVERITY || own.iter().all(|labels| labels.get(name) == Some(value)));
            if is_meant {
                common.push((name.clone(), value.clone()));
            }
        }
        common.sort_by_key(|(name, _)| name != SEVERITY);
        common
    }

    /// Looks whether the pack's Alertmanager, if it has one, would page of any of its alerts.
    ///
    /// # Errors
    /// With the file that routes none to a receiver that pages.
    pub fn check_any_routed(&self, rules: &RuleSet) -> Result<(), PagesError> {
        match self.alertmanager() {
            Some(config) if !rules.alerts().any(|alert| self.can_page(&alert)) => {
                let file = config.name().to_owned();
                Err(PagesError::NoRoute { file })
            }
            _ => Ok(()),
        }
    }

    /// Looks whether any alert would page. A pack of which none would says nothing about incidents that deserve one.
    ///
    /// # Errors
    /// With the severities there are.
    pub fn check_any_pages(&self, severities: &Severities) -> Result<(), PagesError> {
        if self.pages.iter().any(|page| severities.can_be(page)) {
            return Ok(());
        }
        Err(PagesError::NoPage {
            pages: listed(&self.pages),
            there: severities.there(),
        })
    }
}

/// A `pages` directive: file, place and severities.
pub(super) type Said = (String, Position, Vec<String>);

fn listed(severities: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = severities.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The texts a template can come to: those between its actions, where these only choose; `None` if one prints a value.
fn literals(template: &str) -> Option<Vec<String>> {
    const CHOICES: [&str; 4] = ["if", "else", "end", "with"];
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        let (action, next) = after.split_once("}}")?;
        let action = action.trim_matches(|c: char| c == '-' || c.is_whitespace());
        let word = action.split_whitespace().next().unwrap_or("");
        if !CHOICES.contains(&word) {
            return None;
        }
        found.push(text.trim().to_owned());
        rest = next;
    }
    // As it stands, blanks and all, where there is nothing to expand.
    found.push(if found.is_empty() { rest } else { rest.trim() }.to_owned());
    found.retain(|text| !text.is_empty());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RuleText;
    use firedrill_detector::{Compat, RuleFile};

    fn severities(labels: &[&str]) -> Severities {
        let rules: String = labels
            .iter()
            .enumerate()
            .map(|(place, label)| {
                format!("  - {{ alert: A{place}, expr: up == 0, labels: {{ {label} }} }}\n")
            })
            .collect();
        let file = RuleFile {
            name: "r.yml".into(),
            text: format!("groups:\n- name: g\n  rules:\n{rules}"),
        };
        Severities::of(&RuleSet::load(&[file], Compat::default()).unwrap())
    }

    fn pack(text: &str) -> RulePack {
        let rule = RuleText {
            name: "r.yml".into(),
            text: text.into(),
        };
        RulePack::parse(&[rule], &["A0".into()]).unwrap()
    }

    #[test]
    fn severities_that_no_alert_has_are_refused() {
        let there = severities(&["severity: critical", "severity: warning"]);
        let wrong = |pages: &[&str]| {
            let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
            let found = pack("").page_on(&pages, &there).unwrap_err();
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            texts.join("; ")
        };
        assert_eq!(
            wrong(&["crtical", "warning"]),
            "no alert has the severity `crtical`; did you mean `critical`? the alerts have `critical`, `warning`"
        );
        assert!(wrong(&[""]).starts_with("a severity that pages is empty"));
        let mut fine = pack("# firedrill: pages = warning\n");
        fine.page_on(&["critical".to_owned()], &there).unwrap();
        assert_eq!(fine.pages, BTreeSet::from(["critical".to_owned()]));
        let said = pack("groups:\n# firedrill: pages = warning, page\n");
        let problems = said.check_said_pages(&there).unwrap_err();
        assert!(
            problems[0]
                .to_string()
                .starts_with("r.yml:2:1: no alert has the severity `page`"),
            "{}",
            problems[0]
        );
    }

    #[test]
    fn a_pack_that_pages_nobody_is_refused() {
        let there = severities(&["severity: warning"]);
        let error = pack("").check_any_pages(&there).unwrap_err().to_string();
        assert!(
            error.starts_with("none of the alerts would page: `critical`, `page` do, and the alerts have `warning`;"),
            "{error}"
        );
        let none = severities(&["team: mail"]);
        let error = pack("").check_any_pages(&none).unwrap_err().to_string();
        assert!(error.contains("no severity at all"), "{error}");
        let said = pack("# firedrill: pages = warning\n");
        said.check_any_pages(&there).unwrap();
    }

    #[test]
    fn severities_of_templates_are_those_they_can_come_to() {
        let chosen = literals("{{ if gt $value 0.5 }}critical{{- else }} warning {{ end }}");
        assert_eq!(chosen.unwrap(), ["critical", "warning"]);
        let printed = severities(&["severity: '{{ $labels.severity }}'"]);
        assert!(printed.can_be("page"), "it can be anything");
    }
}
