//! asynq in Rust: what `github.com/hibiken/asynq` 0.26 keeps in Redis, and how its clients, servers and tools act on it.
//!
//! In reading order: key names ([`keys`]), messages ([`message`]) and operations as data ([`op`]); what answers them
//! ([`broker`]: a real Redis, or a model of it in memory); asynq's roles as state machines without I/O ([`actor`]) and what
//! carries their actions out on a Redis ([`drive`]).
//!
//! To build programs on: [`Client`], [`Server`] and [`Inspector`].
//!
//! All of it runs on virtual time ([`clock`]): a clock of speed 1 is the real one.

pub mod clock;
pub mod rng;

pub mod call;
pub mod cron;
pub mod duration;
pub mod keys;
pub mod message;
pub mod note;
pub mod op;
pub mod options;
pub mod retry_delay;
pub mod settings;
pub mod table;
pub mod task;
pub mod zone;

pub mod actor;
pub mod broker;
pub mod client;
pub mod drive;
pub mod exporter;
pub mod inspector;
pub mod server;

pub use client::{Client, EnqueueError, Enqueued, NewTask, NewTaskError};
pub use inspector::Inspector;
pub use server::{Config, Context, Handler, HandlerError, ServeMux, Server, Task};
