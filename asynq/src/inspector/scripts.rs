//! The inspector's Lua scripts, one a file.

use crate::broker::redis::script::Named;
use std::sync::LazyLock;

macro_rules! scripts {
    ($($constant:ident = $file:literal;)*) => {
        $(pub(super) static $constant: LazyLock<Named> = LazyLock::new(|| {
            Named::new($file, include_str!(concat!("../lua/", $file, ".lua")))
        });)*
    };
}

scripts! {
    ORPHANED_LEASES = "orphaned_leases";
    ORPHANED_LOCKS = "orphaned_locks";
    PENDING_WITHOUT_HASH = "pending_without_hash";
    UNLISTED_TASKS = "unlisted_tasks";
    DROP_ORPHANS = "drop_orphans";
    QUEUE_INFO = "queue_info";
    QUEUE_MEMORY = "queue_memory";
    GROUP_SIZES = "group_sizes";
    REMOVE_QUEUE = "remove_queue";
    LIST_TASKS = "list_tasks";
    TASK_INFO = "task_info";
    RUN_TASK = "run_task";
    RUN_ALL = "run_all";
    ARCHIVE_TASK = "archive_task";
    ARCHIVE_ALL = "archive_all";
    DELETE_TASK = "delete_task";
    DELETE_ALL = "delete_all";
    CHANGE_TASKS = "change_tasks";
    REPAIR_ORPHANS = "repair_orphans";
    UPDATE_PAYLOAD = "update_payload";
}
