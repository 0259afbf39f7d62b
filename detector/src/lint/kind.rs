//! What can be said against rules: the list of it.

/// What a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RemarkKind {
    /// An alert without any condition: it fires as long as there is data.
    NoComparison,
    /// An alert on 0 or 1: it fires for both.
    BoolComparison,
    /// A comparison that holds for all values there can be.
    AlwaysHolds,
    /// A comparison that holds for no value there can be.
    NeverHolds,
    /// A counter compared by itself: it only grows.
    RawCounter,
    /// `rate()` or one like it of a gauge: it takes falls for restarts.
    GaugeRate,
    /// `delta()` or one like it of a counter: it takes restarts for falls.
    CounterDelta,
    /// A range that never holds the two samples its function needs.
    RangeWithoutData,
    /// A range of fewer than four scrapes.
    RangeOfFewScrapes,
    /// A `for` that is over before there is another sample.
    ForBelowScrape,
    /// A sum of what every replica of an exporter says alike.
    DoubleCount,
    /// A template asks for a label that the expression has not kept.
    LabelDropped,
    /// Two sides that have no labels in common, whatever the data.
    NeverMatch,
    /// `absent()` that fires at the first evaluation.
    AbsentWithoutFor,
}

impl RemarkKind {
    /// All there are.
    pub const ALL: [Self; 14] = [
        Self::NoComparison,
        Self::BoolComparison,
        Self::AlwaysHolds,
        Self::NeverHolds,
        Self::RawCounter,
        Self::GaugeRate,
        Self::CounterDelta,
        Self::RangeWithoutData,
        Self::RangeOfFewScrapes,
        Self::ForBelowScrape,
        Self::DoubleCount,
        Self::LabelDropped,
        Self::NeverMatch,
        Self::AbsentWithoutFor,
    ];

    /// A stable name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.told().0
    }

    /// One sentence for people: what is wrong, whatever the rule.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::NoComparison => (
                "no_comparison",
                "An alert that compares nothing fires as long as there is data, for 0 as well.",
            ),
            Self::BoolComparison => (
                "bool_comparison",
                "A comparison with `bool` is 0 or 1 and never empty, and an alert fires for both.",
            ),
            Self::AlwaysHolds => (
                "always_holds",
                "A comparison holds for every value that what it compares can have.",
            ),
            Self::NeverHolds => (
                "never_holds",
                "A comparison holds for no value that what it compares can have.",
            ),
            Self::RawCounter => (
                "raw_counter",
                "A counter only grows: once above a threshold it stays there until its process restarts.",
            ),
            Self::GaugeRate => (
                "gauge_rate",
                "`rate`, `irate` and `increase` take every fall of a gauge for a restart.",
            ),
            Self::CounterDelta => (
                "counter_delta",
                "`delta`, `idelta` and `deriv` take a counter's restart for a fall.",
            ),
            Self::RangeWithoutData => (
                "range_without_data",
                "A range that is no longer than a scrape interval never holds the two samples its function needs.",
            ),
            Self::RangeOfFewScrapes => (
                "range_of_few_scrapes",
                "In a range of fewer than four scrapes, one that is missing or late takes away what the function goes by.",
            ),
            Self::ForBelowScrape => (
                "for_below_scrape",
                "A `for` shorter than a scrape interval may be over before there is another sample.",
            ),
            Self::DoubleCount => (
                "double_count",
                "Every replica of an exporter of the same Redis says the same: a sum counts each queue once per replica.",
            ),
            Self::LabelDropped => (
                "label_dropped",
                "A template asks for a label that the expression has not kept.",
            ),
            Self::NeverMatch => (
                "never_match",
                "The two sides of an operation have no labels in common, whatever the data.",
            ),
            Self::AbsentWithoutFor => (
                "absent_without_for",
                "`absent()` without `for` fires at the first evaluation that finds nothing.",
            ),
        }
    }
}
