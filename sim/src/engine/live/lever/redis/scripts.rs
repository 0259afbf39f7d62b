//! The scripts of Redis: those it keeps, and one that does not end.

use super::{BEGINS_WITHIN, LOOK_AGAIN, SILENT_FOR};
use crate::engine::live::stand::{AtWork, Stand};
use crate::lever::BUSY_AFTER_MS;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use std::time::Duration;

/// A day.
const OUTLASTS_A_DRILL: Duration = Duration::from_secs(86_400);

impl Stand {
    /// Some may be there again when it is looked.
    pub(super) async fn flush_scripts(&self) -> (bool, String) {
        let known = self.info_number("number_of_cached_scripts").await;
        let mut flush = redis::cmd("SCRIPT");
        flush.arg("FLUSH");
        let done = self.control.command::<redis::Value>(&flush, "SCRIPT FLUSH");
        let done = done.await.map_err(|error| error.to_string());
        let left = self.info_number("number_of_cached_scripts").await;
        match (known, done, left) {
            (Ok(known), Ok(_), Ok(left)) if known > 0 && left < known => (
                true,
                format!("SCRIPT FLUSH; {known} were there, {left} are again"),
            ),
            (Ok(known), Ok(_), Ok(left)) => {
                (false, format!("{known} scripts were there, {left} are"))
            }
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => (false, error),
        }
    }

    /// A script that does not end, over a connection of its own.
    pub(super) async fn run_script(&mut self) -> (bool, String) {
        let busy_after = self.clock.real_millis(BUSY_AFTER_MS).as_millis().max(1);
        // Its name before Redis 7, which still goes.
        if let Err(error) = self.set("lua-time-limit", &busy_after.to_string()).await {
            return (false, error);
        }
        let options = RedisOptions {
            timeout: OUTLASTS_A_DRILL,
            ..RedisOptions::at_speed(self.clock.speed)
        };
        let broker = match RedisBroker::open(&self.redis.address(), options).await {
            Ok(broker) => broker,
            Err(error) => return (false, error.to_string()),
        };
        let script = async move {
            let mut eval = redis::cmd("EVAL");
            eval.arg("while true do end").arg(0);
            // It ends when it is killed.
            let _ = broker.command::<redis::Value>(&eval, "EVAL").await;
        };
        self.settings.script = Some(AtWork(tokio::spawn(script)));
        // It is on its way: silence for a while is it at work.
        let deadline = tokio::time::Instant::now() + BEGINS_WITHIN;
        while tokio::time::Instant::now() < deadline {
            match tokio::time::timeout(2 * SILENT_FOR, self.connects_anew()).await {
                Err(_) => return (true, "a script runs; does not answer".to_owned()),
                Ok(Err(error)) if error.contains("BUSY") => {
                    return (true, "a script runs; answers BUSY".to_owned());
                }
                Ok(_) => {}
            }
        }
        (false, "answers all the same".to_owned())
    }

    pub(super) async fn kill_script(&mut self) -> Result<(), String> {
        let mut kill = redis::cmd("SCRIPT");
        kill.arg("KILL");
        let done = self.control.command::<redis::Value>(&kill, "SCRIPT KILL");
        let done = done.await.map(drop).map_err(|error| error.to_string());
        self.settings.script = None;
        // Somebody else has killed it.
        done.or_else(|error| match error.contains("NotBusy") {
            true => Ok(()),
            false => Err(error),
        })
    }

    /// Waits, for a while, until a script that was killed has ended: it is looked at now and then.
    pub(super) async fn is_no_longer_busy(&self) {
        let deadline = tokio::time::Instant::now() + BEGINS_WITHIN;
        while tokio::time::Instant::now() < deadline
            && matches!(self.write().await, Err(error) if error.contains("BUSY"))
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Runs a script to its end.
pub(super) async fn run(control: &RedisBroker, script: &str) -> Result<(), String> {
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(0);
    let done = control.command::<redis::Value>(&eval, "EVAL").await;
    done.map(drop).map_err(|error| error.to_string())
}
