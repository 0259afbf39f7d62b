//! Takes an address apart.

use super::{Address, AddressError, Host, Login, Place, REDIS_PORT, SENTINEL_PORT, Tls};
use percent_encoding::percent_decode_str;

/// The four kinds of places, before their hosts are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Socket,
    Cluster,
    Sentinel,
}

impl Kind {
    /// An example for error texts.
    fn example(self) -> &'static str {
        match self {
            Self::Server => "redis://host:port",
            Self::Socket => "unix:///path/of/the/socket",
            Self::Cluster => "redis-cluster://host:port,host:port",
            Self::Sentinel => "redis-sentinel://host:port,host:port/master",
        }
    }

    /// Its options, for error texts.
    fn accepted(self) -> &'static str {
        match self {
            Self::Server => "db, cacert, cert, key, sni, insecure",
            Self::Socket => "db, user, pass",
            Self::Cluster => "cacert, cert, key, insecure",
            Self::Sentinel => {
                "db, cacert, cert, key, sni, insecure, sentinel_user, sentinel_password"
            }
        }
    }
}

/// What stands behind the `?`.
#[derive(Default)]
struct Options {
    database: Option<i64>,
    tls: Tls,
    /// The first option of TLS, to be named when there is no TLS.
    of_tls: Option<&'static str>,
    cert: Option<String>,
    key: Option<String>,
    login: Login,
    sentinel_login: Login,
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<Address, AddressError> {
    let secrets = Secrets {
        some: text.contains('@') || text.contains("pass"),
    };
    let (kind, encrypted, rest) = scheme(text)?;
    // As redis-rs: `rediss://host#insecure` believes any certificate.
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, fragment)) if kind != Kind::Socket => (rest, Some(fragment)),
        _ => (rest, None),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut options = options(kind, query, &secrets)?;
    match fragment {
        None => {}
        Some("insecure") => {
            options.tls.insecure = true;
            options.of_tls = Some("#insecure");
        }
        Some(other) => return Err(AddressError::Path(secrets.show(&format!("#{other}")))),
    }

    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (userinfo, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let login = match userinfo {
        "" => options.login,
        userinfo => login(userinfo)?,
    };
    let tls = tls(
        kind,
        encrypted,
        options.tls,
        options.of_tls,
        (options.cert, options.key),
    )?;
    let (place, in_path) = place(kind, hosts, path, options.sentinel_login, &secrets)?;
    let database = match (in_path, options.database) {
        (Some(_), Some(_)) => return Err(AddressError::DatabaseTwice),
        (one, other) => one.or(other).unwrap_or(0),
    };
    if kind == Kind::Cluster && database != 0 {
        return Err(AddressError::DatabaseOfCluster(database));
    }
    Ok(Address {
        text: text.to_owned(),
        place,
        login,
        database,
        tls,
    })
}

/// Whether parts of the address may be shown: a password with a special character that is not encoded may end up in any
/// of them.
struct Secrets {
    some: bool,
}

impl Secrets {
    fn show(&self, part: &str) -> String {
        if self.some {
            "a part of it (not shown: the address holds a password; are its special characters percent-encoded?)".into()
        } else {
            format!("`{part}`")
        }
    }
}

fn scheme(text: &str) -> Result<(Kind, bool, &str), AddressError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        // As asynq's `--uri`: a port is needed, so that a mistyped word is no host.
        return match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok((Kind::Server, false, text))
            }
            _ => Err(AddressError::Scheme),
        };
    };
    let (kind, encrypted) = match scheme {
        "redis" | "valkey" => (Kind::Server, false),
        "rediss" | "valkeys" => (Kind::Server, true),
        "unix" | "redis+unix" | "valkey+unix" => (Kind::Socket, false),
        "redis-cluster" => (Kind::Cluster, false),
        "rediss-cluster" => (Kind::Cluster, true),
        "redis-sentinel" => (Kind::Sentinel, false),
        "rediss-sentinel" => (Kind::Sentinel, true),
        _ => return Err(AddressError::Scheme),
    };
    Ok((kind, encrypted, rest))
}

fn options(kind: Kind, query: &str, secrets: &Secrets) -> Result<Options, AddressError> {
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value, "an option")?;
        let of_tls = match (name, kind) {
            ("db", Kind::Server | Kind::Socket | Kind::Sentinel) => {
                options.database = Some(database(&value, secrets)?);
                continue;
            }
            // As redis-rs, whose URLs of sockets have no other place for them.
            ("user", Kind::Socket) => {
                options.login.user = Some(value);
                continue;
            }
            ("pass", Kind::Socket) => {
                options.login.password = Some(value);
                continue;
            }
            ("sentinel_user", Kind::Sentinel) => {
                options.sentinel_login.user = Some(value);
                continue;
            }
            ("sentinel_password", Kind::Sentinel) => {
                options.sentinel_login.password = Some(value);
                continue;
            }
            ("cacert", _) if kind != Kind::Socket => {
                options.tls.cacert = Some(value.into());
                "cacert"
            }
            ("cert", _) if kind != Kind::Socket => {
                options.cert = Some(value);
                "cert"
            }
            ("key", _) if kind != Kind::Socket => {
                options.key = Some(value);
                "key"
            }
            ("sni", Kind::Server | Kind::Sentinel) => {
                options.tls.sni = Some(value);
                "sni"
            }
            ("sni", Kind::Cluster) => return Err(AddressError::SniOfCluster),
            ("insecure", _) if kind != Kind::Socket => {
                options.tls.insecure = match value.as_str() {
                    "true" | "" => true,
                    "false" => false,
                    _ => return Err(AddressError::Insecure(secrets.show(&value))),
                };
                "insecure"
            }
            _ => {
                return Err(AddressError::Option {
                    name: secrets.show(name),
                    accepted: kind.accepted(),
                });
            }
        };
        options.of_tls = options.of_tls.or(Some(of_tls));
    }
    Ok(options)
}

fn tls(
    kind: Kind,
    encrypted: bool,
    mut tls: Tls,
    of_tls: Option<&'static str>,
    client: (Option<String>, Option<String>),
) -> Result<Option<Tls>, AddressError> {
    if !encrypted || kind == Kind::Socket {
        return of_tls.map_or(Ok(None), |name| Err(AddressError::NeedsTls(name)));
    }
    tls.client = match client {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        _ => return Err(AddressError::CertWithoutKey),
    };
    Ok(Some(tls))
}

/// The place, and the database if the path names one.
fn place(
    kind: Kind,
    hosts: &str,
    path: &str,
    login: Login,
    secrets: &Secrets,
) -> Result<(Place, Option<i64>), AddressError> {
    if kind == Kind::Socket {
        let path = decoded(path, "the path")?;
        if !hosts.is_empty() || path.len() < 2 {
            return Err(AddressError::NoSocket);
        }
        return Ok((Place::Socket(path.into()), None));
    }
    let default_port = if kind == Kind::Sentinel {
        SENTINEL_PORT
    } else {
        REDIS_PORT
    };
    let mut hosts = hosts
        .split(',')
        .map(|text| host(text, default_port, kind, secrets))
        .collect::<Result<Vec<_>, _>>()?;
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let place = match kind {
        Kind::Server if hosts.len() > 1 => return Err(AddressError::SeveralHosts("redis")),
        Kind::Server | Kind::Socket => Place::Server(hosts.remove(0)),
        Kind::Cluster => Place::Cluster(hosts),
        Kind::Sentinel => Place::Sentinel {
            sentinels: hosts,
            master: decoded(
                parts.next().ok_or(AddressError::NoMaster)?,
                "the master's name",
            )?,
            login,
        },
    };
    let in_path = parts
        .next()
        .map(|part| database(part, secrets))
        .transpose()?;
    match parts.next() {
        Some(rest) => Err(AddressError::Path(secrets.show(rest))),
        None => Ok((place, in_path)),
    }
}

fn host(
    text: &str,
    default_port: u16,
    kind: Kind,
    secrets: &Secrets,
) -> Result<Host, AddressError> {
    let (name, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err(AddressError::NoHost(kind.example()));
    }
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(AddressError::Port(secrets.show(port))),
        },
    };
    let name = decoded(name, "the host")?;
    Ok(Host { name, port })
}

fn login(userinfo: &str) -> Result<Login, AddressError> {
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    Ok(Login {
        user: Some(decoded(user, "the user")?).filter(|user| !user.is_empty()),
        password: password
            .map(|password| decoded(password, "the password"))
            .transpose()?,
    })
}

fn database(text: &str, secrets: &Secrets) -> Result<i64, AddressError> {
    match text.parse() {
        Ok(database) if database >= 0 => Ok(database),
        _ => Err(AddressError::Database(secrets.show(text))),
    }
}

fn decoded(text: &str, what: &'static str) -> Result<String, AddressError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| AddressError::Encoding(what))
}
