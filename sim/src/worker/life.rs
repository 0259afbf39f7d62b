//! What becomes of this process by plan: it crashes after a while, or takes memory until the kernel refuses it more.

use crate::lever::LifeLever;
use crate::plan::Ailment;
use crate::worker::{Report, crash, report};
use firedrill_asynq::clock::ClockOrigin;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io;

/// What the kernel says of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// What it has in memory.
    pub(super) resident_bytes: u64,
    /// What it has asked for.
    virtual_bytes: u64,
}

/// Asks the kernel.
pub(super) fn memory() -> io::Result<Memory> {
    memory_of("self")
}

/// What another process has in memory, bytes.
///
/// # Errors
/// When it is gone.
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    Ok(memory_of(&pid.to_string())?.resident_bytes)
}

fn memory_of(process: &str) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let of = |name: &str| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes = line?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()?;
        Some(kilobytes * 1_024)
    };
    let missing = || io::Error::other("the kernel does not say what memory there is");
    Ok(Memory {
        resident_bytes: of("VmRSS").ok_or_else(missing)?,
        virtual_bytes: of("VmSize").ok_or_else(missing)?,
    })
}

/// Has this process suffer what the plan has for it.
pub(super) fn suffer(ailments: Vec<Ailment>, clock: ClockOrigin) {
    let started_ms = since_start_ms(clock);
    for ailment in ailments {
        tokio::spawn(async move {
            match ailment.lever {
                LifeLever::Crash { .. } => {
                    wait(clock, ailment.ends_ms(started_ms)).await;
                    if ailment.is_on(since_start_ms(clock)) {
                        crash(ailment.step, clock.now());
                    }
                }
                LifeLever::Leak { limit_bytes, .. } => {
                    leak(ailment, limit_bytes, (clock, started_ms)).await;
                }
            }
        });
    }
}

fn since_start_ms(clock: ClockOrigin) -> i64 {
    clock.now().millis() - clock.virtual_start.millis()
}

async fn wait(clock: ClockOrigin, at_ms: i64) {
    let at = clock.virtual_start.plus_millis(at_ms);
    tokio::time::sleep(clock.until(at)).await;
}

/// Takes memory and uses it, until there is no more.
async fn leak(ailment: Ailment, limit_bytes: u64, (clock, started_ms): (ClockOrigin, i64)) {
    let (times, each) = ailment.growths();
    let mut leaked: Vec<Vec<u8>> = Vec::new();
    wait(clock, ailment.begins_ms(started_ms)).await;
    if !ailment.is_on(since_start_ms(clock)) {
        return;
    }
    let limited = memory().and_then(|memory| limit(Some(memory.virtual_bytes + limit_bytes)));
    if let Err(error) = limited {
        // No effect is told, so that the drill proves nothing.
        return eprintln!("firedrill worker: no limit of memory can be had: {error}");
    }
    // The kernel counts more than what was asked for, so that the last of them is refused.
    for time in 1..=times + 1 {
        wait(clock, ailment.grown_ms(started_ms, time.min(times))).await;
        if !ailment.is_on(since_start_ms(clock)) {
            // What was leaked stays. Whoever comes up to the limit now would not die by plan.
            let _ = limit(None);
            return std::mem::forget(leaked);
        }
        match take(each) {
            Some(block) => leaked.push(block),
            None => crash(ailment.step, clock.now()),
        }
        if time == 1 {
            report(&Report::Effect {
                step: ailment.step,
                at: clock.now(),
            });
        }
    }
    eprintln!("firedrill worker: the kernel does not hold this process to its limit");
    std::mem::forget(leaked);
}

/// So much memory, used; `None`: there is no more.
fn take(bytes: u64) -> Option<Vec<u8>> {
    let bytes = usize::try_from(bytes).ok()?;
    let mut block = Vec::new();
    block.try_reserve_exact(bytes).ok()?;
    block.resize(bytes, 1);
    Some(block)
}

/// What this process may ask the kernel for, bytes; `None`: as much as it could before.
fn limit(bytes: Option<u64>) -> io::Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let current = match (bytes, maximum) {
        (Some(bytes), Some(most)) => Some(bytes.min(most)),
        (Some(bytes), None) => Some(bytes),
        (None, most) => most,
    };
    Ok(setrlimit(Resource::As, Rlimit { current, maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_taken_is_there() {
        let before = memory().unwrap().resident_bytes;
        let block = take(32 << 20).unwrap();
        let after = memory().unwrap().resident_bytes;
        assert!(after >= before + (24 << 20), "{before} {after}");
        assert_eq!(block.last(), Some(&1));
    }
}
