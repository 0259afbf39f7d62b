//! A producer process: enqueues its share of the arrivals at their times, whatever Redis does, or in closed loops.

use super::arrivals::{Due, Share, Stream};
use super::measure::{Meter, tell};
use super::process::{ARRIVAL_HEADER, BACKLOG, ready, told_to_stop};
use super::wire::{PartSpec, Word};
use crate::plan::{Arrivals, Plan};
use crate::producer::{Messages, Mint};
use anyhow::Context;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::client::Submission;
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, BrokerError, Op, Reply};
use firedrill_asynq::rng::{Numbered, unit};
use firedrill_reports::load::{Drive, Stage};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// Most tasks in one call.
const BATCH: usize = 100;
/// Most bytes of payload in one call, unless a single task has more.
const BATCH_BYTES: usize = 256 << 10;
/// Most calls without an answer, of all producers of the load. Beyond it tasks wait to be sent: more would only wait in Redis, for
/// longer than it may take to answer.
const CALLS_MAX: usize = 1_000;
/// A producer has so many in any case.
const CALLS_MIN: usize = 16;
/// How long answers are waited for when all is sent: longer than any call may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// What is due and not sent so long after the last arrival is not sent any more.
const SENDS_WITHIN_MS: i64 = 5_000;
/// How long what is not sent any more is counted.
const COUNTS_WITHIN: Duration = Duration::from_secs(2);
/// Bursts of arrivals that wait between the thread that keeps time and the one that sends.
const BURSTS: usize = 64;
/// Arrivals that are handed over at a time, at most.
const BURST_MAX: usize = 4_096;

type Message = Submission<TaskMessage>;

/// What sends and measures.
#[derive(Clone)]
struct Sender {
    broker: RedisBroker,
    meter: Arc<Meter>,
    clock: ClockOrigin,
}

/// A task that is sent, and when it was to arrive.
struct Sent {
    intended: Time,
    message: Message,
}

pub(super) async fn produce(spec: PartSpec, broker: RedisBroker) -> anyhow::Result<()> {
    let PartSpec { load, share, .. } = &spec;
    for queue in &load.plan.queues {
        let queue = queue.name.clone();
        let registered = broker.call(Op::RegisterQueue { queue }).await;
        registered.context("cannot publish the load's queues")?;
    }
    let prefilled = prefill(&spec, &broker).await?;
    let (clock, mut stop) = ready(prefilled).await?;
    let meter = Arc::new(Meter::new(clock, load.warmup_ms));
    let beat = meter.clone();
    tokio::spawn(async move { beat.tell_every_second().await });
    let sender = Sender {
        broker,
        meter: meter.clone(),
        clock,
    };
    let messages = Messages::new(&load.plan, clock.virtual_start);
    match load.drive {
        Drive::Open if load.sides.produces() => {
            open(&sender, messages, (&load.plan, *share), &mut stop).await;
        }
        Drive::Closed { loops } if load.sides.produces() => {
            let parts = share.shard.of() * share.producers;
            let number = (share.shard.number() - 1) * share.producers + share.producer;
            let own = loops / parts + u32::from(number < loops % parts);
            closed(&sender, messages, &load.plan, *share, own, &mut stop).await;
        }
        _ => {}
    }
    tell(&Word::Done);
    told_to_stop(&mut stop).await;
    meter.tell();
    tell(&Word::Ended);
    Ok(())
}

/// Enqueues this producer's part of the backlog.
async fn prefill(spec: &PartSpec, broker: &RedisBroker) -> anyhow::Result<u64> {
    let (plan, share) = (&spec.load.plan, spec.share);
    let now = ClockOrigin::real_time().now();
    let mut messages = Messages::new(plan, now);
    let entries = plan.workload.len() as u64;
    // Numbers that no arrival has.
    let first = u64::MAX / 2;
    let own = (0..spec.load.backlog).filter(|number| share.has(0, *number));
    let own: Vec<u64> = own.collect();
    for some in own.chunks(BATCH) {
        let made = some.iter().map(|number| {
            let entry = usize::try_from(number % entries).unwrap_or(0);
            let mut message = messages.mint(entry, first + number, now);
            let header = (ARRIVAL_HEADER.to_owned(), BACKLOG.to_owned());
            message.message.headers.extend([header]);
            message.message
        });
        let messages = made.collect();
        let answer = broker.call(Op::EnqueueBatch { messages, now }).await;
        let Reply::EnqueuedBatch(answers) = answer.context("cannot enqueue the backlog")? else {
            anyhow::bail!("unexpected answer to the backlog");
        };
        for answer in answers {
            answer.context("cannot enqueue the backlog")?;
        }
    }
    Ok(own.len() as u64)
}

/// Open loop: a thread keeps time, so that no turn of the runtime makes a task late.
async fn open(
    sender: &Sender,
    mut messages: Messages,
    (plan, share): (&Plan, Share),
    stop: &mut watch::Receiver<bool>,
) {
    let (bursts_tx, mut bursts) = mpsc::channel(BURSTS);
    let clock = sender.clock;
    let stream = Stream::new(plan, share);
    std::thread::spawn(move || keep_time(clock, stream, &bursts_tx));
    let producers = share.producers.saturating_mul(share.shard.of()).max(1) as usize;
    let calls = Calls::new((CALLS_MAX / producers).max(CALLS_MIN));
    let last = clock
        .virtual_start
        .plus_millis(plan.duration_ms.saturating_add(SENDS_WITHIN_MS));
    tokio::select! {
        () = send_all(sender, &mut messages, &mut bursts, &calls) => {}
        () = tokio::time::sleep(clock.until(last)) => {}
        () = told_to_stop(stop) => {}
    }
    // What was due and is not sent any more. A thread that is far behind has always more; what is counted shows that it is.
    let unsent = async {
        while let Some(burst) = bursts.recv().await {
            sender.intended(&burst);
        }
    };
    let _ = tokio::time::timeout(COUNTS_WITHIN, unsent).await;
    drop(bursts);
    calls.answered().await;
}

/// Sends what is due for as long as more comes. What was handed over meanwhile goes together.
async fn send_all(
    sender: &Sender,
    messages: &mut Messages,
    bursts: &mut mpsc::Receiver<Vec<Due>>,
    calls: &Calls,
) {
    let start = sender.clock.virtual_start;
    let mut waiting = Vec::new();
    while bursts.recv_many(&mut waiting, BURSTS).await > 0 {
        waiting.iter().for_each(|burst| sender.intended(burst));
        let mut batch = Vec::new();
        let mut bytes = 0;
        for due in waiting.drain(..).flatten() {
            let at = start.plus_micros(due.at_us);
            let sent = sender.sent(messages, due.workload, due.seq, at);
            let size = sent.message.message.payload.len();
            let single = !is_plain(&sent.message);
            if single || batch.len() == BATCH || bytes + size > BATCH_BYTES {
                sender.send(calls, std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            match single {
                true => sender.send(calls, vec![sent]).await,
                false => {
                    bytes += size;
                    batch.push(sent);
                }
            }
        }
        sender.send(calls, batch).await;
    }
}

/// The calls of a producer that have no answer yet: only so many at a time.
struct Calls {
    free: Arc<Semaphore>,
    most: usize,
}

impl Calls {
    fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            most,
        }
    }

    /// Until every call has an answer, or none will come.
    async fn answered(&self) {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(ANSWERS_WITHIN, self.free.acquire_many(all)).await;
    }
}

/// Hands arrivals over when they are due.
fn keep_time(clock: ClockOrigin, stream: Stream, bursts: &mpsc::Sender<Vec<Due>>) {
    let mut stream = stream.peekable();
    while let Some(next) = stream.peek() {
        let wait = clock.until(clock.virtual_start.plus_micros(next.at_us));
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        let now_us = (clock.now().0 - clock.virtual_start.0) / 1_000;
        let mut burst = Vec::new();
        while burst.len() < BURST_MAX
            && let Some(due) = stream.next_if(|due| due.at_us <= now_us)
        {
            burst.push(due);
        }
        if bursts.blocking_send(burst).is_err() {
            return;
        }
    }
}

/// Whether it can be enqueued together with others.
fn is_plain(message: &Message) -> bool {
    message.process_at.is_none() && message.batchable().is_ok()
}

/// Closed loops: each enqueues a task when it has an answer to the one before.
async fn closed(
    sender: &Sender,
    messages: Messages,
    plan: &Plan,
    share: Share,
    loops: u32,
    stop: &mut watch::Receiver<bool>,
) {
    let clock = sender.clock;
    let end = clock.virtual_start.plus_millis(plan.duration_ms);
    let entries = Mix::of(plan);
    let work = async {
        tokio::time::sleep(clock.until(clock.virtual_start)).await;
        let each = (0..loops).map(|number| {
            let (mut messages, sender, entries) = (messages.clone(), sender.clone(), &entries);
            async move {
                let stride =
                    u64::from(loops) * u64::from(share.producers) * u64::from(share.shard.of());
                let place = u64::from(share.shard.number() - 1) * u64::from(share.producers)
                    + u64::from(share.producer);
                let mut seq =
                    u64::from(number) * u64::from(share.producers) * u64::from(share.shard.of())
                        + place;
                while clock.now() < end {
                    sender.meter.count(|counts| counts.intended += 1);
                    let now = clock.now();
                    let sent = sender.sent(&mut messages, entries.draw(seq), seq, now);
                    sender.carry(vec![sent]).await;
                    seq += stride;
                }
            }
        });
        futures_util::future::join_all(each).await;
    };
    tokio::select! {
        () = work => {}
        () = told_to_stop(stop) => {}
    }
}

/// Of which entry of the workload a task is, where no times of arrival say so: by the entries' rates.
struct Mix {
    dice: Numbered,
    /// Rates added up.
    sums: Vec<f64>,
}

impl Mix {
    fn of(plan: &Plan) -> Self {
        let mut sum = 0.0;
        let sums = plan.workload.iter().map(|task| {
            sum += match &task.arrivals {
                Arrivals::Poisson { rate_per_sec, .. }
                | Arrivals::Constant { rate_per_sec, .. } => *rate_per_sec,
                _ => 1.0,
            };
            sum
        });
        Self {
            sums: sums.collect(),
            dice: Numbered::new(plan.seed, "load/mix"),
        }
    }

    fn draw(&self, seq: u64) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        let at = unit(self.dice.throw(seq, 0).bits()) * all;
        let place = self.sums.partition_point(|sum| *sum <= at);
        place.min(self.sums.len() - 1)
    }
}

impl Sender {
    /// Counts what is due.
    fn intended(&self, burst: &[Due]) {
        let count = burst.len() as u64;
        self.meter.count(|counts| counts.intended += count);
    }

    /// A task as it is sent now.
    fn sent(&self, messages: &mut Messages, workload: usize, seq: u64, intended: Time) -> Sent {
        let mut message = messages.mint(workload, seq, self.clock.now());
        let at_us = (intended.0 - self.clock.virtual_start.0) / 1_000;
        let header = (ARRIVAL_HEADER.to_owned(), at_us.to_string());
        message.message.headers.extend([header]);
        Sent { intended, message }
    }

    /// Sends tasks, which can be enqueued together, as soon as there are not too many calls without an answer.
    async fn send(&self, calls: &Calls, tasks: Vec<Sent>) {
        if tasks.is_empty() {
            return;
        }
        let permit = match calls.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let count = tasks.len() as u64;
                self.meter.count(|counts| counts.held += count);
                let Ok(permit) = calls.free.clone().acquire_owned().await else {
                    return;
                };
                permit
            }
        };
        let sender = self.clone();
        tokio::spawn(async move {
            sender.carry(tasks).await;
            drop(permit);
        });
        // Whoever always has more to send hears answers nevertheless.
        tokio::task::yield_now().await;
    }

    /// Sends tasks and hears what becomes of them.
    async fn carry(&self, mut tasks: Vec<Sent>) {
        let now = self.clock.now();
        let count = tasks.len() as u64;
        self.meter.count(|counts| counts.sent += count);
        let intended: Vec<Time> = tasks.iter().map(|task| task.intended).collect();
        for at in &intended {
            self.meter.took(*at, &[(Stage::Lateness, now.0 - at.0)]);
        }
        let answers = match tasks.pop() {
            Some(one) if tasks.is_empty() => {
                vec![one_answer(self.broker.call(one.message.op(now)).await)]
            }
            last => {
                let all = tasks.into_iter().chain(last);
                let messages = all.map(|task| task.message.message).collect();
                match self.broker.call(Op::EnqueueBatch { messages, now }).await {
                    Ok(Reply::EnqueuedBatch(answers)) => answers,
                    Ok(_) => Vec::new(),
                    Err(error) => vec![Err(error); intended.len()],
                }
            }
        };
        let at = self.clock.now();
        for (intended, answer) in intended.into_iter().zip(answers) {
            self.answered((intended, at), answer);
        }
    }

    fn answered(&self, (intended, at): (Time, Time), answer: Result<Accepted, BrokerError>) {
        let is_known = !matches!(answer, Err(BrokerError::Unreachable(_)));
        self.meter.count(|counts| match &answer {
            Ok(Accepted::New) => counts.enqueued += 1,
            Ok(Accepted::Duplicate | Accepted::IdConflict) => counts.duplicates += 1,
            Err(_) if is_known => counts.rejected += 1,
            // What is sent and neither of these is unanswered.
            Err(_) => {}
        });
        match answer {
            Ok(_) => self
                .meter
                .took(intended, &[(Stage::Enqueue, at.0 - intended.0)]),
            Err(error) if is_known => {
                let what = format!("Redis refused a task: {error}");
                self.meter.trouble(false, what);
            }
            Err(error) => {
                let what = format!("Redis did not answer: {error}");
                self.meter.trouble(true, what);
            }
        }
    }
}

fn one_answer(answer: Result<Reply<TaskMessage>, BrokerError>) -> Result<Accepted, BrokerError> {
    match answer? {
        Reply::Enqueued(accepted) => Ok(accepted),
        // Scheduled and added to a group.
        _ => Ok(Accepted::New),
    }
}
