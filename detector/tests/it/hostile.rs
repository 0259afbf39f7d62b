//! Files made to break the reader: each is refused with its place and a reason, or read, in bounded memory and work.

mod evaluation;

use firedrill_detector::unit_test::TestFile;
use firedrill_detector::yaml::{self, Problems};
use firedrill_detector::{Compat, Problem, RuleFile, RuleSet};
use proptest::prelude::*;

/// Most bytes that reading any file may hold at once: some sixty times the longest accepted.
const BYTES_MAX: u64 = 512 << 20;
/// Most allocations that reading any file may take, the measure of work that no busy machine changes.
const ALLOCATIONS_MAX: u64 = 20_000_000;

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
