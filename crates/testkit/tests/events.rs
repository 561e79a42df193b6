//! What is heard of what is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use buttress_testkit::events::{Lines, listen};

fn say(what: &str) {
    tracing::warn!(target: "house", what, times = 2, "said");
    tracing::trace!(target: "garden", what);
}

#[test]
fn each_event_of_the_target_is_a_line_until_nobody_listens() {
    say("before");
    let lines = Lines::of("house");
    say("a");
    assert_eq!(lines.take(), [r#"WARN message=said what="a" times=2"#]);
    assert_eq!(lines.take(), [""; 0]);
    let more = Lines::of("garden");
    say("b");
    assert_eq!(more.take(), [r#"TRACE what="b""#]);
    drop(more);
    say("c");
    assert_eq!(lines.take(), [r#"WARN message=said what="c" times=2"#]);
}

#[test]
fn whoever_listens_may_say_something_himself() {
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = Arc::clone(&heard);
    let guard = listen("house", move |_| {
        ears.fetch_add(1, Relaxed);
        say("pardon?");
    });
    say("a");
    drop(guard);
    say("b");
    assert_eq!(heard.load(Relaxed), 1);
}

#[test]
fn what_another_thread_says_is_not_heard() {
    let lines = Lines::of("house");
    std::thread::scope(|scope| scope.spawn(|| say("elsewhere")).join()).expect("it can speak");
    assert_eq!(lines.take(), [""; 0]);
}
