//! By how much another machine's clock is ahead of ours, as far as its answers tell.

use jiff::fmt::rfc2822;

/// `Date` headers have whole seconds.
const SECOND_MS: i64 = 1_000;

/// What is known of another clock: each answer narrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Skew {
    /// Ahead of ours by at least and at most so many milliseconds.
    ahead_ms: Option<(i64, i64)>,
    /// Answers could not all be true: one of the clocks was set.
    pub(super) jumped: bool,
}

impl Skew {
    /// It answered that it was `date_ms`, or less than a second later; we asked and had the answer then. All Unix
    /// milliseconds.
    pub(super) fn take(&mut self, date_ms: i64, (asked_ms, answered_ms): (i64, i64)) {
        let (least, most) = (date_ms - answered_ms, date_ms + SECOND_MS - asked_ms);
        let (known_least, known_most) = self.ahead_ms.unwrap_or((least, most));
        let narrowed = (known_least.max(least), known_most.min(most));
        if narrowed.0 > narrowed.1 {
            self.jumped = true;
            self.ahead_ms = Some((least, most));
        } else {
            self.ahead_ms = Some(narrowed);
        }
    }

    pub(super) const fn ahead_ms(&self) -> Option<(i64, i64)> {
        self.ahead_ms
    }

    /// What to take off its times: nothing where it may be right.
    pub(super) fn correction_ms(&self) -> i64 {
        match self.ahead_ms {
            Some((least, most)) if least > 0 || most < 0 => least.midpoint(most),
            _ => 0,
        }
    }
}

/// The time in a `Date` header, Unix milliseconds.
pub(super) fn date_ms(header: &str) -> Option<i64> {
    let parsed = rfc2822::parse(header).ok()?;
    Some(parsed.timestamp().as_millisecond())
}

/// A time as Go writes it into JSON, Unix milliseconds; its zero is none.
pub(super) fn moment_ms(text: &str) -> Option<i64> {
    moment(text).ok().flatten()
}

/// The same.
///
/// # Errors
/// When it is no time.
pub(super) fn moment(text: &str) -> Result<Option<i64>, jiff::Error> {
    let ms = text.parse::<jiff::Timestamp>()?.as_millisecond();
    Ok((ms > 0).then_some(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read() {
        assert_eq!(
            date_ms("Mon, 30 Nov 2026 05:20:08 GMT"),
            Some(1_796_016_008_000)
        );
        assert_eq!(date_ms("yesterday"), None);
        assert_eq!(
            moment_ms("2026-11-30T05:20:08.123456789Z"),
            Some(1_796_016_008_123)
        );
        assert_eq!(moment_ms("0001-01-01T00:00:00Z"), None);
        assert_eq!(moment_ms(""), None);
    }

    #[test]
    fn a_clock_that_is_set_is_told() {
        let mut skew = Skew::default();
        skew.take(10_000, (10_100, 10_120));
        skew.take(13_000, (13_900, 13_920));
        assert_eq!(skew.ahead_ms(), Some((-120, 100)));
        assert_eq!((skew.jumped, skew.correction_ms()), (false, 0));
        skew.take(60_000, (20_000, 20_050));
        assert_eq!((skew.jumped, skew.correction_ms()), (true, 40_475));
    }

    proptest! {
        /// Whatever its clock is ahead by, and however long answers take: the truth is never excluded.
        #[test]
        fn the_truth_is_within_what_is_known(
            ahead_ms in -100_000i64..100_000,
            asked in prop::collection::vec((0i64..2_000, 0i64..300, 0i64..300), 1..40),
        ) {
            let mut skew = Skew::default();
            let mut now_ms = 1_796_016_008_000;
            for (pause, there, back) in asked {
                now_ms += pause;
                let asked_ms = now_ms;
                let date_ms = (now_ms + there + ahead_ms).div_euclid(1_000) * 1_000;
                now_ms += there + back;
                skew.take(date_ms, (asked_ms, now_ms));
            }
            let (least, most) = skew.ahead_ms().unwrap();
            prop_assert!(least <= ahead_ms && ahead_ms <= most, "{least} {ahead_ms} {most}");
            prop_assert!(!skew.jumped);
        }
    }
}
