//! Random expressions of the supported subset; a few are refused by one generation, or by both.

use super::Random;
use super::number::number;

/// A random expression of the supported subset.
pub(crate) fn expression(random: &mut Random, depth: usize) -> String {
    loop {
        let expression = any(random, depth);
        if !is_chaotic(&expression) {
            return expression;
        }
    }
}

fn any(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| any(random, depth - 1);
    if depth == 0 {
        return if random.chance(55) {
            range_call(random)
        } else {
            selector(random)
        };
    }
    match random.below(17) {
        0 => selector(random),
        1 | 2 => range_call(random),
        3 | 4 => {
            let op = random.pick(&[
                "sum", "min", "max", "avg", "count", "group", "stddev", "stdvar",
            ]);
            format!("{op} {} ({})", grouping(random), deeper(random))
        }
        5 => match random.below(6) {
            // Ties are broken by the order of series, which only selectors have.
            4 => format!(
                "topk {} ({}, {})",
                grouping(random),
                random.below(3),
                selector(random)
            ),
            5 => format!("bottomk {} (1.9, {})", grouping(random), selector(random)),
            0 => format!("sum(topk({}, {}))", random.below(4), deeper(random)),
            1 => format!("sum(bottomk({}, {}))", random.below(4), deeper(random)),
            2 => format!(
                "quantile {} (0.{}, {})",
                grouping(random),
                random.below(10),
                deeper(random)
            ),
            _ => format!(
                "count_values {} (\"v\", {})",
                grouping(random),
                plain_selector(random)
            ),
        },
        6 | 7 => {
            let op = operator(random);
            let number = number(random);
            if random.chance(25) {
                format!("{number} {op} ({})", deeper(random))
            } else {
                format!("({}) {op} {number}", deeper(random))
            }
        }
        8 | 9 => {
            let op = operator(random);
            let group = if random.chance(30) {
                random.pick(&[
                    "group_left",
                    "group_left(team)",
                    "group_right",
                    "group_right(i)",
                ])
            } else {
                ""
            };
            let matching = match (matching(random), group) {
                ("", "") => "",
                ("", _) => "on(job)",
                (matching, _) => matching,
            };
            format!(
                "({}) {op} {matching} {group} ({})",
                deeper(random),
                deeper(random)
            )
        }
        10 => {
            let op = random.pick(&["and", "or", "unless"]);
            format!(
                "({}) {op} {} ({})",
                deeper(random),
                matching(random),
                deeper(random)
            )
        }
        11 => {
            let of = deeper(random);
            match random.below(17) {
                10 => format!("round({of}, {})", random.pick(&["0.5", "10", "0", "-3"])),
                11 => format!("clamp({of}, {}, {})", number(random), number(random)),
                12 => format!("sort({of})"),
                13 => format!(
                    "{}({of} * 1e7)",
                    random.pick(&[
                        "month",
                        "year",
                        "minute",
                        "day_of_month",
                        "day_of_year",
                        "days_in_month"
                    ])
                ),
                14 => format!(
                    "{}()",
                    random.pick(&["hour", "minute", "day_of_week", "time"])
                ),
                15 => format!("absent(sum({of}))"),
                0 => format!("clamp({of}, 1, 20)"),
                1 => format!("clamp_min({of}, 3)"),
                2 => format!("clamp_max({of}, 3)"),
                3 => format!("label_replace({of}, \"k\", \"$1-\", \"job\", \"(.*)\")"),
                4 => format!("label_join({of}, \"i\", \"/\", \"job\", \"i\")"),
                5 => format!("absent({of})"),
                6 => format!("timestamp({of})"),
                7 => format!("sort_desc({of})"),
                8 => format!("vector(scalar({of}))"),
                9 => format!("-({of})"),
                16 => format!("hour({of} * 1000)"),
                _ => format!(
                    "{}({of})",
                    random.pick(&[
                        "abs",
                        "sqrt",
                        "sgn",
                        "ln",
                        "exp",
                        "day_of_week",
                        "ceil",
                        "floor",
                        "round",
                        "log2",
                        "log10",
                        "deg",
                        "rad",
                        "sin",
                        "cos",
                        "tan",
                        "asin",
                        "acos",
                        "atan",
                        "sinh",
                        "cosh",
                        "tanh",
                        "asinh",
                        "acosh",
                        "atanh"
                    ])
                ),
            }
        }
        12 => chain(random, depth),
        13 => {
            let (range, step) = (range(random), step(random));
            let function = over_time(random);
            format!(
                "{function}(({})[{range}:{step}]{})",
                deeper(random),
                modifiers(random)
            )
        }
        14 => relabelled(random),
        _ => {
            let phi = random.pick(&[
                "0.5",
                "0.9",
                "0.99",
                "0",
                "1",
                "-1",
                "2",
                "NaN",
                "scalar(g)",
            ]);
            let range = range(random);
            match random.below(6) {
                3 => format!("histogram_quantile({phi}, b_bucket)"),
                4 => format!("histogram_quantile({phi}, sum by (le) (b_bucket))"),
                5 => format!("histogram_quantile({phi}, {{__name__=~\"[bh]_bucket\",job=\"x\"}})"),
                0 => format!("histogram_quantile({phi}, h_bucket)"),
                1 => format!("histogram_quantile({phi}, rate(h_bucket[{range}]))"),
                _ => format!("histogram_quantile({phi}, sum by (le) (rate(h_bucket[{range}])))"),
            }
        }
    }
}

/// Whether the last digit of a power or logarithm, which is the machine's, decides the result.
fn is_chaotic(expression: &str) -> bool {
    let inexact = [
        "^", "exp(", "ln(", "log2(", "log10(", "sin(", "cos(", "tan(", "sinh(", "cosh(", "tanh(",
        "atan2",
    ];
    expression.contains('%') && inexact.iter().any(|what| expression.contains(what))
}

fn operator(random: &mut Random) -> String {
    if random.chance(50) {
        return random.pick(&["+", "-", "*", "/", "%", "^", "atan2"]).into();
    }
    let op = random.pick(&["==", "!=", ">", ">=", "<", "<="]);
    if random.chance(25) {
        format!("{op} bool")
    } else {
        op.into()
    }
}

fn grouping(random: &mut Random) -> &'static str {
    random.pick(&[
        "",
        "by (job)",
        "by (i)",
        "without (i)",
        "by (job, i)",
        "without (job)",
        "by (__name__)",
        "by (nope)",
        "by (\"job\", i)",
    ])
}

fn matching(random: &mut Random) -> &'static str {
    random.pick(&[
        "",
        "",
        "on(job)",
        "on(job, i)",
        "ignoring(i)",
        "ignoring(team)",
        "on()",
        "ignoring(i, team)",
    ])
}

/// A selector of at most one series for each set of labels.
pub(super) fn plain_selector(random: &mut Random) -> String {
    let name = random.pick(&["g", "c", "lim", "g", "c", "nope"]);
    let matchers = random.pick(&[
        "",
        "",
        "",
        "{job=\"x\"}",
        "{job!=\"x\"}",
        "{i=~\"1|3\"}",
        "{i!~\"[12]\"}",
        "{i=\"\"}",
        "{job=~\"x|\",i=\"1\"}",
        "{i=~`\\d`,job!~\"(?i:Y)\"}",
    ]);
    format!("{name}{matchers}")
}

/// A selector that may find series of several names, or texts.
fn any_selector(random: &mut Random) -> String {
    if random.chance(8) {
        return random
            .pick(&[
                "{__name__=~\"g|c\",job=\"x\"}",
                "{__name__=~\"g|lim\"}",
                "{__name__=~\".\",job=\"y\",i=\"1\"}",
                "n{v=~\"a.b\"}",
                "n{v!~\"a.+\"}",
                "n{v=~\"a[^.]*b|\"}",
                "b_bucket",
                "{\"g\",job=\"x\"}",
            ])
            .into();
    }
    plain_selector(random)
}

fn modifiers(random: &mut Random) -> &'static str {
    if random.chance(80) {
        return "";
    }
    random.pick(&[
        " offset 1m",
        " offset 90s",
        " offset -1m",
        " @ 600",
        " @ 301 offset 30s",
        " @ end()",
        " @ start() offset -30s",
        " offset 2m @ 600.5",
        " @ 0",
        " offset 60",
    ])
}

fn selector(random: &mut Random) -> String {
    format!("{}{}", any_selector(random), modifiers(random))
}

pub(super) fn range(random: &mut Random) -> &'static str {
    random.pick(&[
        "1m", "2m", "3m", "5m", "10m", "90s", "4m59s", "30s", "15m", "301s", "1h",
    ])
}

fn range_call(random: &mut Random) -> String {
    let range = if random.chance(3) {
        "120"
    } else {
        range(random)
    };
    let of = if random.chance(80) {
        format!("{}[{range}]", any_selector(random))
    } else {
        let step = step(random);
        let inner = match random.below(4) {
            0 => format!("rate({}[2m])", plain_selector(random)),
            1 => format!("sum by (job) ({})", plain_selector(random)),
            2 => format!("({} > 15)", plain_selector(random)),
            _ => selector(random),
        };
        format!("({inner})[{range}:{step}]")
    };
    let of = format!("{of}{}", modifiers(random));
    match random.below(14) {
        0..=2 => format!("rate({of})"),
        3 | 4 => format!("increase({of})"),
        5 => format!("delta({of})"),
        6 => format!("{}({of})", random.pick(&["irate", "idelta", "deriv"])),
        7 => format!(
            "predict_linear({of}, {})",
            random.pick(&["600", "-60", "scalar(lim)"])
        ),
        8 => format!("{}({of})", random.pick(&["resets", "changes"])),
        9 => {
            let phi = random.pick(&["0.5", "0.9", "0", "1", "-1", "2", "NaN", "scalar(g)"]);
            format!("quantile_over_time({phi}, {of})")
        }
        10 => format!("absent_over_time({of})"),
        _ => format!("{}({of})", over_time(random)),
    }
}

fn over_time(random: &mut Random) -> String {
    let over = random.pick(&[
        "sum", "avg", "min", "max", "count", "present", "last", "stddev", "stdvar", "first",
    ]);
    format!("{over}_over_time")
}

fn step(random: &mut Random) -> &'static str {
    random.pick(&["1m", "30s", "45s", "2m", ""])
}

/// Operators side by side without parentheses: what binds how.
fn chain(random: &mut Random, depth: usize) -> String {
    let mut text = format!("{}{}", random.pick(&["", "-", "+"]), selector(random));
    for _ in 0..=depth {
        let op = match random.below(3) {
            0 => random.pick(&["and", "or", "unless"]).to_owned(),
            _ => operator(random),
        };
        let right = match op.as_str() {
            "and" | "or" | "unless" => selector(random),
            _ if random.chance(40) => number(random),
            _ => selector(random),
        };
        text.push_str(&format!(" {op} {right}"));
    }
    text
}

/// Labels written anew, newlines and names among them.
fn relabelled(random: &mut Random) -> String {
    let of = random.pick(&["n", "n", "g", "lim", "g > 10"]);
    let target = random.pick(&["k", "v", "job", "__name__"]);
    if random.chance(25) {
        return format!("label_join({of}, \"{target}\", \"-\", \"job\", \"nope\", \"i\")");
    }
    let replacement = random.pick(&["$1", "${1}x", "$1x", "$$", "", "fix", "$2$1"]);
    let source = random.pick(&["v", "v", "job", "i", "nope"]);
    let regex = random.pick(&["(.*)", "(.)(.*)", "a(.)b", "(a)?(.*)b", "x", ""]);
    format!("label_replace({of}, \"{target}\", \"{replacement}\", \"{source}\", \"{regex}\")")
}
