//! A threshold search for people and machines.

mod html;
mod json;
mod terminal;
mod text;

pub use html::html;
pub use json::json;
pub use terminal::terminal;
