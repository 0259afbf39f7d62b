//! What is read, what is refused, and where.

use super::*;

/// What is said, what is blamed, and the line and column Prometheus (3.14) names.
fn refused(text: &str, compat: Compat) -> (String, &str, String) {
    let error = parse(text, compat).expect_err(text);
    let (line, column) = error.line_and_column(text);
    (
        error.to_string(),
        &text[error.span.range()],
        format!("{line}:{column}"),
    )
}

#[test]
fn what_is_wrong_is_said_and_pointed_at() {
    let mut told = String::new();
    for text in [
        "a and",
        "m > > 1",
        "m >== 1",
        "m{a=\"b\"} m",
        "1 +* 2",
        "m{a=}",
        "m{a}",
        "m{,}",
        "sum by job (m)",
        "sum by (x m) (m)",
        "sum(m, )",
        "topk(m)",
        "count()",
        "rate(m)",
        "rate(m[5m], 1)",
        "rate(m[5m]) > bool on(a) b c",
        "round(m, 1, 2)",
        "rat(m[5m])",
        "holt_winters(m[5m], 0.5, 0.5)",
        "m offset m",
        "(m) offset 5m",
        "m offset 5m offset 5m",
        "m offset 5m [1m]",
        "m # ) \n )",
        "sum(rate(m[5m])",
        "m{a=\"b\" > 1",
        "(m{a > 1}",
        "m[5m",
        "m[5 m]",
        "m[5x]",
        "m[0]",
        "m[-5m]",
        "m[5m * ]",
        "m[5m / (0)]",
        "m offset (5m % 0)",
        "m[max_of(5m)]",
        "m[step]",
        "m offset 300y",
        "m offset (1h) offset (1h * 1)",
        "m anchored",
        "m + fill(0) m",
        "m > 1__0",
        "m > 1e400",
        "m{a=\"b} > 1",
        "m{a=\"\\q\"}",
        "m{a=~\"b**\"}",
        "m{a=\"x\" or b=\"y\"}",
        "m{__name__=\"n\"}",
        "{a=~\".*\"}",
        "m $ n",
        "1 > 1",
        "1 and m",
        "m + bool n",
        "m * on(a) group_left(a) n",
        "m and on(a) group_left n",
        "m + on(a) 1",
        "\"a\" + 1",
        "-\"a\"",
        "m[5m][5m]",
        "1[5m:]",
        "m @ NaN",
        "m @ foo",
        "info(m, n)",
        "# nothing",
    ] {
        let (said, blamed, place) = refused(text, Compat::V3);
        told.push_str(&format!("{text}\n    {place} {blamed:?} {said}\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn prometheus_2_does_not_know() {
    for (text, said) in [
        ("m > 1_000", "\"1_000\" is not a number"),
        ("m > 5m", "expected an expression, found \"5m\""),
        ("m[60]", "\"60\" is not a duration"),
        ("m offset 5", "expected a duration such as 5m, found \"5\""),
        ("{\"m\"}", "names in quotes are not known to Prometheus 2"),
        ("sum by (\"a\") (m)", "names in quotes"),
        ("sum by (a:b) (m)", "expected a label, found \"a:b\""),
        ("limitk(1, m)", "unknown function with name 'limitk'"),
        ("first_over_time(m[5m])", "unknown function"),
        (
            "double_exponential_smoothing(m[5m], 0.5, 0.5)",
            "do you mean holt_winters?",
        ),
        ("m offset 0s", "greater than 0"),
        ("m[5m * 2]", "--enable-feature=promql-duration-expr"),
        ("m[5m:1m + 1m]", "durations that are computed"),
        ("m offset -(5m)", "durations that are computed"),
    ] {
        let (error, ..) = refused(text, Compat::V2);
        assert!(error.contains(said), "{text}: {error}");
    }
    for text in ["limitk + step", "holt_winters(m[5m], 0.5, 0.5)", "fill"] {
        assert!(parse(text, Compat::V2).is_ok(), "{text}");
    }
}

/// Every node is that part of the text from which it would be read again.
#[test]
fn nodes_know_their_place() {
    fn each(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
        visit(expr);
        for child in expr.children() {
            each(child, visit);
        }
    }
    let text = "  sum by (a) ( rate(m{a=\"b\"}[5m] offset 1h) ) > bool -5 or\n topk(3, -(n @ start())) without (b) # end\n \
                + ignoring(c) group_right max_over_time((a ^ 2 > 1)[1h:1m] offset -5m)";
    let whole = parse(text, Compat::V3).unwrap();
    let mut nodes = 0;
    each(&whole, &mut |node| {
        nodes += 1;
        let part = &text[node.span().range()];
        let again = parse(part, Compat::V3).unwrap_or_else(|error| panic!("{part}: {error}"));
        assert_eq!(again.to_string(), node.to_string(), "{part}");
        assert_eq!(part, part.trim());
    });
    assert_eq!(nodes, 20);
    let Expr::Binary(binary) = &whole else {
        panic!("{whole}");
    };
    assert_eq!(&text[binary.op_span.range()], "or");
}

#[test]
fn what_would_exhaust_the_stack_is_refused() {
    for text in [
        "(".repeat(60_000),
        format!("{}m", "-".repeat(1400)),
        format!("{}m", "m ^ ".repeat(700)),
        format!("m{}", " + m".repeat(700)),
        format!("m{}", "[5m:]".repeat(700)),
        format!("m[{}5m]", "-".repeat(1400)),
        format!("m[{}5m]", "(".repeat(1400)),
        format!("m[5m{}]", " + 1".repeat(700)),
        format!("m[{}1]", "2 ^ ".repeat(700)),
        format!("m offset ({}1{})", "max_of(1,".repeat(400), ")".repeat(400)),
        format!("{}m{}", "abs(".repeat(101), ")".repeat(101)),
    ] {
        let error = parse(&text, Compat::V3).unwrap_err();
        assert!(error.to_string().contains("levels deep"), "{error}");
    }
    let deepest = format!("{}m{}", "abs(".repeat(99), ")".repeat(99));
    assert!(parse(&deepest, Compat::V3).is_ok());
    let error = parse(&"(".repeat(100_000), Compat::V3).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLong(64 * 1024));
    let error = parse(&format!("label_join(m{})", ",m".repeat(1000)), Compat::V3).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooMany(1500));
}
