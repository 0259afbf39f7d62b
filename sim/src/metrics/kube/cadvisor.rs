//! What cAdvisor tells of the containers of a drill's workers, as far as both engines know it.

use super::pods::{Pod, Quota, State};
use super::{About, KubeSeries, Pods};
use crate::metrics::Value;
use firedrill_asynq::clock::Time;

/// Whether a metric is cAdvisor's.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with("container_")
}

impl Pods {
    /// Everything cAdvisor exposes now; `resident`: what a process has in memory, bytes.
    pub(crate) fn each_container(
        &self,
        now: Time,
        resident: impl Fn(&str) -> Option<u64>,
        mut expose: impl FnMut(KubeSeries, f64),
    ) {
        for (place, pod) in (0..).zip(&self.pods) {
            // One that waits is no container.
            if !matches!(pod.state, State::Runs | State::Leaves) {
                continue;
            }
            let about = About::Container(place, pod.number);
            let mut tell = |name, value| {
                let own = None;
                expose(KubeSeries { name, about, own }, value);
            };
            let started_s = pod.started.millis() as f64 / 1e3;
            tell("container_start_time_seconds", started_s);
            let limit = self.deployments[pod.deployment].memory_limit;
            if let (Some(limit), Some(resident)) = (limit, resident(&pod.process)) {
                tell("container_memory_rss", resident as f64);
                tell("container_memory_working_set_bytes", resident as f64);
                tell("container_spec_memory_limit_bytes", limit as f64);
            }
            if let Some((periods, throttled_s)) = pod.throttled(now) {
                let periods = periods as f64;
                tell("container_cpu_cfs_periods_total", periods);
                tell("container_cpu_cfs_throttled_periods_total", periods);
                tell("container_cpu_cfs_throttled_seconds_total", throttled_s);
            }
        }
    }

    /// Everything cAdvisor exposes now with its labels, metric by metric.
    pub(crate) fn container_values(
        &self,
        now: Time,
        resident: impl Fn(&str) -> Option<u64>,
    ) -> Vec<Value> {
        let mut series = Vec::new();
        self.each_container(now, resident, |of, value| series.push((of, value)));
        self.named(series)
    }
}

impl Pod {
    /// In how many periods its container was throttled so far, all of them, and for how long, seconds; `None`: its processor is not
    /// limited. A container that is started anew counts from 0.
    fn throttled(&self, now: Time) -> Option<(i64, f64)> {
        let Quota {
            since,
            run_ms,
            period_ms,
        } = self.quota?;
        let elapsed_ms = (now.millis() - since.max(self.started).millis()).max(0);
        let stopped_ms = period_ms - run_ms;
        let periods = elapsed_ms / period_ms;
        let last_ms = (elapsed_ms % period_ms).min(stopped_ms);
        Some((periods, (periods * stopped_ms + last_ms) as f64 / 1e3))
    }
}
