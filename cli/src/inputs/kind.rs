//! What a file is, by what is in it: wherever it stands on the command line.

use firedrill_detector::yaml::{Problems, Value, parse_all};

/// What people hand to firedrill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A scenario.
    Scenario,
    /// A Prometheus rule file, or PrometheusRule resources.
    Rules,
    /// A test file of `promtool test rules`.
    RuleTest,
    /// A world.
    World,
    /// Gates, and failures that are known.
    Gates,
    /// A record of a drill.
    Record,
}

impl Kind {
    /// For messages, with its article.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scenario => "a scenario",
            Self::Rules => "a rule file",
            Self::RuleTest => "a test file of promtool",
            Self::World => "a world",
            Self::Gates => "a gate file",
            Self::Record => "a record",
        }
    }

    /// What a file with this beginning or text is; `None`: it does not say.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}');
        // A record may be cut off or damaged: its first words say enough.
        let begins: String = text.chars().take(200).collect();
        if begins.starts_with('{') && begins.contains("\"firedrill-record/") {
            return Some(Self::Record);
        }
        let keys = match text.trim_start().starts_with(['{', '[']) {
            true => keys_of_flow(text),
            // Also where the file is no YAML as a whole.
            false => keys_of_lines(text),
        };
        let has = |any: &[&str]| keys.iter().any(|key| any.contains(&key.as_str()));
        if has(&["tests", "rule_files"]) {
            Some(Self::RuleTest)
        } else if has(&["groups", "apiVersion", "kind"]) {
            Some(Self::Rules)
        } else if !has(&["family", "workload", "workers", "timeline"])
            // A scenario has none of the first, and a name.
            && (has(&["extends", "discovery", "targets"]) || has(&["world"]) && !has(&["name"]))
        {
            Some(Self::World)
        } else if has(&["version", "family", "workload", "workers", "timeline"]) {
            Some(Self::Scenario)
        } else if has(&["gates", "known"]) {
            Some(Self::Gates)
        } else {
            None
        }
    }
}

/// Keys that begin a line.
fn keys_of_lines(text: &str) -> Vec<String> {
    let keys = text.lines().filter_map(|line| line.split_once(':'));
    let keys = keys.map(|(key, _)| key.trim_end().trim_matches(['"', '\'']));
    keys.filter(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .map(str::to_owned)
        .collect()
}

fn keys_of_flow(text: &str) -> Vec<String> {
    let mut problems = Problems::new("");
    let mut keys = Vec::new();
    for node in parse_all(text, &mut problems).unwrap_or_default() {
        if let Value::Mapping(entries) = &node.value {
            let names = entries.iter().filter_map(|(key, _)| key.text());
            keys.extend(names.map(str::to_owned));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_what_is_in_them() {
        for (text, kind) in [
            ("# a\ngroups:\n- name: g\n", Some(Kind::Rules)),
            ("\"groups\": []\n", Some(Kind::Rules)),
            ("\u{feff}groups:\n- name: g\n", Some(Kind::Rules)),
            ("{groups: [{name: g, rules: []}]}", Some(Kind::Rules)),
            ("apiVersion: v1\nkind: List\n", Some(Kind::Rules)),
            ("groups: [\n", Some(Kind::Rules)),
            ("rule_files: [a.yml]\ntests: []\n", Some(Kind::RuleTest)),
            ("version: firedrill/v1\nname: x\n", Some(Kind::Scenario)),
            ("name: x\nworkload: []\n", Some(Kind::Scenario)),
            (
                "name: x\nworld: wiki\nversion: firedrill/v1\n",
                Some(Kind::Scenario),
            ),
            ("version: firedrill/v1\nworld: ours\n", Some(Kind::World)),
            ("version: firedrill/v1\ntargets: {}\n", Some(Kind::World)),
            ("name: ours\nextends: [wiki]\n", Some(Kind::World)),
            ("workers:\n- groups: { into: x }\n", Some(Kind::Scenario)),
            (
                "{\"kind\":\"header\",\"format\":\"firedrill-record/9.0\"}\n",
                Some(Kind::Record),
            ),
            ("gates:\n  jobs_lost: count == 0\n", Some(Kind::Gates)),
            ("known: []\n", Some(Kind::Gates)),
            ("name: x\nfamily: other\ngates: {}\n", Some(Kind::Scenario)),
            ("hello\n", None),
            ("", None),
            ("{", None),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }
}
