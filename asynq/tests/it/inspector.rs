//! The inspector against a real Redis: what it shows, what it changes, and that looking changes nothing.

mod bulk;
pub(crate) mod filled;
mod looking;
pub(crate) mod odd;
mod orphans;
mod processes;
mod tasks;
