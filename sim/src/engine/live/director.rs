//! Who acts: takes what is due from the agenda, pulls levers, and looks whether they bit. A task of its own, so that nothing
//! else waits while a process is being restarted.

use super::LiveError;
use super::hands::{Hands, Stir};
use super::newcomers::Newcomers;
use super::proxied::Proxied;
use super::stand::Stand;
use super::watch::Death;
use crate::abort::Abort;
use crate::agenda::{Agenda, Turn, What};
use crate::lever::Lever;
use crate::undo::Undo;
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{Action, Mark};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long before a turn is due the journal is told of it, real time.
const AHEAD: Duration = Duration::from_millis(500);

/// What the director tells.
pub(super) enum Done {
    /// Something was done, so late at its beginning, virtual milliseconds.
    Marks(Vec<Mark>, i64),
    /// People did something.
    Did(Vec<Action>),
    /// It could not be done: the drill is over.
    Failed(LiveError),
}

/// The director at work.
pub(super) struct Director {
    task: Option<JoinHandle<Stand>>,
    over: Arc<AtomicBool>,
}

impl Drop for Director {
    fn drop(&mut self) {
        // What it holds is ended with it.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What was seen of a lever: whether it bit, and what there was to be seen. `None`: others will tell.
pub(super) type Seen = Option<(bool, String)>;

impl Director {
    /// Begins to direct. `deaths`: processes that have died by themselves. `hands`: people who take part.
    pub(super) fn start(
        (stand, deaths, hands): (Stand, Option<UnboundedReceiver<Death>>, Option<Hands>),
        abort: Abort,
        told: UnboundedSender<Done>,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let task =
            tokio::spawn(async move { direct((stand, deaths, hands), &abort, &told, &stop).await });
        Self {
            task: Some(task),
            over,
        }
    }

    /// The drill is over: waits until what is being done is done, unless the drill was stopped.
    ///
    /// # Errors
    /// When it is gone, which is a fault of its own.
    pub(super) async fn finish(mut self) -> Result<Stand, LiveError> {
        self.over.store(true, Ordering::Release);
        let gone = |error| LiveError::System("the director", error);
        match self.task.take() {
            Some(task) => task
                .await
                .map_err(|error| gone(std::io::Error::other(error))),
            None => Err(gone(std::io::Error::other("has ended"))),
        }
    }
}

async fn direct(
    (mut stand, deaths, mut hands): (Stand, Option<UnboundedReceiver<Death>>, Option<Hands>),
    abort: &Abort,
    told: &UnboundedSender<Done>,
    over: &AtomicBool,
) -> Stand {
    let mut agenda = Agenda::new(&stand.plan);
    let mut deaths = Deaths(deaths);
    let is_over = || over.load(Ordering::Acquire);
    let end = stand
        .clock
        .virtual_start
        .plus_millis(stand.plan.duration_ms);
    loop {
        let next = agenda
            .next_turn()
            .filter(|next| next.at_ms < stand.plan.duration_ms);
        let Some(next) = next else {
            // Nothing more is on the agenda; who dies may still be started again.
            let others = (&mut deaths, &mut hands);
            let attended = abort.unless_asked(attend(&mut stand, others, end, Duration::ZERO));
            match attended.await {
                Some(Ok(Attended::Ordered(order))) => {
                    if let Some(hands) = &mut hands {
                        stand.obey(&order, hands, &mut agenda);
                    }
                    continue;
                }
                Some(Err(error)) => {
                    let _ = told.send(Done::Failed(error));
                }
                Some(Ok(Attended::Due(_))) | None => {}
            }
            break;
        };
        let at = stand.clock.virtual_start.plus_millis(next.at_ms);
        // What undoes it is written down just before it is due: a slow disk makes it no later.
        let foreseen = async {
            loop {
                let others = (&mut deaths, &mut hands);
                if let Attended::Ordered(order) = attend(&mut stand, others, at, AHEAD).await? {
                    return Ok(Foreseen::Ordered(order));
                }
                let forbidden = stand.forbids(next).await;
                let settles = match forbidden {
                    None => stand.foresee(next).await?,
                    Some(_) => Vec::new(),
                };
                let others = (&mut deaths, &mut hands);
                match attend(&mut stand, others, at, Duration::ZERO).await? {
                    Attended::Due(0) => return Ok(Foreseen::Due(settles, forbidden)),
                    Attended::Ordered(order) => return Ok(Foreseen::Ordered(order)),
                    // It is foreseen again for a process that has come meanwhile.
                    Attended::Due(_) => {}
                }
            }
        };
        let Some(foreseen) = abort.unless_asked(foreseen).await else {
            break;
        };
        let (settles, forbidden) = match foreseen {
            Ok(Foreseen::Due(settles, forbidden)) => (settles, forbidden),
            Ok(Foreseen::Ordered(order)) => {
                if let Some(hands) = &mut hands {
                    stand.obey(&order, hands, &mut agenda);
                }
                continue;
            }
            Err(error) => {
                // Nobody listens only when the drill is over.
                let _ = told.send(Done::Failed(error));
                break;
            }
        };
        if is_over() {
            break;
        }
        let now_ms = super::since_start(stand.clock);
        let Some(turn) = agenda.take(now_ms) else {
            continue;
        };
        let needless = hands
            .as_ref()
            .filter(|hands| hands.is_needless(turn, &stand.plan));
        if let Some(hands) = needless {
            hands.left_out(turn, &stand.plan, now_ms);
            if let Err(error) = stand.account_for(&settles, true).await {
                let _ = told.send(Done::Failed(error));
                break;
            }
            agenda.done(turn, &stand.plan, now_ms);
            continue;
        }
        let taken = async {
            let marks = match forbidden {
                None => take(&mut stand, turn).await?,
                Some(why) => stand.leaves_out(turn, why),
            };
            let was_seen = marks.iter().all(|mark| mark.verified);
            stand.account_for(&settles, was_seen).await?;
            Ok(marks)
        };
        let Some(done) = abort.unless_asked(taken).await else {
            break;
        };
        agenda.done(turn, &stand.plan, super::since_start(stand.clock));
        let done = match done {
            Ok(marks) => {
                let marks = match &mut hands {
                    Some(hands) => hands.taken(turn, &stand.plan, marks),
                    None => marks,
                };
                Done::Marks(marks, now_ms - turn.at_ms)
            }
            Err(error) => Done::Failed(error),
        };
        let failed = matches!(done, Done::Failed(_));
        if told.send(done).is_err() || failed {
            break;
        }
    }
    stand
}

/// Processes that have died by themselves, while there is anybody to tell of them.
struct Deaths(Option<UnboundedReceiver<Death>>);

impl Deaths {
    async fn next(&mut self) -> Death {
        if let Some(deaths) = &mut self.0
            && let Some(death) = deaths.recv().await
        {
            return death;
        }
        self.0 = None;
        std::future::pending().await
    }
}

/// What came of waiting for a moment.
enum Attended {
    /// It has come, and so many processes were started again meanwhile.
    Due(usize),
    /// People name a remedy.
    Ordered(String),
}

/// What came of waiting for a turn.
enum Foreseen {
    /// It is due, and this is what it settles; or why it must not be taken.
    Due(Vec<Undo>, Option<String>),
    /// People name a remedy.
    Ordered(String),
}

/// Waits until so long, in real time, before `until`; starts processes again meanwhile that have died by themselves or were ended
/// from outside, and looks at what people do.
async fn attend(
    stand: &mut Stand,
    (deaths, hands): (&mut Deaths, &mut Option<Hands>),
    until: Time,
    before: Duration,
) -> Result<Attended, LiveError> {
    let mut started = 0;
    loop {
        let left = stand.clock.until(until).saturating_sub(before);
        let due = stand.fleet.next_start().map(|at| stand.clock.until(at));
        let limits = stand.fleet.next_look_at_limits();
        tokio::select! {
            biased;
            () = tokio::time::sleep(left) => return Ok(Attended::Due(started)),
            list = Newcomers::next(&mut stand.newcomers) => stand.look_at_newcomers(list).await,
            touched = Proxied::next(&mut stand.proxied) => {
                stand.proxy_was_touched(touched, hands.as_mut()).await;
            }
            death = deaths.next() => {
                stand.fleet.has_died(&death);
                stand.tell_addresses()?;
            }
            stir = Hands::stir(hands) => match (stir, &mut *hands) {
                (Stir::Order(order), _) => return Ok(Attended::Ordered(order)),
                (Stir::Look, Some(hands)) => {
                    let looked = stand.look_behind(hands).await;
                    stand.bears(looked)?;
                }
                (Stir::Saw(sight), Some(hands)) => stand.has_seen(hands, sight).await,
                (Stir::Look | Stir::Saw(_), None) => {}
            },
            () = tokio::time::sleep_until(limits.unwrap_or_else(Instant::now)), if limits.is_some() => {
                let looked = stand.look_at_limits().await;
                stand.bears(looked)?;
            }
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                let again = stand.start_again().await;
                started += stand.bears(again)?.unwrap_or(0);
            }
        }
    }
}

/// Takes one turn, and answers its marks; what the team's workers do not do has had no effect.
async fn take(stand: &mut Stand, turn: Turn) -> Result<Vec<Mark>, LiveError> {
    match pull(stand, turn).await {
        Ok(marks) => Ok(marks),
        Err(error) => {
            let why = stand.fleet.bears(error)?;
            Ok(turn.marks(&stand.plan, super::since_start(stand.clock), false, why))
        }
    }
}

/// Does what is due. What workers and the producer bring about themselves needs nothing here: they know the plan and the time,
/// and report the first effect.
async fn pull(stand: &mut Stand, turn: Turn) -> Result<Vec<Mark>, LiveError> {
    let plan = stand.plan.clone();
    let targets = &turn.targets(&plan)[..];
    stand.lift_points(turn);
    stand.leads_home(turn);
    stand.lift_throttles(turn).await;
    stand.lift_limits(turn).await?;
    let since = stand.clock.now();
    let seen: Seen = match turn.lever(&plan) {
        None => {
            stand.clocks_are_right(turn);
            Some(stand.has_died_of(turn))
        }
        Some(Lever::Handler(_) | Lever::Resource { .. } | Lever::Load(_) | Lever::Again { .. }) => {
            None
        }
        Some(Lever::Life(lever)) => {
            stand.pull_life(lever, turn, targets).await?;
            None
        }
        Some(Lever::Clock(_)) => {
            // What a wrong clock makes of leases needs no other explanation.
            targets
                .iter()
                .for_each(|process| stand.roster.leaves_way(process));
            None
        }
        Some(Lever::Process(lever)) => Some(stand.pull_process(lever, targets).await?),
        Some(Lever::Redis(lever)) => stand.pull_redis(lever, turn).await?,
        Some(Lever::Queue { queue, what }) => stand.pull_queue(&queue, what, turn).await,
        Some(Lever::Exporters { there }) => Some(stand.pull_exporters(there, targets).await?),
        Some(Lever::SlowScrapes { ms }) => Some(stand.pull_slow_scrapes(ms, targets)),
        Some(Lever::Tasks { queue, what }) => Some(stand.pull_tasks(&queue, &what, turn).await),
        Some(Lever::Locks { task, what }) => stand.pull_locks(&task, what).await,
        Some(Lever::Link(lever)) => Some(stand.pull_link(lever, targets).await),
        Some(Lever::Point(lever)) => stand.pull_point(lever, turn, targets),
        Some(Lever::Scrape { reachable }) => Some(stand.pull_scrape(reachable, targets)),
        Some(Lever::Members { targets_stay }) => Some(stand.scale(targets, targets_stay).await?),
    };
    if let Some(step) = turn.remedy(&plan) {
        stand.fleet.taken_by(step, since);
    }
    // What programs of others do takes them a while, and is felt before it is done.
    let at = match turn.what {
        What::Begin(_) if stand.fleet.stays() => since,
        _ => stand.clock.now(),
    };
    let at_ms = at.millis() - stand.clock.virtual_start.millis();
    Ok(seen.map_or_else(Vec::new, |(bit, saw)| turn.marks(&plan, at_ms, bit, saw)))
}
