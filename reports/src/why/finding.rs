//! What can be found when rules are held against records: the list of it.

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A selector matched no series.
    NothingMatched,
    /// A side of an operation was empty at all evaluations although its selectors matched series.
    EmptySide,
    /// Two sides had values, but never with labels in common.
    NothingInCommon,
    /// What is compared with a low number vanished during an incident, and the comparison with it.
    Vanished,
    /// A quotient was not a number.
    ZeroByZero,
    /// What is asked to be absent never was.
    NeverAbsent,
    /// What is asked to be absent was so from the first evaluation to the last.
    AlwaysAbsent,
    /// The condition held at every evaluation outside of incidents.
    AlwaysHeld,
    /// The expression never held as long as `for` asks.
    ForTooLong,
    /// `for` asks for longer than any of the records is, or what it needs is of longer ago.
    DrillTooShort,
    /// The rule could not be evaluated.
    Failed,
    /// A comparison had both sides and never held.
    NeverHeld,
}

impl FindingKind {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::NothingMatched,
        Self::EmptySide,
        Self::NothingInCommon,
        Self::Vanished,
        Self::ZeroByZero,
        Self::NeverAbsent,
        Self::AlwaysAbsent,
        Self::AlwaysHeld,
        Self::ForTooLong,
        Self::DrillTooShort,
        Self::Failed,
        Self::NeverHeld,
    ];

    /// A stable name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.told().0
    }

    /// One sentence for people: what is the matter, whatever the rule.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::NothingMatched => (
                "nothing_matched",
                "A selector matched no series in the records.",
            ),
            Self::EmptySide => (
                "empty_side",
                "A side of an operation was always empty although its selectors matched series.",
            ),
            Self::NothingInCommon => (
                "nothing_in_common",
                "Two sides had values, but never with labels in common.",
            ),
            Self::Vanished => (
                "vanished",
                "What is compared with a low number vanished during an incident, and the comparison with it.",
            ),
            Self::ZeroByZero => ("zero_by_zero", "A quotient was not a number."),
            Self::NeverAbsent => ("never_absent", "What is asked to be absent never was."),
            Self::AlwaysAbsent => (
                "always_absent",
                "What is asked to be absent was so from beginning to end.",
            ),
            Self::AlwaysHeld => (
                "always_held",
                "The condition held at every evaluation outside of incidents.",
            ),
            Self::ForTooLong => (
                "for_too_long",
                "The expression never held as long as `for` asks.",
            ),
            Self::DrillTooShort => (
                "drill_too_short",
                "`for` asks for longer than any of the records is, or what it needs is of longer ago.",
            ),
            Self::Failed => ("failed", "The rule could not be evaluated."),
            Self::NeverHeld => ("never_held", "A comparison had both sides and never held."),
        }
    }
}
