//! What receivers were sent in a drill, where an Alertmanager file says what is sent.

use crate::alertmanager::{Labels, Notification, Reason, Sent, Suppressed};
use crate::score::judge::{Class, Judged};
use serde::{Deserialize, Serialize};

/// What an Alertmanager made of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The file.
    pub file: String,
    /// What receivers were sent, in order of time.
    pub notifications: Vec<Notification>,
    /// What was kept back from them, and why.
    pub suppressed: Vec<Suppressed>,
    /// Pages after the warm-up: what receivers that page were sent, but that all is over.
    pub pages: u64,
    /// Of those, how many told of nothing new.
    pub repeats: u64,
    /// Of those, how many were false: they told of a false alarm first, or of nothing else.
    pub false_pages: u64,
}

impl Routed {
    pub(crate) fn new(
        file: &str,
        sent: Sent,
        judged: &[Judged],
        scored_ms: std::ops::Range<i64>,
    ) -> Self {
        let Sent {
            mut notifications,
            suppressed,
            ..
        } = sent;
        // What would have been sent after the drill was not.
        notifications.retain(|one| one.at_ms <= scored_ms.end);
        let is_page = |one: &&Notification| {
            one.page && !one.firing.is_empty() && one.at_ms >= scored_ms.start
        };
        let pages = || notifications.iter().filter(is_page);
        let is_repeat = |one: &&Notification| one.reason == Reason::RepeatIntervalElapsed;
        let false_pages = pages().filter(|one| is_false(one, judged)).count() as u64;
        let (all, repeats) = (pages().count() as u64, pages().filter(is_repeat).count());
        Self {
            file: file.to_owned(),
            pages: all,
            repeats: repeats as u64,
            false_pages,
            notifications,
            suppressed,
        }
    }
}

/// Whether a page told of a false alarm first, or of nothing else.
fn is_false(page: &Notification, judged: &[Judged]) -> bool {
    let of = |labels: &Labels, is_it: &dyn Fn(&Judged) -> bool| {
        judged.iter().any(|judged| {
            judged.page
                && is_it(judged)
                && judged.episode.firings.iter().any(|firing| {
                    let is_named = labels.get("alertname") == Some(&judged.episode.alert);
                    let own = labels.iter().filter(|(name, _)| {
                        firing.labels.contains_key(*name) || *name != "alertname"
                    });
                    let is_alike = is_named && own.eq(firing.labels.iter());
                    is_alike && (firing.start_ms..=firing.end_ms).contains(&page.at_ms)
                })
        })
    };
    let is_new = |judged: &Judged| {
        judged.is_false() && judged.episode.sent && judged.episode.delivered_ms == page.at_ms
    };
    let is_other = |judged: &Judged| !judged.is_false() && judged.class != Class::Unsent;
    page.firing.iter().any(|labels| of(labels, &is_new))
        || (page
            .firing
            .iter()
            .any(|labels| of(labels, &Judged::is_false))
            && !page.firing.iter().any(|labels| of(labels, &is_other)))
}
