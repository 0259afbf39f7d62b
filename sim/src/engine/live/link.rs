//! Links: a TCP proxy for each client of Redis that a plan does something to. What goes over it is delayed or held, in its
//! order; nothing is lost, and nothing is closed when it heals: TCP repeats what was not acknowledged.

mod opening;
mod pump;
mod resp;
mod talk;

use crate::engine::live::child::Told;
use crate::engine::live::watch::Roster;
use crate::lever::{LinkLever, PointRule, Ways};
use crate::plan::Plan;
use firedrill_asynq::broker::redis::address::{Address, Way};
use firedrill_asynq::clock::ClockOrigin;
use firedrill_asynq::rng;
use opening::Opening;
use pump::{Busy, Dice};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a link does beyond forwarding; by default nothing.
#[derive(Clone, Default)]
struct Beyond {
    hears: Hears,
    opens: Option<Arc<Opening>>,
}

/// One client's link. Dropping it closes it.
pub(super) struct Link {
    port: u16,
    state: watch::Sender<State>,
    /// Where it leads, and where it led first.
    leads: Arc<Mutex<Way>>,
    home: Way,
    accepting: JoinHandle<()>,
}

/// What a link does to what goes over it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct State {
    /// What clients say, and what Redis says.
    ways: [OneWay; 2],
    reset: bool,
    /// Counts how often it was led elsewhere: connections of before end.
    led: u32,
}

/// The same of one way.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct OneWay {
    delay: Duration,
    jitter: Duration,
    cut: bool,
    /// Bytes in a real second.
    rate: Option<f64>,
    /// Bytes of a piece, and from one to the next.
    slice: Option<(usize, Duration)>,
}

impl State {
    /// The same both ways, or one way.
    fn of(way: OneWay, ways: Ways) -> Self {
        let one = |hit| if hit { way } else { OneWay::default() };
        Self {
            ways: ways.hit().map(one),
            ..Self::default()
        }
    }

    fn is_cut(&self) -> bool {
        self.ways.iter().any(|way| way.cut)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Links {
    /// The links that a plan needs, before the Redis at `address`. `guests`: clients that are not ours, which go over a link
    /// whatever the plan does to them, where there can be one: it logs in for them.
    ///
    /// # Errors
    /// When there is no port to be had, or what is there cannot be linked to.
    pub(crate) async fn open(
        plan: &Plan,
        address: &Address,
        guests: &BTreeSet<String>,
        told: UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let rules = Arc::new(Rules::new(told));
        let heard = plan.heard_clients();
        let mut clients = plan.linked_clients();
        if address.way().is_some() {
            clients.extend(guests.iter().map(String::as_str));
        }
        let opening = Arc::new(Opening::of(address));
        let mut all = BTreeMap::new();
        for client in clients {
            let way = address.way().ok_or_else(|| {
                io::Error::other("links lead to one Redis without TLS, not to what was given")
            })?;
            let dice = rng::stream(plan.seed, &format!("link/{client}"));
            let name: Arc<str> = client.into();
            let beyond = Beyond {
                hears: heard.contains(client).then(|| (rules.clone(), name)),
                opens: guests.contains(client).then(|| opening.clone()),
            };
            all.insert(client.to_owned(), Link::open(way, dice, beyond).await?);
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

    /// Where one that is not ours finds it, if that is over a link.
    pub(crate) fn address_of_guest(&self, client: &str, redis: &Address) -> Option<Address> {
        redis.opened_at(self.all.get(client)?.port)
    }

    /// Leads the links of these clients elsewhere, or back; answers how many there are.
    pub(super) fn lead(&self, clients: &[String], to: Option<&Way>) -> usize {
        let links = clients.iter().filter_map(|name| self.all.get(name));
        links
            .map(|link| link.lead(to.unwrap_or(&link.home).clone()))
            .count()
    }

    /// Does something to the links of these clients; answers of how many it was seen.
    pub(super) async fn pull(
        &self,
        lever: LinkLever,
        clients: &[String],
        clock: ClockOrigin,
    ) -> usize {
        let state = state(lever, clock);
        let links: Vec<&Link> = clients
            .iter()
            .filter_map(|name| self.all.get(name))
            .collect();
        for link in &links {
            link.lead(link.home.clone());
            link.set(state);
        }
        let mut seen = 0;
        for link in &links {
            seen += usize::from(link.is(state).await);
        }
        seen
    }
}

/// What a lever makes of a link.
fn state(lever: LinkLever, clock: ClockOrigin) -> State {
    match lever {
        LinkLever::Delay {
            ms,
            jitter_ms,
            ways,
        } => State::of(
            OneWay {
                delay: clock.real_millis(ms),
                jitter: clock.real_millis(jitter_ms),
                ..OneWay::default()
            },
            ways,
        ),
        LinkLever::Drop { ways } => State::of(
            OneWay {
                cut: true,
                ..OneWay::default()
            },
            ways,
        ),
        LinkLever::Throttle { bytes_per_s, ways } => State::of(
            OneWay {
                rate: Some(bytes_per_s as f64 * clock.speed),
                ..OneWay::default()
            },
            ways,
        ),
        LinkLever::Slice {
            bytes,
            every_ms,
            ways,
        } => State::of(
            OneWay {
                slice: Some((bytes as usize, clock.real_millis(every_ms))),
                ..OneWay::default()
            },
            ways,
        ),
        LinkLever::Reset => State {
            reset: true,
            ..State::default()
        },
        LinkLever::Demote | LinkLever::Heal => State::default(),
    }
}

impl Link {
    /// From now on it does this; where it leads is another matter.
    fn set(&self, state: State) {
        self.state.send_modify(|now| {
            let led = now.led;
            *now = State { led, ..state };
        });
    }

    /// From now on it leads there, if it did not before; connections of before end.
    fn lead(&self, way: Way) {
        let mut leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        if *leads != way {
            *leads = way;
            self.state.send_modify(|state| state.led += 1);
        }
    }

    /// Where it is.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Nothing passes from now on.
    pub(super) fn cut(&self) {
        let cut = OneWay {
            cut: true,
            ..OneWay::default()
        };
        self.set(State::of(cut, Ways::Both));
    }

    /// One that nobody listens to.
    pub(super) async fn plain(way: Way, dice: Dice) -> io::Result<Self> {
        Self::open(way, dice, Beyond::default()).await
    }

    async fn open(way: Way, dice: Dice, beyond: Beyond) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (state, _) = watch::channel(State::default());
        let watched = state.subscribe();
        let leads = Arc::new(Mutex::new(way.clone()));
        let to = (leads.clone(), beyond);
        let accepting = tokio::spawn(accept(listener, to, watched, dice));
        Ok(Self {
            port,
            state,
            leads,
            home: way,
            accepting,
        })
    }

    /// Looks whether the link is as it should be: a greeting over it is answered, late or not at all. One that is only
    /// uneven is greeted a few times: all of them early would be a rare accident.
    async fn is(&self, state: State) -> bool {
        let delays = || state.ways.iter().map(|way| way.delay).sum::<Duration>();
        let jitters = || state.ways.iter().map(|way| way.jitter).sum::<Duration>();
        let least = match (delays(), jitters()) {
            (Duration::ZERO, jitters) => jitters / 8,
            (delays, _) => delays,
        };
        if state
            .ways
            .iter()
            .any(|way| way.rate.is_some() || way.slice.is_some())
        {
            return self.takes_time(state).await;
        }
        if state.reset {
            // At once: silence would be a cut.
            let answer = tokio::time::timeout(ANSWERS_WITHIN, greet(self.port)).await;
            return matches!(answer, Ok(Err(_)));
        }
        for _ in 0..GREETINGS {
            let took = self.greeted(state).await;
            match took {
                Some(took) if !state.is_cut() && took >= least => return true,
                // Once on time says nothing of jitter.
                Some(_) if !state.is_cut() && delays().is_zero() => {}
                Some(_) => return false,
                None => return state.is_cut(),
            }
        }
        false
    }

    /// How long it takes until a greeting is answered; `None`: longer than it would.
    async fn greeted(&self, state: State) -> Option<Duration> {
        let began = tokio::time::Instant::now();
        let delays = state.ways.iter().map(|way| way.delay + way.jitter);
        let patience = match state.is_cut() {
            true => SILENT_FOR,
            false => ANSWERS_WITHIN + delays.sum::<Duration>(),
        };
        let answered = tokio::time::timeout(patience, greet(self.port)).await;
        answered.ok()?.ok()?;
        Some(began.elapsed())
    }
}

/// What takes a link time by its size, real time: long enough to be told from a hiccup, and short for a drill.
const TAKES: Duration = Duration::from_millis(60);
/// Least and most bytes that a link is asked to carry for that.
const CARRIES: [f64; 2] = [64.0, 8e6];

impl Link {
    /// Whether something that is large enough takes as long as it should over a thin link, or one that cuts it to pieces.
    async fn takes_time(&self, state: State) -> bool {
        let per_byte = |way: &OneWay| {
            let sliced = way
                .slice
                .map(|(bytes, every)| every.as_secs_f64() / bytes as f64);
            way.rate.map(|rate| 1.0 / rate).or(sliced).unwrap_or(0.0)
        };
        let each = state.ways.iter().map(per_byte).sum::<f64>();
        let bytes = (TAKES.as_secs_f64() / each).clamp(CARRIES[0], CARRIES[1]);
        let takes = Duration::from_secs_f64(bytes * each);
        let began = tokio::time::Instant::now();
        let echoed =
            tokio::time::timeout(ANSWERS_WITHIN + 4 * takes, echo(self.port, bytes as usize));
        // Nobody else is to be thanked for it: others on the link make it longer only.
        matches!(echoed.await, Ok(Ok(()))) && began.elapsed() >= takes / 2
    }
}

/// Has so many bytes come back over a link.
async fn echo(port: u16, bytes: usize) -> io::Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut from, mut to) = stream.into_split();
    let mut asked = format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n").into_bytes();
    let mut answer = vec![0; format!("${bytes}\r\n").len() + bytes + 2];
    asked.resize(asked.len() + bytes, b'x');
    asked.extend_from_slice(b"\r\n");
    let (sent, heard) = tokio::join!(to.write_all(&asked), from.read_exact(&mut answer));
    sent.and(heard.map(drop))
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
    (leads, beyond): (Arc<Mutex<Way>>, Beyond),
    state: watch::Receiver<State>,
    mut dice: Dice,
) {
    let mut connections = tokio::task::JoinSet::new();
    // All connections of a client share a thin link.
    let thin: [Busy; 2] = Default::default();
    loop {
        let Ok((client, from)) = listener.accept().await else {
            continue;
        };
        // Whoever is logged in by the link must be who started the drill: a port is open to the whole machine.
        if beyond.opens.is_some() && !opening::is_ours(from, client.local_addr()) {
            continue;
        }
        while connections.try_join_next().is_some() {}
        let way = leads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (state, dice, thin) = (state.clone(), pump::split(&mut dice), thin.clone());
        let Beyond { hears, opens } = beyond.clone();
        let talk = hears.map(|(rules, client)| Talk::new(rules, client));
        connections.spawn(async move {
            // A connection that breaks is closed on both sides: that is all there is to tell.
            let _ = forward(client, (way, talk, opens), state, (dice, thin)).await;
        });
    }
}

/// Where a connection leads, who listens to it, and what is said first.
type To = (Way, Option<Talk>, Option<Arc<Opening>>);

async fn forward(
    client: TcpStream,
    to: To,
    state: watch::Receiver<State>,
    own: ([Dice; 2], [Busy; 2]),
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let knob = client.as_fd().try_clone_to_owned()?;
    let (mut reset, mut led) = (state.clone(), state.clone());
    let leads = led.borrow().led;
    tokio::select! {
        done = carry(client, to, state, own) => done,
        // It leads elsewhere now.
        Ok(_) = led.wait_for(|state| state.led != leads) => Ok(()),
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
    (way, talk, opens): To,
    mut state: watch::Receiver<State>,
    own: ([Dice; 2], [Busy; 2]),
) -> io::Result<()> {
    // Nobody answers a greeting that does not arrive.
    pump::passes(&mut state, pump::ASKING).await;
    match way {
        Way::Socket(path) => {
            let mut server = UnixStream::connect(path).await?;
            opening::say(opens.as_deref(), &mut server).await?;
            pump::both(client, server, state, own, talk.as_ref()).await;
        }
        Way::Server(place) => {
            let mut server = TcpStream::connect(place).await?;
            server.set_nodelay(true)?;
            opening::say(opens.as_deref(), &mut server).await?;
            pump::both(client, server, state, own, talk.as_ref()).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
