//! What is published on a channel, whatever happens to the connection meanwhile.

use crate::broker::redis::RedisBroker;
use crate::settings::{SUBSCRIBE_PING_MS, SUBSCRIBE_REPAIR_MS, SUBSCRIBE_RETRY_MS};
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value, from_redis_value_ref};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages of one channel. As asynq's subscriber: tried every 5 s until it is established, then mended within a moment;
/// what is published meanwhile is lost, and nobody is told. Dropping it ends it.
pub struct Subscription {
    payloads: mpsc::UnboundedReceiver<Vec<u8>>,
    listener: JoinHandle<()>,
}

impl Subscription {
    /// The next message.
    pub async fn next(&mut self) -> Vec<u8> {
        match self.payloads.recv().await {
            Some(payload) => payload,
            // The listener ends after us; a runtime that shuts down drops both.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl RedisBroker {
    /// Subscribes to a channel, in the background.
    #[must_use]
    pub fn subscribe(&self, channel: &str) -> Subscription {
        let (payload_tx, payloads) = mpsc::unbounded_channel();
        let listener = tokio::spawn(listen(self.clone(), channel.to_owned(), payload_tx));
        Subscription { payloads, listener }
    }
}

async fn listen(broker: RedisBroker, channel: String, payloads: mpsc::UnboundedSender<Vec<u8>>) {
    let real = |ms: i64| Duration::from_secs_f64(ms as f64 / 1e3 / broker.shared.options.speed);
    let mut pause = real(SUBSCRIBE_RETRY_MS);
    loop {
        let (push_tx, mut pushes) = mpsc::unbounded_channel();
        if let Some(mut connection) = establish(&broker, &channel, push_tx).await {
            pause = real(SUBSCRIBE_REPAIR_MS);
            let idle = real(SUBSCRIBE_PING_MS);
            if hear(&mut connection, &mut pushes, idle, &payloads)
                .await
                .is_break()
            {
                return;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// A connection of its own that is subscribed. In a cluster any node will do: each passes on what is published to all.
async fn establish(
    broker: &RedisBroker,
    channel: &str,
    pushes: mpsc::UnboundedSender<PushInfo>,
) -> Option<MultiplexedConnection> {
    let dialer = &broker.shared.dialer;
    let nodes = if dialer.address.is_cluster() {
        // None while the cluster does not answer; then those of the address are tried.
        broker.masters().await.unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut connection = dialer.dial_one(&nodes, Some(pushes)).await.ok()?;
    connection.subscribe(channel).await.ok()?;
    Some(connection)
}

/// Hands messages on until the connection is lost, or breaks when nobody wants them any more.
async fn hear(
    connection: &mut MultiplexedConnection,
    pushes: &mut mpsc::UnboundedReceiver<PushInfo>,
    idle: Duration,
    payloads: &mpsc::UnboundedSender<Vec<u8>>,
) -> ControlFlow<()> {
    loop {
        match tokio::time::timeout(idle, pushes.recv()).await {
            Ok(Some(push)) => match push.kind {
                PushKind::Message => {
                    if let Some(payload) = payload(&push.data)
                        && payloads.send(payload).is_err()
                    {
                        return ControlFlow::Break(());
                    }
                }
                PushKind::Disconnection => return ControlFlow::Continue(()),
                _ => {}
            },
            Ok(None) => return ControlFlow::Continue(()),
            // A connection that went silent is found out by asking.
            Err(_) => {
                let pong = redis::cmd("PING").query_async::<Value>(connection).await;
                if pong.is_err() {
                    return ControlFlow::Continue(());
                }
            }
        }
    }
}

/// The message of a push `[channel, message]`.
fn payload(data: &[Value]) -> Option<Vec<u8>> {
    from_redis_value_ref(data.get(1)?).ok()
}
