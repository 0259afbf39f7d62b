//! Logging in for a client that is not ours: it is told an address, and no password.
//!
//! The drill's Redis takes changes from the drill's own user alone. A worker of the team's reaches it over its link, which says
//! who it is before the worker says anything. The link's port is open to the whole machine, so it looks whose process is on the
//! other end: the kernel has the user of every connection.

use firedrill_asynq::broker::redis::address::Address;
use std::fs;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What Redis answers to each part of it.
const DONE: &[u8] = b"+OK\r\n";
/// How the kernel writes that a connection is open (`include/net/tcp_states.h`).
const ESTABLISHED: &str = "01";
/// Where it lists them, by what they were asked for with.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// What is said first on a connection to Redis.
#[derive(Debug)]
pub(super) struct Opening {
    said: Vec<u8>,
    answers: usize,
}

impl Opening {
    /// Of whoever goes to this address.
    pub(super) fn of(address: &Address) -> Self {
        let (said, answers) = address.opening();
        Self { said, answers }
    }
}

/// Says it, and waits until Redis has agreed.
///
/// # Errors
/// When it does not, or the connection breaks.
pub(super) async fn say(
    opening: Option<&Opening>,
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    let Some(Opening { said, answers }) = opening else {
        return Ok(());
    };
    server.write_all(said).await?;
    let mut answer = vec![0; DONE.len() * answers];
    server.read_exact(&mut answer).await?;
    match answer.chunks(DONE.len()).all(|one| one == DONE) {
        true => Ok(()),
        false => Err(io::Error::other("Redis refuses the login of the drill")),
    }
}

/// Whether a connection to us comes from a process of our own user, or of the one who may do anything.
pub(super) fn is_ours(from: SocketAddr, to: io::Result<SocketAddr>) -> bool {
    let Ok(to) = to else {
        return false;
    };
    let own = rustix::process::geteuid().as_raw();
    let mut tables = TABLES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let user = tables.find_map(|table| user_of(&table, (from.port(), to.port())));
    user.is_some_and(|user| user == own || user == 0)
}

/// The user of the open loopback connection between these ports.
fn user_of(table: &str, (from, to): (u16, u16)) -> Option<u32> {
    let is_end = |end: &str, port: u16| {
        let parts = end.split_once(':');
        parts.is_some_and(|(host, end)| {
            // 127.0.0.1, as it is in memory; of IPv6 these are the last digits.
            host.ends_with("0100007F") && u16::from_str_radix(end, 16) == Ok(port)
        })
    };
    let mut rows = table.lines().skip(1).map(|row| {
        let mut cells = row.split_ascii_whitespace().skip(1);
        let ends = (cells.next()?, cells.next()?, cells.next()?);
        Some((ends, cells.nth(3)?))
    });
    let user = rows.find_map(|row| {
        let ((local, remote, state), user) = row?;
        let is_it = is_end(local, from) && is_end(remote, to) && state == ESTABLISHED;
        is_it.then_some(user)
    });
    user?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 78 1 0000000000000000 20 4 30 10 -1
   3: 0A00000A:C351 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 79 1 0000000000000000 20 4 30 10 -1
";

    #[test]
    fn the_user_of_a_connection_is_that_of_its_open_end_on_this_machine() {
        let user = |from| user_of(TABLE, (from, 8080));
        assert_eq!(user(50_000), Some(1000));
        assert_eq!([user(50_001), user(50_002)], [None, None]);
        assert_eq!(user_of(TABLE, (8080, 50_000)), None);
        let sixth = TABLE.replace("0100007F", "0000000000000000FFFF00000100007F");
        assert_eq!(user_of(&sixth, (50_000, 8080)), Some(1000));
        assert_eq!(user_of("header\nnothing\n", (50_000, 8080)), None);
    }

    #[test]
    fn a_connection_of_our_own_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, from) = listener.accept().unwrap();
        assert!(is_ours(from, server.local_addr()));
        // One that is over is nobody's.
        drop((client, server));
        assert!(!is_ours(from, listener.local_addr()));
    }
}
