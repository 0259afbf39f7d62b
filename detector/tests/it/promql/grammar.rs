//! Random expressions from PromQL's grammar, right and wrong: types are left to luck, and some texts are broken afterwards.

use crate::random::Random;

/// An expression; one of three has something wrong in its text on purpose.
pub(super) fn text(random: &mut Random) -> String {
    let depth = random.below(5);
    let text = expression(random, depth);
    match random.below(3) {
        0 => broken(random, &text),
        _ => text,
    }
}

fn expression(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| expression(random, depth.saturating_sub(1));
    if depth == 0 {
        return leaf(random);
    }
    match random.below(14) {
        0 | 1 => attached(random, depth - 1),
        2 => format!("({})", deeper(random)),
        3 => format!("{}{}", random.pick(&["-", "+", "- ", "--"]), deeper(random)),
        4 | 5 => aggregate(random, depth - 1),
        6 | 7 => call(random, depth - 1),
        8 => range_call(random),
        _ => {
            let (left, right) = (deeper(random), deeper(random));
            format!("{left} {} {right}", operator(random))
        }
    }
}

fn leaf(random: &mut Random) -> String {
    match random.below(8) {
        0 | 1 => number(random),
        2 => string(random),
        3 => random
            .pick(&["time()", "vector(1)", "pi()", "start()"])
            .to_owned(),
        _ => selector(random),
    }
}

fn number(random: &mut Random) -> String {
    random
        .pick(&[
            "0",
            "1",
            "0.5",
            ".5",
            "5.",
            "1e3",
            "1E-3",
            "017",
            "08",
            "0x1F",
            "1_000",
            "Inf",
            "nan",
            "5m",
            "1h30m",
            "90s",
            "1d",
            "2w",
            "1y",
            "1w1d",
            "250ms",
            "100",
            "1e400",
            "1__0",
            "0x1e ",
            "5x",
            "1.5h",
            "12345678901234567890",
            "1_0.5",
            "0s",
        ])
        .to_owned()
}

fn string(random: &mut Random) -> String {
    random
        .pick(&[
            r#""a""#,
            "'b'",
            r"`\d+`",
            r#""a\"b""#,
            r#""\u00e9\n\x41\101""#,
            "'it''s'",
            r#""\q""#,
            "\"ä\u{1F600}\"",
            r#"'"'"#,
            "\"\"",
            "\"a\tb\"",
            "`a\nb`",
            "\"a\nb\"",
            r#""\xff""#,
            r#""\'""#,
            "'\\''",
            "\"\u{7f}\u{ad}\"",
        ])
        .to_owned()
}

fn name(random: &mut Random) -> &'static str {
    random.pick(&[
        "m",
        "up",
        "a:b",
        ":x",
        "_",
        "sum",
        "by",
        "offset",
        "start",
        "end",
        "and",
        "or",
        "group_left",
        "on",
        "bool",
        "atan2",
        "limitk",
        "step",
        "fill",
        "anchored",
        "range",
        "without",
        "count_values",
        "inf",
        "ignoring",
        "SUM",
        "max_of",
        "http_requests_total",
        "unless",
    ])
}

fn label(random: &mut Random) -> String {
    match random.below(8) {
        0 => string(random),
        1 => name(random).to_owned(),
        _ => random
            .pick(&["a", "b", "job", "__name__", "le", "sum", "on"])
            .to_owned(),
    }
}

fn matcher(random: &mut Random) -> String {
    if random.chance(8) {
        return string(random);
    }
    let value = match random.below(3) {
        0 => string(random),
        _ => random
            .pick(&[
                "\"x\"",
                "\"\"",
                "\".*\"",
                "\"a|b\"",
                "\".+\"",
                "\"a**\"",
                "\"(\"",
                "'x'",
                "`.`",
                "\"[a-z]{0,2}\"",
            ])
            .to_owned(),
    };
    let op = random.pick(&["=", "=", "!=", "=~", "!~", " = "]);
    format!("{}{op}{value}", label(random))
}

fn selector(random: &mut Random) -> String {
    let braces = random.chance(50).then(|| {
        let count = random.below(4);
        let matchers: Vec<String> = (0..count).map(|_| matcher(random)).collect();
        let end = if random.chance(10) { "," } else { "" };
        format!(
            "{{{}{end}}}",
            matchers.join(random.pick(&[",", ", ", " , "]))
        )
    });
    match braces {
        Some(braces) if random.chance(30) => braces,
        braces => {
            let name = if random.chance(70) { "m" } else { name(random) };
            format!("{name}{}", braces.unwrap_or_default())
        }
    }
}

fn duration(random: &mut Random) -> String {
    if random.chance(40) {
        let depth = 1 + random.below(3);
        return computed(random, depth);
    }
    random
        .pick(&[
            "5m",
            "1h",
            "30s",
            "1h30m",
            "60",
            "0.5",
            "1d12h",
            "2w",
            "1y",
            "90m",
            "1",
            "100ms",
            "+5m",
            "0",
            "-5m",
            "5x",
            "(5m)",
            "5m + 1m",
            "step()",
            "--5m",
            "1e300",
            "5m * 2 ^ 2",
            "max_of(5m, 1m)",
            " 5m ",
            "0x10",
            "",
        ])
        .to_owned()
}

/// A length of time from what Prometheus computes such of.
fn computed(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| computed(random, depth - 1);
    if depth == 0 {
        return random
            .pick(&[
                "5m", "1h", "30s", "2", "0.5", "1.0005", "7ms", "0", "step()", "range()", "1d",
                "STEP ( )", "3",
            ])
            .to_owned();
    }
    match random.below(10) {
        0 | 1 => format!("({})", deeper(random)),
        2 => format!("{}{}", random.pick(&["-", "+", "- "]), deeper(random)),
        3 => format!(
            "{}({}, {})",
            random.pick(&["max_of", "min_of", "Max_of"]),
            deeper(random),
            deeper(random)
        ),
        _ => {
            let (left, right) = (deeper(random), deeper(random));
            let op = random.pick(&["+", "-", "*", "/", "%", "^", " + ", " * ", " - "]);
            format!("{left}{op}{right}")
        }
    }
}

/// An expression that is little but durations.
pub(super) fn timed(random: &mut Random) -> String {
    let depth = random.below(4);
    let mut length = || computed(random, depth);
    let (range, step, offset) = (length(), length(), length());
    match random.below(5) {
        0 => format!("m offset {offset}"),
        1 => format!("last_over_time(m[{range}])"),
        2 => format!("last_over_time(m[{range}] offset {offset})"),
        3 => format!("last_over_time(m[{range}:{step}])"),
        _ => format!("last_over_time(m[{range}:] offset {offset})"),
    }
}

fn range(random: &mut Random) -> String {
    match random.below(3) {
        0 => {
            let step = if random.chance(50) {
                duration(random)
            } else {
                String::new()
            };
            format!("[{}:{step}]", duration(random))
        }
        _ => format!(
            "[{}]",
            if random.chance(70) {
                "5m".to_owned()
            } else {
                duration(random)
            }
        ),
    }
}

fn moment(random: &mut Random) -> String {
    match random.below(8) {
        0..=2 => format!(" offset {}", duration(random)),
        3 => format!(" offset -{}", duration(random)),
        4 => " @ start()".to_owned(),
        5 => random
            .pick(&[
                " @ end()",
                " @ end",
                " @ start(1)",
                " anchored",
                " smoothed",
            ])
            .to_owned(),
        6 => format!(" @ -{}", number(random)),
        _ => format!(" @ {}", number(random)),
    }
}

fn attached(random: &mut Random, depth: usize) -> String {
    let mut text = match random.below(3) {
        0 => format!("({})", expression(random, depth)),
        _ => selector(random),
    };
    if random.chance(60) {
        text.push_str(&range(random));
    }
    for _ in 0..random.below(3) {
        text.push_str(&moment(random));
    }
    text
}

fn labels(random: &mut Random) -> String {
    let count = random.below(4);
    let labels: Vec<String> = (0..count).map(|_| label(random)).collect();
    let end = if random.chance(8) { "," } else { "" };
    format!("({}{end})", labels.join(", "))
}

fn grouping(random: &mut Random) -> String {
    format!(
        "{} {}",
        random.pick(&["by", "without", "BY"]),
        labels(random)
    )
}

fn aggregate(random: &mut Random, depth: usize) -> String {
    let op = random.pick(&[
        "sum",
        "avg",
        "min",
        "max",
        "count",
        "group",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "quantile",
        "count_values",
        "limitk",
        "limit_ratio",
        "Sum",
    ]);
    let of = expression(random, depth);
    let args = match op {
        _ if random.chance(5) => String::new(),
        "topk" | "bottomk" | "quantile" | "limitk" | "limit_ratio" => {
            format!("{}, {of}", random.pick(&["1", "0.5", "m"]))
        }
        "count_values" => format!("{}, {of}", string(random)),
        _ => of,
    };
    match random.below(4) {
        0 => format!("{op} {} ({args})", grouping(random)),
        1 => format!("{op}({args}) {}", grouping(random)),
        _ => format!("{op}({args})"),
    }
}

fn call(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| expression(random, depth);
    let of = deeper(random);
    match random.below(12) {
        0 => format!(
            "label_replace({of}, \"a\", \"$1\", \"b\", {})",
            string(random)
        ),
        1 => format!("label_join({of}, \"a\", \"-\", \"b\", \"c\")"),
        2 => format!("histogram_quantile(0.9, {of})"),
        3 => format!("clamp({of}, 0, {})", deeper(random)),
        4 => format!("round({of}{})", random.pick(&["", ", 5", ", 5, 6", ","])),
        5 => format!("info({of}, {})", deeper(random)),
        6 => format!("sort_by_label({of}, {})", string(random)),
        7 => format!(
            "{}({of})",
            random.pick(&[
                "foo",
                "Rate",
                "holt_winters",
                "step",
                "range",
                "fill",
                "a:b"
            ])
        ),
        8 => format!("max_of({of}, {})", deeper(random)),
        9 => format!(
            "hour({})",
            if random.chance(50) { of } else { String::new() }
        ),
        10 => format!(
            "{}({of})",
            random.pick(&["scalar", "vector", "timestamp", "sort", "ln"])
        ),
        _ => format!("{}({of})", random.pick(&["abs", "absent", "ceil", "exp"])),
    }
}

fn range_call(random: &mut Random) -> String {
    let function = random.pick(&[
        "rate",
        "increase",
        "max_over_time",
        "absent_over_time",
        "mad_over_time",
        "delta",
    ]);
    format!(
        "{function}({}{}{})",
        selector(random),
        range(random),
        if random.chance(30) {
            moment(random)
        } else {
            String::new()
        }
    )
}

fn operator(random: &mut Random) -> String {
    let mut op = random
        .pick(&[
            "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", ">=", "<", "<=", "and", "or",
            "unless", "AND", "</", ">/",
        ])
        .to_owned();
    if random.chance(15) {
        op.push_str(" bool");
    }
    if random.chance(25) {
        op.push_str(&format!(
            " {} {}",
            random.pick(&["on", "ignoring"]),
            labels(random)
        ));
        if random.chance(40) {
            op.push_str(random.pick(&[" group_left", " group_right", " GROUP_LEFT"]));
            if random.chance(60) {
                op.push_str(&labels(random));
            }
        }
    }
    if random.chance(3) {
        op.push_str(random.pick(&[
            " fill(0)",
            " fill_left(-1) fill_right(2)",
            " fill_right (5m)",
        ]));
    }
    op
}

/// The text with something left out, put in, doubled or swapped.
fn broken(random: &mut Random, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len() + 1);
    let until = (at + 1 + random.below(3)).min(chars.len());
    let (before, rest) = chars.split_at(at);
    let (part, after) = rest.split_at(until - at);
    let all = |parts: &[&[char]]| parts.concat().into_iter().collect::<String>();
    let other = random.pick(&[
        "(", ")", "[", "]", "{", "}", ",", ":", "\"", "'", "`", "#", "# x\n", "@", "=", "!", "~",
        "<", ">", "=~", " ", "\n", "$", "é", "\u{fffd}", "\\", ".", "0", "5m", " by ", " offset ",
        " bool ", "x", "or", ";", "-", "^", "/", "\u{a0}",
    ]);
    let other: Vec<char> = other.chars().collect();
    match random.below(4) {
        0 => all(&[before, after]),
        1 => all(&[before, &other, rest]),
        2 => all(&[before, part, part, after]),
        _ => all(&[before, &other, after]),
    }
}
