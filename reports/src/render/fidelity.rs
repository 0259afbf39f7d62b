//! Comparisons of engines for people and machines.

mod html;
mod json;
mod tables;
mod terminal;

pub use html::html;
pub use json::json;
pub use terminal::terminal;
