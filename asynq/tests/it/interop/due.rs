//! When periodic tasks are due: ours beside robfig's, which asynq's scheduler asks, on days on which clocks are set and on others.

use super::peer::Peer;
use firedrill_asynq::clock::Time;
use firedrill_asynq::cron::Spec;
use firedrill_asynq::{rng, zone};
use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// Zones whose clocks are set: by an hour, half of one or two, at midnight or not, in either half of the year; and some that
/// are not. Cuba's are left out: Go reads the machine's data, we our own, and those do not agree on its winters.
const ZONES: [&str; 14] = [
    "Africa/Cairo",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "UTC",
];

/// Where looking begins: rules of zones do not change any more for years before.
const FROM: &str = "2024-01-01T00:00:00Z";
/// How many times each is asked for.
const COUNT: usize = 7;
const HOUR_S: i64 = 3_600;

/// One value, a list, a range or a step of a field.
fn field(dice: &mut impl Rng, (low, high): (u32, u32), names: &[&str]) -> String {
    let (one, other) = (dice.random_range(low..=high), dice.random_range(low..=high));
    let (from, to) = (one.min(other), one.max(other));
    let step = dice.random_range(1..=(high - low));
    match dice.random_range(0..12) {
        0..5 => "*".to_owned(),
        5 => "?".to_owned(),
        6 => format!("*/{step}"),
        7 => format!("{from}-{to}"),
        8 => format!("{from}-{to}/{step}"),
        9 => format!("{one},{other}"),
        10 if !names.is_empty() => names[dice.random_range(0..names.len())].to_owned(),
        _ => one.to_string(),
    }
}

/// A specification in a zone: five fields, or what stands for them.
fn spec(dice: &mut impl Rng, zone: &str) -> String {
    let prefix = match dice.random_range(0..3) {
        0 => format!("TZ={zone} "),
        _ => format!("CRON_TZ={zone} "),
    };
    let descriptors = [
        "@hourly",
        "@daily",
        "@weekly",
        "@monthly",
        "@yearly",
        "@every 90m",
    ];
    if dice.random_range(0..12) == 0 {
        return prefix + descriptors[dice.random_range(0..descriptors.len())];
    }
    let days = ["SUN", "mon", "Tue", "WED", "thu", "FRI", "sat"];
    let months = ["JAN", "Mar", "apr", "OCT", "nov"];
    let minute = field(dice, (0, 59), &[]);
    // The hours around which clocks are set.
    let hour = match dice.random_range(0..3) {
        0 => dice.random_range(0..=4).to_string(),
        _ => field(dice, (0, 23), &[]),
    };
    let (day, month, weekday) = match dice.random_range(0..3) {
        0 => ("*".to_owned(), "*".to_owned(), field(dice, (0, 6), &days)),
        1 => (field(dice, (1, 31), &[]), "*".to_owned(), "*".to_owned()),
        _ => (
            field(dice, (1, 31), &[]),
            field(dice, (1, 12), &months),
            field(dice, (0, 6), &days),
        ),
    };
    format!("{prefix}{minute} {hour} {day} {month} {weekday}")
}

/// Seconds to look from: around the times at which the zone's clocks are set, and anywhere.
fn moments(dice: &mut impl Rng, name: &str) -> Vec<i64> {
    let from: Timestamp = FROM.parse().unwrap();
    let zone = zone::named(name).unwrap();
    let set = zone.following(from).take(4);
    let set: Vec<i64> = set.map(|at| at.timestamp().as_second()).collect();
    let near = set.into_iter().flat_map(|at| {
        let far = 8 * 24 * HOUR_S;
        [far, 30 * HOUR_S, 2 * HOUR_S].map(|reach| at + dice.random_range(-reach..=reach / 4))
    });
    let mut moments: Vec<i64> = near.collect();
    let year = 366 * 24 * HOUR_S;
    moments.push(from.as_second() + dice.random_range(0..2 * year));
    moments
}

fn ours(spec: &str, from: Time) -> Value {
    let Ok(spec) = Spec::parse(spec) else {
        return Value::Null;
    };
    let mut at = from;
    let mut times = Vec::new();
    while times.len() < COUNT
        && let Some(next) = spec.next_after(at)
    {
        at = next;
        times.push(at.millis());
    }
    json!(times)
}

/// Milliseconds since the epoch, for a person.
fn shown(times: &Value) -> String {
    let time = |ms: &Value| Timestamp::from_millisecond(ms.as_i64()?).ok();
    let times = times.as_array().map(|all| all.iter().filter_map(time));
    let times: Option<Vec<String>> = times.map(|all| all.map(|at| at.to_string()).collect());
    times.map_or("not read".to_owned(), |all| all.join(" "))
}

#[test]
fn what_is_periodic_is_due_when_gos_scheduler_has_it_whatever_clocks_are_set() {
    crate::support::need!("go");
    // It asks no Redis for this.
    let mut go = Peer::start(&json!({ "addrs": ["127.0.0.1:1"] }));
    let mut dice = rng::stream(5, "cron");
    let mut cases = Vec::new();
    for name in ZONES {
        for _ in 0..20 {
            let spec = spec(&mut dice, name);
            let moments = moments(&mut dice, name).into_iter();
            cases.extend(moments.map(|from_s| (spec.clone(), from_s * 1_000)));
        }
    }
    // Each of these was wrong once, or may well be.
    let known = [
        // Midnight is left out on a Friday, and with it the look at the day.
        ("TZ=Africa/Cairo 0 5 * * 4", "2026-04-23T04:00:00Z"),
        ("TZ=Africa/Cairo 0 0 * * *", "2026-04-23T04:00:00Z"),
        (
            "TZ=Australia/Lord_Howe 15,45 1,2 * * *",
            "2026-04-04T00:00:00Z",
        ),
        ("TZ=Asia/Beirut 30 23,0 * * *", "2026-10-23T00:00:00Z"),
        ("0 0 */2 * FRI", "2026-04-24T00:00:00Z"),
        ("0 0 29 2 *", "2026-04-24T00:00:00Z"),
        ("0 0 * * 7", "2026-04-24T00:00:00Z"),
        ("0 0 30 2 *", "2026-04-24T00:00:00Z"),
    ];
    for (spec, from) in known {
        let from: Timestamp = from.parse().unwrap();
        cases.push((spec.to_owned(), from.as_millisecond()));
    }
    assert!(cases.len() > 2_500, "{}", cases.len());
    let asked = cases
        .iter()
        .map(|(spec, from_ms)| json!({ "spec": spec, "from_ms": from_ms, "count": COUNT }));
    let told = go.ask("due", json!({ "cases": asked.collect::<Vec<_>>() }));
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), cases.len());
    let due = told.iter().filter(|times| !times.is_null()).count();
    assert!(
        due * 10 > told.len() * 9,
        "Go reads {due} of {}",
        told.len()
    );
    let wrong = cases
        .iter()
        .zip(told)
        .filter_map(|((spec, from_ms), theirs)| {
            let ours = ours(spec, Time::from_millis(*from_ms));
            let told = || {
                let from = shown(&json!([from_ms]));
                format!(
                    "{spec}\n  from {from}\n  ours {}\n  Go's {}",
                    shown(&ours),
                    shown(theirs)
                )
            };
            (ours != *theirs).then(told)
        });
    let wrong: Vec<String> = wrong.collect();
    let some = wrong[..wrong.len().min(8)].join("\n");
    assert!(
        wrong.is_empty(),
        "{} differ, of {}:\n{some}",
        wrong.len(),
        cases.len()
    );
}
