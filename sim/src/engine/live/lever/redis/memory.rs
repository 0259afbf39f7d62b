//! The memory that Redis may use.

use super::{LOOK_AGAIN, number, writes};
use crate::agenda::What;
use crate::audit::REDIS;
use crate::engine::live::child::{Effect, Told};
use crate::engine::live::stand::{AtWork, Stand};
use crate::lever::{Eviction, not_raised};

/// Share of what Redis uses that is left to it when it is full, so that nothing that is freed makes room.
const LEFT: f64 = 0.9;

impl Stand {
    /// Sets a limit of memory, and waits, beside all else, for somebody to meet it.
    pub(super) async fn limit(
        &mut self,
        by: What,
        bytes: u64,
        policy: Eviction,
    ) -> Result<(), String> {
        let before = self.control.info().await;
        let before = Pressure::of(&before.map_err(|error| error.to_string())?);
        self.set("maxmemory-policy", policy.name()).await?;
        self.set_memory(bytes).await?;
        self.waits_for_limit(by, policy == Eviction::None, before);
        Ok(())
    }

    /// Raises the limit that is set, if it is lower, and waits for somebody to meet that one, too.
    ///
    /// # Errors
    /// When there is nothing to raise, or it is refused, or writes still are.
    pub(super) async fn raise_memory(&mut self, bytes: u64, by: What) -> Result<(), String> {
        let info = self.control.info().await;
        let info = info.map_err(|error| error.to_string())?;
        let set = number(&info, "maxmemory").unwrap_or(0);
        if set == 0 || set >= bytes {
            return Err(not_raised(set));
        }
        self.set_memory(bytes).await?;
        self.write().await?;
        let refuses = info.contains("maxmemory_policy:noeviction");
        let before = self.control.info().await;
        let before = Pressure::of(&before.map_err(|error| error.to_string())?);
        self.waits_for_limit(by, refuses, before);
        Ok(())
    }

    /// Waits for Redis to refuse or evict something more than `before`. `refuses`: it evicts nothing.
    fn waits_for_limit(&mut self, by: What, refuses: bool, before: Pressure) {
        let (control, clock, told) = (self.control.clone(), self.clock, self.told.clone());
        let watch = async move {
            // Nothing had been refused then.
            let mut since = clock.now();
            loop {
                let looks = clock.now();
                // A small write may find room that a large one does not: who was refused is counted, whoever it was.
                // A remedy is watched to the end of the drill, where a key of ours would pass for somebody's.
                let tried = match refuses && matches!(by, What::Begin(_)) {
                    true => writes(&control).await,
                    false => Ok(()),
                };
                let info = control.info().await.unwrap_or_default();
                let is_refused = matches!(tried, Err(error) if error.contains("OOM"));
                if is_refused || Pressure::of(&info).is_beyond(before) {
                    let _ = told.send(match by {
                        What::Begin(step) => Told::Effect(Effect {
                            process: REDIS.to_owned(),
                            step,
                            at: clock.now(),
                        }),
                        What::Remedy(remedy) => Told::NotEnough { remedy, since },
                        What::End(_) | What::Goes(..) | What::RemedyGoes(..) | What::Prepare(_) => {
                            return;
                        }
                    });
                    return;
                }
                since = looks;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        self.settings.limit = Some(AtWork(tokio::spawn(watch)));
    }

    /// `maxmemory` below what it uses; a write that needs memory shows that it is refused.
    pub(super) async fn fill(&mut self) -> (bool, String) {
        let used = match self.control.info().await {
            Ok(info) => number(&info, "used_memory").unwrap_or(0),
            Err(error) => return (false, error.to_string()),
        };
        let bytes = (used as f64 * LEFT) as u64;
        if let Err(error) = self.set_memory(bytes.max(1)).await {
            return (false, error);
        }
        match self.write().await {
            Err(error) if error.contains("OOM") => (
                true,
                "maxmemory set; refuses writes that need memory".to_owned(),
            ),
            Err(error) => (false, error),
            Ok(()) => (false, "takes writes that need memory".to_owned()),
        }
    }

    pub(super) async fn set_memory(&mut self, bytes: u64) -> Result<(), String> {
        self.settings.maxmemory = Some(bytes);
        self.set("maxmemory", &bytes.to_string()).await
    }
}

/// What a limit of memory has come to since the server began.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    /// Keys evicted.
    evicted: u64,
    /// Commands refused for want of memory.
    refused: u64,
}

impl Pressure {
    /// As `INFO` tells it.
    fn of(info: &str) -> Self {
        let mut lines = info.lines();
        let refused = lines.find_map(|line| line.strip_prefix("errorstat_OOM:count="));
        Self {
            evicted: number(info, "evicted_keys").unwrap_or(0),
            refused: refused
                .and_then(|count| count.trim().parse().ok())
                .unwrap_or(0),
        }
    }

    fn is_beyond(self, before: Self) -> bool {
        self.evicted > before.evicted || self.refused > before.refused
    }
}
