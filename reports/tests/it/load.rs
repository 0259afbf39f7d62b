//! Load tests as people and machines read them.

use crate::schema::keeps_to_the_schema;
use firedrill_reports::document::{load_passes, of_knee, of_load};
use firedrill_reports::load::{
    About, Borne, Counts, Drive, FORMAT, Knee, Latencies, Left, LoadFacts, LoadHeader, LoadRecord,
    Process, RedisRow, RedisSide, Role, Round, Row, Series, Stage, Trial, Trouble,
};
use firedrill_reports::record::Mark;
use firedrill_reports::render::{self, Style};
use firedrill_reports::result::ResultFile;

const STYLE: Style = Style {
    colour: false,
    width: 120,
};

/// Ten seconds at 100 tasks a second, after one of warm-up; each waits for a bit longer than the one before.
fn load() -> LoadRecord {
    let mut record = LoadRecord {
        facts: LoadFacts {
            header: LoadHeader {
                format: FORMAT.to_owned(),
                name: "load".into(),
                seed: 7,
                asked_per_s: Some(100.0),
                lasts_s: 10.0,
                warmup_s: 1.0,
                producers: 1,
                workers: 2,
                slots: 20,
                redis: "redis 7.0.15".into(),
                ..LoadHeader::default()
            },
            left: Some(Left {
                processed: 1_096,
                failed: 6,
                archived: 6,
                pending: 4,
                ..Left::default()
            }),
            redis: Some(RedisSide {
                wall_s: 11.0,
                cpu_s: 1.1,
                cpu_most: 0.2,
                commands: 5_500,
                script_calls: 3_300,
                script_s: 0.55,
                memory_first: 1_000_000,
                memory_most: 2_500_000,
                bytes_in: 1_100_000,
                bytes_out: 220_000,
                slow: 1,
                slowest: Some(("EVALSHA".into(), 0.012)),
            }),
            ran_s: 11.0,
            ..LoadFacts::default()
        },
        ..LoadRecord::default()
    };
    let process = |name: &str, role: Role, cpu_s: f64| Process {
        name: name.into(),
        role,
        cpu_s,
        cpu_most: 0.3,
        rss_bytes: 20_000_000,
        ended_well: true,
    };
    record.facts.processes = vec![
        process("producer-0", Role::Producer, 1.0),
        process("load-w-0", Role::Worker, 2.0),
        process("load-w-1", Role::Worker, 3.0),
    ];
    let mut series = Series::default();
    for second in 0..11_u64 {
        let counts = Counts {
            intended: 100,
            sent: 100,
            enqueued: 100,
            started: 100,
            succeeded: if second == 10 { 90 } else { 100 },
            failed: if second == 10 { 6 } else { 0 },
            ..Counts::default()
        };
        let mut latencies = Latencies::default();
        for task in 0..100 {
            let wait_us = 500 + (second * 100 + task) as i64 * 10;
            for (stage, us) in [
                (Stage::Lateness, 80),
                (Stage::Enqueue, 400),
                (Stage::Wait, wait_us),
                (Stage::Service, 2_000),
                (Stage::EndToEnd, wait_us + 2_000),
            ] {
                latencies[stage].record(us * 1_000);
            }
        }
        let mut row = Row {
            at_s: second as f64,
            width_s: 1.0,
            counts,
            backlog: Some(second),
            redis: Some(RedisRow {
                cpu: 0.1,
                memory_bytes: 1_000_000 + second * 150_000,
                ..RedisRow::default()
            }),
            worker_cpu: 0.5,
            producer_cpu: 0.1,
            worker_rss: 40_000_000,
            producer_rss: 20_000_000,
            ..Row::default()
        };
        if second > 0 {
            row.measured(&latencies);
            record.latencies.merge(&latencies);
        }
        record.facts.counts.add(&counts);
        series.push(row);
    }
    record.facts.series = series;
    record
}

#[test]
fn a_terminal_shows_a_load_at_a_glance() {
    let load = load();
    assert_eq!(load.doubts(), Vec::<String>::new());
    insta::assert_snapshot!(render::terminal(&of_load(&load, None), STYLE));
}

#[test]
fn a_load_that_proves_nothing_says_why_first() {
    let mut load = load();
    load.facts.troubles.push(Trouble {
        at_ms: 4_200,
        what: "Redis did not answer: connection refused".into(),
        about: About::Redis,
    });
    let document = of_load(&load, None);
    assert_eq!(load_passes(&load, None), None);
    let verdict = document.verdict.as_ref().unwrap();
    assert_eq!(verdict.word, "inconclusive");
    assert!(
        verdict
            .sentence
            .starts_with("at 4.2 s: Redis did not answer"),
        "{}",
        verdict.sentence
    );
    load.facts.header.drive = Drive::Closed { loops: 8 };
    let text = render::markdown(&of_load(&load, None));
    assert!(
        text.contains("no figures for users who do not wait"),
        "{text}"
    );
}

#[test]
fn every_format_takes_a_load() {
    let load = load();
    let document = of_load(&load, None);
    let html = render::html(&document);
    for title in [
        "tasks per second",
        "99th percentiles, ms",
        "processor time, cores",
        "memory, MB",
    ] {
        assert!(html.contains(title), "{title}");
    }
    assert_eq!(html, render::html(&of_load(&load, None)), "the same bytes");
    keeps_to_the_schema(&ResultFile::of_load(&load, None), "load");
    let nothing = LoadRecord::default();
    keeps_to_the_schema(&ResultFile::of_load(&nothing, None), "load");
    assert!(render::html(&of_load(&nothing, None)).contains("inconclusive"));
}

#[test]
fn a_load_says_what_it_was_under_and_how_to_repeat_it() {
    let mut load = load();
    let facts = &mut load.facts;
    facts.header.command = "firedrill load --rate 100/s --seed 7".into();
    facts.header.cpus = 4;
    facts.header.plan = "name: load\n".into();
    facts.marks.push(Mark {
        step: None,
        phase: None,
        planned_ms: 4_000,
        at_ms: 4_100,
        what: "worker.kill".into(),
        targets: vec!["w-0".into(), "w-1".into()],
        verified: true,
        saw: "2 of 2 processes gone".into(),
    });
    let read: LoadFacts = serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap();
    assert_eq!(&read, facts);
    let html = render::html(&of_load(&load, None));
    for said in [
        "firedrill load --rate 100/s --seed 7",
        "<dt>processors</dt><dd class=\"muted\">4</dd>",
        "name: load",
        "2 of 2 processes gone",
        "tasks, by how long they waited",
        "faults and remedies",
    ] {
        assert!(html.contains(said), "{said}");
    }
    let text = render::terminal(&of_load(&load, None), STYLE);
    assert!(text.contains("worker.kill"), "{text}");
    // Those of before that was kept say what they know.
    load.facts.header.command.clear();
    load.facts.marks.clear();
    let html = render::html(&of_load(&load, None));
    assert!(!html.contains("to repeat it") && !html.contains("faults and remedies"));
}

#[test]
fn the_search_for_the_largest_rate_is_told_with_its_spread() {
    let trial = |round: u32, rate: f64, borne: Borne| Trial {
        round,
        rate,
        done_per_s: rate * 0.99,
        wait_p99_s: Some(0.02),
        backlog: Some(3),
        borne,
    };
    let mut knee = Knee {
        name: "load".into(),
        max_wait_s: 0.5,
        trials: vec![
            trial(1, 1_000.0, Borne::Yes),
            trial(1, 2_000.0, Borne::No("1 % waited 0.91 s or more".into())),
            trial(2, 980.0, Borne::Yes),
        ],
        rounds: vec![
            Round::Found(1_000.0),
            Round::Found(980.0),
            Round::Found(1_040.0),
        ],
    };
    insta::assert_snapshot!(render::terminal(&of_knee(&knee), STYLE));
    keeps_to_the_schema(&ResultFile::from(&knee), "knee");
    knee.rounds.push(Round::AtLeast(
        4_000.0,
        "the generator was the limit".into(),
    ));
    let verdict = of_knee(&knee).verdict.unwrap();
    assert_eq!((&*verdict.word, knee.spread()), ("inconclusive", None));
    keeps_to_the_schema(&ResultFile::from(&knee), "knee");
}
