//! What answers an operation. [`redis::RedisBroker`] is the real one; operations and replies are the whole interface.

pub mod memory;
pub mod redis;
