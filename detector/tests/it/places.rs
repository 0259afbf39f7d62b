//! Where in a rule file the parts of expressions stand: what is cut out of the file there is that part, however the file
//! writes it, or no place is told.

use firedrill_detector::lint::Surroundings;
use firedrill_detector::yaml::Region;
use firedrill_detector::{Compat, RuleFile, RuleSet, promql};

fn load(text: &str) -> RuleSet {
    let file = RuleFile {
        name: "r.yml".into(),
        text: text.into(),
    };
    RuleSet::load(&[file], Compat::V3).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
}

/// What stands in a region of a text, as an editor would select it.
fn cut(text: &str, region: Region) -> String {
    let byte = |line: usize, column: usize| {
        let before: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let on_line = text[before..].chars().take(column - 1);
        before + on_line.map(char::len_utf8).sum::<usize>()
    };
    let start = byte(region.start.line, region.start.column);
    let end = byte(region.end.line, region.end.column);
    text[start..end].to_owned()
}

/// An expression of which every part says something, in all ways a file can write it.
#[test]
fn what_stands_there_is_the_part() {
    let expr = "sum by (a) (m_total{b=\"é's\"}) > 0 or count(up) == 0";
    let folded = expr.replace(" > 0 or ", "\n        > 0\n        or ");
    let quoted = expr.replace('\'', "''");
    let escaped = expr.replace('"', "\\\"").replace('é', "\\u00e9");
    for (form, written) in [
        ("plain", expr.to_owned()),
        ("plain, over lines", folded.clone()),
        ("single quotes", format!("'{quoted}'")),
        ("double quotes with escapes", format!("\"{escaped}\"")),
        (
            "double quotes over lines",
            format!("\"{}\"", escaped.replace(" > 0", " \\\n         > 0")),
        ),
        ("a literal block", format!("|\n        {folded}")),
        ("a block with a head", format!("|2-\n        {folded}\n")),
        ("a folded block", format!(">-\n        {folded}\n\n")),
    ] {
        let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {written}\n");
        let rules = load(&text);
        let found = rules.remarks(&Surroundings::default()).remove(0);
        assert_eq!(found.remarks.len(), 2, "{form}: {found:?}");
        for remark in &found.remarks {
            let region = remark
                .region
                .unwrap_or_else(|| panic!("{form}: {remark:?}"));
            let cut = cut(&text, region).replace("\\\n", "\n");
            let cut = match form.starts_with("double") {
                true => cut.replace("\\\"", "\"").replace("\\u00e9", "é"),
                false if form == "single quotes" => cut.replace("''", "'"),
                false => cut,
            };
            let parsed = promql::parse(&cut, Compat::V3);
            let parsed = parsed.unwrap_or_else(|error| panic!("{form}: {cut}: {error:?}"));
            assert_eq!(parsed.to_string(), remark.part, "{form}");
        }
        for anatomy in rules.anatomies() {
            let places = anatomy.places();
            for part in &anatomy.parts {
                assert!(
                    places.region(part.span.range()).is_some(),
                    "{form}: {part:?}"
                );
            }
        }
    }
}

#[test]
fn a_wait_and_a_template_have_places_too() {
    let text = "\
groups:
- name: g
  labels: { team: 'of {{ $labels.gone }}' }
  rules:
  - alert: A
    expr: sum(m_total) by (b) > 1
    for: \"5s\"
    annotations:
      text: |
        of {{ $labels.b }}
        and {{ if $labels.b }}{{ $labels.c }}{{ end }}
";
    let surroundings = Surroundings {
        scrape_interval_ms: Some(15_000),
        ..Surroundings::default()
    };
    let found = load(text).remarks(&surroundings).remove(0);
    let places = found.remarks.iter().map(|remark| {
        let at = remark
            .region
            .map(|region| (region.start.line, region.start.column));
        (cut(text, remark.region.unwrap()), at.unwrap())
    });
    let places: Vec<(String, (usize, usize))> = places.collect();
    let expected = [
        ("\"5s\"", (7, 10)),
        ("$labels.gone", (3, 26)),
        ("$labels.c", (11, 34)),
        ("sum(m_total) by (b) > 1", (6, 11)),
    ];
    assert_eq!(places, expected.map(|(cut, at)| (cut.to_owned(), at)));
}

#[test]
fn what_has_no_exact_place_has_none() {
    let region = |text: &str| {
        let mut found = load(text).remarks(&Surroundings::default());
        let remark = found.pop().unwrap().remarks.remove(0);
        remark.region
    };
    let rule = |head: &str, expr: &str| {
        format!("{head}groups: [{{ name: g, rules: [{{ alert: A, expr: {expr} }}] }}]")
    };
    assert!(region(&rule("", "m_total > 1")).is_some());
    // It may stand elsewhere, or several times.
    assert_eq!(region(&rule("", "&a m_total > 1")), None);
    assert_eq!(region(&rule("", "!!str m_total > 1")), None);
    let twice = rule("", "&a m_total > 1").replace("}] }]", "}, { alert: B, expr: *a }] }]");
    assert_eq!(region(&twice), None);
    // YAML has lines here that no editor shows.
    for break_of_yaml in ["\r", "\u{85}", "\u{2028}"] {
        let head = format!("# comment{break_of_yaml}");
        assert_eq!(region(&rule(&head, "m_total > 1")), None, "{head:?}");
    }
    assert!(region(&rule("# comment\r\n", "m_total > 1")).is_some());
}
