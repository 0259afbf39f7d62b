//! What is typed before a rehearsal begins.

use super::{KILLED, Rehearsed, scenario};

#[test]
fn words_are_answered_while_it_waits_and_abort_lets_it_be() {
    let mut room = Rehearsed::begin(&scenario(KILLED), &["--at", "2099-01-05T10:00Z"]);
    room.hears("it begins at Mon 2099-01-05");
    room.says("ack");
    room.hears("not begun; it begins at Mon 2099-01-05");
    room.says("help");
    room.hears("causes: ");
    room.says("abort");
    room.hears("nothing has begun");
    assert_eq!(room.child.wait().unwrap().code(), Some(5));
    assert!(!room.dir.path().join("runs").exists());
}
