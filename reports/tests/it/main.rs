//! What people read, and what records survive.

mod compat;
mod record;
mod render;
mod support;
