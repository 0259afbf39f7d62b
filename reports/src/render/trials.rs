//! Trials for people and machines: the same tables on a terminal, in Markdown and on a page, and everything as JSON.

pub(super) mod html;
mod json;
mod markdown;
mod rows;
pub(super) mod tables;
mod terminal;

pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use terminal::terminal;
