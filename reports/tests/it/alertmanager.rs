//! What reaches a person, held against the real Alertmanager.

mod groups;
mod hostile;
mod peer;
mod routed;
mod routes;
