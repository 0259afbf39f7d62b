use super::*;

struct Answers;

impl Ask for Answers {
    fn ask(&mut self, expr: &str) -> Result<Vec<(Labels, f64)>, String> {
        match expr {
            "workers" => Ok(["b", "a"]
                .map(|host| (Labels::metric("workers", [("host", host)]), 2.0))
                .to_vec()),
            "none" => Ok(Vec::new()),
            _ => Err(format!("cannot parse {expr}")),
        }
    }
}

fn expanded(text: &str, value: f64) -> Expanded {
    let labels = Labels::metric("m", [("job", "mail"), ("queue", "Low")]);
    let external = External {
        labels: Labels::from_pairs([("region", "eu")]),
        url: "http://p/x?y".into(),
        is_test: false,
    };
    let data = Data {
        labels: &labels,
        value,
        at_ms: 90_500,
        external: &external,
    };
    let template = Template::parse("A", text, Compat::V3).unwrap();
    template.expand(data, &mut Answers)
}

fn expand(text: &str, value: f64) -> String {
    let expanded = expanded(text, value);
    assert!(expanded.is_exact, "{text}: {}", expanded.text);
    expanded.text
}

#[test]
fn humanized_values() {
    let infinite = f64::INFINITY;
    for (value, plain, human, duration, percent, binary) in [
        (0.00005, "5e-05", "50u", "50us", "0.005%", "5e-05"),
        (
            0.001234, "0.001234", "1.234m", "1.234ms", "0.1234%", "0.001234",
        ),
        (0.5, "0.5", "500m", "500ms", "50%", "0.5"),
        (59.9, "59.9", "59.9", "59.9s", "5990%", "59.9"),
        (
            3661.0,
            "3661",
            "3.661k",
            "1h 1m 1s",
            "3.661e+05%",
            "3.575ki",
        ),
        (
            90061.0,
            "90061",
            "90.06k",
            "1d 1h 1m 1s",
            "9.006e+06%",
            "87.95ki",
        ),
        (
            1234567.0,
            "1.234567e+06",
            "1.235M",
            "14d 6h 56m 7s",
            "1.235e+08%",
            "1.177Mi",
        ),
        (infinite, "+Inf", "+Inf", "+Inf", "+Inf%", "+Inf"),
        (0.0, "0", "0", "0s", "0%", "0"),
        (-75.0, "-75", "-75", "-1m 15s", "-7500%", "-75"),
    ] {
        assert_eq!(expand("{{ $value }}", value), plain);
        assert_eq!(expand("{{ $value | humanize }}", value), human);
        assert_eq!(expand("{{ humanizeDuration $value }}", value), duration);
        assert_eq!(expand("{{$value|humanizePercentage}}", value), percent);
        assert_eq!(expand("{{ .Value | humanize1024 }}", value), binary);
    }
    assert_eq!(expand("{{ humanize $value }}", 1e21), "1Z");
    assert_eq!(expand("{{ humanize1024 $value }}", 1e21), "867.4Ei");
}

/// What a server says and promtool cannot, since it has no address of its own.
#[test]
fn the_servers_address() {
    assert_eq!(
        expand("{{ externalURL }} {{ pathPrefix }}", 1.0),
        "http://p/x?y /x"
    );
    assert_eq!(
        expand("{{ $externalURL }} {{ now }}", 1.0),
        "http://p/x?y 90.5"
    );
}

#[test]
fn queries_are_answered() {
    for (text, wanted) in [
        (
            "{{ with query `workers` }}{{ . | first | value }}{{ end }}",
            "2",
        ),
        (
            "{{ range query `workers` | sortByLabel `host` }}{{ .Labels.host }} {{ end }}",
            "a b ",
        ),
        (
            "{{ range query `none` }}x{{ else }}nobody{{ end }}",
            "nobody",
        ),
        (
            "{{ query `none` | first | value }}",
            "<error expanding template: error executing template __alert_A: template: __alert_A:1:130: \
             executing \"__alert_A\" at <first>: error calling first: first() called on vector with no elements>",
        ),
    ] {
        assert_eq!(expand(text, 1.0), wanted, "{text}");
    }
}

/// What Prometheus leaves to chance, or has words of its own for, is said to be so.
#[test]
fn what_cannot_be_known_is_not_claimed() {
    for text in [
        "{{ query `sum(` }}",
        "{{ query `workers` }}",
        "{{ (toTime 5).Local }}",
        "{{ define `x` }}{{ template `x` }}{{ end }}{{ template `x` }}",
        "{{ range 10000000 }}{{ end }}",
        "{{ printf `%70000d` 1 }}",
        "{{ $x := args 1 }}{{ range 100 }}{{ $x = args $x $x }}{{ end }}{{ $x }}",
    ] {
        let expanded = expanded(text, 1.0);
        assert!(!expanded.is_exact, "{text}: {}", expanded.text);
        assert!(
            expanded
                .text
                .starts_with("<error expanding template: not known here: "),
            "{text}: {}",
            expanded.text
        );
    }
}

#[test]
fn what_an_expansion_depends_on() {
    for (text, value, moment) in [
        ("x", false, false),
        ("{{ $labels.job }}", false, false),
        (
            "{{ $labels }}{{ .Labels.job }}{{ $.Labels.job }}",
            false,
            false,
        ),
        ("{{ if gt $value 1.0 }}x{{ end }}", true, false),
        ("{{ .Value }}", true, false),
        ("{{ $ }}", true, false),
        ("{{ template `a` . }}{{ define `a` }}{{ end }}", true, false),
        (
            "{{ if true }}{{ else }}{{ query `up` }}{{ end }}",
            false,
            true,
        ),
        ("{{ define `a` }}{{ now }}{{ end }}", false, true),
    ] {
        let template = Template::parse("A", text, Compat::V3).unwrap();
        let uses = (template.uses_value(), template.uses_moment());
        assert_eq!(uses, (value, moment), "{text}");
    }
}

#[test]
fn how_far_queries_look_back() {
    for (text, minutes) in [
        ("{{ $labels.job }}", 0),
        ("{{ query `rate(x[1h])` }}", 60),
        (
            "{{ printf `rate(x{job='%s'}[2h] offset 30m)` $labels.job | query }}",
            150,
        ),
        ("{{ query `x offset 1h` }}", 65),
    ] {
        let template = Template::parse("A", text, Compat::V3).unwrap();
        assert_eq!(template.reach().back_ms, minutes * 60_000, "{text}");
    }
}

#[test]
fn refusals_say_where() {
    for (text, at, why) in [
        ("{{ $value", 9, "unclosed action"),
        ("a {{ }}", 5, "missing value for command"),
        ("{{ $x }}", 3, "undefined variable \"$x\""),
        (
            "{{ printf `%f` (mul 1.0 2.0) }}",
            16,
            "function \"mul\" not defined",
        ),
        ("{{ tmpl `x` . }}", 3, "function \"tmpl\" not defined"),
        ("{{ \"a }}", 3, "unterminated quoted string"),
        ("{{ ($value }}", 11, "unclosed left paren"),
        ("{{ if true }}x", 14, "unexpected EOF"),
        ("x{{ end }}", 1, "unexpected {{end}}"),
        ("{{ break }}", 3, "{{break}} outside {{range}}"),
        (
            "{{ define `x` }}{{ $labels.a }}{{ end }}",
            19,
            "undefined variable \"$labels\"",
        ),
        (
            "{{ 1 | 2 }}",
            7,
            "non executable command in pipeline stage 2",
        ),
        ("{{ 99999999999999999999 }}", 3, "integer overflow"),
        ("{{ now }}", 3, "function \"now\" not defined"),
        (
            "{{ with 0 }}{{ else with 1 }}{{ end }}",
            20,
            "unexpected <with> in else",
        ),
    ] {
        let error = Template::parse("A", text, Compat::V2).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}
