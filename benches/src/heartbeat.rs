//! Streams with heartbeats: what each frame costs, ready at once or waited for, and a heartbeat itself.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use buttress_heartbeat::{Form, HeartbeatBody, HeartbeatSseLayer, Injector};
use bytes::Bytes;
use futures_util::stream::poll_fn;
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape};
use crate::timeout::{Stream, runtime};

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = frames("ready", false, [5.0, 35.0]);
    cases.extend(frames("a wait before each", true, [5.0, 180.0]));
    cases.extend(comments());
    cases.extend(others());
    cases
}

/// Longer than anybody measures.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// A frame of 64 bytes of a long stream, the end of the event found. Whoever may put frames in moves those
/// of others once: that much is the floor. The axum rows make the event, too.
fn frames(scenario: &'static str, waits: bool, instructions: [f64; 2]) -> Vec<Case> {
    let group = Group {
        layer: "heartbeat body",
        scenario,
        shape: "frame of 64 bytes",
    };
    let target = |instructions| {
        Role::Ours(Target {
            instructions,
            allocations: 0.0,
            clock_reads: Some(0.0),
        })
    };
    let row = |name, role, build: fn(Arc<Runtime>, bool) -> Bench| Case {
        group,
        name,
        role,
        inner_calls: 0,
        bench: Box::new(move || build(runtime(), waits)),
    };
    let [off, on] = instructions;
    vec![
        row("the body alone", Role::Base, |runtime, waits| {
            Bench::body(runtime, move || Stream::new(waits))
        }),
        row("its frames moved", Role::Floor, |runtime, waits| {
            Bench::body(runtime, move || Stream::new(waits).map_frame(|frame| frame))
        }),
        row("axum Sse", Role::Peer, |runtime, waits| {
            Bench::body(runtime, move || {
                Sse::new(events(waits)).into_response().into_body()
            })
        }),
        row("axum Sse + KeepAlive", Role::Peer, |runtime, waits| {
            let alive = Arc::clone(&runtime);
            Bench::body(runtime, move || {
                let _entered = alive.enter();
                let keep_alive = KeepAlive::new().interval(INTERVAL);
                let sse = Sse::new(events(waits)).keep_alive(keep_alive);
                sse.into_response().into_body()
            })
        }),
        row("buttress, no heartbeats", target(off), |runtime, waits| {
            Bench::body(runtime, move || HeartbeatBody::off(Stream::new(waits)))
        }),
        row("buttress", target(on), |runtime, waits| {
            Bench::body(runtime, move || {
                HeartbeatBody::new(Stream::new(waits), INTERVAL)
            })
        }),
    ]
}

/// A stream of events without end, as a handler of axum's makes it.
fn events(waits: bool) -> impl futures_util::Stream<Item = Result<Event, Infallible>> + Send {
    let mut has_waited = false;
    poll_fn(move |_cx| {
        has_waited = waits && !has_waited;
        if has_waited {
            return Poll::Pending;
        }
        let data = "{\"choices\":[{\"delta\":{\"content\":\" some words of it\"}}]}";
        Poll::Ready(Some(Ok(Event::default().data(data))))
    })
}

/// A heartbeat where one is safe; each call makes one.
fn comments() -> Vec<Case> {
    let group = Group {
        layer: "heartbeat",
        scenario: "itself",
        shape: "between two events",
    };
    let target = Target {
        instructions: 250.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    };
    let row = |name, role, injector: fn() -> Option<Injector>| Case {
        group,
        name,
        role,
        inner_calls: 0,
        bench: Box::new(move || Bench::service(Comments(injector()), || ())),
    };
    vec![
        row("a frame of static memory", Role::Base, || None),
        row("buttress", Role::Ours(target), || {
            Some(Injector::new(Form::Auto))
        }),
    ]
}

/// An answer that is no stream, through the whole layer.
fn others() -> Vec<Case> {
    let group = Group {
        layer: "heartbeat",
        scenario: "no event stream",
        shape: Http::NAME,
    };
    let target = Target {
        instructions: 250.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    };
    let row = |name, role, build: fn(Inner<Http>) -> Bench| Case {
        group,
        name,
        role,
        inner_calls: 1,
        bench: Box::new(move || build(Inner::new(Script::default()))),
    };
    vec![
        row("inner service", Role::Base, |inner| {
            Bench::service(inner, Http::request)
        }),
        row("buttress", Role::Ours(target), |inner| {
            Bench::service(HeartbeatSseLayer::new().layer(inner), Http::request)
        }),
    ]
}

/// A place where heartbeats are safe. A clone is another.
#[derive(Clone)]
struct Comments(Option<Injector>);

impl Service<()> for Comments {
    type Response = Option<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(match &mut self.0 {
            Some(injector) => injector.comment(),
            None => Some(Bytes::from_static(b": keepalive\n\n")),
        }))
    }
}
