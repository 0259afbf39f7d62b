//! Where a Redis is: the addresses people type, in the forms that redis-cli, redis-rs and asynq know.
//!
//! ```text
//! host:port
//! redis://[user:password@]host[:port][/db]                          rediss:// for TLS
//! unix://[user:password@]/path/of/the/socket[?db=n]
//! redis-cluster://[user:password@]host:port,host:port               rediss-cluster:// for TLS
//! redis-sentinel://[user:password@]host:port,host:port/master[/db]  rediss-sentinel:// for TLS
//! ```
//!
//! Options follow a `?`, joined by `&`: `db`; for TLS `cacert`, `cert` and `key` (PEM files), `sni` (the name on the
//! server's certificate) and `insecure=true`; `sentinel_user` and `sentinel_password`. Users and passwords are
//! percent-encoded.

mod parse;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of a Redis server that is not named.
const REDIS_PORT: u16 = 6379;
/// The port of a sentinel that is not named.
const SENTINEL_PORT: u16 = 26379;

/// Where a Redis is and how one gets in. Printed and debugged without passwords; serialized with them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// As it was typed.
    text: String,
    pub(super) place: Place,
    pub(super) login: Login,
    pub(super) database: i64,
    pub(super) tls: Option<Tls>,
}

/// What answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// One server.
    Server(Host),
    /// One server behind a socket of this machine.
    Socket(PathBuf),
    /// Some nodes of a Redis Cluster, which name the others.
    Cluster(Vec<Host>),
    /// Sentinels, which know where the master of that name is at the moment.
    Sentinel {
        sentinels: Vec<Host>,
        master: String,
        login: Login,
    },
}

/// How one server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By `host:port`.
    Server(String),
    /// By a socket of this machine.
    Socket(PathBuf),
}

/// A host and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// How one gets in.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// How a connection is encrypted, and who is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// Who signed the server's certificate (PEM); without it the machine's own store says who is believed.
    pub(super) cacert: Option<PathBuf>,
    /// Our own certificate and its key (PEM), where the server asks for one.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// The name on the server's certificate, when it is not the host's.
    pub(super) sni: Option<String>,
    /// Whether any certificate will do.
    pub(super) insecure: bool,
}

/// Why an address cannot be read. No password is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing like `redis://` in front, and not `host:port` either.
    #[error(
        "neither host:port nor a URL with one of the schemes redis, rediss, unix, redis-cluster, rediss-cluster, \
         redis-sentinel, rediss-sentinel"
    )]
    Scheme,
    /// No host, or an empty one in a list.
    #[error("a host is missing: write {0}")]
    NoHost(&'static str),
    /// One server was expected.
    #[error(
        "several hosts, but {0}:// is one server: several nodes are redis-cluster://, several sentinels redis-sentinel://"
    )]
    SeveralHosts(&'static str),
    /// Not a port.
    #[error("{0} is not a port (1 to 65535)")]
    Port(String),
    /// Not a database number.
    #[error("{0} is not a database number (0, 1, 2 ...)")]
    Database(String),
    /// Two database numbers.
    #[error("the database is given twice, in the path and as ?db=")]
    DatabaseTwice,
    /// A database other than 0 of a cluster.
    #[error("a Redis Cluster has no database but 0: leave /{0} away")]
    DatabaseOfCluster(i64),
    /// Sentinels without the name of a master.
    #[error(
        "which master? Write redis-sentinel://host:port/NAME, with the name that the sentinels know it by"
    )]
    NoMaster,
    /// A path where none belongs.
    #[error("{0} at the end of the address means nothing there")]
    Path(String),
    /// No socket path.
    #[error("the path of the socket is missing: write unix:///path/of/the/socket")]
    NoSocket,
    /// An option nobody knows.
    #[error("unknown option {name}; accepted are {accepted}")]
    Option {
        /// Its name.
        name: String,
        /// What is accepted in such an address.
        accepted: &'static str,
    },
    /// An option of TLS in an address without.
    #[error("the option {0} is for TLS only: write rediss instead of redis")]
    NeedsTls(&'static str),
    /// One of `cert` and `key`.
    #[error("the options cert and key belong together")]
    CertWithoutKey,
    /// `sni` where many servers with many names are reached.
    #[error("the option sni names one server; a cluster's nodes have a name each")]
    SniOfCluster,
    /// Neither yes nor no.
    #[error("insecure={0}: accepted are true and false")]
    Insecure(String),
    /// A percent sign that encodes nothing readable.
    #[error("{0} is not valid percent-encoded UTF-8")]
    Encoding(&'static str),
}

impl Address {
    /// The address as it was typed, password included: for connecting, not for printing.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.text
    }

    /// Where it leads, without who goes there: the same for any user and password.
    #[must_use]
    pub fn place(&self) -> String {
        let anonymous = Self {
            login: Login::default(),
            ..self.clone()
        };
        anonymous.to_string()
    }

    /// The address as it was typed, if it may be kept in a file: there is no password in it.
    #[must_use]
    pub fn without_secrets(&self) -> Option<&str> {
        let of_sentinels = match &self.place {
            Place::Sentinel { login, .. } => login.password.is_some(),
            _ => false,
        };
        (self.login.password.is_none() && !of_sentinels).then_some(&self.text)
    }

    /// The one server it leads to in the clear; `None` when it leads elsewhere.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        match &self.place {
            Place::Server(host) if self.tls.is_none() => Some(Way::Server(host.to_string())),
            Place::Socket(path) => Some(Way::Socket(path.clone())),
            _ => None,
        }
    }

    /// The same server, user and database by way of a port of this machine: of whatever forwards from there. `None` as for
    /// [`Self::way`].
    #[must_use]
    pub fn by_way_of(&self, port: u16) -> Option<Self> {
        self.way()?;
        let encoded = |text: &String| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let user = self.login.user.as_ref().map_or(String::new(), encoded);
        let password = self.login.password.as_ref().map(encoded);
        let password = password.map_or(String::new(), |password| format!(":{password}"));
        let login = match (user.is_empty(), password.is_empty()) {
            (true, true) => String::new(),
            _ => format!("{user}{password}@"),
        };
        let database = self.database;
        format!("redis://{login}127.0.0.1:{port}/{database}")
            .parse()
            .ok()
    }

    /// The same by way of a port of this machine, for a client whose login and database are somebody else's business: of whoever
    /// says the [opening](Self::opening) for it. `None` as for [`Self::way`].
    #[must_use]
    pub fn opened_at(&self, port: u16) -> Option<Self> {
        self.way()?;
        format!("redis://127.0.0.1:{port}/{}", self.database)
            .parse()
            .ok()
    }

    /// What a client says first to be who this address says, in the database that it names: as it is sent, and how often Redis
    /// answers `+OK` to it.
    #[must_use]
    pub fn opening(&self) -> (Vec<u8>, usize) {
        let mut commands = Vec::new();
        if let Some(password) = &self.login.password {
            let mut auth = redis::cmd("AUTH");
            auth.arg(self.login.user.as_deref()).arg(password);
            commands.push(auth);
        }
        if self.database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(self.database);
            commands.push(select);
        }
        let said = commands.iter().flat_map(redis::Cmd::get_packed_command);
        (said.collect(), commands.len())
    }

    /// Whether it leads to a Redis Cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse::address(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

/// The address in full, with `***` for a password and without options.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls.is_some() { "s" } else { "" };
        match &self.place {
            Place::Server(_) => write!(f, "redis{tls}://")?,
            Place::Socket(_) => write!(f, "unix://")?,
            Place::Cluster(_) => write!(f, "redis{tls}-cluster://")?,
            Place::Sentinel { .. } => write!(f, "redis{tls}-sentinel://")?,
        }
        let Login { user, password } = &self.login;
        if user.is_some() || password.is_some() {
            write!(f, "{}", user.as_deref().unwrap_or_default())?;
            write!(f, "{}@", if password.is_some() { ":***" } else { "" })?;
        }
        match &self.place {
            Place::Server(host) => write!(f, "{host}")?,
            Place::Socket(path) => write!(f, "{}", path.display())?,
            Place::Cluster(nodes) => write!(f, "{}", list(nodes))?,
            Place::Sentinel {
                sentinels, master, ..
            } => write!(f, "{}/{master}", list(sentinels))?,
        }
        match (&self.place, self.database) {
            (_, 0) => Ok(()),
            (Place::Socket(_), database) => write!(f, "?db={database}"),
            (_, database) => write!(f, "/{database}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Hosts with commas between them.
pub(super) fn list(hosts: &[Host]) -> String {
    hosts
        .iter()
        .map(Host::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests;
