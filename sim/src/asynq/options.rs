//! Options of a task in words, as a scheduler's entry lists them (asynq `client.go`, the options' `String`).

use crate::asynq::settings::DEFAULT_MAX_RETRY;
use crate::plan::TaskPlan;

/// The options of a plan's task that are not asynq's defaults, and its queue.
#[must_use]
pub fn option_texts(task: &TaskPlan) -> Vec<String> {
    let mut texts = vec![format!("Queue({:?})", task.queue)];
    let mut option = |name: &str, value: String| texts.push(format!("{name}({value})"));
    if i64::from(task.max_retry) != i64::from(DEFAULT_MAX_RETRY) {
        option("MaxRetry", task.max_retry.to_string());
    }
    option("Timeout", go_duration(task.timeout_ms));
    if task.delay_ms > 0 {
        option("ProcessIn", go_duration(task.delay_ms));
    }
    if task.retention_ms > 0 {
        option("Retention", go_duration(task.retention_ms));
    }
    texts
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
