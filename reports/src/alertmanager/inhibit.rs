//! Inhibition rules, by `inhibit/inhibit.go`.

use super::matcher::{Labels, Matcher, all_accept};

/// While a source fires, targets with the same labels are not notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InhibitRule {
    pub(super) source: Vec<Matcher>,
    pub(super) target: Vec<Matcher>,
    /// A label that neither has is equal.
    pub(super) equal: Vec<String>,
}

impl InhibitRule {
    /// Whether an alert with these labels inhibits what fits.
    pub(super) fn is_source(&self, labels: &Labels) -> bool {
        all_accept(&self.source, labels)
    }

    /// The first of the firing alerts that inhibits another. One that could be both source and target is inhibited by none
    /// that could, too.
    pub(super) fn source_for<'l>(
        &self,
        target: &Labels,
        mut firing: impl Iterator<Item = &'l Labels>,
    ) -> Option<&'l Labels> {
        if !all_accept(&self.target, target) {
            return None;
        }
        let is_source_too = all_accept(&self.source, target);
        firing.find(|source| {
            let is_equal = |name: &String| {
                let value = |labels: &Labels| labels.get(name).cloned().unwrap_or_default();
                value(source) == value(target)
            };
            all_accept(&self.source, source)
                && self.equal.iter().all(is_equal)
                && !(is_source_too && all_accept(&self.target, source))
        })
    }
}
