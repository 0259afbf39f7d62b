//! What people read, and what records survive.

mod record;
mod render;
mod support;
