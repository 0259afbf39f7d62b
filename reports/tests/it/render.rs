//! Snapshots of what people read.

use crate::support::{Story, record, rules, scored};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::document::{self, Drill};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::render::{self, Style};
use firedrill_reports::score::Called;
use firedrill_reports::{Record, Replay, ScoreParams, Scorecard, score_drill};
use std::collections::BTreeSet;

fn terminal(card: &Scorecard, style: Style) -> String {
    render::terminal(&document::of_scorecard(card, &[]), style)
}

fn html(drills: &[Drill<'_>], card: &Scorecard) -> String {
    render::html(&document::of_scorecard(card, drills))
}

fn card() -> (Vec<(Record, Replay)>, Scorecard) {
    let stories = [Story::Quiet, Story::Crash, Story::Hang, Story::Night];
    let (drills, scores) = stories
        .map(|story| {
            let record = record(story);
            let (replay, score) = scored(&record);
            ((record, replay), score)
        })
        .into_iter()
        .unzip();
    (drills, Scorecard::new(scores))
}

#[test]
fn a_terminal_shows_the_findings_at_a_glance() {
    insta::assert_snapshot!(terminal(
        &card().1,
        Style {
            colour: false,
            width: 140
        }
    ));
}

#[test]
fn a_narrow_terminal_gets_the_verdict_first_and_no_broken_words() {
    let (_, card) = card();
    let text = |width| {
        let style = Style {
            colour: false,
            width,
        };
        terminal(&card, style)
    };
    insta::assert_snapshot!(matrices(&text(80)));
    let tables = |width: usize| {
        let text = text(width);
        let widest = matrices(&text)
            .lines()
            .map(|line| line.chars().count())
            .max();
        assert!(widest <= Some(width), "{width}: {text}");
    };
    (60..140).for_each(tables);
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let whole = words(&text(usize::MAX));
    for width in 60..140 {
        let text = text(width);
        assert!(text.starts_with("FAILED: "), "{text}");
        // Lists say with a colon what their columns say without.
        let known =
            |word: &String| whole.contains(word) || whole.contains(word.trim_end_matches(':'));
        let broken: Vec<String> = words(&text)
            .into_iter()
            .filter(|word| !known(word))
            .collect();
        assert!(broken.is_empty(), "{width}: {broken:?}");
        let widest = text.lines().map(|line| line.chars().count()).max();
        // The longest name, after what it is the value of.
        assert!(widest <= Some(width.max(66)), "{width}: {text}");
    }
    assert!(
        text(40).contains("  JobProcessingStalled: MISSED\n"),
        "{}",
        text(40)
    );
}

#[test]
fn nothing_is_red_or_missed_in_a_drill_that_was_stopped_before_its_incident() {
    // Three minutes of it: the fault was to come at four.
    let whole = include_str!("records/short-crash-1.1.jsonl");
    let lines = whole.lines().filter(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_kept = match value["kind"].as_str().unwrap() {
            "header" | "series" => true,
            "footer" => false,
            _ => value["at_ms"].as_i64().is_some_and(|at_ms| at_ms < 180_000),
        };
        is_kept && !line.contains("worker.kill\",\"target")
    });
    let mut stopped: Vec<&str> = lines.collect();
    stopped.push("{\"kind\":\"footer\",\"at_ms\":180000,\"real_seconds\":1.5,\"aborted\":\"stopped by signal\"}");
    let record = Record::read((stopped.join("\n") + "\n").as_bytes()).unwrap();
    let (replay, score) = scored(&record);
    let card = Scorecard::new(vec![score]);
    let style = Style {
        colour: true,
        width: 140,
    };
    let text = terminal(&card, style);
    assert!(!text.contains("\u{1b}[1;31m"), "{text}");
    let drill = Drill {
        record: &record,
        replay: &replay,
        rules: &rules(),
    };
    let html = html(&[drill], &card);
    assert!(!html.contains("class=\"bad\""), "{html}");
    let plain = Style {
        colour: false,
        width: 140,
    };
    insta::assert_snapshot!(terminal(&card, plain));
}

/// The tables of alerts, without what follows.
fn matrices(text: &str) -> String {
    let tables = text.split("\n\n");
    let alerts: Vec<&str> = tables
        .filter(|table| table.contains("Stalled") && !table.contains("wanted"))
        .filter(|table| !table.contains("SUMMARY") && !table.starts_with("FAILED"))
        .collect();
    alerts.join("\n\n")
}

#[test]
fn colour_only_when_asked() {
    let (_, card) = card();
    assert!(
        terminal(
            &card,
            Style {
                colour: true,
                width: 140
            }
        )
        .contains("\u{1b}[1;31mMISSED\u{1b}[0m")
    );
    assert!(
        !terminal(
            &card,
            Style {
                colour: false,
                width: 140
            }
        )
        .contains('\u{1b}')
    );
}

#[test]
fn markdown_for_a_pull_request() {
    insta::assert_snapshot!(render::markdown(&document::of_scorecard(&card().1, &[])));
}

#[test]
fn what_causes_were_called_is_a_grid_where_there_is_room() {
    let called = |cause: &str, named: &[&'static str]| Called {
        cause: cause.to_owned(),
        named: named.to_vec(),
        incidents: 2,
    };
    let mut card = card().1;
    card.called = vec![
        called("deadlock", &["deadlock"]),
        called("worker-crashed", &[]),
    ];
    let document = document::of_scorecard(&card, &[]);
    let markdown = render::markdown(&document);
    let head = "| cause, and what it was called | deadlock | worker-crashed | nothing known |\n";
    assert!(markdown.contains(head), "{markdown}");
    assert!(
        markdown.contains("| worker-crashed |  |  | **2** |\n"),
        "{markdown}"
    );
    assert!(html(&[], &card).contains("<th scope=\"col\">nothing known</th>"));
    let list = terminal(
        &card,
        Style {
            colour: false,
            width: 140,
        },
    );
    assert!(
        list.contains("worker-crashed  nothing known  2\n") && !list.contains("cause, and"),
        "{list}"
    );
}

#[test]
fn json_for_machines() {
    let value: serde_json::Value =
        serde_json::from_str(&render::json(&(&card().1).into())).unwrap();
    assert_eq!(value["version"], "2.0");
    assert_eq!(value["verdict"], "failed");
    let crash = &value["drills"][1];
    assert_eq!(crash["scenario"], "worker-crash-all");
    assert_eq!(crash["alerts"][3]["did"], "missed");
    let hang = &value["drills"][0]["alerts"][3];
    assert_eq!(hang["did"], "detected");
    assert_eq!(hang["in_time"], false);
    assert!(
        (860.0..920.0).contains(&hang["from_fault_seconds"].as_f64().unwrap()),
        "{hang}"
    );
    assert!(
        (3_560.0..3_620.0).contains(&hang["self_resolved_seconds"].as_f64().unwrap()),
        "{hang}"
    );
    assert_eq!(value["summary"]["recall"]["k"], 1);
    assert_eq!(value["summary"]["false_pages"], 1);
}

#[test]
fn html_is_whole_and_needs_nothing_from_elsewhere() {
    let (records, card) = card();
    let rules = rules();
    let drills: Vec<Drill<'_>> = records
        .iter()
        .map(|(record, replay)| Drill {
            record,
            replay,
            rules: &rules,
        })
        .collect();
    let page = html(&drills, &card);
    assert_eq!(page, html(&drills, &card));
    assert_balanced(&page);
    // Five charts a drill, and the two comparisons of the rule that missed an incident and came late for another.
    assert_eq!(page.matches("<svg class=\"desk\"").count(), 4 * 5 + 2 * 2);
    assert_eq!(
        page.matches("Why JobProcessingStalled was not there in time")
            .count(),
        2
    );
    assert!(page.contains("1 missed, 1 late, 1 cries wolf"));
    // While all workers are gone there is nothing to compare.
    let gone = "sum(rate(job_processed_total[5m])) over the drill, against 0: value at most 10 (";
    let gone: Vec<&str> = page.split(gone).skip(1).collect();
    assert!(
        gone.iter()
            .any(|rest| rest[..rest.find("</p>").unwrap()].contains("There was no data at ")),
        "{gone:?}"
    );
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
    assert!(page.contains("JobProcessingStalled cleared early, at +"));
    assert!(page.contains("JobProcessingStalled cried wolf at +15:"));
    assert!(page.contains("Nobody was paged about this worker-crashed incident"));
}

/// The page of the drill whose workers vanish, under rules that say of no cause which of them is to see it.
fn under(text: &str) -> String {
    let record = record(Story::Crash);
    let file = RuleFile {
        name: "own.yml".into(),
        text: text.into(),
    };
    let rules = RuleSet::load(&[file], Compat::default()).unwrap();
    let alerts: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
    let texts = [RuleText {
        name: "own.yml".into(),
        text: text.into(),
    }];
    let pack = RulePack::parse(&texts, &alerts).unwrap();
    let replay = firedrill_reports::replay(&record, &rules);
    let score = score_drill(&record, &replay, &pack, &ScoreParams::default());
    let drill = Drill {
        record: &record,
        replay: &replay,
        rules: &rules,
    };
    html(&[drill], &Scorecard::new(vec![score]))
}

#[test]
fn where_no_rule_was_to_see_an_incident_the_one_that_came_nearest_is_shown() {
    let rule = |name: &str, expr: &str, hold: &str| {
        format!(
            "  - {{ alert: {name}, expr: '{expr}', for: {hold}, labels: {{ severity: page }} }}\n"
        )
    };
    let rules = |rules: &[String]| format!("groups:\n- name: own\n  rules:\n{}", rules.concat());
    let rate = "sum(rate(job_processed_total[5m]))";
    // Of 10 jobs a second, 20 are nearer than 900.
    let far = rule("Far", &format!("{rate} > 900"), "1m");
    let near = rule("Near", &format!("{rate} > 20"), "1m");
    let page = under(&rules(&[far.clone(), near.clone()]));
    assert!(page.contains("Why nobody was told"), "{page:.3000}");
    assert!(page.contains("cause worker-crashed expects ALERT"));
    assert!(page.contains("Near came nearest, at +"));
    assert!(page.contains("own.yml:5") && !page.contains("Far came nearest"));
    // One that was pending was nearer still.
    let waits = rule("Waits", "absent(job_processed_total)", "3h");
    let page = under(&rules(&[far, near, waits]));
    assert!(
        page.contains("Waits came nearest: its condition held from +"),
        "{page:.3000}"
    );
    // A rule about something else has nothing to compare.
    let elsewhere = rule("Elsewhere", "nothing_of_this_kind > 1", "1m");
    let page = under(&rules(&[elsewhere]));
    assert!(
        page.contains("No rule of the pack speaks about an incident of worker-crashed"),
        "{page:.3000}"
    );
}

/// Every element that is opened is closed, in order.
pub(crate) fn assert_balanced(page: &str) {
    const VOID: [&str; 3] = ["meta", "wbr", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag
            .split_once('>')
            .unwrap_or_else(|| panic!("not closed: <{tag:.60}"));
        let name = tag
            .trim_start_matches('/')
            .split([' ', '\n', '/'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
