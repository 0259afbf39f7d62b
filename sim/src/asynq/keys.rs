//! Names of asynq's Redis keys.
