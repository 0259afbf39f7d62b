//! `redis.kill`: Redis crashes, or its node does.

use super::{Definition, Harm, Needs, Parameters, Row};
use crate::lever::{Class, Lever, On, RedisLever};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// SIGKILL of Redis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisKill {
    /// Whether its data is there when it is started again.
    pub keep_data: bool,
}

impl Definition for RedisKill {
    const NAME: &'static str = "redis.kill";
    const SUMMARY: &'static str = "SIGKILL of Redis";
    const ON: On = On::Redis;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["redis-down", "other"];
    const REMEDIES: &'static [&'static str] = &["redis.start"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Redis(RedisLever::Kill { keep_data: self.keep_data })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: self.keep_data }
    }

    fn loses_data(&self) -> bool {
        !self.keep_data
    }
}

impl Parameters for RedisKill {
    const ROWS: &'static [Row] = &[Row::optional(
        "keep_data",
        "whether its data is there when it is started again",
        "true",
    )];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let keep = fields
            .take("keep_data")
            .map_or(Some(true), |node| node.as_bool("keep_data", problems));
        Some(Self { keep_data: keep? })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        vec![("keep_data", self.keep_data.to_string())]
    }
}
