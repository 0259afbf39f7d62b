//! Files made to break the reader: each is refused with its place and a reason, or read, in bounded memory and work.

use firedrill_detector::query::{Query, QueryError};
use firedrill_detector::unit_test::TestFile;
use firedrill_detector::yaml::{self, Problems};
use firedrill_detector::{
    Compat, Detector, Emitted, Labels, Problem, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};
use proptest::prelude::*;

/// Most bytes that reading any file may hold at once: some sixty times the longest accepted.
const BYTES_MAX: u64 = 512 << 20;
/// Most allocations that reading any file may take, the measure of work that no busy machine changes.
const ALLOCATIONS_MAX: u64 = 20_000_000;

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 60_000,
    phase_ms: 0,
};

/// Does the work within the bounds.
fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(work()));
    assert!(taken.bytes_max < BYTES_MAX, "{what}: {taken:?}");
    assert!(taken.count_total < ALLOCATIONS_MAX, "{what}: {taken:?}");
    result.expect("the work was done")
}

fn load(text: String) -> Result<RuleSet, Vec<Problem>> {
    let name = "rules.yml".to_owned();
    RuleSet::load(&[RuleFile { name, text }], Compat::V3)
}

/// Refused, with a problem that begins so and contains the reason; what all problems say is short.
fn refused<T>(what: &str, result: Result<T, Vec<Problem>>, place: &str, reason: &str) {
    let problems = result
        .err()
        .unwrap_or_else(|| panic!("{what} was accepted"));
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        shown
            .iter()
            .any(|p| p.starts_with(place) && p.contains(reason)),
        "{what}: {:.500}\nexpected {place} {reason}",
        shown.join("\n")
    );
    let length: usize = shown.iter().map(String::len).sum();
    assert!(length < 8 << 20, "{what}: {length} bytes of problems");
}

/// A rule file with these rules in flow style.
fn rules<S: AsRef<str>>(rules: impl IntoIterator<Item = S>) -> String {
    let mut text = "groups:\n- name: g\n  rules:\n".to_owned();
    for rule in rules {
        text.push_str(&format!("  - {{ {} }}\n", rule.as_ref()));
    }
    text
}

fn alert(expr: &str) -> String {
    rules([format!("alert: A, expr: '{expr}'")])
}

fn annotated(template: &str) -> String {
    rules([format!(
        "alert: A, expr: x, annotations: {{ a: '{template}' }}"
    )])
}

#[test]
fn hostile_yaml_is_refused() {
    let many = |line: &str| line.repeat((8 << 20) / line.len());
    for (what, text, place, reason) in [
        (
            "too long",
            "#".repeat(100 << 20),
            "rules.yml:1:1",
            "8388608 bytes",
        ),
        ("deep flow", "[".repeat(8 << 20), "rules.yml:1:", ""),
        ("deep mappings", "{a: ".repeat(2 << 20), "rules.yml:1:", ""),
        (
            "deep blocks",
            "- ".repeat(4 << 20),
            "rules.yml:1:",
            "nested too deep",
        ),
        (
            "deep explicit keys",
            "? ".repeat(4 << 20),
            "rules.yml:1:",
            "nested too deep",
        ),
        ("many nodes", many("- a\n"), "rules.yml:", "too many nodes"),
        (
            "one long key",
            format!("{}: 1", "k".repeat(1 << 20)),
            "rules.yml:1:",
            "",
        ),
        (
            "many unknown keys",
            (0..20_000).map(|n| format!("k{n}: 1\n")).collect(),
            "rules.yml:1:1",
            "unknown key `k0`",
        ),
        (
            "untold problems",
            (0..20_000).map(|n| format!("k{n}: 1\n")).collect(),
            "rules.yml:",
            "19000 more problems",
        ),
        (
            "an alias bomb",
            (0..30)
                .map(|n| {
                    format!(
                        "a{}: &a{} [{}]\n",
                        n + 1,
                        n + 1,
                        format!("*a{n}, ").repeat(9)
                    )
                })
                .fold("a0: &a0 x\n".to_owned(), |text, line| text + &line),
            "rules.yml:",
            "too many nodes",
        ),
        (
            "a long quoted text",
            format!("a: \"{}", "\\n".repeat(4 << 20).split_off(9)),
            "rules.yml:",
            "",
        ),
        (
            "groups of one name",
            format!("groups:\n{}", "- name: g\n".repeat(20_000)),
            "rules.yml:3:",
            "twice",
        ),
    ] {
        let result = bounded(what, || load(text));
        refused(what, result, place, reason);
    }
}

#[test]
fn hostile_rules_are_refused() {
    let labels = |count: usize| -> String {
        let pairs: Vec<String> = (0..count).map(|n| format!("l{n}: x")).collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    let wide = format!("alert: A, expr: '{}'", "(x+x)*".repeat(90) + "x");
    let group = format!(
        "groups:\n- name: g\n  labels: {{ a: {} }}\n  rules:\n{}",
        "v".repeat(4 << 20),
        "  - { alert: A, expr: x }\n".repeat(100)
    );
    for (what, text, place, reason) in [
        (
            "too many rules",
            rules(std::iter::repeat_n("alert: A, expr: x", 20_100)),
            "rules.yml:20004:",
            "20000 rules",
        ),
        (
            "too many labels",
            rules([format!("alert: A, expr: x, labels: {}", labels(100_000))]),
            "rules.yml:4:",
            "100000 labels; the limit is 256",
        ),
        (
            "a group's labels in every rule",
            group,
            "rules.yml:21:",
            "bytes of labels",
        ),
        (
            "many large expressions",
            rules(std::iter::repeat_n(wide, 2000)),
            "rules.yml:",
            "parts of expressions",
        ),
        (
            "many wrong expressions",
            rules(std::iter::repeat_n("alert: A, expr: 'nope(x)'", 20_000)),
            "rules.yml:4:24:",
            "unknown function",
        ),
        (
            "a long duration",
            rules(["alert: A, expr: x, for: 999999999999999999999999y"]),
            "rules.yml:4:",
            "not a duration",
        ),
        (
            "an endless duration",
            rules([format!("alert: A, expr: x, for: {}", "1h".repeat(1 << 20))]),
            "rules.yml:4:",
            "not a duration",
        ),
        (
            "a large limit",
            "groups: [{ name: g, limit: 99999999999999999999 }]".into(),
            "rules.yml:1:",
            "whole number",
        ),
        (
            "a long template",
            annotated(&"{{ $value }}".repeat(100_000)),
            "rules.yml:4:",
            "the limit is 65536",
        ),
        (
            "deep parentheses",
            annotated(&format!("{{{{ {}$value }}}}", "(".repeat(50_000))),
            "rules.yml:4:",
            "nested more than 100 deep",
        ),
        (
            "an open template",
            annotated(&"{{ ".repeat(20_000)),
            "rules.yml:4:",
            "unexpected \"{\" in command",
        ),
    ] {
        let result = bounded(what, || load(text));
        refused(what, result, place, reason);
    }
}

#[test]
fn hostile_expressions_are_refused() {
    let matchers = |pattern: &str, count: usize| {
        let one = format!("a=~\"{pattern}\",");
        format!("x{{{}}}", one.repeat(count))
    };
    for (what, expr, reason) in [
        ("deep parentheses", "(".repeat(60_000), "levels deep"),
        (
            "deep functions",
            format!("{}x{}", "abs(".repeat(300), ")".repeat(300)),
            "levels deep",
        ),
        (
            "minus signs",
            format!("{}x", "-".repeat(1400)),
            "levels deep",
        ),
        (
            "a tower of powers",
            format!("{}x", "x ^ ".repeat(700)),
            "levels deep",
        ),
        ("operators", format!("x{}", " + x".repeat(20_000)), "bytes"),
        ("numbers", "1 ".repeat(30_000), "cannot parse"),
        ("strings", "\"\" ".repeat(20_000), "cannot parse"),
        (
            "escapes",
            format!("x{{a=\"{}\"}}", "\\\\".repeat(40_000)),
            "longer than 65536 bytes",
        ),
        (
            "nested repetitions",
            matchers("((a{1000}){1000}){1000}", 1),
            "invalid repeat count",
        ),
        (
            "a large class, repeated",
            matchers("\\\\pL{1000}", 1),
            "too large",
        ),
        (
            "hidden repetitions",
            matchers("(.\\x7b1000\\x7d)\\x7b1000\\x7d", 1),
            "invalid repeat count",
        ),
        (
            "many regular expressions",
            matchers(".{1000}", 300),
            "too large",
        ),
        (
            "a large label_replace",
            format!(
                "label_replace(x, \"a\", \"b\", \"c\", \"{}\")",
                "(.{1000}){1000}"
            ),
            "invalid repeat count",
        ),
        (
            "deep groups",
            matchers(&"(".repeat(10_000), 1),
            "missing closing )",
        ),
        (
            "deep repetitions",
            matchers(&format!("{}a{}", "(".repeat(400), "|b)*".repeat(400)), 1),
            "nests too deeply",
        ),
        (
            "many classes",
            matchers(&"\\\\pL".repeat(10_000), 1),
            "too large",
        ),
        (
            "many cases",
            format!(
                "label_replace(x, \"a\", \"b\", \"c\", \"(?i){}\")",
                "[\\\\w\\\\PL]".repeat(6_000)
            ),
            "too large",
        ),
        (
            "many letters with cases",
            matchers(&format!("(?i){}", "é".repeat(30_000)), 1),
            "too large",
        ),
        (
            "a long range",
            "rate(x[99999999999999999999y])".into(),
            "not a duration",
        ),
        ("a fixed time", "x @ 1e300".into(), ""),
        ("a fixed time before", "x @ -9e18".into(), ""),
    ] {
        let quoted = expr.replace('\'', "''");
        let result = bounded(what, || load(alert(&quoted)));
        refused(what, result, "rules.yml:4:", reason);
    }
}

#[test]
fn hostile_test_files_are_refused() {
    let tests = |body: &str| format!("evaluation_interval: 1ms\ntests:\n{body}");
    let series = |values: &str, count: usize| {
        let one = format!("  - {{ series: x, values: '{values}' }}\n");
        tests(&format!("- input_series:\n{}", one.repeat(count)))
    };
    for (what, text, place, reason) in [
        (
            "too many samples",
            series("1x99999999999", 1),
            "test.yml:4:",
            "5000000 samples",
        ),
        (
            "series of many samples",
            series("1+1x999999", 100),
            "test.yml:9:",
            "5000000 samples",
        ),
        (
            "a long test",
            tests("- promql_expr_test: [{ expr: x, eval_time: 290y }]\n"),
            "test.yml:3:",
            "1000000 evaluations",
        ),
        (
            "many tests",
            tests(&"- promql_expr_test: [{ expr: x, eval_time: 15m }]\n".repeat(50)),
            "test.yml:4:",
            "1000000 evaluations",
        ),
        (
            "many groups in order",
            format!(
                "group_eval_order:\n{}- a\n- a\n",
                (0..200_000)
                    .map(|n| format!("- g{n}\n"))
                    .collect::<String>()
            ),
            "test.yml:2:",
            "group name repeated in evaluation order: a",
        ),
        (
            "a long series",
            tests(&format!(
                "- input_series: [{{ series: 'x{{{}', values: 1 }}]\n",
                "a=\"b\",".repeat(100_000)
            )),
            "test.yml:3:",
            "more than 256 labels",
        ),
    ] {
        let result = bounded(what, || TestFile::parse("test.yml", &text));
        refused(what, result, place, reason);
    }
}

/// The error of an expression over one series, asked of rules that keep an hour.
fn failure(expr: &str) -> String {
    let rules = load(alert("max_over_time(x[1h])"));
    let mut detector = Detector::new(rules.expect("the rule is fine"), SCHEDULE);
    for i in 0..100 {
        detector.ingest(&Sample {
            labels: Labels::metric(
                "x",
                [("a", "0123456789abcdef"), ("i", i.to_string().as_str())],
            ),
            at: Timestamp(0),
            value: f64::from(i),
        });
    }
    let query = Query::parse(expr, Compat::V3).expect("the expression is fine");
    match bounded(expr, || detector.query(&query, Timestamp(0))) {
        Err(QueryError::Failed(message)) => message,
        other => panic!("{expr}: {other:?}"),
    }
}

#[test]
fn what_explodes_when_evaluated_fails() {
    let doubling =
        |inside: String, _| format!("label_replace({inside}, \"a\", \"$1$1\", \"a\", \"(.*)\")");
    let doubled = (0..90).fold("x".to_owned(), doubling);
    assert!(failure(&doubled).contains("longer than 65536 bytes"));
    let joining = |inside: String, _| format!("label_join({inside}, \"a\", \"\", \"a\", \"a\")");
    let joined = (0..90).fold("x".to_owned(), joining);
    assert!(failure(&joined).contains("longer than 65536 bytes"));
    let groups = format!(
        "label_replace(x, \"a\", \"{}\", \"a\", \"(.*)\")",
        "$1".repeat(30_000)
    );
    assert!(failure(&groups).contains("longer than 65536 bytes"));
    for steps in [
        "max_over_time(x[10y:1ms])",
        "max_over_time(max_over_time(vector(1)[1h:1s])[1h:1s])",
        // Fewer steps than are accepted, but with a hundred elements each.
        "max_over_time(timestamp(x @ 0)[800s:1ms])",
    ] {
        assert!(
            failure(steps).contains("more than 1000000 steps"),
            "{steps}"
        );
    }
}

/// A hundred levels of sixty kilobytes are six megabytes of what is compared to find equal parts; so many rules have more
/// than may be compared, and the last ones share nothing.
#[test]
fn rules_too_large_to_compare_are_evaluated_all_the_same() {
    let value = "x".repeat(60_000);
    let expr = format!("{}m{{a=\"{value}\"}}{}", "abs(".repeat(90), ")".repeat(90));
    let rules = bounded("identities", || {
        load(rules(
            (0..40).map(|rule| format!("alert: A{rule}, expr: '{expr} > 0'")),
        ))
    });
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: 60_000,
        phase_ms: 0,
    };
    let mut detector = Detector::new(rules.expect("they are large, not wrong"), schedule);
    detector.ingest(&Sample {
        labels: Labels::metric("m", [("a", value.as_str())]),
        at: Timestamp(0),
        value: 1.0,
    });
    let outcomes = bounded("evaluation", || detector.advance(Timestamp(0)));
    assert_eq!(outcomes.len(), 40);
}

/// Every step reads a long window: a thousand samples count as another step.
#[test]
fn windows_inside_of_subqueries_are_charged() {
    let text = "tests: [{ interval: 1s, input_series: [{ series: m, values: '0+1x100000' }], promql_expr_test: \
                [{ expr: 'max_over_time(sum_over_time(m[1d])[1d:1s])', eval_time: 1d }] }]";
    let test = TestFile::parse("t.yml", &format!("evaluation_interval: 1d\n{text}"))
        .expect("it is a test file");
    let failures = bounded("windows", || test.run(&[], Compat::V3)).expect("there are no rules");
    assert!(
        failures[0].to_string().contains("samples of windows"),
        "{}",
        failures[0]
    );
}

#[test]
fn alerts_whose_labels_double_stop_growing() {
    let text = rules([
        "alert: A, expr: 'vector(1) unless on() ALERTS', labels: { a: xxxxxxxxxxxxxxxx }",
        "alert: B, expr: 'ALERTS', labels: { a: '{{ $labels.a }}{{ $labels.a }}' }",
    ]);
    let mut detector = Detector::new(load(text).expect("the rules are fine"), SCHEDULE);
    let outcomes = bounded("doubling labels", || {
        detector.advance(Timestamp(40 * 60_000))
    });
    let longest = outcomes.iter().filter_map(|outcome| match outcome {
        Emitted::Transition(transition) => transition.labels.get("a").map(str::len),
        _ => None,
    });
    let longest = longest.max().expect("there are alerts");
    assert!((1024..=64 * 1024).contains(&longest), "{longest}");
}

/// Templates that would go on for ever, or make a text of any length, end in a text that says so.
#[test]
fn hostile_templates_end() {
    for template in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}{{ query `x` }}{{ end }}{{ end }}",
        "{{ define `a` }}{{ template `a` . }}{{ end }}{{ template `a` . }}",
        "{{ define `a` }}{{ template `a` (args . .) }}{{ end }}{{ template `a` . }}",
        "{{ template `__alert_A` . }}",
        "{{ $x := `xxxxxxxxxxxxxxxx` }}{{ range 1000 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}",
        "{{ $x := `&` }}{{ range 1000 }}{{ $x = print $x (html $x) }}{{ end }}{{ len $x }}",
        "{{ $x := args 1 }}{{ range 100000 }}{{ $x = args $x $x }}{{ end }}{{ len $x }}",
        "{{ $x := args 1 }}{{ range 45 }}{{ $x = args $x $x }}{{ end }}{{ printf `%v` $x }}",
        "{{ $x := printf `%60000s` `a` }}{{ range 1000000 }}{{ $x = reReplaceAll `a*` `b` $x }}{{ end }}",
        "{{ printf `%1000000d%1000000d` 1 1 }}",
        "{{ printf `%.1000000f` 1.0 }}",
    ] {
        let text = rules([&format!(
            "alert: A, expr: 'vector(1)', annotations: {{ a: '{template}' }}"
        )]);
        let mut detector = Detector::new(load(text).expect("the rules are fine"), SCHEDULE);
        let outcomes = bounded(template, || detector.advance(Timestamp(0)));
        let [Emitted::Transition(fired)] = outcomes.as_slice() else {
            panic!("{template}: {outcomes:?}");
        };
        let shown = &fired.annotations[0].1;
        assert!(
            shown.starts_with("<error expanding template: not known here: "),
            "{template}: {shown}"
        );
    }
}

/// Texts of what the formats are made of, so that more than the first line of a reader is reached.
fn hostile_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "groups",
        "rules",
        "name",
        "alert",
        "expr",
        "for",
        "labels",
        "tests",
        "input_series",
        "series",
        "values",
        "interval",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "|\n",
        ">",
        "&a",
        "*a",
        "!t",
        "%",
        "#",
        "? ",
        "x",
        "1x5",
        "5m",
        "{{",
        "}}",
        "{{ if ",
        "{{ range ",
        "{{ end }}",
        "printf `%d`",
        "`",
        "| ",
        ":=",
        "-3",
        "$value",
        "rate(x[5m])",
        "==",
        "=~",
        "by",
        "(",
        ")",
        "\t",
        "\r",
        "\u{feff}",
        "\u{0}",
        "ä",
        "99999999999999999999",
    ]);
    let words = prop::collection::vec(word, 0..60).prop_map(|words| words.concat());
    prop_oneof![words, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_answered(text in hostile_text()) {
        let whole = RuleFile { name: "rules.yml".into(), text: text.clone() };
        let quoted = text.replace('\'', "''");
        let expression = RuleFile { name: "rules.yml".into(), text: alert(&quoted) };
        let template = RuleFile { name: "rules.yml".into(), text: annotated(&quoted) };
        for compat in [Compat::V2, Compat::V3] {
            for file in [&whole, &expression, &template] {
                let _ = RuleSet::load(std::slice::from_ref(file), compat);
            }
        }
        let _ = TestFile::parse("test.yml", &text);
    }
}

/// A file may end anywhere, in the middle of brackets, of a text or of a key: it is read or refused, and takes no time.
#[test]
fn every_beginning_of_a_file_is_read_or_refused() {
    let texts = [
        "{a: [b, 'c d', \"e\\x41\", {f: g, ? h : i}], j: !!str k, l: &m n, o: *m}\n",
        "%YAML 1.1\n--- # a\ngroups:\n- name: &x 'a'\n  rules:\n  - alert: A\n    expr: |-\n      up\n    labels: {a: *x}\n  ? |\n    k\n  : >\n    v\n...\n--- b\n",
        "- - [[], [a, b: c],\n  d]\n- \"a\n  b\"\n- a\n  b\n",
    ];
    for text in texts {
        for (end, _) in text.char_indices() {
            let mut problems = Problems::new("f.yml");
            let read = yaml::parse_all(&text[..end], &mut problems);
            assert_eq!(read.is_none(), !problems.is_empty(), "{:?}", &text[..end]);
        }
    }
}
