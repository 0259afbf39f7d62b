//! Which server answers.

/// Which server answers: a restarted one is another, and so is whoever took its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Redis' `run_id`: drawn at its start.
    pub run_id: String,
    /// Its process, in its own container.
    pub process_id: u32,
}

impl Identity {
    /// As a server tells in `INFO`.
    #[must_use]
    pub fn of(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        Some(Self {
            run_id: field("run_id")?.trim().to_owned(),
            process_id: field("process_id")?.trim().parse().ok()?,
        })
    }
}
