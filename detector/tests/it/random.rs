//! Random series, expressions and rules from a seed.

mod expression;
mod number;

use firedrill_detector::Compat;

pub(crate) use expression::expression;
use expression::{plain_selector, range};

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

/// A test file has one interval for all samples: it is this part of that between scrapes, so that scrapes can be late.
pub(crate) const SLOTS_PER_SCRAPE: usize = 6;

/// Series in promtool's notation: gauges `g`, counters `c`, buckets `h_bucket`, buckets no exporter would write
/// `b_bucket`, limits `lim`, texts `n`.
pub(crate) fn series(random: &mut Random, samples: usize) -> Vec<(String, String)> {
    let mut series: Vec<(String, Vec<String>)> = Vec::new();
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
            let items = (0..=samples).map(|sample| (total * sample).to_string());
            series.push((labels, items.collect()));
        }
    }
    for (job, bounds) in [
        ("x", ["0.5", "1", "1.0", "2", "+Inf"]),
        ("y", ["-1", "0", "1", "7", "x"]),
        ("z", ["1", "2", "4", "8", "+Inf"]),
    ] {
        for bound in bounds {
            let labels = format!("b_bucket{{job=\"{job}\",le=\"{bound}\"}}");
            series.push((labels, values(random, true, 0.0, samples)));
        }
    }
    for (text, value) in [("a\\nb", 1), ("a.b", 2), ("ab", 3), ("", 4), ("ä☃", 5)] {
        let items = vec![value.to_string(); samples + 1];
        series.push((format!("n{{v=\"{text}\"}}"), items));
    }
    // Half of the files are scraped like clockwork, the others a little later each time.
    let latest = if random.chance(50) {
        0
    } else {
        SLOTS_PER_SCRAPE - 1
    };
    let spread = series
        .into_iter()
        .map(|(labels, items)| (labels, spread(random, items, latest)));
    spread.collect()
}

/// The scrapes of a series in slots, each up to `latest` slots late. What was missed is a gap.
fn spread(random: &mut Random, items: Vec<String>, latest: usize) -> String {
    let mut text = Vec::new();
    let mut next_slot = 0;
    for (scrape, item) in items.into_iter().enumerate() {
        let slot = scrape * SLOTS_PER_SCRAPE + random.below(latest + 1);
        if item == "_" {
            continue;
        }
        if slot > next_slot {
            text.push(format!("_x{}", slot - next_slot));
        }
        text.push(item);
        next_slot = slot + 1;
    }
    text.join(" ")
}

fn values(random: &mut Random, counter: bool, own: f64, samples: usize) -> Vec<String> {
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
    items
}

/// The longest `query_offset` of [`rules`].
pub(crate) const LONGEST_QUERY_OFFSET_MS: i64 = 60_000;

/// A rule file of recording rules and alerts whose evaluation cannot fail.
pub(crate) fn rules(random: &mut Random, compat: Compat) -> String {
    let mut text = String::from("groups:\n");
    for place in 0..12 {
        if place % 6 == 0 {
            let name = if place == 0 { "first" } else { "second" };
            text.push_str(&format!("- name: {name}\n"));
            if compat == Compat::V3 && random.chance(50) {
                text.push_str("  labels: { zone: a, severity: none }\n");
            }
            if compat == Compat::V3 && random.chance(30) {
                let offset = random.pick(&["30s", "1m", "45s"]);
                text.push_str(&format!("  query_offset: {offset}\n"));
            }
            text.push_str("  rules:\n");
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
            "{ h: '{{ $value | humanize }} {{ humanizeDuration $value }}' }",
            "{ h: '{{ humanize1024 $value }}', p: '{{ humanizePercentage $value }}' }",
            "{ f: '{{ printf \"%.3g %.1f\" $value $value }}', team: '' }",
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

/// A rule file whose rules fail now and then, over limits and for equal label sets, whose groups have intervals of their own,
/// which promtool does not go by, and whose alerts know the server's labels.
pub(crate) fn failing_rules(random: &mut Random) -> String {
    let mut text = String::from("groups:\n");
    for group in ["first", "second"] {
        text.push_str(&format!("- name: {group}\n"));
        if random.chance(50) {
            let interval = random.pick(&["10s", "1m", "45s"]);
            text.push_str(&format!("  interval: {interval}\n"));
        }
        if random.chance(60) {
            text.push_str(&format!("  limit: {}\n", 1 + random.below(6)));
        }
        text.push_str("  rules:\n");
        for place in 0..3 {
            let of = plain_selector(random);
            let above = 10 + random.below(40);
            if random.chance(30) {
                let labels = random.pick(&["{}", "{}", "{ i: '' }", "{ job: same }"]);
                text.push_str(&format!(
                    "  - {{ record: 'r{place}', expr: '{of} > {above}', labels: {labels} }}\n"
                ));
                continue;
            }
            let wait = random.pick(&["0s", "30s", "1m"]);
            let labels = random.pick(&[
                "{}",
                "{}",
                "{ i: '' }",
                "{ zone: '{{ $externalLabels.zone }}', size: 'ä {{ $value | humanize }} ☃' }",
                "{ zone: '{{ $externalLabels.zone }}', url: '{{ $externalURL }}' }",
            ]);
            text.push_str(&format!(
                "  - {{ alert: 'A{place}', expr: '{of} > {above}', for: {wait}, labels: {labels}, annotations: \
                 {{ at: '{{{{ $value }}}} in {{{{ $externalLabels.zone }}}} {{{{ $labels.job }}}} ä' }} }}\n"
            ));
        }
    }
    text
}
