//! What cleans up, and what firedrill starts of itself.

use super::Redis;
use super::common::redis;
use clap::Args;
use firedrill_sim::owner::Owner;
use std::ffi::OsString;
use std::path::PathBuf;

/// `clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Only list what would be ended and removed
    #[arg(long)]
    pub list: bool,
    /// A Redis in which a drill has left keys; for one with a password, or one that another machine's drill was on
    #[arg(long, env = "FIREDRILL_REDIS", hide_env_values = true, value_parser = redis, value_name = "URL")]
    pub redis: Option<Redis>,
    /// No longer try to remove what a drill left in this Redis, which is gone for good; nothing in it is touched
    #[arg(long, value_parser = redis, value_name = "URL", conflicts_with = "list")]
    pub forget: Option<Redis>,
}

/// `reap`.
#[derive(Debug, Args)]
pub struct Reap {
    /// Name of the container.
    #[arg(long)]
    pub container: String,
    /// The program that removes it.
    #[arg(long)]
    pub docker: PathBuf,
}

/// `undertake`.
#[derive(Debug, Args)]
pub struct Undertake {
    /// The firedrill whose end is waited for.
    #[arg(long, value_parser = str::parse::<Owner>)]
    pub owner: Owner,
}

/// `guard`.
#[derive(Debug, Args)]
pub struct Guard {
    /// Process id of the parent.
    #[arg(long)]
    pub parent: u32,
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub command: Vec<OsString>,
}
