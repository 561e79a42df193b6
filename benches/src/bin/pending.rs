//! What streams hold that all wait at once: bytes and timers, of each.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::alloc::System;
use std::task::{Context, Waker};
use std::time::Duration;

use buttress_benches::timeout::{Stream, runtime, timed};
use buttress_classify::Profile;
use buttress_timeout::{IdleTimeoutBody, StreamTimeoutLayer};
use http_body::Body;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_http::timeout::TimeoutBody;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STREAMS: usize = 100_000;
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let runtime = runtime();
    let _entered = runtime.enter();
    println!("| {STREAMS} streams that wait | bytes inline | bytes on the heap | allocations |");
    println!("| --- | --: | --: | --: |");
    held("tower-http", || TimeoutBody::new(LIMIT, Stream::new(true)));
    held("buttress, idle", || {
        IdleTimeoutBody::new(Stream::new(true), LIMIT)
    });
    let layer = StreamTimeoutLayer::new();
    held("buttress, all but progress", || {
        timed(layer, Stream::new(true))
    });
    let layer = StreamTimeoutLayer::llm(Profile::ANTHROPIC).progress(LIMIT);
    held("buttress, all four", || timed(layer, Stream::new(true)));
}

/// Has so many wait, and prints what each holds on top of the stream itself.
fn held<B: Body>(name: &str, make: impl Fn() -> B) {
    let mut streams = Vec::with_capacity(STREAMS);
    let mut context = Context::from_waker(Waker::noop());
    let region = Region::new(ALLOCATOR);
    for _ in 0..STREAMS {
        let mut stream = Box::pin(make());
        assert!(stream.as_mut().poll_frame(&mut context).is_pending());
        streams.push(stream);
    }
    let held = region.change();
    let inline = size_of::<B>() - size_of::<Stream>();
    // Without the box that each was put into here.
    let bytes = (held.bytes_allocated - held.bytes_deallocated) / STREAMS - size_of::<B>();
    let count = (held.allocations - held.deallocations) / STREAMS - 1;
    println!("| {name} | {inline} | {bytes} | {count} |");
}
