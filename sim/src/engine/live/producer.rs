//! The producer's task in a live drill: it enqueues over a connection of its own.

use super::child::{Effect, Told};
use super::noted::Noted;
use super::watch::Roster;
use crate::abort::Abort;
use crate::metrics::ProducerMetrics;
use crate::plan::{PRODUCER, Plan, Routes};
use crate::producer::{Messages, Producer};
use crate::redis_server::ours;
use firedrill_asynq::actor::{Event, RunId};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::drive::{Host, Outside, drive};
use firedrill_asynq::message::TaskMessage;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

use firedrill_asynq::note::Intake;

type Note = firedrill_asynq::note::Note<String>;
type LiveProducer = Producer<TaskMessage, Messages>;

/// The producer's task, what it has noted, and the way to stop it.
pub(super) struct ProducerTask {
    done: tokio::task::JoinHandle<()>,
    outside: mpsc::UnboundedSender<Outside<LiveProducer>>,
    noted: Arc<Mutex<Noted>>,
}

/// The producer's host: it has no handlers.
struct Notes {
    noted: Arc<Mutex<Noted>>,
    roster: Roster,
    routes: Routes,
    /// The way of each task that is not answered, and when those with the same id were sent.
    under_way: HashMap<String, (usize, VecDeque<Time>)>,
    metrics: Arc<Mutex<ProducerMetrics>>,
}

impl Host for Notes {
    fn run(&mut self, _: Time, _: RunId, _: TaskMessage) {}

    fn note(&mut self, entry: Note) {
        match &entry {
            Note::Sent {
                at, id, workload, ..
            } => {
                let leg = self.routes.leg(*workload as usize, *at);
                let under_way = self.under_way.entry(id.clone());
                let (_, sent) = under_way.or_insert_with(|| (leg, VecDeque::with_capacity(1)));
                sent.push_back(*at);
                self.roster.sends(leg);
            }
            Note::Answered { at, id, answer } => {
                if let Some((leg, sent)) = self.under_way.get_mut(id) {
                    let metrics = self.metrics.lock();
                    let mut metrics = metrics.unwrap_or_else(PoisonError::into_inner);
                    let first = sent.pop_front().unwrap_or(*at);
                    metrics.answered(*leg, *answer, (first, *at));
                    if *answer == Intake::Accepted {
                        self.roster.accepted(*leg);
                    }
                    if sent.is_empty() {
                        self.under_way.remove(id);
                    }
                }
            }
            Note::Started { .. }
            | Note::Finished { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
        let noted = self.noted.lock();
        noted.unwrap_or_else(PoisonError::into_inner).note(entry);
    }
}

impl ProducerTask {
    /// Begins to produce.
    ///
    /// # Errors
    /// When there is no file for its ledger.
    pub(super) fn spawn(
        plan: &Plan,
        (broker, metrics): (RedisBroker, Arc<Mutex<ProducerMetrics>>),
        clock: ClockOrigin,
        roster: Roster,
        told: mpsc::UnboundedSender<Told>,
    ) -> io::Result<Self> {
        let (outside_tx, outside) = mpsc::unbounded_channel();
        let messages = Messages::new(plan, clock.virtual_start);
        let mut producer = Producer::new(plan, clock.virtual_start, messages.queues(), messages)
            .publishing(plan, ours::HOST, std::process::id())
            .telling(move |step, at| {
                let process = PRODUCER.to_owned();
                // Nobody listens any more when the drill is over.
                let _ = told.send(Told::Effect(Effect { process, step, at }));
            });
        let noted = Arc::new(Mutex::new(Noted::new()?));
        let mut host = Notes {
            noted: noted.clone(),
            roster,
            routes: Routes::of(plan, clock.virtual_start),
            under_way: HashMap::new(),
            metrics,
        };
        let done = tokio::spawn(async move {
            drive(&mut producer, &broker, clock, &mut host, outside).await;
        });
        Ok(Self {
            done,
            outside: outside_tx,
            noted,
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Noted) -> T) -> T {
        look(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has been noted since this was asked last.
    ///
    /// # Errors
    /// When something could not be noted.
    pub(super) fn fresh(&self) -> io::Result<Vec<Note>> {
        self.with(Noted::take_fresh)
    }

    /// Has it send no more, waits, with a bound and unless the drill is stopped, until every task it has sent is answered,
    /// and takes the ledger.
    ///
    /// # Errors
    /// When the ledger is not whole.
    pub(super) async fn finish(self, clock: ClockOrigin, abort: &Abort) -> io::Result<Vec<Note>> {
        // A closed channel means the producer has ended already.
        let _ = self.outside.send(Outside::Event(Event::Stop));
        // Its notes are whole when it has heard of that.
        let (heard_tx, heard) = oneshot::channel();
        let hear = Box::new(move |_: &LiveProducer| {
            let _ = heard_tx.send(());
        });
        let _ = self.outside.send(Outside::Inspect(hear));
        let _ = heard.await;
        let patience =
            tokio::time::Instant::now() + clock.real_millis(10_000).max(Duration::from_secs(2));
        let stopped = loop {
            let stopped = abort.is_asked();
            let answered = self.with(|noted| noted.is_answered());
            if stopped || answered || tokio::time::Instant::now() >= patience {
                break stopped;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let _ = self.outside.send(Outside::Event(Event::Shutdown));
        // It leaves the listings of schedulers, if Redis is there.
        let within = Duration::from_millis(if stopped { 200 } else { 1_000 });
        let _ = tokio::time::timeout(within, self.done).await;
        let noted = self.noted.lock();
        let mut noted = noted.unwrap_or_else(PoisonError::into_inner);
        noted.take_all()
    }
}
