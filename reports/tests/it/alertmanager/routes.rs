//! `amtool config routes test` and we send the same alerts to the same receivers.

use super::peer::need;
use firedrill_reports::alertmanager::{Config, Labels};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fs;
use std::process::Command;

const TREES: usize = 24;
const ALERTS: usize = 8;
const NAMES: [&str; 3] = ["severity", "team", "queue"];
const VALUES: [&str; 6] = ["page", "pages", "a", "b", "a b", ""];
const PATTERNS: [&str; 6] = ["page|a", "p.*", ".*", "", "[^a]+", "a b?"];

/// Draws from a seed.
struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, many: u32) -> u32 {
        self.0.next_u32() % many
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let many = u32::try_from(all.len()).unwrap();
        all[self.below(many) as usize]
    }

    /// One of the four kinds, in one of the ways to write it.
    fn matcher(&mut self) -> String {
        let name = self.of(&NAMES);
        let sign = self.of(&["=", "!=", "=~", "!~"]);
        let value = match sign.ends_with('~') {
            true => self.of(&PATTERNS),
            false => self.of(&VALUES),
        };
        let blank = self.of(&["", " "]);
        match self.below(4) {
            0 if !value.contains([' ', '[']) => format!("{name}{blank}{sign}{blank}{value}"),
            1 => format!("{{{name}{sign}\"{value}\"}}"),
            _ => format!("{name}{blank}{sign}{blank}\"{value}\""),
        }
    }

    fn route(&mut self, indent: usize, text: &mut String) {
        let pad = " ".repeat(indent);
        let receiver = self.below(6);
        *text += &format!("{pad}- receiver: r{receiver}\n");
        if self.below(3) == 0 {
            *text += &format!("{pad}  continue: true\n");
        }
        match self.below(4) {
            0 => {
                let (name, value) = (self.of(&NAMES), self.of(&VALUES));
                *text += &format!("{pad}  match: {{ {name}: '{value}' }}\n");
            }
            1 => {
                let (name, pattern) = (self.of(&NAMES), self.of(&PATTERNS));
                *text += &format!("{pad}  match_re: {{ {name}: '{pattern}' }}\n");
            }
            many => {
                let matchers = (1..many).map(|_| format!("'{}'", self.matcher()));
                let matchers: Vec<String> = matchers.collect();
                *text += &format!("{pad}  matchers: [{}]\n", matchers.join(", "));
            }
        }
        if indent < 8 && self.below(2) == 0 {
            *text += &format!("{pad}  routes:\n");
            for _ in 0..=self.below(3) {
                self.route(indent + 4, text);
            }
        }
    }

    fn file(&mut self) -> String {
        let mut text = "# firedrill: pages = *\nroute:\n  receiver: r0\n  routes:\n".to_owned();
        for _ in 0..=self.below(4) {
            self.route(2, &mut text);
        }
        text += "receivers:\n";
        for number in 0..6 {
            text += &format!("- {{ name: r{number}, webhook_configs: [{{ url: 'http://x' }}] }}\n");
        }
        text
    }

    fn alert(&mut self) -> Labels {
        let mut labels = Labels::from([("alertname".to_owned(), "A".to_owned())]);
        for name in NAMES {
            let value = self.of(&VALUES);
            if !value.is_empty() {
                labels.insert(name.to_owned(), value.to_owned());
            }
        }
        labels
    }
}

#[test]
fn alerts_go_where_amtool_says_they_go() {
    if !need("amtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("am.yml");
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(14));
    let mut found = std::collections::BTreeSet::new();
    for _ in 0..TREES {
        let text = dice.file();
        fs::write(&path, &text).unwrap();
        let config = Config::parse("am.yml", &text).unwrap_or_else(|problems| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", told.join("\n"))
        });
        let kept = config.reduced();
        let kept = Config::parse(&kept.name, &kept.text).unwrap();
        for _ in 0..ALERTS {
            let labels = dice.alert();
            let output = Command::new("amtool")
                .args(["config", "routes", "test", "--config.file"])
                .arg(&path)
                .args(
                    labels
                        .iter()
                        .map(|(name, value)| format!("{name}=\"{value}\"")),
                )
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}\n{text}");
            let told = String::from_utf8(output.stdout).unwrap();
            let ours = config.receivers_of(&labels);
            assert_eq!(ours.join(","), told.trim(), "{labels:?}\n{text}");
            assert_eq!(ours, kept.receivers_of(&labels));
            found.insert(told.trim().to_owned());
        }
    }
    assert!(
        found.len() >= 6 && found.iter().any(|told| told.contains(',')),
        "{found:?}"
    );
}
