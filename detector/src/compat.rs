//! Which Prometheus to agree with.

/// The Prometheus generation whose answers are reproduced where generations differ.
///
/// | what | [`V2`](Compat::V2) (2.42) | [`V3`](Compat::V3) (3.14) |
/// | --- | --- | --- |
/// | lookback and range windows | closed at both ends | open at the left end |
/// | first step of a subquery | at or after the window's start | after it |
/// | `rate` near a counter's birth | zero clamp, then the 1.1 × spacing test | the test, then the clamp |
/// | `sum`, `avg` | plain | compensated |
/// | filter comparisons between vectors | uniqueness checked after filtering | before (3.9) |
/// | regular expressions | `.` stops at a newline; those of Go 1.19 (Unicode 13.0) | `.` matches a newline; those of Go 1.26 (Unicode 15.0) |
/// | samples of a test without `interval` | all at the beginning | `evaluation_interval` apart (2.49) |
/// | `fuzzy_compare` (3.5) and `start_timestamp` (3.9) in test files | refused | accepted |
/// | `predict_linear` of a subquery with `@` | evaluated | refused: 3.14 finds nothing, later versions do |
/// | group keys `labels`, `query_offset` | refused | accepted |
/// | durations that are computed (3.14; before, experimental) | refused | accepted |
/// | in expressions: numbers as durations and durations as numbers, `1_000`, names in quotes, newer functions and words | refused | accepted |
/// | exponential smoothing | `holt_winters` | `double_exponential_smoothing`, experimental |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compat {
    /// Prometheus 2.42, the version of the `promtool` most distributions ship.
    V2,
    /// Prometheus 3.14.
    #[default]
    V3,
}

impl Compat {
    /// Whether windows exclude a sample exactly on their left end.
    pub(crate) fn left_open(self) -> bool {
        self == Self::V3
    }

    /// The earliest timestamp inside a window of `length_ms` that ends at `end_ms`.
    pub(crate) fn window_start_ms(self, end_ms: i64, length_ms: i64) -> i64 {
        let start = end_ms.saturating_sub(length_ms);
        if self.left_open() {
            start.saturating_add(1)
        } else {
            start
        }
    }
}
