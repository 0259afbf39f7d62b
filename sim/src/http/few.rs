//! Connections that are few, and of which each asks for something soon: whoever only holds them open keeps nobody else out for long.

use axum::serve::Listener;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Most connections at a time; others wait to be accepted.
const CONNECTIONS_MOST: usize = 64;
/// How long one may take until it has asked for something that can be answered.
const ASKS_WITHIN: Duration = Duration::from_secs(20);

/// Accepts so many connections, and no more.
#[derive(Debug)]
pub(crate) struct Few {
    listener: TcpListener,
    places: Arc<Semaphore>,
    asks_within: Duration,
}

impl Few {
    pub(crate) fn of(listener: TcpListener) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS_MOST)),
            asks_within: ASKS_WITHIN,
        }
    }
}

impl Listener for Few {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let place = self.places.clone().acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let held = Held {
            stream,
            patience: Some(Box::pin(tokio::time::sleep(self.asks_within))),
            _place: place,
        };
        (held, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, and the place it takes.
#[derive(Debug)]
pub(crate) struct Held {
    stream: TcpStream,
    /// Until it is answered for the first time.
    patience: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let patience = self.patience.as_mut();
        if patience.is_some_and(|patience| patience.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.patience = None;
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn who_never_ends_a_request_is_let_go_and_others_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let few = Few {
            asks_within: Duration::from_millis(100),
            ..Few::of(listener)
        };
        let pages = Router::new().route("/", get(|| async { "here" }));
        let serving = tokio::spawn(async move { axum::serve(few, pages).await });
        // More than there are places for.
        let mut slow = Vec::new();
        for _ in 0..=CONNECTIONS_MOST {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: a")
                .await
                .unwrap();
            slow.push(stream);
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        for mut stream in slow {
            let mut answer = Vec::new();
            // A reset will do, too.
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(String::from_utf8_lossy(&answer), "");
        }
        serving.abort();
    }
}
