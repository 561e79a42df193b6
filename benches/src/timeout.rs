//! Waiting within limits: a head, and the frames of a body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::BoxError;
use buttress_timeout::{IdleTimeoutBody, StreamTimeoutBody, StreamTimeoutLayer};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::timeout::TimeoutLayer;
use tower_http::timeout::TimeoutBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape};

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = head("ready", false, 15.0, 0.0);
    cases.extend(head("inner pending once", true, 720.0, 1.0));
    cases.extend(frames("ready", false, [5.0, 5.0, 30.0]));
    cases.extend(frames("a wait before each", true, [150.0, 150.0, 180.0]));
    cases
}

const LIMIT: Duration = Duration::from_secs(60);

/// The wait for the head: all rows are tasks of a runtime, since the peer wants a timer before it has
/// anything to wait for.
fn head(scenario: &'static str, pending: bool, instructions: f64, timers: f64) -> Vec<Case> {
    let group = Group {
        layer: "timeout",
        scenario,
        shape: Http::NAME,
    };
    let target = Target {
        instructions,
        allocations: timers,
        clock_reads: (timers == 0.0).then_some(0.0),
    };
    let script = Script {
        pending,
        ..Script::default()
    };
    let row = |name, role, build: fn(Arc<Runtime>, Inner<Http>) -> Bench| Case {
        group,
        name,
        role,
        inner_calls: 1,
        bench: Box::new(move || build(runtime(), Inner::new(script))),
    };
    vec![
        row("inner service", Role::Base, |runtime, inner| {
            Bench::service_on(runtime, inner, Http::request)
        }),
        row("tower", Role::Peer, |runtime, inner| {
            let service = TimeoutLayer::new(LIMIT).layer(inner);
            Bench::service_on(runtime, service, Http::request)
        }),
        row("buttress", Role::Ours(target), |runtime, inner| {
            let service = StreamTimeoutLayer::new().layer(inner);
            Bench::service_on(runtime, service, Http::request)
        }),
    ]
}

/// A frame of 64 bytes of a long stream. Whoever may end a body with an error of his own moves its frames
/// once, into a result that has room for it: that much is the floor.
fn frames(scenario: &'static str, waits: bool, instructions: [f64; 3]) -> Vec<Case> {
    let group = Group {
        layer: "timeout body",
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
    let [idle, all, progress] = instructions;
    vec![
        row("the body alone", Role::Base, |runtime, waits| {
            Bench::body(runtime, move || Stream::new(waits))
        }),
        row("its errors boxed", Role::Floor, |runtime, waits| {
            Bench::body(runtime, move || Stream::new(waits).map_err(BoxError::from))
        }),
        row("tower-http", Role::Peer, |runtime, waits| {
            Bench::body(runtime, move || TimeoutBody::new(LIMIT, Stream::new(waits)))
        }),
        row("buttress, idle", target(idle), |runtime, waits| {
            Bench::body(runtime, move || {
                IdleTimeoutBody::new(Stream::new(waits), LIMIT)
            })
        }),
        row(
            "buttress, all but progress",
            target(all),
            |runtime, waits| {
                let layer = StreamTimeoutLayer::new();
                Bench::body(runtime, move || timed(layer, Stream::new(waits)))
            },
        ),
        row("buttress, all four", target(progress), |runtime, waits| {
            let layer = StreamTimeoutLayer::llm(Profile::ANTHROPIC).progress(LIMIT);
            Bench::body(runtime, move || timed(layer, Stream::new(waits)))
        }),
    ]
}

/// A runtime to make timers in.
#[expect(
    clippy::missing_panics_doc,
    reason = "it only does where nothing works"
)]
#[must_use]
pub fn runtime() -> Arc<Runtime> {
    let runtime = Builder::new_current_thread().enable_time().build();
    Arc::new(runtime.expect("a runtime without a reactor opens nothing"))
}

/// The body of an answer as a client of the layer gets it.
#[expect(
    clippy::missing_panics_doc,
    reason = "the service below is ready, and cannot fail"
)]
pub fn timed<B: Body<Error = Infallible>>(
    layer: StreamTimeoutLayer,
    body: B,
) -> StreamTimeoutBody<B> {
    let mut context = Context::from_waker(Waker::noop());
    let mut service = layer.layer(Answering(Some(body)));
    let mut call = service.call(Request::new(()));
    match Pin::new(&mut call).poll(&mut context) {
        Poll::Ready(Ok(answer)) => answer.into_body(),
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => panic!("it answers at once"),
    }
}

/// Answers once, with a stream of events.
struct Answering<B>(Option<B>);

impl<B> Service<Request<()>> for Answering<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        let mut answer = Response::new(self.0.take().expect("called once"));
        let events = HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert(header::CONTENT_TYPE, events);
        std::future::ready(Ok(answer))
    }
}

/// A stream of events without end.
#[derive(Debug)]
pub struct Stream {
    /// Before each frame.
    waits: bool,
    has_waited: bool,
}

impl Stream {
    /// Every frame is there at once, or at the second poll.
    #[must_use]
    pub fn new(waits: bool) -> Self {
        Self {
            // Not known when the loop is compiled, as with a connection.
            waits: std::hint::black_box(waits),
            has_waited: false,
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    // As with a connection, nobody sees through it.
    #[inline(never)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.waits && !self.has_waited {
            self.has_waited = true;
            return Poll::Pending;
        }
        self.has_waited = false;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(FRAME)))))
    }
}

const FRAME: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\" some words of it\"}}]}\n\n";
