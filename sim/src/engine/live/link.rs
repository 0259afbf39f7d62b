//! Links: a TCP proxy for each client of Redis that a plan does something to. What goes over it is delayed or held, in its
//! order; nothing is lost, and nothing is closed when it heals: TCP repeats what was not acknowledged.

mod pump;
mod resp;
mod talk;

use crate::engine::live::child::Told;
use crate::engine::live::watch::Roster;
use crate::lever::{LinkLever, PointRule};
use crate::plan::Plan;
use firedrill_asynq::broker::redis::address::{Address, Way};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::rng;
use pump::Dice;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use talk::{Rules, Talk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long an answer over a healthy link may take, real time: longer than a hiccup of the machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How long silence must last for a link to count as cut.
const SILENT_FOR: Duration = Duration::from_millis(50);

/// How often an uneven link is greeted at most.
const GREETINGS: u32 = 8;

/// The links of a drill, by client. A client without one talks to Redis itself.
pub(crate) struct Links {
    all: BTreeMap<String, Link>,
    rules: Arc<Rules>,
}

/// Who listens to a link: rules about calls, and whose calls they are.
type Hears = Option<(Arc<Rules>, Arc<str>)>;

/// One client's link. Dropping it closes it.
pub(super) struct Link {
    port: u16,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

/// What a link does to what goes over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    delay: Duration,
    jitter: Duration,
    cut: bool,
    reset: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Links {
    /// The links that a plan needs, before the Redis at `address`.
    ///
    /// # Errors
    /// When there is no port to be had, or what is there cannot be linked to.
    pub(crate) async fn open(
        plan: &Plan,
        address: &Address,
        told: UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let rules = Arc::new(Rules::new(told));
        let heard = plan.heard_clients();
        let mut all = BTreeMap::new();
        for client in plan.linked_clients() {
            let way = address.way().ok_or_else(|| {
                io::Error::other("links lead to one Redis without TLS, not to what was given")
            })?;
            let dice = rng::stream(plan.seed, &format!("link/{client}"));
            let name: Arc<str> = client.into();
            let hears = heard.contains(client).then(|| (rules.clone(), name));
            all.insert(client.to_owned(), Link::open(way, dice, hears).await?);
        }
        Ok(Self { all, rules })
    }

    /// The drill begins.
    pub(crate) fn begin(&self, clock: ClockOrigin, roster: Roster) {
        self.rules.begin(clock, roster);
    }

    /// A step's rule about calls of these clients is on from now on.
    pub(super) fn set(&self, step: (usize, &str), rule: PointRule, clients: &[String], seed: u64) {
        self.rules.set(step, rule, clients, seed);
    }

    /// It no longer is; answers whether it was.
    pub(super) fn lift(&self, step: usize) -> bool {
        self.rules.lift(step)
    }

    /// Where a client finds Redis, if that is over a link.
    pub(crate) fn address(&self, client: &str, redis: &Address) -> Option<Address> {
        redis.by_way_of(self.all.get(client)?.port)
    }

    /// Does something to the links of these clients; answers of how many it was seen.
    pub(super) async fn pull(
        &self,
        lever: LinkLever,
        clients: &[String],
        clock: ClockOrigin,
    ) -> usize {
        let state = match lever {
            LinkLever::Delay { ms, jitter_ms } => State {
                delay: clock.real_millis(ms),
                jitter: clock.real_millis(jitter_ms),
                ..State::default()
            },
            LinkLever::Drop => State {
                cut: true,
                ..State::default()
            },
            LinkLever::Reset => State {
                reset: true,
                ..State::default()
            },
            LinkLever::Heal => State::default(),
        };
        let links: Vec<&Link> = clients
            .iter()
            .filter_map(|name| self.all.get(name))
            .collect();
        for link in &links {
            link.state.send_replace(state);
        }
        let mut seen = 0;
        for link in &links {
            seen += usize::from(link.is(state).await);
        }
        seen
    }
}

impl Link {
    /// Where it is.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Nothing passes from now on.
    pub(super) fn cut(&self) {
        self.state.send_replace(State {
            cut: true,
            ..State::default()
        });
    }

    /// One that nobody listens to.
    pub(super) async fn plain(way: Way, dice: Dice) -> io::Result<Self> {
        Self::open(way, dice, None).await
    }

    async fn open(way: Way, dice: Dice, hears: Hears) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (state, _) = watch::channel(State::default());
        let watched = state.subscribe();
        let accepting = tokio::spawn(accept(listener, (way, hears), watched, dice));
        Ok(Self {
            port,
            state,
            accepting,
        })
    }

    /// Looks whether the link is as it should be: a greeting over it is answered, late or not at all. One that is only
    /// uneven is greeted a few times: all of them early would be a rare accident.
    async fn is(&self, state: State) -> bool {
        let least = match (state.delay, state.jitter) {
            (Duration::ZERO, jitter) => jitter / 4,
            (delay, _) => 2 * delay,
        };
        if state.reset {
            // At once: silence would be a cut.
            let answer = tokio::time::timeout(ANSWERS_WITHIN, greet(self.port)).await;
            return matches!(answer, Ok(Err(_)));
        }
        for _ in 0..GREETINGS {
            let took = self.greeted(state).await;
            match took {
                Some(took) if !state.cut && took >= least => return true,
                // Once on time says nothing of jitter.
                Some(_) if !state.cut && state.delay.is_zero() => {}
                Some(_) => return false,
                None => return state.cut,
            }
        }
        false
    }

    /// How long it takes until a greeting is answered; `None`: longer than it would.
    async fn greeted(&self, state: State) -> Option<Duration> {
        let began = tokio::time::Instant::now();
        let patience = match state.cut {
            true => SILENT_FOR,
            false => ANSWERS_WITHIN + 2 * (state.delay + state.jitter),
        };
        let answered = tokio::time::timeout(patience, greet(self.port)).await;
        answered.ok()?.ok()?;
        Some(began.elapsed())
    }
}

/// Asks for anything over a link and waits for the first byte of the answer.
async fn greet(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"PING\r\n").await?;
    stream.read_u8().await.map(drop)
}

/// Takes connections until the link is closed.
async fn accept(
    listener: TcpListener,
    (way, hears): (Way, Hears),
    state: watch::Receiver<State>,
    mut dice: Dice,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (way, state, dice) = (way.clone(), state.clone(), pump::split(&mut dice));
        let talk = hears
            .clone()
            .map(|(rules, client)| Talk::new(rules, client));
        connections.spawn(async move {
            // A connection that breaks is closed on both sides: that is all there is to tell.
            let _ = forward(client, (way, talk), state, dice).await;
        });
    }
}

async fn forward(
    client: TcpStream,
    (way, talk): (Way, Option<Talk>),
    state: watch::Receiver<State>,
    dice: [Dice; 2],
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let knob = client.as_fd().try_clone_to_owned()?;
    let mut reset = state.clone();
    tokio::select! {
        done = carry(client, (way, talk), state, dice) => done,
        // A link that is gone resets nobody.
        Ok(_) = reset.wait_for(|state| state.reset) => {
            // With nothing lingering, closing is a reset.
            rustix::net::sockopt::set_socket_linger(knob, Some(Duration::ZERO))?;
            Ok(())
        }
    }
}

async fn carry(
    client: TcpStream,
    (way, talk): (Way, Option<Talk>),
    mut state: watch::Receiver<State>,
    dice: [Dice; 2],
) -> io::Result<()> {
    // Nobody answers a greeting that does not arrive.
    pump::passes(&mut state).await;
    match way {
        Way::Socket(path) => {
            let server = UnixStream::connect(path).await?;
            pump::both(client, server, state, dice, talk.as_ref()).await;
        }
        Way::Server(place) => {
            let server = TcpStream::connect(place).await?;
            server.set_nodelay(true)?;
            pump::both(client, server, state, dice, talk.as_ref()).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
