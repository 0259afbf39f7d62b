//! A scorecard for people and machines. Every renderer is a function of its arguments: no clock, no environment.

pub mod cause;
mod cell;
pub mod check;
pub mod compare;
pub mod diagnosis;
pub mod fidelity;
pub mod gate;
mod html;
mod json;
mod markdown;
mod plot;
mod routed;
pub mod suggest;
mod terminal;
pub mod trials;
pub mod tune;
mod verdict;
pub mod why;

pub use html::{Drill, html};
pub use json::json;
pub use markdown::markdown;
pub use terminal::{Style, terminal};
