//! Alertmanager files with pieces moved, doubled, cut and replaced: each is read or refused, and what is read is read again from what
//! records keep of it.

use firedrill_reports::alertmanager::{Config, Labels};
use proptest::prelude::*;

/// A file with something of everything that decides who is sent what, and when.
const FILE: &str = r#"# firedrill: pages = pager, team*
global: { resolve_timeout: 5m }
route:
  receiver: chat
  group_by: [alertname, queue]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
  - matchers: ['severity=~"page|critical"', team!=web]
    receiver: pager
    continue: true
    mute_time_intervals: [nights]
    routes:
    - match_re: { queue: "^(a|b)$" }
      receiver: team b
      group_by: ['...']
      active_time_intervals: [office]
  - match: { severity: ticket }
    receiver: chat
inhibit_rules:
- source_matchers: [severity="critical"]
  target_match_re: { severity: 'page|ticket' }
  equal: [queue]
time_intervals:
- name: nights
  time_intervals:
  - times: [{ start_time: '00:00', end_time: '06:30' }, { start_time: '22:00', end_time: '24:00' }]
    weekdays: ['monday:friday', sunday]
    days_of_month: ['1:5', '-3:-1']
    months: ['january:march', '12']
    years: ['2026:2030']
    location: Europe/Berlin
- name: office
  time_intervals: [{ weekdays: ['monday:friday'], location: America/New_York }]
receivers:
- { name: chat, slack_configs: [{ send_resolved: true }] }
- { name: pager }
- name: team b
  webhook_configs: [{ url: 'http://h', send_resolved: false }]
"#;

/// What is put in the place of something.
const PIECES: [&str; 26] = [
    "",
    "\n",
    "  ",
    "- ",
    ": ",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "=~",
    "!=",
    "(",
    "*",
    "&a",
    "*a",
    "<<: ",
    "-1",
    "99999999999y",
    "24:00",
    "tuesday:monday",
    "Mars/Olympus",
    "\u{0}",
    "\u{feff}",
    "...",
];

#[derive(Debug, Clone)]
enum Change {
    Replace {
        at: usize,
        many: usize,
        piece: usize,
    },
    Copy {
        from: usize,
        many: usize,
        to: usize,
    },
}

/// The next place where a character begins.
fn place(text: &str, at: usize) -> usize {
    let at = at % (text.len() + 1);
    (at..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

fn changed(changes: &[Change]) -> String {
    let mut text = FILE.to_owned();
    for change in changes {
        match *change {
            Change::Replace { at, many, piece } => {
                let from = place(&text, at);
                let to = place(&text, (from + many).min(text.len()));
                text.replace_range(from..to, PIECES[piece]);
            }
            Change::Copy { from, many, to } => {
                let from = place(&text, from);
                let end = place(&text, (from + many).min(text.len()));
                let part = text[from..end].to_owned();
                let to = place(&text, to);
                text.insert_str(to, &part);
            }
        }
    }
    text
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = || 0..FILE.len();
    let replace = (at(), 0..12usize, 0..PIECES.len())
        .prop_map(|(at, many, piece)| Change::Replace { at, many, piece });
    let copy =
        (at(), 0..80usize, at()).prop_map(|(from, many, to)| Change::Copy { from, many, to });
    prop::collection::vec(prop_oneof![replace, copy], 0..4)
}

fn alert(severity: &str, queue: &str) -> Labels {
    [("alertname", "A"), ("severity", severity), ("queue", queue)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_file_is_read_or_refused(changes in changes()) {
        let text = changed(&changes);
        match Config::parse("alertmanager.yml", &text) {
            Err(problems) => prop_assert!(!problems.is_empty(), "refused without a word"),
            Ok(config) => {
                let kept = config.reduced();
                let again = Config::parse(&kept.name, &kept.text);
                let again = again.unwrap_or_else(|found| panic!("{found:#?}\n{}\nof\n{text}", kept.text));
                prop_assert_eq!(&config, &again, "{}", text);
                for severity in ["page", "critical", "ticket", ""] {
                    let _ = config.receivers_of(&alert(severity, "a"));
                }
            }
        }
    }
}

/// Without it, all of the above could be about files that are refused.
#[test]
fn as_it_is_the_file_is_read() {
    let config = Config::parse("alertmanager.yml", FILE);
    let config = config.unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(config.receivers_of(&alert("page", "a")), ["team b"]);
    assert_eq!(config.receivers_of(&alert("critical", "c")), ["pager"]);
    assert_eq!(config.receivers_of(&alert("ticket", "c")), ["chat"]);
}
