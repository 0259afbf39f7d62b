//! Documents for people, and results for machines. Every renderer is a function of its arguments: no clock, no environment.

pub mod cause;
pub mod check;
pub mod diagnosis;
mod html;
mod json;
mod markdown;
pub mod suggest;
mod terminal;

pub use html::{PAGE_BEGINS, html, is_ours};
pub use json::json;
pub use markdown::markdown;
pub use terminal::{Style, terminal};
