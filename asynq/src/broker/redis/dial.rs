//! From an address to a connection: certificates, sentinels, clusters.

use crate::broker::redis::RedisOptions;
use crate::broker::redis::address::{Address, Host, Login, Place, Tls};
use crate::broker::redis::connection::Connection;
use crate::broker::redis::trouble::Trouble;
use crate::op::BrokerError;
use crate::settings::{
    REDIS_DIAL_TIMEOUT_MS, REDIS_REDIRECTS, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS,
};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::AsyncDNSResolver;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, RedisFuture,
    TlsCertificates, Value, from_redis_value_ref,
};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;

/// Least real time that connecting may take: TLS reads the machine's certificates and computes.
const DIAL_FLOOR: Duration = Duration::from_secs(3);

/// Makes connections to one address.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) address: Address,
    certificates: Option<TlsCertificates>,
    dial_timeout: Duration,
    timeout: Duration,
    speed: f64,
    server_of: Option<u32>,
}

/// The parent of a process, if it is there.
fn parent_of(process: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

impl Dialer {
    /// Reads the certificates that the address names.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn new(address: Address, options: &RedisOptions) -> Result<Self, BrokerError> {
        let certificates = address.tls.as_ref().map(certificates).transpose()?;
        if certificates.is_some() {
            // Fails when there is one already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self {
            address,
            certificates,
            dial_timeout: Duration::from_secs_f64(
                REDIS_DIAL_TIMEOUT_MS as f64 / 1e3 / options.speed,
            )
            .max(DIAL_FLOOR),
            timeout: options.timeout,
            speed: options.speed,
            server_of: options.server_of,
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// A [`Trouble`] whose text says what to do about it.
    pub(super) async fn dial(&self) -> Result<Connection, Trouble> {
        match &self.address.place {
            Place::Cluster(nodes) => self.cluster(nodes).await.map(Connection::Cluster),
            _ => self.dial_one(&[], None).await.map(Connection::Server),
        }
    }

    /// Connects to one server, of a cluster to the first that answers: of `nodes`, then of those in the address. With
    /// `pushes`, the connection can subscribe, and what is published goes there.
    ///
    /// # Errors
    /// A [`Trouble`] whose text says what to do about it.
    pub(super) async fn dial_one(
        &self,
        nodes: &[Host],
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, Trouble> {
        match &self.address.place {
            Place::Server(host) => self.server(host, pushes).await,
            Place::Socket(path) => {
                let connect = async {
                    let at = ConnectionAddr::Unix(path.clone());
                    let info = self.info(at, &self.address.login)?;
                    match self.server_of {
                        Some(parent) => self.open_ours(path, parent, info, pushes).await,
                        None => self.open(info, None, pushes).await,
                    }
                };
                connect
                    .await
                    .map_err(|error| Trouble::connecting(&self.address, &error))
            }
            Place::Cluster(named) => {
                let mut outcome = None;
                for node in nodes.iter().chain(named) {
                    match self.server(node, pushes.clone()).await {
                        Ok(connection) => return Ok(connection),
                        Err(trouble) => outcome = Some(trouble),
                    }
                }
                Err(outcome.expect("an address names at least one node"))
            }
            Place::Sentinel {
                sentinels,
                master,
                login,
            } => {
                let host = self.master(sentinels, master, login).await?;
                self.server(&host, pushes).await
            }
        }
    }

    /// Connects to one host with the login and encryption of the address.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub(super) async fn server(
        &self,
        host: &Host,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, Trouble> {
        let connect = async {
            let info = self.info(self.tcp(host), &self.address.login)?;
            self.open(info, Some(host), pushes).await
        };
        connect
            .await
            .map_err(|error| Trouble::connecting_to(&self.address, &host.to_string(), &error))
    }

    async fn open(
        &self,
        info: ConnectionInfo,
        host: Option<&Host>,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.dial_timeout))
            .set_response_timeout(Some(self.timeout));
        let mut info = info;
        if let Some(pushes) = pushes {
            let redis = info
                .redis_settings()
                .clone()
                .set_protocol(ProtocolVersion::RESP3);
            info = info.set_redis_settings(redis);
            config = config.set_push_sender(pushes);
        }
        if let (Some(host), Some(_)) = (host, self.sni()) {
            config = config.set_dns_resolver(Elsewhere(host.name.clone()));
        }
        let client = match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone())?,
            None => Client::open(info)?,
        };
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// Connects to a socket, and goes on only if a server listens there that `parent` has started. The kernel tells who
    /// listens; anybody of our user may have put another server on the path while ours was down.
    async fn open_ours(
        &self,
        path: &Path,
        parent: u32,
        info: ConnectionInfo,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let mut redis = info.redis_settings().clone();
        let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(self.timeout));
        if let Some(pushes) = pushes {
            redis = redis.set_protocol(ProtocolVersion::RESP3);
            config = config.set_push_sender(pushes);
        }
        let open = async {
            let stream = UnixStream::connect(path).await?;
            let server = stream.peer_cred()?.pid();
            if server.and_then(parent_of) != Some(parent) {
                let other = "another server is in the place of the drill's";
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, other).into());
            }
            MultiplexedConnection::new_with_config(&redis, stream, config).await
        };
        let opened = tokio::time::timeout(self.dial_timeout, open).await;
        let (connection, driver) =
            opened.map_err(|_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut)))??;
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn cluster(&self, nodes: &[Host]) -> Result<ClusterConnection, Trouble> {
        let pause_ms = |ms: i64| ((ms as f64 / self.speed) as u64).max(1);
        let connect = async {
            let infos = nodes
                .iter()
                .map(|node| self.info(self.tcp(node), &self.address.login))
                .collect::<Result<Vec<_>, _>>()?;
            let mut builder = ClusterClient::builder(infos)
                .retries(REDIS_REDIRECTS)
                .min_retry_wait(pause_ms(REDIS_RETRY_PAUSE_MS))
                .max_retry_wait(pause_ms(REDIS_RETRY_PAUSE_MAX_MS))
                .connection_timeout(self.dial_timeout)
                .response_timeout(self.timeout)
                .overall_response_timeout(Some(self.timeout));
            if let Some(certificates) = &self.certificates {
                builder = builder.certs(certificates.clone());
            }
            builder.build()?.get_async_connection().await
        };
        match connect.await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.why_no_cluster(nodes, &error).await),
        }
    }

    /// A cluster's client says little about why none of the nodes would do; each by itself says more.
    async fn why_no_cluster(&self, nodes: &[Host], error: &RedisError) -> Trouble {
        let mut trouble = Trouble::connecting(&self.address, error);
        for node in nodes {
            match self.server(node, None).await {
                Ok(mut connection) => {
                    let mut command = redis::cmd("CLUSTER");
                    command.arg("SLOTS");
                    if let Err(error) = command.query_async::<Value>(&mut connection).await {
                        let at = node.to_string();
                        return Trouble::connecting_to(&self.address, &at, &error);
                    }
                }
                Err(found) => trouble = found,
            }
        }
        trouble
    }

    /// Asks one sentinel after the other where the master is (`SENTINEL GET-MASTER-ADDR-BY-NAME`), as go-redis.
    async fn master(
        &self,
        sentinels: &[Host],
        master: &str,
        login: &Login,
    ) -> Result<Host, Trouble> {
        let mut trouble = None;
        for sentinel in sentinels {
            let ask = async {
                let info = self.info(self.tcp(sentinel), login)?;
                // Sentinels have no databases.
                let redis = info.redis_settings().clone().set_db(0);
                let info = info.set_redis_settings(redis);
                let mut connection = self.open(info, Some(sentinel), None).await?;
                let found: Option<(String, u16)> = redis::cmd("SENTINEL")
                    .arg("GET-MASTER-ADDR-BY-NAME")
                    .arg(master)
                    .query_async(&mut connection)
                    .await?;
                if let Some((name, port)) = found {
                    return Ok(Ok(Host { name, port }));
                }
                let known: Value = redis::cmd("SENTINEL")
                    .arg("MASTERS")
                    .query_async(&mut connection)
                    .await?;
                Ok(Err(names(&known)))
            };
            trouble = Some(match ask.await {
                Ok(Ok(host)) => return Ok(host),
                Ok(Err(known)) => Trouble::unknown_master(&sentinel.to_string(), master, &known),
                Err(error) => Trouble::asking_sentinel(&sentinel.to_string(), &error),
            });
        }
        Err(trouble.unwrap_or_else(|| Trouble::unknown_master("nobody", master, &[])))
    }

    fn sni(&self) -> Option<&String> {
        self.address.tls.as_ref()?.sni.as_ref()
    }

    fn tcp(&self, host: &Host) -> ConnectionAddr {
        match &self.address.tls {
            None => ConnectionAddr::Tcp(host.name.clone(), host.port),
            Some(tls) => ConnectionAddr::TcpTls {
                // The name that the certificate is held against; where it leads to is up to `Elsewhere`.
                host: tls.sni.clone().unwrap_or_else(|| host.name.clone()),
                port: host.port,
                insecure: tls.insecure,
                tls_params: None,
            },
        }
    }

    fn info(&self, at: ConnectionAddr, login: &Login) -> Result<ConnectionInfo, RedisError> {
        let mut redis = RedisConnectionInfo::default().set_db(self.address.database);
        if let Some(user) = &login.user {
            redis = redis.set_username(user);
        }
        if let Some(password) = &login.password {
            redis = redis.set_password(password);
        }
        Ok(at.into_connection_info()?.set_redis_settings(redis))
    }
}

/// Leads every name to one host: the name in a connection's address is then only the one on the certificate.
struct Elsewhere(String);

impl AsyncDNSResolver for Elsewhere {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        _host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((self.0.as_str(), port)).await?;
            Ok(Box::new(found) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

fn certificates(tls: &Tls) -> Result<TlsCertificates, BrokerError> {
    let client_tls = match &tls.client {
        None => None,
        Some((cert, key)) => Some(ClientTlsConfig {
            client_cert: read("cert", cert)?,
            client_key: read("key", key)?,
        }),
    };
    let root_cert = tls
        .cacert
        .as_deref()
        .map(|path| read("cacert", path))
        .transpose()?;
    Ok(TlsCertificates {
        client_tls,
        root_cert,
    })
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, BrokerError> {
    fs::read(path).map_err(|error| {
        BrokerError::Refused(format!("cannot read {option}={}: {error}", path.display()).into())
    })
}

/// The names in an answer of `SENTINEL MASTERS`: of each master a flat list of fields and values.
fn names(masters: &Value) -> Vec<String> {
    let masters: Vec<Vec<String>> = from_redis_value_ref(masters).unwrap_or_default();
    masters
        .into_iter()
        .filter_map(|fields| {
            let at = fields.iter().position(|field| field == "name")?;
            fields.get(at + 1).cloned()
        })
        .collect()
}
