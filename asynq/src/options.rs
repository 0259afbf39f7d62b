//! Options of a task in words, as a scheduler's entry lists them (asynq `client.go`, the options' `String`).

use crate::settings::DEFAULT_MAX_RETRY;

/// Options of a task as its submission has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOptions<'a> {
    /// asynq's `Queue`.
    pub queue: &'a str,
    /// asynq's `MaxRetry`.
    pub max_retry: u32,
    /// asynq's `Timeout`, milliseconds.
    pub timeout_ms: i64,
    /// asynq's `ProcessIn`, milliseconds; 0: at once.
    pub delay_ms: i64,
    /// asynq's `Retention`, milliseconds; 0: none.
    pub retention_ms: i64,
    /// asynq's `TaskID`; `None`: a random one.
    pub task_id: Option<&'a str>,
    /// asynq's `Unique`, milliseconds; 0: it is not.
    pub unique_ms: i64,
    /// asynq's `Group`.
    pub group: Option<&'a str>,
}

impl TaskOptions<'_> {
    /// The queue, and what is not asynq's default, each as Go prints the option.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let mut texts = vec![format!("Queue({:?})", self.queue)];
        let mut option = |name: &str, value: String| texts.push(format!("{name}({value})"));
        if i64::from(self.max_retry) != i64::from(DEFAULT_MAX_RETRY) {
            option("MaxRetry", self.max_retry.to_string());
        }
        option("Timeout", go_duration(self.timeout_ms));
        if self.delay_ms > 0 {
            option("ProcessIn", go_duration(self.delay_ms));
        }
        if self.retention_ms > 0 {
            option("Retention", go_duration(self.retention_ms));
        }
        if let Some(id) = self.task_id {
            option("TaskID", format!("{id:?}"));
        }
        if self.unique_ms > 0 {
            option("Unique", go_duration(self.unique_ms));
        }
        if let Some(group) = self.group {
            option("Group", format!("{group:?}"));
        }
        texts
    }
}

/// A duration of 0 or more milliseconds as Go prints it: `1h30m0s`, `1.5s`, `20ms`, `0s`.
#[must_use]
pub fn go_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = ms % 60_000;
    let fraction = format!("{:03}", seconds % 1_000);
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    let seconds = format!("{}{fraction}s", seconds / 1_000);
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::go_duration;

    #[test]
    fn durations_are_gos() {
        let texts = [0, 20, 1_500, 60_000, 5_400_000, 3_600_050].map(go_duration);
        assert_eq!(
            texts,
            ["0s", "20ms", "1.5s", "1m0s", "1h30m0s", "1h0m0.05s"]
        );
    }
}
