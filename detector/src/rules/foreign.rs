//! Keys that Prometheus' rule files do not have, but those of its kin do.

use super::documents::Origin;
use crate::yaml::{Fields, Problems, UnknownKeys};

/// A key of somebody else's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForeignKey {
    name: &'static str,
    /// Whose it is.
    whose: &'static str,
    /// Where it is at home, beside files that are read with unknown keys ignored.
    home: Option<Origin>,
    /// What is different without it; `None`: nothing that is evaluated here.
    unlike: Option<&'static str>,
}

const fn key(name: &'static str, whose: &'static str, home: Option<Origin>) -> ForeignKey {
    ForeignKey {
        name,
        whose,
        home,
        unlike: None,
    }
}

const fn unlike(key: ForeignKey, unlike: &'static str) -> ForeignKey {
    ForeignKey {
        unlike: Some(unlike),
        ..key
    }
}

const VICTORIA: Option<Origin> = Some(Origin::Victoria);

/// Beside `groups`.
pub(super) const OF_FILES: &[ForeignKey] = &[key("namespace", "Mimir", None)];

/// Of a group.
pub(super) const OF_GROUPS: &[ForeignKey] = &[
    key(
        "partial_response_strategy",
        "Thanos",
        Some(Origin::Resource),
    ),
    unlike(
        key("source_tenants", "Mimir", None),
        "all data is one tenant's here",
    ),
    unlike(
        key("align_evaluation_time_on_interval", "Mimir", None),
        "groups are evaluated from the drill's start on",
    ),
    unlike(
        key("evaluation_delay", "Mimir", None),
        "nothing is evaluated later here; `query_offset` is",
    ),
    key("concurrency", "VictoriaMetrics", VICTORIA),
    key("params", "VictoriaMetrics", VICTORIA),
    key("headers", "VictoriaMetrics", VICTORIA),
    key("notifier_headers", "VictoriaMetrics", VICTORIA),
    unlike(
        key("tenant", "VictoriaMetrics", VICTORIA),
        "all data is one tenant's here",
    ),
    unlike(
        key("extra_filter_labels", "VictoriaMetrics", VICTORIA),
        "the rules see all data here",
    ),
    unlike(
        key("eval_offset", "VictoriaMetrics", VICTORIA),
        "groups are evaluated from the drill's start on",
    ),
    unlike(
        key("eval_delay", "VictoriaMetrics", VICTORIA),
        "nothing is evaluated later here",
    ),
    unlike(
        key("eval_alignment", "VictoriaMetrics", VICTORIA),
        "groups are evaluated from the drill's start on",
    ),
];

/// Of a rule.
pub(super) const OF_RULES: &[ForeignKey] = &[
    key("debug", "VictoriaMetrics", VICTORIA),
    key("update_entries_limit", "VictoriaMetrics", VICTORIA),
];

/// Takes those of `known` that are there: at home without a word unless something is different, ignored with one where
/// unknown keys are to be, refused with what to do elsewhere.
pub(super) fn keys(
    fields: &mut Fields<'_>,
    known: &'static [ForeignKey],
    origin: Origin,
    problems: &mut Problems,
    warnings: &mut Problems,
) {
    let ignored = problems.unknown_keys() == UnknownKeys::Ignored;
    for key in known {
        let is_home = key.home == Some(origin);
        let Some(at) = fields.take_foreign(key.name) else {
            continue;
        };
        let (name, whose) = (key.name, key.whose);
        match key.unlike {
            _ if !is_home && !ignored => problems.push_with_hint(
                at,
                format!(
                    "unknown key `{name}` in {}: it is one of {whose}, and Prometheus refuses it",
                    fields.what()
                ),
                "--ignore-unknown-fields reads the file without it",
            ),
            Some(unlike) => warnings.push(at, format!("`{name}` ({whose}) is ignored: {unlike}")),
            None if !is_home => warnings.push(at, format!("`{name}` ({whose}) is ignored")),
            None => {}
        }
    }
}
