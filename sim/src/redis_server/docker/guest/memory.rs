//! How much memory a container may take, and how it gets back what it might.

use super::{DONE_WITHIN, Guest, GuestError, GuestId, HostConfig, Inspected, PROGRAM, printed};
use crate::program::{self, Undone};
use serde::{Deserialize, Serialize};
use std::io;

/// Least that Docker lets a container have.
const LEAST_BYTES: u64 = 6 << 20;

/// How much memory a container may take, as Docker has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// Bytes; 0: as much as there is.
    bytes: u64,
    /// The same with what is swapped out; 0 or negative: as much as there is.
    with_swap: i64,
}

impl MemoryLimit {
    fn words(self, id: &GuestId) -> [String; 4] {
        [
            "update".to_owned(),
            format!("--memory={}", self.bytes),
            format!("--memory-swap={}", self.with_swap),
            id.0.clone(),
        ]
    }

    /// The same in numbers, on a machine with `total` bytes: Docker takes no limit off that a container has.
    fn back(self, total: u64) -> Self {
        let bytes = if self.bytes > 0 { self.bytes } else { total };
        let all = i64::try_from(bytes.saturating_add(total)).unwrap_or(i64::MAX);
        let with_swap = if self.with_swap > 0 {
            self.with_swap
        } else {
            all
        };
        Self { bytes, with_swap }
    }
}

impl From<HostConfig> for MemoryLimit {
    fn from(config: HostConfig) -> Self {
        Self {
            bytes: config.memory,
            with_swap: config.memory_swap,
        }
    }
}

impl Guest {
    /// How much memory it may take.
    ///
    /// # Errors
    /// When Docker does not tell.
    pub(crate) async fn memory_limit(&self) -> Result<MemoryLimit, GuestError> {
        Ok(self.inspected().await?.host_config.into())
    }

    /// It may take so many bytes more than it does, and swap nothing out; answers the limit, and whether Docker says that it is so.
    ///
    /// # Errors
    /// When Docker refuses, or does not say how much it takes.
    pub(crate) async fn limit_memory(&self, more: u64) -> Result<(MemoryLimit, bool), GuestError> {
        let stats = [
            "stats",
            "--no-stream",
            "--format",
            "{{.MemUsage}}",
            &self.id.0,
        ];
        let text = printed(&self.docker, &stats).await?;
        let takes = text.split('/').next().and_then(bytes_of).ok_or_else(|| {
            let said = text.trim();
            GuestError::Docker(format!("docker stats said what cannot be read: {said}"))
        })?;
        let bytes = takes.saturating_add(more).max(LEAST_BYTES);
        let limit = MemoryLimit {
            bytes,
            with_swap: i64::try_from(bytes).unwrap_or(i64::MAX),
        };
        let words = limit.words(&self.id);
        self.does(&words.each_ref().map(String::as_str), DONE_WITHIN)
            .await?;
        let is_so = self.memory_limit().await? == limit;
        Ok((limit, is_so))
    }
}

/// Reads what Docker prints of an amount, such as `12.5MiB`.
fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    (number >= 0.0).then_some((number * unit) as u64)
}

/// Gives a container the limit back that it had. One that had none gets all memory of the machine: Docker knows no way back to none.
/// One that is gone, has another limit than the drill has `left` it, or whose owner has not agreed, is left alone.
///
/// # Errors
/// When Docker cannot be asked, or refuses.
pub(crate) fn set_memory_back(
    id: &GuestId,
    limit: MemoryLimit,
    left: Option<MemoryLimit>,
) -> io::Result<Undone> {
    let docker = program::on_path(PROGRAM)?;
    let Some(found) = Inspected::of(&docker, id)? else {
        return Ok(Undone::Needless);
    };
    let now = MemoryLimit::from(found.host_config);
    if !found.agrees() || now == limit {
        return Ok(Undone::Needless);
    }
    if left.is_some_and(|left| left != now) {
        return Ok(Undone::Left(format!(
            "container {id} may take {} bytes of memory, which is not what the drill left it",
            now.bytes
        )));
    }
    let failed = |trouble| io::Error::other(format!("docker: {trouble}"));
    let info = ["info", "--format", "{{.MemTotal}}"];
    let total = program::ran(&docker, &info, DONE_WITHIN).map_err(failed)?;
    let total = total.parse();
    let total = total.map_err(|_| io::Error::other("docker info tells no MemTotal"))?;
    let words = limit.back(total).words(id);
    let words = words.each_ref().map(String::as_str);
    program::ran(&docker, &words, DONE_WITHIN)
        .map(|_| Undone::Done)
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_docker_prints_them() {
        assert_eq!(bytes_of("12.5MiB "), Some(13_107_200));
        assert_eq!(bytes_of("0B"), Some(0));
        assert_eq!(bytes_of("1.5GiB"), Some(1_610_612_736));
        for wrong in ["", "MiB", "--", "12", "3parsecs", "-1MiB"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_had_no_limit_gets_all_that_the_machine_has() {
        let limit = |bytes, with_swap| MemoryLimit { bytes, with_swap };
        assert_eq!(limit(0, 0).back(100), limit(100, 200));
        assert_eq!(limit(7, -1).back(100), limit(7, 107));
        assert_eq!(limit(7, 9).back(100), limit(7, 9));
        let id = GuestId::try_from("ab".repeat(32)).unwrap();
        let words = limit(7, 9).words(&id);
        assert_eq!(words[1..3], ["--memory=7", "--memory-swap=9"]);
    }
}
