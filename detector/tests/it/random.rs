//! Random series and expressions from a seed.

/// A small generator (SplitMix64); the same seed gives the same cases everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }
}

/// Series in promtool's notation: gauges `g`, counters `c`, buckets `h_bucket`, limits `lim`.
pub(crate) fn series(random: &mut Random, samples: usize) -> Vec<(String, String)> {
    let mut series = Vec::new();
    for (place, (job, i)) in [("x", "1"), ("x", "2"), ("y", "1"), ("y", "3")]
        .iter()
        .enumerate()
    {
        for name in ["g", "c"] {
            if random.chance(85) {
                // A fraction of its own keeps values of different series apart; it is exact in binary.
                let own = place as f64 / 16.0;
                let labels = format!("{name}{{job=\"{job}\",i=\"{i}\"}}");
                series.push((labels, values(random, name == "c", own, samples)));
            }
        }
    }
    for job in ["x", "y", "z"] {
        let team = random.pick(&["t1", "t2"]);
        let labels = format!("lim{{job=\"{job}\",team=\"{team}\"}}");
        series.push((labels, values(random, false, 0.5, samples)));
    }
    for job in ["x", "y"] {
        let slope: Vec<usize> = (0..4).map(|_| random.below(4)).collect();
        let mut total = 0;
        for (bound, slope) in ["0.1", "0.5", "2", "+Inf"].iter().zip(slope) {
            total += slope;
            let labels = format!("h_bucket{{job=\"{job}\",le=\"{bound}\"}}");
            series.push((labels, format!("0+{total}x{samples}")));
        }
    }
    series
}

fn values(random: &mut Random, counter: bool, own: f64, samples: usize) -> String {
    let mut value = own + random.below(40) as f64;
    let mut items = Vec::new();
    while items.len() < samples {
        let roll = random.below(100);
        if roll < 8 {
            let longest = if random.chance(20) { 12 } else { 3 };
            let gap = 1 + random.below(longest);
            items.extend(std::iter::repeat_n("_".to_owned(), gap));
            continue;
        }
        if roll < 12 {
            items.push("stale".into());
            continue;
        }
        if roll < 14 && !counter {
            items.push(random.pick(&["NaN", "Inf", "-Inf"]).into());
            continue;
        }
        if counter {
            value = if random.chance(6) {
                own + random.below(3) as f64
            } else {
                value + random.below(9) as f64
            };
        } else if random.chance(70) {
            value += random.below(21) as f64 - 10.0;
        }
        items.push(value.to_string());
    }
    items.join(" ")
}

/// A random expression of the supported subset.
pub(crate) fn expression(random: &mut Random, depth: usize) -> String {
    let deeper = |random: &mut Random| expression(random, depth - 1);
    if depth == 0 {
        return if random.chance(55) {
            range_call(random)
        } else {
            selector(random)
        };
    }
    match random.below(13) {
        0 => selector(random),
        1 | 2 => range_call(random),
        3 | 4 => {
            let op = random.pick(&[
                "sum", "min", "max", "avg", "count", "group", "stddev", "stdvar",
            ]);
            format!("{op} {} ({})", grouping(random), deeper(random))
        }
        5 => match random.below(4) {
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
            let number = random.pick(&["0.3137", "2", "7.03", "-1", "11", "0", "100"]);
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
            match random.below(12) {
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
                10 => format!("hour({of} * 1000)"),
                _ => format!(
                    "{}({of})",
                    random.pick(&["abs", "sqrt", "sgn", "ln", "exp", "day_of_week"])
                ),
            }
        }
        _ => {
            let phi = random.pick(&["0.5", "0.9", "0.99", "0", "1"]);
            let range = range(random);
            match random.below(3) {
                0 => format!("histogram_quantile({phi}, h_bucket)"),
                1 => format!("histogram_quantile({phi}, rate(h_bucket[{range}]))"),
                _ => format!("histogram_quantile({phi}, sum by (le) (rate(h_bucket[{range}])))"),
            }
        }
    }
}

fn operator(random: &mut Random) -> String {
    if random.chance(50) {
        return random.pick(&["+", "-", "*", "/", "%", "^"]).into();
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

fn plain_selector(random: &mut Random) -> String {
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
    ]);
    format!("{name}{matchers}")
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
    ])
}

fn selector(random: &mut Random) -> String {
    format!("{}{}", plain_selector(random), modifiers(random))
}

fn range(random: &mut Random) -> &'static str {
    random.pick(&[
        "1m", "2m", "3m", "5m", "10m", "90s", "4m59s", "30s", "15m", "301s",
    ])
}

fn range_call(random: &mut Random) -> String {
    let range = range(random);
    let of = if random.chance(80) {
        format!("{}[{range}]", plain_selector(random))
    } else {
        let step = random.pick(&["1m", "30s", "45s", "2m", ""]);
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
        7 => format!("predict_linear({of}, 600)"),
        8 => format!("{}({of})", random.pick(&["resets", "changes"])),
        9 => format!("quantile_over_time(0.{}, {of})", random.below(10)),
        10 => format!("absent_over_time({of})"),
        _ => {
            let over = random.pick(&[
                "sum", "avg", "min", "max", "count", "present", "last", "stddev", "stdvar",
            ]);
            format!("{over}_over_time({of})")
        }
    }
}

/// A rule file of recording rules and alerts whose evaluation cannot fail.
pub(crate) fn rules(random: &mut Random) -> String {
    let mut text = String::from("groups:\n- name: first\n  rules:\n");
    for place in 0..12 {
        if place == 6 {
            text.push_str("- name: second\n  rules:\n");
        }
        if place % 6 == 0 {
            let of = plain_selector(random);
            text.push_str(&format!(
                "  - {{ record: 'r{place}', expr: 'sum by (job, i) ({of} > 12)', labels: {{ from: rule }} }}\n"
            ));
            continue;
        }
        let wait = random.pick(&["0s", "30s", "45s", "1m", "90s", "3m"]);
        let keep = random.pick(&["0s", "0s", "30s", "1m", "100s"]);
        let labels = random.pick(&[
            "{}",
            "{ job: 'of-{{ $labels.job }}', severity: page }",
            "{ v: '{{ $value }}' }",
            "{ e: '{{ $labels.nope }}' }",
        ]);
        let range = range(random);
        let of = plain_selector(random);
        let expr = match random.below(7) {
            0 => format!("{of} > 15"),
            1 => format!("rate(c[{range}]) > 0.1"),
            2 => format!("sum by (job) (increase(c[{range}])) < 20"),
            3 => format!("absent({of}{{team=\"t1\"}})").replace("}{", ","),
            4 => "r0 > 20".to_owned(),
            5 => "r6 unless on(i) r0".to_owned(),
            _ => format!(
                "g == bool 0 and changes(g[{range}]) > 1 unless ALERTS{{alertstate=\"firing\",job=\"x\"}}"
            ),
        };
        text.push_str(&format!(
            "  - {{ alert: 'A{place}', expr: '{expr}', for: {wait}, keep_firing_for: {keep}, labels: {labels} }}\n"
        ));
    }
    text
}
