//! Records from other releases of the same major version, and records cut at awkward places.

use crate::support::{Story, counted, file, record};
use firedrill_reports::record::{FORMAT, Lag, Line};
use firedrill_reports::{Record, RecordError};

/// A record of before its last line had a checksum.
fn text() -> String {
    counted(&String::from_utf8(file(Story::Crash)).unwrap())
}

/// The record with the lines that hold `what` changed.
fn edited(what: &str, edit: impl Fn(&str) -> String) -> String {
    let lines = text();
    let lines: Vec<String> = lines
        .lines()
        .map(|line| {
            if line.contains(what) {
                edit(line)
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n") + "\n"
}

#[test]
fn a_lag_line_from_before_round_trips_were_measured_opens() {
    let old = edited("\"kind\":\"lag\"", |_| {
        "{\"kind\":\"lag\",\"enqueue_ms\":[1,2,3],\"scrape_ms\":[0,0,0],\"handler_ms\":[0,0,0],\"fault_ms_max\":4}".into()
    })
    .replacen(FORMAT, "firedrill-record/1.0", 1);
    let opened = Record::read(old.as_bytes()).unwrap();
    let expected = Lag {
        enqueue_ms: [1, 2, 3],
        fault_ms_max: 4,
        ..Lag::default()
    };
    assert!(opened.complete);
    assert_eq!(opened.lag(), Some(&expected));
}

#[test]
fn waits_are_read_back_and_older_records_have_none() {
    let line = "{\"kind\":\"waits\",\"queue\":\"default\",\"counts\":[[0,120],[2500,3]]}";
    let newer = text()
        .replacen(
            "{\"kind\":\"lag\"",
            &format!("{line}\n{{\"kind\":\"lag\""),
            1,
        )
        .replacen(FORMAT, "firedrill-record/1.1", 1);
    let newer = counted(&newer);
    let opened = Record::read(newer.as_bytes()).unwrap();
    let waits: Vec<_> = opened.waits().collect();
    assert_eq!((waits.len(), waits[0].queue.as_str()), (1, "default"));
    assert_eq!(waits[0].counts.count(), 123);
    let written = serde_json::to_string(&Line::Waits(waits[0].clone())).unwrap();
    // 2500 and 2501 ms are one wait to three digits, told by the shorter.
    assert_eq!(written, line);
    let reversed = newer.replacen("[[0,120],[2500,3]]", "[[2500,3],[0,120]]", 1);
    let error = Record::read(reversed.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("waits must rise"), "{error}");

    let old = text().replacen(FORMAT, "firedrill-record/1.0", 1);
    let opened = Record::read(old.as_bytes()).unwrap();
    assert!(opened.complete && opened.waits().next().is_none());
}

#[test]
fn waits_over_time_are_those_of_all_tasks_or_none_are_told() {
    let line = |steps: &str| {
        let line = format!(
            "{{\"kind\":\"waits\",\"queue\":\"default\",\"counts\":[[0,120],[2500,3]],\"over_time\":[{steps}]}}"
        );
        let text = text().replacen(
            "{\"kind\":\"lag\"",
            &format!("{line}\n{{\"kind\":\"lag\""),
            1,
        );
        // Of 1.1, in which nothing else says how many tasks started.
        let text = text.replacen(FORMAT, "firedrill-record/1.1", 1);
        Record::read(counted(&text).as_bytes())
    };
    let step = |from_ms: i64, to_ms: i64, started: u64, p50_ms: u64, p99_ms: u64| {
        format!(
            "{{\"from_ms\":{from_ms},\"to_ms\":{to_ms},\"started\":{started},\"p50_ms\":{p50_ms},\"p99_ms\":{p99_ms}}}"
        )
    };
    let first = step(0, 60_000, 120, 0, 0);
    let good = line(&format!(
        "{first},{}",
        step(120_000, 180_000, 3, 2_500, 2_500)
    ))
    .unwrap();
    assert_eq!(good.waits().next().unwrap().over_time.len(), 2);
    assert!(line("").is_ok(), "a record of before");
    for wrong in [
        // Not all of them, over each other, backwards, none, and a median above the rest.
        first.clone(),
        format!("{first},{}", step(30_000, 90_000, 3, 0, 0)),
        format!("{first},{}", step(120_000, 60_000, 3, 0, 0)),
        format!(
            "{first},{},{}",
            step(60_000, 120_000, 3, 0, 0),
            step(120_000, 180_000, 0, 0, 0)
        ),
        format!("{first},{}", step(120_000, 180_000, 3, 2, 1)),
        format!("{first},{}", step(-60_000, 180_000, 3, 0, 0)),
        format!("{first},{}", step(i64::MAX, i64::MIN, 3, 0, 0)),
    ] {
        let error = line(&wrong).unwrap_err();
        assert!(
            matches!(error, RecordError::Impossible { .. }),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_newer_minor_version_may_say_more() {
    let newer = text()
        .replacen(FORMAT, "firedrill-record/1.9", 1)
        .replacen("\"seed\":7", "\"seed\":7,\"moon\":\"full\"", 1)
        .replacen(
            "\"kind\":\"mark\"",
            "\"kind\":\"weather\",\"sky\":\"blue\"}\n{\"kind\":\"mark\",\"colour\":\"red\"",
            1,
        );
    let newer = counted(&newer);
    let mut opened = Record::read(text().as_bytes()).unwrap();
    if let Some(Line::Footer { lines, .. }) = opened.lines.last_mut() {
        *lines = lines.map(|lines| lines + 1);
    }
    assert_eq!(Record::read(newer.as_bytes()).unwrap().lines, opened.lines);
    let same = newer.replacen("firedrill-record/1.9", FORMAT, 1);
    let error = Record::read(same.as_bytes()).unwrap_err();
    assert!(
        matches!(error, RecordError::Damaged { .. }),
        "our own version has no such line: {error}"
    );
}

#[test]
fn a_record_cut_inside_a_character_is_incomplete() {
    let mut bytes = text().into_bytes();
    bytes.extend("{\"kind\":\"mark\",\"note\":\"\u{2014}".as_bytes());
    bytes.pop();
    let opened = Record::read(&bytes[..]).unwrap();
    assert!(!opened.complete, "something was being written");
    let whole = Record::read(text().as_bytes()).unwrap();
    assert_eq!(opened.lines, whole.lines);
}

#[test]
fn series_are_numbered_in_order() {
    let shuffled = edited("\"kind\":\"series\"", |line| {
        line.replacen("\"id\":1", "\"id\":3", 1)
    });
    let error = Record::read(shuffled.as_bytes()).unwrap_err();
    assert!(
        matches!(error, RecordError::SeriesOutOfOrder { id: 3, .. }),
        "{error}"
    );
}

#[test]
fn samples_stand_at_absolute_times() {
    let record = record(Story::Quiet);
    let first = record.samples().next().unwrap();
    assert_eq!(first.at.0, record.header.epoch_ms + 1_000);
    let in_scrapes: usize = record
        .lines
        .iter()
        .map(|line| match line {
            Line::Scrape { values, .. } => values.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(record.samples().count(), in_scrapes);
}

#[test]
fn times_no_drill_reaches_are_refused() {
    let late = edited("\"kind\":\"footer\"", |line| {
        line.replacen("6600000", "9000000000000000000", 1)
    });
    let error = Record::read(late.as_bytes()).unwrap_err();
    assert!(matches!(error, RecordError::Time { .. }), "{error}");
    let never = text().replacen(
        "\"evaluation_interval_ms\":15000",
        "\"evaluation_interval_ms\":0",
        1,
    );
    let error = Record::read(never.as_bytes()).unwrap_err();
    assert!(
        matches!(error, RecordError::Time { line: 1, .. }),
        "{error}"
    );
}
