//! Who made something that outlives a process: told so that another process can find out whether its maker is gone.
//!
//! A process id alone says little: the system gives it away again, other containers count for themselves, and after a
//! reboot all begin anew.

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A process, told apart from every other that has its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Owner {
    pid: u32,
    /// When it started, in clock ticks since boot (proc(5), `/proc/pid/stat`, field 22).
    started: u64,
    /// Inode of its PID namespace: within which its number means something.
    namespace: u64,
    /// The beginning of the boot's id.
    boot: u32,
}

/// What became of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// It has ended.
    Gone,
    /// It cannot be seen from here; why, for people.
    Unknown(String),
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn this() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// The process with this number, while it runs.
    ///
    /// # Errors
    /// When it has ended, or `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            started: started(pid).ok_or_else(|| io::Error::other("the process has ended"))?,
            namespace: namespace()?,
            boot: boot()?,
        })
    }

    /// Whether this process can have been started by that one: in the same place, and not before it.
    #[must_use]
    pub fn can_be_child_of(&self, parent: &Self) -> bool {
        (self.boot, self.namespace) == (parent.boot, parent.namespace)
            && self.started >= parent.started
    }

    /// What became of it, if it made something at `made`.
    #[must_use]
    pub fn fate(&self, made: SystemTime) -> Fate {
        let here = namespace().and_then(|namespace| Ok((namespace, boot()?)));
        let Ok((namespace, boot)) = here else {
            return Fate::Unknown("/proc cannot be read".into());
        };
        if self.boot != boot {
            // Made before this machine was started: by whoever ran here then. Later: by another machine, on a shared disk.
            return match booted_at() {
                Some(booted_at) if made < booted_at => Fate::Gone,
                _ => Fate::Unknown("its firedrill runs, or ran, on another machine".into()),
            };
        }
        if self.namespace != namespace {
            return Fate::Unknown(format!(
                "its firedrill runs, or ran, in another container (process {} of PID namespace {})",
                self.pid, self.namespace
            ));
        }
        if started(self.pid) == Some(self.started) {
            Fate::Runs
        } else {
            Fate::Gone
        }
    }

    /// Those that run in the process group that it leads, or led, but for itself: what it has started, and what that has. None if
    /// another process has its number by now: a number is not given away while there is a group of it.
    #[must_use]
    pub(crate) fn group(&self) -> Vec<Self> {
        let is_here = Self::this()
            .is_ok_and(|this| (this.boot, this.namespace) == (self.boot, self.namespace));
        let is_its = started(self.pid).is_none_or(|started| started == self.started);
        if !is_here || !is_its {
            return Vec::new();
        }
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let in_it = numbers.filter(|pid| *pid != self.pid).filter_map(|pid| {
            let Stat { group, started } = Stat::of(pid)?;
            (group == self.pid && started >= self.started).then(|| Self {
                pid,
                started,
                ..self.clone()
            })
        });
        in_it.collect()
    }

    /// Its process id, within its namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// Short enough to be part of a path: `pid.started.namespace.boot`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            started,
            namespace,
            boot,
        } = self;
        write!(f, "{pid}.{started}.{namespace}.{boot:08x}")
    }
}

impl FromStr for Owner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('.').collect();
        let [pid, started, namespace, boot] = parts[..] else {
            return Err("not pid.started.namespace.boot");
        };
        let owner = Self {
            pid: pid.parse().map_err(|_| "no process id")?,
            started: started.parse().map_err(|_| "no start time")?,
            namespace: namespace.parse().map_err(|_| "no namespace")?,
            boot: u32::from_str_radix(boot, 16).map_err(|_| "no boot id")?,
        };
        // One spelling only.
        if owner.to_string() == text {
            Ok(owner)
        } else {
            Err("not as we write it")
        }
    }
}

impl TryFrom<String> for Owner {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

/// The name of this machine, as its processes say where they run.
#[must_use]
pub(crate) fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// A process id as the system's calls take it.
#[must_use]
pub fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// What proc(5) says of a living process.
struct Stat {
    /// The id of its process group.
    group: u32,
    /// When it started, clock ticks since boot.
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold spaces and brackets; what follows it does not.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        match fields.next()? {
            "Z" | "X" => None,
            _ => Some(Self {
                group: fields.nth(1)?.parse().ok()?,
                started: fields.nth(16)?.parse().ok()?,
            }),
        }
    }
}

/// Start time of a living process, clock ticks since boot.
fn started(pid: u32) -> Option<u64> {
    Stat::of(pid).map(|stat| stat.started)
}

/// Inode of our PID namespace.
fn namespace() -> io::Result<u64> {
    // `pid:[4026531836]`
    let link = fs::read_link("/proc/self/ns/pid")?;
    let digits: String = link
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .map_err(|_| io::Error::other("/proc/self/ns/pid cannot be read"))
}

/// The beginning of this boot's id.
fn boot() -> io::Result<u32> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let first = id.get(..8).unwrap_or_default();
    u32::from_str_radix(first, 16).map_err(|_| io::Error::other("the boot's id cannot be read"))
}

fn booted_at() -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.trim().parse().ok()?))
}

/// Whether what lies at `path` is ours alone: it belongs to our user, and nobody else may touch it. Not through a symbolic
/// link.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(path)?;
    Ok(!meta.is_symlink()
        && meta.uid() == rustix::process::geteuid().as_raw()
        && meta.mode() & 0o077 == 0)
}

/// What is in a small regular file that only our user may write to, and when it was last written. Not through a symbolic
/// link, and without waiting at a pipe.
///
/// # Errors
/// When it is anything else, or longer than `max` bytes.
pub fn read_private(path: &Path, max: u64) -> io::Result<(Vec<u8>, SystemTime)> {
    use std::os::unix::fs::MetadataExt;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if !meta.is_file() || !ours || meta.len() > max {
        return Err(io::Error::other("it is no file of a firedrill of ours"));
    }
    let made = meta.modified()?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok((bytes, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_told_apart_from_others_with_its_number() {
        let this = Owner::this().unwrap();
        let now = SystemTime::now();
        assert_eq!(this.to_string().parse(), Ok(this.clone()));
        assert_eq!(this.fate(now), Fate::Runs);
        let of = |change: fn(&mut Owner)| {
            let mut owner = this.clone();
            change(&mut owner);
            owner
        };
        assert_eq!(of(|owner| owner.started += 1).fate(now), Fate::Gone);
        assert_eq!(of(|owner| owner.pid = u32::MAX).fate(now), Fate::Gone);
        let elsewhere = of(|owner| owner.namespace += 1).fate(now);
        assert!(matches!(elsewhere, Fate::Unknown(why) if why.contains("another container")));
        let rebooted = of(|owner| owner.boot ^= 1);
        assert_eq!(rebooted.fate(SystemTime::UNIX_EPOCH), Fate::Gone);
        assert!(matches!(rebooted.fate(now), Fate::Unknown(why) if why.contains("machine")));
    }

    #[test]
    fn nothing_else_is_an_owner() {
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "a.2.3.4",
            "1.2.3.4",
            "01.2.3.00000004",
        ] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
        assert!("1.2.3.00000004".parse::<Owner>().is_ok());
    }
}
