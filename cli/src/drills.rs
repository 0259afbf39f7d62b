//! Many drills in one go: live ones at the pace this machine can keep, virtual ones on all cores.

pub(crate) mod given;
pub(crate) mod heard;
pub(crate) mod live;
pub(crate) mod shards;
pub(crate) mod simulate;
pub(crate) mod target;
pub(crate) mod trials;
