//! The inspector against a real Redis: what it shows, what it changes, and that looking changes nothing.

mod bulk;
mod filled;
mod looking;
mod odd;
mod processes;
mod tasks;
