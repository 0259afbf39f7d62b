//! The rules of a pack one by one, as text that can be put into another file.

use crate::runbooks::{PAGE, Runbooks};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The group that proposed rules are put into.
const GROUP: &str = "asynq-suggested";

/// The comment that says which alerts may be without data.
const NO_DATA_OK: &str = "# firedrill: no-data-ok ";

/// A rule that can be proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The alert's name.
    pub alert: String,
    /// Its lines, comments before it included, without indentation of their own.
    lines: Vec<String>,
    /// Whether it pages; else it is a ticket.
    is_page: bool,
    /// The causes that it is tied to, and by which word: `expects` or `accepts`.
    ties: Vec<(String, String)>,
    /// Whether it may be without data in a drill.
    no_data_ok: bool,
    /// Characters of the rule without comments and annotations: what somebody has to understand.
    pub size: usize,
}

/// What the file that rules are put into is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The labels of a page there, and of a ticket, in the order in which they are written.
    pub labels: [Vec<(String, String)>; 2],
    /// Whether its comments tie alerts to causes.
    pub has_ties: bool,
    /// What comes before `- name:` of its groups.
    pub indent: String,
    /// Where alerts lead; without, they have no link.
    pub runbooks: Option<Runbooks>,
}

/// The alerts of a pack, in their order. `pages`: the severity that pages there. The text is one of ours: block style, with a line
/// `labels: {severity: ...}` for each.
#[must_use]
pub fn candidates(text: &str, pages: &str) -> Vec<Candidate> {
    let mut ties: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for line in text.lines() {
        let Some(said) = line.strip_prefix("# firedrill: cause ") else {
            continue;
        };
        let mut words = said.splitn(3, ' ');
        if let (Some(cause), Some(word), Some(alerts)) = (words.next(), words.next(), words.next())
        {
            for alert in alerts.split(", ") {
                let of_alert = ties.entry(alert.trim()).or_default();
                of_alert.push((cause.to_owned(), word.to_owned()));
            }
        }
    }
    let may_lack = text
        .lines()
        .filter_map(|line| line.strip_prefix(NO_DATA_OK));
    let may_lack: Vec<&str> = may_lack.flat_map(|alerts| alerts.split(", ")).collect();
    let mut all: Vec<Candidate> = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            lines.push(line);
            continue;
        }
        // Groups begin without an empty line between their head and the first rule.
        let block = lines
            .iter()
            .skip_while(|line| !line.starts_with("  #") && !line.starts_with("  - alert:"));
        let block: Vec<String> = block
            .map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned())
            .collect();
        lines.clear();
        let name = block.iter().find_map(|line| line.strip_prefix("- alert: "));
        let Some(name) = name.map(|name| name.trim().to_owned()) else {
            continue;
        };
        let is_said = |line: &&String| !line.trim_start().starts_with('#');
        let rule = block.iter().filter(is_said);
        let rule = rule.take_while(|line| line.trim_start() != "annotations:");
        all.push(Candidate {
            size: rule.map(|line| line.trim().len()).sum(),
            is_page: block.iter().any(|line| severity_of(line) == Some(pages)),
            ties: ties.get(name.as_str()).cloned().unwrap_or_default(),
            no_data_ok: may_lack.contains(&name.as_str()),
            alert: name,
            lines: block,
        });
    }
    all
}

/// The severity that a line sets.
fn severity_of(line: &str) -> Option<&str> {
    let labels = line.trim().strip_prefix("labels: {severity: ")?;
    labels.split(['}', ',']).next()
}

impl Candidate {
    /// What is put at the end of a file for some candidates: what their alerts are tied to, and a group with them.
    #[must_use]
    pub fn block(some: &[&Self], host: &Host) -> String {
        let mut text = String::new();
        if some.is_empty() {
            return text;
        }
        let indent = &host.indent;
        if host.has_ties {
            let mut ties: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
            for one in some {
                for (cause, word) in &one.ties {
                    ties.entry((cause, word)).or_default().push(&one.alert);
                }
            }
            for ((cause, word), alerts) in ties {
                let _ = writeln!(
                    text,
                    "{indent}# firedrill: cause {cause} {word} {}",
                    alerts.join(", ")
                );
            }
        }
        let may_lack = some.iter().filter(|one| one.no_data_ok);
        let may_lack: Vec<&str> = may_lack.map(|one| one.alert.as_str()).collect();
        if !may_lack.is_empty() {
            let _ = writeln!(text, "{indent}{NO_DATA_OK}{}", may_lack.join(", "));
        }
        let _ = writeln!(text, "{indent}- name: {GROUP}\n{indent}  rules:");
        for one in some {
            for line in &one.lines {
                let [page, ticket] = &host.labels;
                if host.runbooks.is_none() && line.contains(PAGE) {
                    continue;
                }
                let line = match severity_of(line) {
                    Some(_) => {
                        let own = if one.is_page { page } else { ticket };
                        let own: Vec<String> = own
                            .iter()
                            .map(|(name, value)| format!("{name}: {}", scalar(value)))
                            .collect();
                        format!("  labels: {{{}}}", own.join(", "))
                    }
                    None => match &host.runbooks {
                        Some(runbooks) => runbooks.linked(line),
                        None => line.clone(),
                    },
                };
                let _ = writeln!(text, "{indent}  {line}");
            }
        }
        text
    }
}

/// A value in a flow mapping: in quotes, unless it is a word that YAML takes for a text.
fn scalar(value: &str) -> Cow<'_, str> {
    const NO_TEXT: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    let is_word = value
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_');
    let lower = value.to_ascii_lowercase();
    let is_text = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && lower != "null"
        && !NO_TEXT.contains(&lower.as_str());
    match is_word && is_text {
        true => value.into(),
        // In double quotes as JSON has them: YAML has the same escapes.
        false => Value::from(value).to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: &str = "\
# firedrill: no-data-ok Slow
# firedrill: cause slow-jobs expects Slow, Gone
# firedrill: cause worker-crashed accepts Slow
groups:
- name: pages
  rules:
  # Nobody is there.
  - alert: Gone
    expr: absent(up == 1)
    labels: {severity: critical}
    annotations:
      summary: gone

- name: tickets
  rules:
  - alert: Slow
    expr: |
      rate(a[1m])
        > 1
    labels: {severity: warning}
";

    const BLOCK: &str = "  \
  # firedrill: cause slow-jobs expects Gone, Slow
  # firedrill: cause worker-crashed accepts Slow
  # firedrill: no-data-ok Slow
  - name: asynq-suggested
    rules:
    # Nobody is there.
    - alert: Gone
      expr: absent(up == 1)
      labels: {severity: page, team: \"on\"}
      annotations:
        summary: gone
    - alert: Slow
      expr: |
        rate(a[1m])
          > 1
      labels: {severity: ticket}
";

    #[test]
    fn rules_are_put_into_another_file_as_its_own() {
        let all = candidates(PACK, "critical");
        let sizes: Vec<(&str, usize)> = all
            .iter()
            .map(|one| (one.alert.as_str(), one.size))
            .collect();
        assert_eq!(sizes, [("Gone", 62), ("Slow", 61)]);
        let mut host = Host {
            labels: [
                vec![
                    ("severity".into(), "page".into()),
                    ("team".into(), "on".into()),
                ],
                vec![("severity".into(), "ticket".into())],
            ],
            has_ties: true,
            indent: "  ".into(),
            runbooks: None,
        };
        let some: Vec<&Candidate> = all.iter().collect();
        assert_eq!(Candidate::block(&some, &host), BLOCK);
        host.has_ties = false;
        host.indent.clear();
        assert_eq!(
            Candidate::block(&some[..1], &host),
            "- name: asynq-suggested\n  rules:\n  # Nobody is there.\n  - alert: Gone\n    \
             expr: absent(up == 1)\n    labels: {severity: page, team: \"on\"}\n    annotations:\n      summary: gone\n"
        );
        assert_eq!(Candidate::block(&[], &host), "");
        // A link that leads nowhere is left out.
        let pack = PACK.replace(
            "summary: gone",
            "summary: gone\n      runbook_url: scenarios/rules/README.md#gone",
        );
        let all = candidates(&pack, "critical");
        assert!(!Candidate::block(&[&all[0]], &host).contains("runbook_url"));
        host.runbooks = "https://wiki.example.com/alerts".parse().ok();
        let block = Candidate::block(&[&all[0]], &host);
        assert!(
            block.ends_with("\n      runbook_url: https://wiki.example.com/alerts#gone\n"),
            "{block}"
        );
    }
}
