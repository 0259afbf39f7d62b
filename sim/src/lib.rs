//! firedrill: replays job-queue incidents against real Redis and scores the alert rules that should see them.

pub mod asynq;
pub mod clock;
