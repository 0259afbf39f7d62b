//! The short texts that documents are made of: here what several of them need, in the modules what is of one kind.

mod incidents;
mod matrix;
mod summary;
mod tasks;

use incidents::unsent;
pub(crate) use incidents::{measured, outcome, parts, reset, standing, wanted};
pub(crate) use matrix::{Named, alert as did, matrix, named};
pub(crate) use summary::summary;
pub(crate) use tasks::{REMEDIES, classes, count, remedies, waits};

use super::{Told, Tone};
use crate::score::stats::Share;
use std::borrow::Cow;

/// `+15:15` after the fault (or the harmless event) began.
pub(crate) fn since(at_ms: i64, zero_ms: i64) -> String {
    let seconds = (at_ms - zero_ms) as f64 / 1e3;
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", clock(seconds.abs().round() as i64))
}

/// `75:03`, or `-0:38`.
pub(crate) fn clock(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    format!("{sign}{}:{:02}", seconds / 60, seconds % 60)
}

/// A length of time in minutes and seconds.
#[must_use]
pub fn length(ms: i64) -> String {
    clock((ms as f64 / 1e3).round() as i64)
}

/// `850 ms`, `12.34 s`, `75:03`.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.2} s", ms as f64 / 1e3),
        _ => length(i64::try_from(ms).unwrap_or(i64::MAX)),
    }
}

/// `2 of 3 = 67 % [21, 94]`.
pub(crate) fn share(share: Option<Share>, nothing: &str) -> String {
    share.map_or_else(
        || format!("n/a ({nothing})"),
        |share| {
            let (low, high) = share.wilson();
            format!(
                "{} of {} = {:.0} % [{:.0}, {:.0}]",
                share.count,
                share.of,
                share.value() * 100.0,
                low * 100.0,
                high * 100.0
            )
        },
    )
}

/// A word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let quoter = shlex::Quoter::new().allow_nul(true);
    let quoted = quoter.quote(word).map(Cow::into_owned);
    quoted.unwrap_or_else(|_| word.to_owned())
}
