//! What can be typed, and what is printed: arguments, the verbs, the terminal, exit codes.

pub mod cli;
pub mod commands;
pub mod exit;
