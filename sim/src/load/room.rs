//! What fits into a Redis: the largest value it takes, and how much memory one of our own may take of this machine.

use super::LoadPlan;
use crate::plan::PayloadSize;
use crate::redis_server::private::PrivateRedis;
use firedrill_asynq::broker::redis::RedisBroker;

/// What a message has beside its payload, bytes, with room to spare.
const AROUND_A_PAYLOAD: u64 = 4 << 10;
/// The share of the memory that is available which a load's own Redis may take: the rest is for who enqueues and works.
const MEMORY_SHARE: f64 = 0.5;

/// The largest payload of a load, and the largest value that Redis takes, where that is too little. A Redis that does not say takes it.
pub(super) async fn too_large(load: &LoadPlan, broker: &RedisBroker) -> Option<(u64, u64)> {
    let payloads = load
        .plan
        .workload
        .iter()
        .filter_map(|task| task.payload.as_ref());
    let largest = payloads.map(PayloadSize::largest).max()?;
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("proto-max-bulk-len");
    let said = broker.command::<Vec<String>>(&get, "CONFIG GET").await;
    let most: u64 = said.ok()?.get(1)?.parse().ok()?;
    (largest + AROUND_A_PAYLOAD > most).then_some((largest, most))
}

/// Sees that a Redis of our own refuses tasks before the machine has no memory left.
pub(super) fn bound(redis: &PrivateRedis) {
    let Some(available) = available_bytes() else {
        return;
    };
    let most = (available as f64 * MEMORY_SHARE) as u64;
    if let PrivateRedis::Program(server) = redis {
        // One that does not do so is not the worse for it until memory is short.
        let _ = server.tell(&format!("CONFIG SET maxmemory {most}"));
    }
}

/// Memory that programs can still have, bytes.
fn available_bytes() -> Option<u64> {
    available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let kib = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        let text =
            "MemTotal:       24000000 kB\nMemFree:         1000 kB\nMemAvailable:   17000000 kB\n";
        assert_eq!(available_in(text), Some(17_000_000 << 10));
        assert_eq!(available_in("MemTotal: 5 kB\n"), None);
    }
}
