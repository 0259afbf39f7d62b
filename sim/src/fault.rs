//! Every fault there is, a file each: what it is called and what it takes, what is done at its beginning and at its end,
//! what ends it, and what it can be behind.
//!
//! To add one, write its file and a line in the list below. It is written in the alphabet of [`crate::lever`]: the compiler
//! asks for more only when that grows.

use crate::form::{self, Form, Row, Yaml};
use crate::lever::{Class, HandlerLever, Lever, On, Part, PointLever, QueueLever, RedisLever};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// What a fault is: said in its own file, once. Its name in scenarios and records, what it is in a sentence, and its parameters
/// are its form's.
pub trait Definition: Form {
    /// What it is done to.
    const ON: On;
    /// What becomes of it when nobody undoes it.
    const CLASS: Class;
    /// The causes, as the runbook knows them, that it can be behind; any fault can be behind `other`.
    const CAUSES: &'static [&'static str];
    /// Whether it ends at its time without anybody's doing.
    const ENDS_BY_ITSELF: bool = false;
    /// The remedies that end it, if they are done to the same.
    const REMEDIES: &'static [&'static str] = &[];
    /// Keys and values as they are written, each for a small drill in which `default` is a queue and `t` a task: every one is tried
    /// on both engines. At least those that are required.
    const EXAMPLES: &'static [&'static str] = &[""];
    /// What what it is done to is meanwhile; empty: it goes together with everything.
    const STATE: &'static str = "";
    /// Why the model cannot have it; empty: it can.
    const LIVE_ONLY: &'static str = "";

    /// What is done at its beginning.
    fn begin(&self) -> Lever;

    /// What is done at its end, when it ends by itself and something has to be done for that.
    fn end(&self) -> Option<Lever> {
        None
    }

    /// What is done next, while it is on, when so many parts have been done before, 1 or more. `None`: nothing. `targets`: those
    /// the step is done to.
    fn part(&self, _number: u32, _targets: &[String]) -> Option<Part> {
        None
    }

    /// Whose tasks it can harm.
    fn harm(&self) -> Harm<'_>;

    /// What it needs.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// How many slots the processes it is done to must have for it to be possible.
    fn slots_needed(&self) -> u32 {
        1
    }

    /// Whether the processes it is done to must be started again when they die.
    fn needs_restart(&self) -> bool {
        false
    }

    /// Whether Redis comes back from it without its data.
    fn loses_data(&self) -> bool {
        false
    }

    /// Whether tasks may be lost by it.
    fn loses_tasks(&self) -> bool {
        self.loses_data()
    }

    /// What has to be done before its beginning, and how long before, virtual milliseconds.
    fn prepare(&self) -> Option<(i64, Lever)> {
        None
    }
}

/// Whose tasks a fault can harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm<'f> {
    /// All.
    All,
    /// Those of this type, and those beside them.
    Task(&'f str),
    /// Those of the queues that the step's processes serve.
    Processes,
    /// Those of this queue.
    Queue(&'f str),
    /// Those that use this resource, and those beside them.
    Resource(&'f str),
    /// None.
    Nothing,
}

/// What a fault needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// A Redis that may be stopped and changed: the drill's own.
    pub own_redis: bool,
    /// Redis keeps its data over a SIGKILL.
    pub persistence: bool,
}

/// A fault as it is described to people.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// What it is done to.
    pub on: On,
    /// What becomes of it when nobody undoes it.
    pub class: Class,
    /// What it can be behind.
    pub causes: &'static [&'static str],
    /// Whether it ends by itself.
    pub ends_by_itself: bool,
    /// What ends it.
    pub remedies: &'static [&'static str],
    /// Its parameters.
    pub rows: fn() -> Vec<Row>,
    /// Their JSON Schema, as an object's `properties`.
    pub schema: fn() -> serde_json::Value,
    /// Keys and values of small drills, as they are written.
    pub examples: &'static [&'static str],
    /// Why the model cannot have it; empty: it can.
    pub live_only: &'static str,
}

impl Kind {
    const fn of<D: Definition>() -> Self {
        Self {
            name: D::WHAT,
            summary: D::SENTENCE,
            on: D::ON,
            class: D::CLASS,
            causes: D::CAUSES,
            ends_by_itself: D::ENDS_BY_ITSELF,
            remedies: D::REMEDIES,
            rows: D::rows,
            schema: properties::<D>,
            examples: D::EXAMPLES,
            live_only: D::LIVE_ONLY,
        }
    }
}

macro_rules! faults {
    ($($name:literal $module:ident $fault:ident;)*) => {
        $(
            mod $module;
            pub use $module::$fault;
            const _: () = assert!(is_same($name, $fault::WHAT), "a fault has one name");
        )*

        /// A fault and its parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[expect(missing_docs, reason = "each stands in a file of its own")]
        pub enum Fault {
            $(#[serde(rename = $name)] $fault($fault),)*
        }

        /// All faults, in the order of the list.
        pub const KINDS: &[Kind] = &[$(Kind::of::<$fault>(),)*];

        impl Fault {
            /// How it is described to people.
            #[must_use]
            pub fn kind(&self) -> &'static Kind {
                match self { $(Self::$fault(_) => const { &Kind::of::<$fault>() },)* }
            }

            /// Takes the parameters of the fault called `name` from an entry. `None`, without a problem, when there is none.
            pub(crate) fn read(
                name: &str,
                fields: &mut Fields<'_>,
                problems: &mut Problems,
            ) -> Option<Option<Self>> {
                match name {
                    $($name => Some($fault::take(fields, problems).map(Self::$fault)),)*
                    _ => None,
                }
            }

            /// Adds its parameters as they are printed.
            pub(crate) fn put_entries(&self, entries: &mut Vec<(String, Yaml)>) {
                match self { $(Self::$fault(fault) => fault.put_entries(entries),)* }
            }

            /// What is done at its beginning.
            #[must_use]
            pub fn begin(&self) -> Lever {
                match self { $(Self::$fault(fault) => fault.begin(),)* }
            }

            /// What is done at its end, when it ends by itself and something has to be done for that.
            #[must_use]
            pub fn end(&self) -> Option<Lever> {
                match self { $(Self::$fault(fault) => fault.end(),)* }
            }

            /// What is done next, while it is on, when so many parts have been done before, 1 or more. `None`: nothing.
            #[must_use]
            pub fn part(&self, number: u32, targets: &[String]) -> Option<Part> {
                match self { $(Self::$fault(fault) => fault.part(number, targets),)* }
            }

            /// Whose tasks it can harm.
            #[must_use]
            pub fn harm(&self) -> Harm<'_> {
                match self { $(Self::$fault(fault) => fault.harm(),)* }
            }

            /// What it needs.
            #[must_use]
            pub fn needs(&self) -> Needs {
                match self { $(Self::$fault(fault) => fault.needs(),)* }
            }

            /// How many slots the processes it is done to must have for it to be possible.
            #[must_use]
            pub fn slots_needed(&self) -> u32 {
                match self { $(Self::$fault(fault) => fault.slots_needed(),)* }
            }

            /// Whether the processes it is done to must be started again when they die.
            #[must_use]
            pub fn needs_restart(&self) -> bool {
                match self { $(Self::$fault(fault) => fault.needs_restart(),)* }
            }

            /// Whether Redis comes back from it without its data.
            #[must_use]
            pub fn loses_data(&self) -> bool {
                match self { $(Self::$fault(fault) => fault.loses_data(),)* }
            }

            /// Whether tasks may be lost by it.
            #[must_use]
            pub fn loses_tasks(&self) -> bool {
                match self { $(Self::$fault(fault) => fault.loses_tasks(),)* }
            }

            /// What has to be done before its beginning, and how long before, virtual milliseconds.
            #[must_use]
            pub fn prepare(&self) -> Option<(i64, Lever)> {
                match self { $(Self::$fault(fault) => fault.prepare(),)* }
            }

            /// What what it is done to is meanwhile; empty: it goes together with everything.
            #[must_use]
            pub fn state(&self) -> &'static str {
                match self { $(Self::$fault(_) => $fault::STATE,)* }
            }
        }
    };
}

/// The keys of a form as a JSON Schema has them.
pub(crate) fn properties<F: Form>() -> serde_json::Value {
    form::schema::<F>()["properties"].take()
}

/// Whether two texts are the same, at compile time.
pub(crate) const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    one.len() == other.len() && at == one.len()
}

impl Fault {
    /// The name used in scenarios and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name
    }

    /// The causes, as the runbook knows them, that it can be behind; any fault can be behind `other`.
    #[must_use]
    pub fn causes(&self) -> &'static [&'static str] {
        self.kind().causes
    }

    /// Whether it can be behind an incident of this cause.
    #[must_use]
    pub fn can_be_behind(&self, cause: &str) -> bool {
        self.causes().contains(&cause)
    }

    /// Whether it is done to Redis itself.
    #[must_use]
    pub fn is_of_redis(&self) -> bool {
        self.kind().on == On::Redis
    }

    /// Whether it has begun when it is first felt, not when something is done: handlers, resources, clocks and the producer
    /// know the plan and the time, and a rule about calls waits for its call.
    #[must_use]
    pub fn begins_when_felt(&self) -> bool {
        matches!(
            self.begin(),
            Lever::Life(_)
                | Lever::Handler(_)
                | Lever::Resource { .. }
                | Lever::Point(_)
                | Lever::Clock(_)
                | Lever::Load(_)
                | Lever::Again { .. }
                | Lever::Locks { .. }
                | Lever::Redis(RedisLever::Limit { .. })
                | Lever::Queue {
                    what: QueueLever::LoseLeases,
                    ..
                }
        )
    }

    /// What becomes of handlers while it is on.
    #[must_use]
    pub fn handlers(&self) -> Option<HandlerLever> {
        match self.begin() {
            Lever::Handler(lever) => Some(lever),
            _ => None,
        }
    }

    /// Whether Redis is away, or not itself, while it is on: nobody begins to work with it.
    #[must_use]
    pub fn takes_redis(&self) -> bool {
        match self.begin() {
            Lever::Redis(lever) => !matches!(
                lever,
                RedisLever::Limit { .. } | RedisLever::FlushScripts | RedisLever::Restore
            ),
            _ => false,
        }
    }

    /// Whether a process that it is done to dies when it makes a certain call.
    #[must_use]
    pub fn kills_at_a_call(&self) -> bool {
        matches!(self.begin(), Lever::Point(PointLever::Set(rule)) if rule.then.kills())
    }

    /// Whether processes die of it again and again, at times of their own.
    #[must_use]
    pub fn has_processes_die(&self) -> bool {
        matches!(
            self.begin(),
            Lever::Life(_) | Lever::Handler(HandlerLever::Crash { .. })
        )
    }

    /// Whether the clients it is done to go over links of their own.
    #[must_use]
    pub fn needs_links(&self) -> bool {
        matches!(self.begin(), Lever::Link(_) | Lever::Point(_))
    }

    /// Whether tasks may be rejected while it is on: Redis, or the way to it, is not what it was.
    #[must_use]
    pub fn may_reject(&self) -> bool {
        matches!(
            self.begin(),
            Lever::Redis(_) | Lever::Link(_) | Lever::Point(_)
        )
    }

    /// Whether processes it is done to are gone while it is on.
    #[must_use]
    pub fn takes_processes(&self) -> bool {
        use crate::lever::ProcessLever::{Deploy, Kill, Terminate};
        matches!(
            self.begin(),
            Lever::Process(Kill | Terminate { .. } | Deploy { boots: false })
        )
    }
}

faults! {
    "worker.kill" worker_kill WorkerKill;
    "worker.stop" worker_stop WorkerStop;
    "worker.terminate" worker_terminate WorkerTerminate;
    "worker.quiet" worker_quiet WorkerQuiet;
    "worker.cpu-throttle" worker_cpu_throttle WorkerCpuThrottle;
    "worker.crash-loop" worker_crash_loop WorkerCrashLoop;
    "worker.memory-limit" worker_memory_limit WorkerMemoryLimit;
    "worker.die" worker_die WorkerDie;
    "worker.deploy-broken" worker_deploy_broken WorkerDeployBroken;
    "worker.clock-skew" worker_clock_skew WorkerClockSkew;
    "worker.lose-lease" worker_lose_lease WorkerLoseLease;
    "handler.fail" handler_fail HandlerFail;
    "handler.slow" handler_slow HandlerSlow;
    "handler.deadlock" handler_deadlock HandlerDeadlock;
    "handler.panic" handler_panic HandlerPanic;
    "handler.leak" handler_leak HandlerLeak;
    "handler.crash" handler_crash HandlerCrash;
    "handler.requeue" handler_requeue HandlerRequeue;
    "resource.slow" resource_slow ResourceSlow;
    "resource.shrink" resource_shrink ResourceShrink;
    "resource.fail" resource_fail ResourceFail;
    "redis.kill" redis_kill RedisKill;
    "redis.stop" redis_stop RedisStop;
    "redis.full" redis_full RedisFull;
    "redis.read-only" redis_read_only RedisReadOnly;
    "redis.maxmemory" redis_maxmemory RedisMaxmemory;
    "redis.evict" redis_evict RedisEvict;
    "redis.script-flush" redis_script_flush RedisScriptFlush;
    "redis.max-clients" redis_max_clients RedisMaxClients;
    "redis.acl" redis_acl RedisAcl;
    "redis.slow-script" redis_slow_script RedisSlowScript;
    "redis.restore" redis_restore RedisRestore;
    "redis.failover" redis_failover RedisFailover;
    "link.delay" link_delay LinkDelay;
    "link.jitter" link_jitter LinkJitter;
    "link.black-hole" link_black_hole LinkBlackHole;
    "link.demoted" link_demoted LinkDemoted;
    "link.half-open" link_half_open LinkHalfOpen;
    "link.bandwidth" link_bandwidth LinkBandwidth;
    "link.slice" link_slice LinkSlice;
    "link.reset" link_reset LinkReset;
    "link.lose-reply" link_lose_reply LinkLoseReply;
    "link.repeat" link_repeat LinkRepeat;
    "producer.stop" producer_stop ProducerStop;
    "producer.surge" producer_surge ProducerSurge;
    "producer.retry" producer_retry ProducerRetry;
    "scheduler.stop" scheduler_stop SchedulerStop;
    "scheduler.duplicate" scheduler_duplicate SchedulerDuplicate;
    "queue.pause" queue_pause QueuePause;
    "lease.lose" lease_lose LeaseLose;
    "lock.leave" lock_leave LockLeave;
    "task.garble" task_garble TaskGarble;
    "scrape.gap" scrape_gap ScrapeGap;
    "scrape.slow" scrape_slow ScrapeSlow;
    "exporter.down" exporter_down ExporterDown;
}
