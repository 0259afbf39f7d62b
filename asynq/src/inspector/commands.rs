//! What Redis' own table says of its commands.

use super::{InspectError, Inspector};
use redis::Value;

/// A command as Redis' table (`COMMAND INFO`) has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisCommand {
    /// Flags, such as `readonly` or `write`.
    pub flags: Vec<String>,
    /// Place of the first key among the words of a command line, from 1; 0: it has none, or they are elsewhere.
    pub first_key: i64,
    /// Names of its subcommands, such as `get` of `CONFIG`; none before Redis 7.
    pub subcommands: Vec<String>,
}

impl RedisCommand {
    /// Whether it has a flag.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|has| has == flag)
    }
}

impl Inspector {
    /// What Redis' table has of a command; `None`: there is no such command.
    ///
    /// # Errors
    /// When Redis does not answer, or does not let us ask.
    pub async fn redis_command(&self, name: &str) -> Result<Option<RedisCommand>, InspectError> {
        let mut asked = redis::cmd("COMMAND");
        asked.arg("INFO").arg(name);
        let rows: Vec<Value> = self.broker.command(&asked, "COMMAND INFO").await?;
        Ok(rows.into_iter().next().and_then(command))
    }
}

fn command(row: Value) -> Option<RedisCommand> {
    let fields: Vec<Value> = redis::from_redis_value(row).ok()?;
    let field = |at: usize| fields.get(at).cloned();
    let subcommands = field(9).and_then(|list| redis::from_redis_value(list).ok());
    let subcommands: Vec<Value> = subcommands.unwrap_or_default();
    let name_of = |row: Value| -> Option<String> {
        let row: Vec<Value> = redis::from_redis_value(row).ok()?;
        let name: String = redis::from_redis_value(row.into_iter().next()?).ok()?;
        Some(name.rsplit('|').next()?.to_owned())
    };
    Some(RedisCommand {
        flags: redis::from_redis_value(field(2)?).ok()?,
        first_key: redis::from_redis_value(field(3)?).ok()?,
        subcommands: subcommands.into_iter().filter_map(name_of).collect(),
    })
}
