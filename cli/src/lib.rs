//! What can be typed, and what is printed: arguments, the verbs, the terminal, exit codes.

pub mod args;
mod calendar;
pub mod commands;
pub mod exit;
pub mod failure;
pub mod terminal;

mod drills;
mod in_order;
mod inputs;
mod progress;
mod signals;
mod view;
