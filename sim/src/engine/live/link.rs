//! Links: a TCP proxy for each client of Redis that a plan does something to. What goes over it is delayed or held, in its
//! order; nothing is lost, and nothing is closed when it heals: TCP repeats what was not acknowledged.

mod opening;
mod probe;
mod pump;
mod resp;
mod talk;
mod team;

use crate::engine::live::child::Told;
use crate::engine::live::watch::Roster;
use crate::lever::{LinkLever, PointRule, Ways};
use crate::plan::{PRODUCER, Plan};
use crate::toxiproxy::{Proxy, ProxyId};
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
pub(crate) use team::{TeamLink, Touched};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The links of a drill, by client. A client without one talks to Redis itself.
pub(crate) struct Links {
    all: BTreeMap<String, Link>,
    /// That of clients that go through a proxy of the team's.
    team: Option<Arc<TeamLink>>,
    rules: Arc<Rules>,
}

/// What came of doing something to links.
#[derive(Default)]
pub(super) struct Pulled {
    /// Of how many it was seen.
    pub(super) seen: usize,
    /// What a proxy of the team's has refused.
    pub(super) trouble: Option<String>,
    /// What others had done to that before, and was not told of.
    pub(super) others: Vec<String>,
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
    /// whatever the plan does to them, where there can be one: it logs in for them. `proxy`: that of the team's which all worker
    /// processes go through instead.
    ///
    /// # Errors
    /// When there is no port to be had, what is there cannot be linked to, or a proxy does not lead there.
    pub(crate) async fn open(
        plan: &Plan,
        address: &Address,
        (guests, proxy): (&BTreeSet<String>, Option<Proxy>),
        told: UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let rules = Arc::new(Rules::new(told));
        let heard = plan.heard_clients();
        let mut clients = plan.linked_clients();
        clients.retain(|client| proxy.is_none() || *client == PRODUCER);
        if address.way().is_some() {
            clients.extend(guests.iter().map(String::as_str));
        }
        let opening = Arc::new(Opening::of(address));
        let team = match proxy {
            Some(proxy) => {
                let team = TeamLink::open(proxy, address.way(), opening.clone()).await?;
                Some(Arc::new(team))
            }
            None => None,
        };
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
        Ok(Self { all, team, rules })
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

    /// What is done to a client's link of ours ends.
    pub(super) fn release(&self, client: &str) {
        if let Some(link) = self.all.get(client) {
            link.lead(link.home.clone());
            link.set(State::default());
        }
    }

    /// The link of those that go through a proxy of the team's, if they do.
    pub(super) fn team(&self) -> Option<&Arc<TeamLink>> {
        self.team.as_ref()
    }

    /// The proxy of the team's that any of these clients go through.
    pub(super) fn proxy(&self, clients: &[String]) -> Option<ProxyId> {
        let team = self.team.as_ref()?;
        let goes = clients.iter().any(|client| client != PRODUCER);
        goes.then(|| team.proxy().clone())
    }

    /// Does something to the links of these clients.
    pub(super) async fn pull(
        &self,
        lever: LinkLever,
        clients: &[String],
        clock: ClockOrigin,
    ) -> Pulled {
        let state = state(lever, clock);
        let links: Vec<&Link> = clients
            .iter()
            .filter_map(|name| self.all.get(name))
            .collect();
        for link in &links {
            link.lead(link.home.clone());
            link.set(state);
        }
        let mut pulled = Pulled::default();
        let through = clients.iter().filter(|client| *client != PRODUCER).count();
        if let Some(team) = self.team.as_ref().filter(|_| through > 0) {
            match team.pull(state).await {
                Ok(of) => {
                    pulled.seen += if of.is_so { through } else { 0 };
                    pulled.others = of.others;
                }
                Err(error) => pulled.trouble = Some(error.to_string()),
            }
        }
        for link in &links {
            pulled.seen += usize::from(link.is(state).await);
        }
        pulled
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

    /// Whether it is seen to be so.
    async fn is(&self, state: State) -> bool {
        probe::Probe::at(format!("127.0.0.1:{}", self.port))
            .sees(state)
            .await
    }
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
