//! A configuration as YAML: only what decides what is sent, and so without secrets.

use super::Config;
use super::matcher::Matcher;
use super::route::GroupBy;
use firedrill_detector::duration::format_ms;

/// As the reader reads it back.
pub(super) fn yaml(config: &Config) -> String {
    let mut text = String::new();
    let pages = config.receivers.iter().filter(|(_, own)| own.pages);
    let pages: Vec<String> = pages.map(|(name, _)| glob(name)).collect();
    if !pages.is_empty() {
        text += &format!("# firedrill: pages = {}\n", pages.join(", "));
    }
    text += "route:\n";
    route(config, 0, "  ", &mut text);
    if !config.inhibit_rules.is_empty() {
        text += "inhibit_rules:\n";
    }
    for rule in &config.inhibit_rules {
        text += &format!(
            "- {{ source_matchers: {}, target_matchers: {}, equal: {} }}\n",
            matchers(&rule.source),
            matchers(&rule.target),
            list(&rule.equal)
        );
    }
    if !config.intervals.is_empty() {
        text += "time_intervals:\n";
    }
    for (name, intervals) in &config.intervals {
        let intervals: Vec<String> = intervals.iter().map(|one| one.to_yaml()).collect();
        let (name, intervals) = (quoted(name), intervals.join(", "));
        text += &format!("- {{ name: {name}, time_intervals: [{intervals}] }}\n");
    }
    text += "receivers:\n";
    for (name, receiver) in &config.receivers {
        text += &format!("- name: {}\n", quoted(name));
        // Those of a kind stand together, as they were read.
        for own in receiver.integrations.chunk_by(|a, b| a.kind == b.kind) {
            let each = own
                .iter()
                .map(|one| format!("{{ send_resolved: {} }}", one.send_resolved));
            let each: Vec<String> = each.collect();
            text += &format!("  {}: [{}]\n", own[0].kind, each.join(", "));
        }
    }
    text
}

fn route(config: &Config, at: usize, indent: &str, text: &mut String) {
    let Some(own) = config.routes.get(at) else {
        return;
    };
    let group_by = match &own.group_by {
        GroupBy::All => "['...']".to_owned(),
        GroupBy::Labels(names) => list(names),
    };
    let mut lines = vec![
        format!("receiver: {}", quoted(&own.receiver)),
        format!("group_by: {group_by}"),
        format!("group_wait: {}", format_ms(own.group_wait_ms)),
        format!("group_interval: {}", format_ms(own.group_interval_ms)),
        format!("repeat_interval: {}", format_ms(own.repeat_interval_ms)),
    ];
    if !own.matchers.is_empty() {
        lines.push(format!("matchers: {}", matchers(&own.matchers)));
    }
    if own.goes_on {
        lines.push("continue: true".to_owned());
    }
    for (key, names) in [
        ("mute_time_intervals", &own.mute_time_intervals),
        ("active_time_intervals", &own.active_time_intervals),
    ] {
        if !names.is_empty() {
            lines.push(format!("{key}: {}", list(names)));
        }
    }
    // The first line of an item of a list stands behind its dash.
    for (number, line) in lines.iter().enumerate() {
        let lead = match (number, at) {
            (0, 1..) => format!("{}- ", &indent[..indent.len() - 2]),
            _ => indent.to_owned(),
        };
        *text += &format!("{lead}{line}\n");
    }
    if !own.children.is_empty() {
        *text += &format!("{indent}routes:\n");
    }
    for child in &own.children {
        route(config, *child, &format!("{indent}  "), text);
    }
}

fn matchers(all: &[Matcher]) -> String {
    list(all.iter().map(ToString::to_string))
}

fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items
        .into_iter()
        .map(|item| quoted(item.as_ref()))
        .collect();
    format!("[{}]", items.join(", "))
}

/// A pattern for one name.
fn glob(name: &str) -> String {
    let last = name.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (place, c) in name.chars().enumerate() {
        let is_trimmed = c.is_whitespace() && (place == 0 || place == last);
        match c {
            _ if is_trimmed || c.is_control() => text.push('?'),
            ',' | '*' | '?' | '\\' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

/// A text in double quotes; JSON's are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
