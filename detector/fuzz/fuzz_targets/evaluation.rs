//! Any expression over any series: the first line is the expression, every other line a series and its values in promtool's
//! notation, with `;` between the two. It is evaluated as a query and, minute by minute, as a rule.

#![no_main]

use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{Compat, RuleFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let expr = quoted(lines.next().unwrap_or_default());
    let mut test = String::from("tests:\n- interval: 1m\n  input_series:\n");
    for (series, values) in lines.filter_map(|line| line.split_once(';')).take(16) {
        let (series, values) = (quoted(series), quoted(values));
        test.push_str(&format!("  - {{ series: {series}, values: {values} }}\n"));
    }
    test.push_str(&format!(
        "  promql_expr_test:\n  - {{ eval_time: 10m, expr: {expr} }}\n"
    ));
    let Ok(test) = TestFile::parse("test.yml", &test) else {
        return;
    };
    let rules = RuleFile {
        name: "rules.yml".into(),
        text: format!("groups: [{{ name: g, rules: [{{ record: r, expr: {expr} }}, {{ alert: A, expr: {expr} }}] }}]"),
    };
    for compat in [Compat::V2, Compat::V3] {
        let _ = test.run(std::slice::from_ref(&rules), compat);
    }
});

/// A YAML scalar that stands for `text`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
