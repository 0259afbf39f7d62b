//! What a record says whatever the rules are: its incidents, and the time in which every alarm is false.

use crate::jsonl::Record;
use crate::pack::RulePack;
use crate::score::judge::Truth;
use crate::score::spans::Spans;
use crate::score::{ScoreParams, doubt, incident};

/// Ground truth of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ground {
    pub(crate) truths: Vec<Truth>,
    /// When the drill ended, milliseconds since its start.
    pub(crate) end_ms: i64,
    /// From the end of the warm-up to the end of the drill.
    pub(crate) scored: Spans,
    /// Incidents with their grace.
    pub(crate) around: Spans,
}

impl Ground {
    pub(crate) fn new(record: &Record, params: &ScoreParams) -> Self {
        let end_ms = record.end_ms();
        let truths = incident::truths(record, end_ms);
        let around = truths
            .iter()
            .map(|truth| (truth.fault_ms, truth.end_ms + params.grace_ms));
        Self {
            around: Spans::new(around),
            truths,
            end_ms,
            scored: Spans::new([(record.header.warmup_ms, end_ms)]),
        }
    }

    /// Scored time outside of all incidents.
    pub(crate) fn exposure_ms(&self) -> i64 {
        self.scored.total_ms() - self.scored.and(&self.around).total_ms()
    }

    /// Why the record proves nothing about an alert that stays silent. One for which this is empty is not in doubt under
    /// any rules, but for alarms that the harness' lag made, kept back, or brought to the wrong side of a deadline.
    pub(crate) fn doubts(
        &self,
        record: &Record,
        pack: &RulePack,
        params: &ScoreParams,
    ) -> Vec<String> {
        let silent: Vec<_> = self
            .truths
            .iter()
            .map(|truth| incident::score(record, truth, &[], pack, params, self.end_ms))
            .collect();
        let alarms = doubt::Alarms {
            incidents: &silent,
            judged: &[],
            transitions: &[],
            pack,
        };
        doubt::inconclusive(record, alarms, Vec::new()).why
    }
}
