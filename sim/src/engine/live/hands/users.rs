//! How often others have changed what the users of Redis may do: Redis counts the commands that do so, also where all is by now as it was.

use firedrill_asynq::broker::redis::RedisBroker;

/// The commands, as Redis counts them from 7.0 on.
const CHANGE: [&str; 3] = [
    "cmdstat_acl|setuser",
    "cmdstat_acl|deluser",
    "cmdstat_acl|load",
];

/// What a server has counted since it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    run_id: String,
    changes: i64,
}

impl Counted {
    /// `None`: Redis does not tell.
    pub(super) async fn by(redis: &RedisBroker, run_id: Option<String>) -> Option<Self> {
        let mut stats = redis::cmd("INFO");
        let told = redis.command::<String>(stats.arg("commandstats"), "INFO");
        Some(Self {
            run_id: run_id?,
            changes: changes(&told.await.ok()?),
        })
    }
}

/// What the commands were called, but for calls that have failed.
fn changes(stats: &str) -> i64 {
    let lines = stats.lines().filter_map(|line| line.split_once(':'));
    let of_users = lines.filter(|(name, _)| CHANGE.contains(name));
    let number = |fields: &str, name: &str| {
        let mut fields = fields.split(',').filter_map(|field| field.split_once('='));
        let found = fields.find(|(known, _)| *known == name);
        found.and_then(|(_, value)| value.trim().parse::<i64>().ok())
    };
    of_users
        .map(|(_, fields)| {
            number(fields, "calls").unwrap_or(0) - number(fields, "failed_calls").unwrap_or(0)
        })
        .sum()
}

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Users {
    last: Option<Counted>,
    /// How many of those were not the plan's.
    others: i64,
}

impl Users {
    /// Takes in what was counted; `ours`: how often the plan has changed something, or is about to, in all. Answers how often others have
    /// since the last look.
    pub(super) fn see(&mut self, now: Counted, ours: i64) -> i64 {
        let others = now.changes - ours;
        let goes_on = |last: &Counted| last.run_id == now.run_id && last.changes <= now.changes;
        let more = match self.last.as_ref().is_some_and(goes_on) {
            // What the plan is about to do is not counted yet.
            true => (others - self.others).max(0),
            // Another server, or one that has forgotten what it had counted.
            false => {
                self.others = others;
                0
            }
        };
        self.others += more;
        self.last = Some(now);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_that_is_not_the_plans_counts_once() {
        let counted = |run_id: &str, changes: i64| Counted {
            run_id: run_id.to_owned(),
            changes,
        };
        let mut users = Users::default();
        assert_eq!(users.see(counted("a", 5), 0), 0);
        assert_eq!(users.see(counted("a", 5), 0), 0);
        // There and back between two looks.
        assert_eq!(users.see(counted("a", 7), 0), 2);
        // The plan is about to, and has.
        assert_eq!(users.see(counted("a", 7), 1), 0);
        assert_eq!(users.see(counted("a", 8), 1), 0);
        assert_eq!(users.see(counted("a", 10), 2), 1);
        // Another server, and CONFIG RESETSTAT.
        assert_eq!(users.see(counted("b", 1), 2), 0);
        assert_eq!(users.see(counted("b", 2), 2), 1);
        assert_eq!(users.see(counted("b", 0), 2), 0);
        assert_eq!(users.see(counted("b", 1), 2), 1);
    }

    #[test]
    fn calls_that_failed_have_changed_nothing() {
        let stats = "# Commandstats\r\ncmdstat_acl|setuser:calls=5,usec=9,usec_per_call=1.80,rejected_calls=1,failed_calls=2\r\n\
                     cmdstat_acl|list:calls=40,usec=9,usec_per_call=1.80,rejected_calls=0,failed_calls=0\r\n\
                     cmdstat_acl|deluser:calls=1,usec=9,usec_per_call=1.80,rejected_calls=0,failed_calls=0\r\n";
        assert_eq!(changes(stats), 4);
    }
}
