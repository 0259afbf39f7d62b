//! Records are checked as a whole: what no drill writes is refused, what is cut short proves nothing, and no edit of a
//! record's structure turns a drill that failed into one that passed.

use crate::support::{Story, counted, file};
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::jsonl::Impossible;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Record, RecordError, RecordWriter, ScoreParams, Verdict, score_recorded};
use serde_json::{Value, json};

/// Records that releases left of the same virtual drill, in which a page came too late.
const LEFT: [(&str, &str); 3] = [
    ("1.0", include_str!("records/short-crash-1.0.jsonl")),
    ("1.1", include_str!("records/short-crash-1.1.jsonl")),
    ("1.2", include_str!("records/short-crash-1.2.jsonl")),
];

fn verdict(record: &Record) -> Verdict {
    let files: Vec<RuleFile> = record
        .header
        .rules
        .iter()
        .map(|rule| RuleFile {
            name: rule.name.clone(),
            text: rule.text.clone(),
        })
        .collect();
    let Ok(rules) = RuleSet::load(&files, Compat::default()) else {
        return Verdict::Inconclusive;
    };
    let alerts: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
    let Ok(pack) = RulePack::parse(&record.header.rules, &alerts) else {
        return Verdict::Inconclusive;
    };
    score_recorded(record, &pack, &ScoreParams::default()).verdict
}

/// The newest of them as this release writes it, but without a checksum, which would tell of any edit.
fn lines() -> Vec<String> {
    let text = counted(&sealed());
    text.lines().map(str::to_owned).collect()
}

/// The same with its checksum.
fn sealed() -> String {
    let record = Record::read(LEFT[2].1.as_bytes()).unwrap();
    let mut writer = RecordWriter::new(Vec::new(), &record.header).unwrap();
    record
        .lines
        .iter()
        .for_each(|line| writer.write(line).unwrap());
    String::from_utf8(writer.into_inner()).unwrap()
}

fn read(lines: &[String]) -> Result<Record, RecordError> {
    Record::read((lines.join("\n") + "\n").as_bytes())
}

#[test]
fn records_of_older_releases_open_and_score_as_they_did() {
    for (version, text) in LEFT {
        let record = Record::read(text.as_bytes()).unwrap_or_else(|e| panic!("{version}: {e}"));
        assert!(record.complete, "{version}");
        assert_eq!(verdict(&record), Verdict::Failed, "{version}");
    }
}

/// What became of an edited record.
fn judge(lines: &[String], what: &str) -> Option<Verdict> {
    let record = read(lines).ok()?;
    let verdict = verdict(&record);
    assert!(
        record.complete || verdict == Verdict::Inconclusive,
        "{what}"
    );
    assert_ne!(verdict, Verdict::Passed, "{what}: a failed drill passed");
    Some(verdict)
}

#[test]
fn no_line_can_be_taken_doubled_or_exchanged() {
    let whole = lines();
    let last = whole.len() - 1;
    for at in 0..whole.len() {
        let mut fewer = whole.clone();
        fewer.remove(at);
        let fewer = judge(&fewer, &format!("without line {}", at + 1));
        // Without its last line a record was cut short.
        let expected = (at == last).then_some(Verdict::Inconclusive);
        assert_eq!(fewer, expected, "without line {}", at + 1);

        let mut more = whole.clone();
        more.insert(at, whole[at].clone());
        assert_eq!(judge(&more, "doubled"), None, "line {} twice", at + 1);

        if at > 0 {
            let mut exchanged = whole.clone();
            exchanged.swap(at - 1, at);
            judge(&exchanged, &format!("lines {at} and {} exchanged", at + 1));
        }
    }
}

/// Records of before had no count of their lines; order, states and sums are the same.
#[test]
fn older_records_are_held_to_what_they_can_be() {
    for (version, text) in LEFT {
        let whole: Vec<String> = text.lines().map(str::to_owned).collect();
        for at in 0..whole.len() {
            let kind: Value = serde_json::from_str(&whole[at]).unwrap();
            let kind = kind["kind"].as_str().unwrap();
            let what = format!("{version}: {kind} in line {}", at + 1);
            let mut fewer = whole.clone();
            fewer.remove(at);
            let outcome = judge(&recounted(&fewer), &what);
            if matches!(kind, "impact" | "audit" | "lag" | "footer") {
                assert_eq!(outcome, Some(Verdict::Inconclusive), "{what}");
            }
            let mut more = whole.clone();
            more.insert(at, whole[at].clone());
            let twice = judge(&recounted(&more), &what);
            assert_eq!(twice, None, "{what} twice");
        }
    }
}

/// Lines of which the last says how many there are, where it says so.
fn recounted(lines: &[String]) -> Vec<String> {
    let text = counted(&(lines.join("\n") + "\n"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn any_edit_at_all_is_told_by_the_checksum() {
    let sealed = sealed();
    assert!(Record::read(sealed.as_bytes()).unwrap().complete);
    let edits = [
        ("\"cause\":\"worker-crashed\"", "\"cause\":\"other\""),
        ("\"deadline_ms\":", "\"deadline_ms\": "),
        ("\"aborted\":null", "\"aborted\": null"),
        ("\"real_seconds\":0.0", "\"real_seconds\":9.0"),
        (
            "\"succeeded\":857,\"archived\":0",
            "\"succeeded\":856,\"archived\":1",
        ),
    ];
    for (from, to) in edits {
        let edited = sealed.replacen(from, to, 1);
        assert_ne!(edited, sealed, "{from}");
        let error = Record::read(edited.as_bytes()).unwrap_err();
        let is_told = matches!(error, RecordError::Changed { .. });
        assert!(is_told, "{from}: {error}");
    }
    let crlf = sealed.replace('\n', "\r\n");
    assert!(Record::read(crlf.as_bytes()).is_err());
    let more = sealed.replacen("\"}\n", "\",\"aborted\":null}\n", 1);
    assert!(Record::read(more.as_bytes()).is_err());
    // It goes without the last end of a line.
    assert!(Record::read(sealed.trim_end().as_bytes()).is_ok());
}

/// Fields that have defaults for the sake of older records are not forgotten in newer ones.
#[test]
fn what_was_taken_out_of_a_line_is_missed() {
    for (kind, path) in [
        ("header", "steps"),
        ("mark", "step"),
        ("mark", "phase"),
        ("impact", "queues"),
        ("audit", "unexplained"),
        ("audit", "unexplained/lost"),
        ("lag", "slot_overhead"),
        ("lag", "gaps"),
        ("footer", "lines"),
    ] {
        let (parent, field) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = if parent.is_empty() {
            String::new()
        } else {
            format!("/{parent}")
        };
        for null in [false, true] {
            let mut lines = lines();
            let is_kind = |line: &&mut String| line.contains(&format!("\"kind\":\"{kind}\""));
            let line = lines.iter_mut().find(is_kind).unwrap();
            let mut value: Value = serde_json::from_str(line).unwrap();
            let object = value.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
            match null {
                true => object[field] = Value::Null,
                false => drop(object.remove(field).unwrap()),
            }
            *line = value.to_string();
            let error = read(&lines).unwrap_err();
            let is_told = matches!(
                error,
                RecordError::Missing { .. } | RecordError::Damaged { .. }
            );
            assert!(is_told, "{kind} {path}: {error}");
        }
    }
}

/// Every number of a value, by its path.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(all) => {
            for (place, value) in all.iter().enumerate() {
                numbers(value, &format!("{path}/{place}"), found);
            }
        }
        Value::Object(all) => {
            for (name, value) in all {
                numbers(value, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_absurd_number_makes_a_failed_drill_pass() {
    let whole = lines();
    for (at, line) in whole.iter().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        // Samples are what was measured; histograms are long.
        if value["kind"] == "waits" || value["kind"] == "scrape" && at > 60 {
            continue;
        }
        let mut paths = Vec::new();
        numbers(&value, "", &mut paths);
        // When a page is wanted is the scenario's to say: nothing else in a record has to agree.
        let is_free =
            |path: &&String| path.starts_with("/values") || path.ends_with("/deadline_ms");
        for path in paths.iter().filter(|path| !is_free(path)) {
            let number = value.pointer(path).unwrap();
            let negative = number.as_i64().map_or(json!(-1.0), |n| json!(-n - 1));
            let thousand = number.as_i64().map(|n| json!(n.saturating_mul(1000) + 1));
            let absurd = [
                Some(negative),
                thousand,
                Some(json!(i64::MAX)),
                Some(json!(i64::MIN)),
                Some(json!(u64::MAX)),
            ];
            for put in absurd.into_iter().flatten() {
                let mut edited = value.clone();
                *edited.pointer_mut(path).unwrap() = put.clone();
                let mut lines = whole.clone();
                lines[at] = edited.to_string();
                judge(&lines, &format!("line {}: {path} = {put}", at + 1));
            }
        }
    }
}

/// The record with the value at `path` of the first line of a kind changed.
fn edited(kind: &str, path: &str, put: Value) -> Result<Record, RecordError> {
    let mut lines = lines();
    let is_kind = |line: &&mut String| line.contains(&format!("\"kind\":\"{kind}\""));
    let line = lines.iter_mut().find(is_kind).unwrap();
    let mut value: Value = serde_json::from_str(line).unwrap();
    *value.pointer_mut(path).unwrap() = put;
    *line = value.to_string();
    read(&lines)
}

fn impossible(result: Result<Record, RecordError>) -> Impossible {
    match result.unwrap_err() {
        RecordError::Impossible { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn what_no_drill_writes_is_named() {
    for (kind, path, put, said) in [
        (
            "header",
            "/epoch_ms",
            json!(i64::MAX),
            "epoch_ms is 9223372036854775807",
        ),
        (
            "header",
            "/warmup_ms",
            json!(840_001),
            "warmup_ms is 840001, not from 0 to 840000",
        ),
        (
            "header",
            "/incidents/0/ends_ms",
            json!(1),
            "incident 0 lasts from 240000 to 1 ms",
        ),
        (
            "header",
            "/incidents/0/deadline_ms",
            json!(1),
            "the deadline of incident 0 lasts",
        ),
        (
            "header",
            "/incidents/0/id",
            json!(7),
            "incident 7 is not in the header",
        ),
        (
            "header",
            "/incidents/0/step",
            json!("x"),
            "step x of incident 0 is not in the header",
        ),
        (
            "header",
            "/steps/0/ends_ms",
            json!(3),
            "lasts from 240000 to 3 ms",
        ),
        ("header", "/speed", json!(-1.0), "-1 is no speed"),
        (
            "mark",
            "/step",
            json!("other"),
            "step other of a mark is not in the header",
        ),
        (
            "transition",
            "/from",
            json!("firing"),
            "WorkerDown goes from Firing to Pending, and was Inactive",
        ),
        (
            "transition",
            "/at_ms",
            json!(1),
            "a transition at 1 ms stands after",
        ),
        ("scrape", "/at_ms", json!(700_000), "stands after 700000 ms"),
        (
            "impact",
            "/incident",
            json!(3),
            "the impact of incident 3 is not in the header",
        ),
        ("impact", "/last_ms", json!(5), "lasts from"),
        (
            "impact",
            "/harmed_tasks",
            json!(5_000),
            "tasks harmed by incident 0: 5000, of 859 there are",
        ),
        (
            "audit",
            "/succeeded",
            json!(1),
            "do not add up to the 859 that were enqueued",
        ),
        (
            "audit",
            "/late",
            json!(900),
            "late tasks: 900, of 859 there are",
        ),
        ("audit", "/wait_ms/0", json!(999_999_999), "wait_ms: median"),
        ("lag", "/enqueue_ms/0", json!(9), "enqueue_ms: median"),
        ("header", "/engine", json!("dream"), "no engine `dream`"),
        ("header", "/speed", json!(60.0), "60 is no speed"),
        ("header", "/plan", json!(" "), "has no plan"),
        (
            "series",
            "/labels",
            json!({"job": "worker"}),
            "series 0 has no __name__",
        ),
        (
            "mark",
            "/at_ms",
            json!(239_999),
            "before it was due at 240000 ms",
        ),
        (
            "mark",
            "/what",
            json!("redis.kill"),
            "is redis.kill, and should be worker.kill",
        ),
        ("mark", "/phase", json!("end"), "planned_ms is 240000"),
        ("mark", "/targets", json!([]), "and should be w-0"),
        (
            "mark",
            "/targets",
            json!(["w-1"]),
            "is w-1, and should be w-0",
        ),
        ("mark", "/saw", json!(""), "one half and not the other"),
        (
            "audit",
            "/intended",
            json!(860),
            "do not add up to the 860 that were intended",
        ),
        (
            "audit",
            "/executed_twice",
            json!(858),
            "tasks run twice: 858, of 857 there are",
        ),
        (
            "audit",
            "/unexplained/lost",
            json!(1),
            "unexplained losses: 1, of 0 there are",
        ),
        (
            "audit",
            "/wait_ms/2",
            json!(240_640),
            "as the waits of the queues come to",
        ),
        ("lag", "/slot_overhead", json!(-5.0), "slot_overhead is -5"),
        ("lag", "/fault_ms_max", json!(-5), "fault_ms_max is -5"),
        (
            "footer",
            "/at_ms",
            json!(839_999),
            "the drill's end is 839999",
        ),
        ("footer", "/lines", json!(3), "3 lines were written"),
    ] {
        let what = impossible(edited(kind, path, put)).to_string();
        assert!(what.contains(said), "{kind} {path}: {what}");
    }
    let whole = lines();
    let find = |kind: &str| whole.iter().position(|line| line.contains(kind)).unwrap();
    let mut down = whole.clone();
    let is_up = |line: &&String| line.contains("\"__name__\":\"up\"");
    let up: Value = serde_json::from_str(whole.iter().find(is_up).unwrap()).unwrap();
    let sample = format!("[{},1]", up["id"]);
    let scrape = down.iter_mut().find(|line| line.contains(&sample)).unwrap();
    *scrape = scrape.replacen(&sample, &sample.replacen(",1]", ",-4]", 1), 1);
    assert!(matches!(impossible(read(&down)), Impossible::Up(_, -4.0)));
    let mut twice = whole.clone();
    twice[find("\"series\",\"id\":1,")] =
        whole[find("\"series\",\"id\":0,")].replace("\"id\":0,", "\"id\":1,");
    assert_eq!(
        impossible(read(&twice)),
        Impossible::Twice("what series 1 is".into())
    );
    let mut after = whole.clone();
    after.push(whole[find("\"kind\":\"mark\"")].clone());
    assert_eq!(impossible(read(&after)), Impossible::AfterFooter);
    let mut other = whole.clone();
    let first = find("\"kind\":\"scrape\"");
    let target = serde_json::from_str::<Value>(&whole[first]).unwrap()["target"].clone();
    let again = (first + 1..whole.len()).find(|at| whole[*at].contains(target.as_str().unwrap()));
    let again = again.unwrap();
    other[again] = other[again].replace(target.as_str().unwrap(), "worker/w-9");
    assert!(matches!(
        impossible(read(&other)),
        Impossible::Elsewhere { .. }
    ));
}

/// Two alerts of one name and the same labels cannot be told apart in a record: that is no lie.
#[test]
fn alerts_of_one_name_are_no_lie() {
    let text = String::from_utf8(file(Story::Hang)).unwrap();
    let fires: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"to\":\"pending\""))
        .collect();
    let doubled = text.replacen(fires[0], &format!("{0}\n{0}", fires[0]), 1);
    assert!(matches!(
        impossible(Record::read(counted(&doubled).as_bytes())),
        Impossible::CannotFollow { .. }
    ));
    let mut header: Value = serde_json::from_str(doubled.lines().next().unwrap()).unwrap();
    let rule = header["rules"][0]["text"].as_str().unwrap().to_owned();
    let transition: Value = serde_json::from_str(fires[0]).unwrap();
    let group = transition["group"].as_str().unwrap();
    let alert = transition["alert"].as_str().unwrap();
    let same = format!(
        "groups:\n- name: {group}\n  rules:\n  - {{ alert: {alert}, expr: up == 0 }}\n  - {{ alert: {alert}, expr: up == 0, for: 1m }}\n"
    );
    assert_ne!(rule, same);
    header["rules"][0]["text"] = json!(same);
    let first = doubled.lines().next().unwrap();
    let with_double = counted(&doubled).replacen(first, &header.to_string(), 1);
    assert!(Record::read(with_double.as_bytes()).unwrap().complete);
}
