//! What people read, and what records survive.

mod alertmanager;
mod cards;
mod compat;
mod fidelity;
mod figures;
mod load;
mod properties;
mod record;
mod render;
mod schema;
mod support;
mod trials;
mod tune;
mod whole;
mod why;
