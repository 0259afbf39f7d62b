//! Records: what is written reads back, what is cut short still opens, what is foreign is told apart.

use crate::support::{Story, counted, file, record, rules, scored};
use firedrill_reports::record::{FORMAT, Line, Value};
use firedrill_reports::{Record, RecordError, Verdict, Watcher, replay};
use proptest::prelude::*;

#[test]
fn a_replay_under_its_own_rules_says_what_the_drill_said() {
    for story in [Story::Quiet, Story::Crash, Story::Hang, Story::Night] {
        let record = record(story);
        let recorded: Vec<_> = record.transitions().cloned().collect();
        assert_eq!(replay(&record, &rules()).transitions, recorded);
        assert_eq!(
            recorded.is_empty(),
            matches!(story, Story::Quiet | Story::Crash)
        );
    }
}

/// Records number series from zero on, but nobody has to: a number that is far off costs no more than any other.
#[test]
fn series_may_have_any_numbers() {
    let record = record(Story::Hang);
    for number in [
        |place: usize| place as u32,
        |place: usize| u32::MAX - place as u32,
        |place: usize| (place as u32 + 1) % 3 * 1_000_000_000,
    ] {
        let mut watcher = Watcher::new(rules(), &record.header);
        let mut known = Vec::new();
        let mut lines = Vec::new();
        for (at_ms, _, samples) in record.scrapes() {
            let mut numbered = vec![(77, 1.0)];
            for (labels, value) in &samples {
                let place = known.iter().position(|other| other == labels);
                let place = place.unwrap_or_else(|| {
                    watcher.series(number(known.len()), labels);
                    known.push(labels.clone());
                    known.len() - 1
                });
                numbered.push((number(place), *value));
            }
            lines.extend(watcher.numbered(at_ms, &numbered));
        }
        lines.extend(watcher.finish(record.end_ms()));
        assert!(known.len() > 1);
        let expected: Vec<Line> = record
            .transitions()
            .cloned()
            .map(Line::Transition)
            .collect();
        lines.retain(|line| matches!(line, Line::Transition(_)));
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_record_cut_anywhere_opens_as_incomplete() {
    let whole = file(Story::Crash);
    let header_end = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (header_end..whole.len() - 1).step_by(997) {
        let record = Record::read(&whole[..cut]).unwrap();
        assert!(!record.complete);
        assert_eq!(scored(&record).1.verdict, Verdict::Inconclusive);
    }
}

#[test]
fn damage_in_the_middle_is_told_by_line() {
    let text = String::from_utf8(file(Story::Quiet)).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[4] = "{\"kind\":\"scra";
    let error = Record::read(lines.join("\n").as_bytes()).unwrap_err();
    assert!(
        matches!(error, RecordError::Damaged { line: 5, .. }),
        "{error}"
    );
    let foreign = text.replacen(FORMAT, "firedrill-record/2.0", 1);
    assert!(matches!(
        Record::read(foreign.as_bytes()),
        Err(RecordError::Version { .. })
    ));
    let newer = counted(&text).replacen(FORMAT, "firedrill-record/1.7", 1);
    assert!(
        Record::read(newer.as_bytes()).unwrap().complete,
        "a newer minor version is read"
    );
    assert!(matches!(Record::read(&b""[..]), Err(RecordError::Empty)));
    let unknown = text.replacen("\"values\":[[0", "\"values\":[[99", 1);
    assert!(matches!(
        Record::read(unknown.as_bytes()),
        Err(RecordError::UnknownSeries { id: 99, .. })
    ));
}

proptest! {
    #[test]
    fn values_keep_their_bits(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        // Of the many NaNs only the staleness marker is told apart.
        let kept = if value.is_nan() && !firedrill_detector::sample::is_stale(value) { f64::NAN } else { value };
        let line = Line::Scrape { at_ms: 1, target: "t".into(), values: vec![(0, Value(value))] };
        let back: Line = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
        let expected = Line::Scrape { at_ms: 1, target: "t".into(), values: vec![(0, Value(kept))] };
        prop_assert_eq!(back, expected);
    }
}

/// A file without an end of line is not read into memory as a whole.
#[test]
fn a_line_without_end_is_refused() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = Record::read(endless).unwrap_err();
    assert!(
        matches!(error, RecordError::LongLine { line: 1 }),
        "{error}"
    );
    // The parser gives up on nesting by itself.
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let error = Record::read(deep.as_bytes()).unwrap_err();
    assert!(
        matches!(error, RecordError::Damaged { line: 1, .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any text, and a record with something else in the place of a few bytes, is read or refused.
    #[test]
    fn any_text_is_answered(
        text in any::<String>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        put in prop::sample::select(vec![
            "", "-1", "9223372036854775807", "1e400", "null", "[", "}", "\"", "\\ud800", "\n", "\u{0}", "\u{e9}",
        ]),
    ) {
        let _ = Record::read(text.as_bytes());
        let mut bytes = file(Story::Hang);
        let from = at.index(bytes.len());
        let until = (from + length).min(bytes.len());
        bytes.splice(from..until, put.bytes());
        let _ = Record::read(bytes.as_slice());
    }
}
