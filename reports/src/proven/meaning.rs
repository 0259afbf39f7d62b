//! What a rule means: what it is evaluated to, who is told, and what other rules make of the series it reads. How it is written,
//! and annotations, are left out.

use crate::pack::RulePack;
use firedrill_detector::anatomy::{Anatomy, PartKind, SeriesSelector};
use firedrill_detector::{Compat, Labels, RuleSet, promql};
use std::collections::{BTreeMap, BTreeSet};

/// What Prometheus writes of alerts themselves.
const OF_ALERTS: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// An alerting rule, by what it means.
#[derive(Debug, Clone)]
pub(super) struct Ruled {
    pub(super) alert: String,
    pub(super) group: String,
    pub(super) file: String,
    pub(super) line: usize,
    /// Its labels that are no templates: all of its instances have them.
    pub(super) labels: Vec<(String, String)>,
    pub(super) meaning: Meaning,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    own: String,
    /// Whether somebody may be paged.
    pages: bool,
    /// The rules behind it: by the name of the metric or alert, what all of that name mean, and the files they are in.
    behind: BTreeMap<Name, (BTreeSet<String>, BTreeSet<String>)>,
}

/// Whether it is an alert, and its name.
type Name = (bool, String);

/// What two meanings have to do with each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    /// They would be the same if these recording rules were there; each as `name (file)`.
    Lacks(Vec<String>),
    Other,
}

impl Meaning {
    /// Of this rule to what it once was. `files`: names of the files this one is of.
    pub(super) fn likeness(&self, then: &Self, files: &BTreeSet<&str>) -> Likeness {
        let of = |meaning: &Self, name| meaning.behind.get(name).map(|(texts, _)| texts.clone());
        if self.own != then.own || self.pages != then.pages {
            return Likeness::Other;
        }
        if self
            .behind
            .keys()
            .any(|name| of(then, name) != of(self, name))
        {
            return Likeness::Other;
        }
        let mut lacking = Vec::new();
        for (name, (_, of_files)) in &then.behind {
            if self.behind.contains_key(name) {
                continue;
            }
            // Where the file is here, the rule was taken out of it.
            if name.0 || of_files.iter().any(|file| files.contains(short(file))) {
                return Likeness::Other;
            }
            let of_files: Vec<&str> = of_files.iter().map(String::as_str).collect();
            lacking.push(format!("{} ({})", name.1, of_files.join(", ")));
        }
        match lacking.is_empty() {
            true => Likeness::Same,
            false => Likeness::Lacks(lacking),
        }
    }
}

/// A file's name without its directories, which may be named otherwise every time.
pub(super) fn short(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

/// The alerting rules of a pack, in the order of its files.
pub(super) fn ruled(rules: &RuleSet, pack: &RulePack) -> Vec<Ruled> {
    let anatomies = rules.anatomies();
    let texts: Vec<String> = anatomies.iter().map(own).collect();
    let reads = Reads::new(&anatomies);
    let mut alerts = rules.alerts();
    let mut ruled = Vec::new();
    for (place, anatomy) in anatomies
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.is_alert)
    {
        let is_it = |line, file: &str| (line, file) == (anatomy.line, anatomy.file.as_str());
        let Some(rule) = alerts.find(|rule| is_it(rule.line, rule.file)) else {
            break;
        };
        let mut behind: BTreeMap<Name, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        for other in reads.behind(place) {
            let rule = &anatomies[other];
            let name = (rule.is_alert, rule.name.clone());
            let (meant, files) = behind.entry(name).or_default();
            meant.insert(texts[other].clone());
            files.insert(rule.file.clone());
        }
        let fixed = rule.labels.iter().filter(|(_, text)| !text.contains("{{"));
        ruled.push(Ruled {
            alert: rule.name.to_owned(),
            group: rule.group.to_owned(),
            file: rule.file.to_owned(),
            line: rule.line,
            labels: fixed
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            meaning: Meaning {
                own: texts[place].clone(),
                pages: pack.can_page(&rule),
                behind,
            },
        });
    }
    ruled
}

/// What a rule means by itself.
fn own(rule: &Anatomy) -> String {
    format!(
        "{} for {} keep {} every {:?} back {} limit {} labels {:?}",
        printed(&rule.expr),
        rule.for_ms,
        rule.keep_firing_for_ms,
        rule.interval_ms,
        rule.query_offset_ms,
        rule.limit,
        rule.labels
    )
}

fn printed(expr: &str) -> String {
    promql::parse(expr, Compat::default()).map_or_else(|_| expr.to_owned(), |expr| expr.to_string())
}

/// Which rules read what which others write.
struct Reads(Vec<BTreeSet<usize>>);

impl Reads {
    fn new(rules: &[Anatomy]) -> Self {
        let mut recorded: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| !rule.is_alert) {
            recorded.entry(&rule.name).or_default().push(place);
        }
        let reads = rules.iter().map(|rule| {
            let mut read = BTreeSet::new();
            for selector in selectors(rule) {
                match selector.name() {
                    Some(name) if !OF_ALERTS.contains(&name) => {
                        read.extend(recorded.get(name).into_iter().flatten());
                    }
                    _ => {
                        let all = rules.iter().enumerate();
                        let meant = all.filter(|(_, other)| means(selector, other));
                        read.extend(meant.map(|(place, _)| place));
                    }
                }
            }
            read
        });
        Self(reads.collect())
    }

    /// All that is behind a rule, by way of others, too.
    fn behind(&self, place: usize) -> BTreeSet<usize> {
        let mut behind = BTreeSet::new();
        let mut open: Vec<usize> = self.0[place].iter().copied().collect();
        while let Some(other) = open.pop() {
            if behind.insert(other) {
                open.extend(&self.0[other]);
            }
        }
        behind
    }
}

fn selectors(rule: &Anatomy) -> impl Iterator<Item = &SeriesSelector> {
    rule.parts.iter().flat_map(|part| match &part.kind {
        PartKind::Selector(selector) => std::slice::from_ref(selector),
        PartKind::Absent { of, .. } => of,
        PartKind::Operation { .. } => &[],
    })
}

/// Whether a selector may mean what a rule writes, by the name of it.
fn means(selector: &SeriesSelector, rule: &Anatomy) -> bool {
    let is_called = |labels: &Labels| match selector.name() {
        Some(name) => name == labels.name(),
        None => selector.accepts("__name__", labels),
    };
    if !rule.is_alert {
        return is_called(&Labels::metric(&rule.name, []));
    }
    OF_ALERTS.iter().any(|name| {
        let labels = Labels::metric(name, [("alertname", rule.name.as_str())]);
        is_called(&labels) && selector.accepts("alertname", &labels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RuleText;
    use firedrill_detector::RuleFile;

    /// What the alert `A` of files means; each is named with its groups.
    fn meaning(files: &[(&str, &str)]) -> Meaning {
        let rule_files = files.iter().map(|(name, text)| RuleFile {
            name: (*name).into(),
            text: (*text).into(),
        });
        let rules: Vec<RuleFile> = rule_files.collect();
        let rules = RuleSet::load(&rules, Compat::default()).unwrap();
        let texts = files.iter().map(|(name, text)| RuleText {
            name: (*name).into(),
            text: (*text).into(),
        });
        let texts: Vec<RuleText> = texts.collect();
        let names: Vec<String> = rules.alerts().map(|rule| rule.name.to_owned()).collect();
        let pack = RulePack::parse(&texts, &names).unwrap();
        let mut ruled = ruled(&rules, &pack).into_iter();
        ruled.find(|rule| rule.alert == "A").unwrap().meaning
    }

    fn of(rules: &str) -> Meaning {
        meaning(&[("r.yml", &format!("groups:\n- name: g\n  rules:\n{rules}"))])
    }

    #[test]
    fn what_a_rule_means_is_not_how_it_is_written() {
        let rule = "  - { alert: A, expr: 'sum by (job) (rate(x_total[5m])) > 1', for: 2m, labels: { severity: page } }\n";
        let own = of(rule);
        for same in [
            "  - { alert: A, expr: 'sum(rate(x_total[300s])) by (job)   > 1.0', for: 120s, labels: { severity: page } }\n",
            "  - alert: A\n    expr: |\n      # why\n      sum by (job) (rate(x_total[5m])) > 1\n    for: 2m\n    labels: { severity: page }\n    annotations: { summary: s }\n",
        ] {
            assert_eq!(of(same), own, "{same}");
        }
        for other in [
            rule.replace("> 1", "> 2"),
            rule.replace("2m", "3m"),
            rule.replace("page", "ticket"),
            rule.replace("[5m]", "[6m]"),
            rule.replace("for: 2m", "for: 2m, keep_firing_for: 1m"),
        ] {
            assert_ne!(of(&other), own, "{other}");
        }
    }

    #[test]
    fn its_group_and_what_is_said_of_pages_belong_to_it() {
        let text = "groups:\n- name: g\n  rules:\n  - { alert: A, expr: x > 1, labels: { severity: warning } }\n";
        let own = meaning(&[("r.yml", text)]);
        for other in [
            text.replace("name: g", "name: g\n  interval: 5m"),
            text.replace("name: g", "name: g\n  limit: 1"),
            text.replace("name: g", "name: g\n  query_offset: 1m"),
            format!("# firedrill: pages = warning\n{text}"),
        ] {
            assert_ne!(meaning(&[("r.yml", &other)]), own, "{other}");
        }
        assert_eq!(
            meaning(&[("r.yml", &text.replace("name: g", "name: h"))]),
            own
        );
    }

    #[test]
    fn rules_behind_a_rule_belong_to_what_it_means() {
        let recorded = "  - { record: a:b, expr: sum(x), labels: { l: v } }\n";
        for (asks, changes) in [
            ("'c:d > 1'", true),
            ("'{__name__=~\"c:.+\"} > 1'", true),
            ("'ALERTS{alertname=\"B\"}'", true),
            ("'{__name__=\"ALERTS\", alertname=~\"B|C\"}'", true),
            ("'ALERTS{alertname=\"C\"}'", false),
            ("'{__name__=~\"e:.+\"} > 1'", false),
        ] {
            let rules = |recorded: &str| {
                format!(
                    "{recorded}  - {{ record: c:d, expr: 'a:b * 2' }}\n  - {{ alert: B, expr: 'c:d > 2' }}\n  - {{ alert: C, expr: y }}\n  \
                     - {{ record: e:f, expr: z }}\n  - {{ alert: A, expr: {asks} }}\n"
                )
            };
            let own = of(&rules(recorded));
            assert_eq!(of(&rules(&recorded.replace("sum(x)", "sum (x)"))), own);
            for (from, to) in [("sum(x)", "max(x)"), ("l: v", "l: w")] {
                let other = of(&rules(&recorded.replace(from, to)));
                assert_eq!(other != own, changes, "{asks}: {to}");
            }
            let groups = |interval: &str| {
                let text = format!(
                    "groups:\n- name: r\n  interval: {interval}\n  rules:\n{recorded}- name: g\n  rules:\n{}",
                    rules("")
                );
                meaning(&[("r.yml", &text)])
            };
            assert_eq!(groups("1m") != groups("2m"), changes, "{asks}");
        }
    }

    #[test]
    fn a_file_that_is_not_given_is_no_change() {
        let alerts = (
            "alerts.yml",
            "groups: [{ name: g, rules: [{ alert: A, expr: 'a:b > 1' }] }]",
        );
        let record = (
            "sub/record.yml",
            "groups: [{ name: r, rules: [{ record: a:b, expr: x }] }]",
        );
        let (then, now) = (meaning(&[alerts, record]), meaning(&[alerts]));
        let likeness = |files: &[&str]| now.likeness(&then, &files.iter().copied().collect());
        assert_eq!(
            likeness(&["alerts.yml"]),
            Likeness::Lacks(vec!["a:b (sub/record.yml)".into()])
        );
        assert_eq!(likeness(&["alerts.yml", "record.yml"]), Likeness::Other);
        assert_eq!(then.likeness(&now, &BTreeSet::new()), Likeness::Other);
        assert_eq!(then.likeness(&then, &BTreeSet::new()), Likeness::Same);
    }
}
