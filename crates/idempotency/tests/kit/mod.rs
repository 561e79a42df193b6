//! An upstream by hand, and requests for it.
#![allow(dead_code, reason = "not every test needs all of it")]

pub(crate) mod wire;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::BoxError;
use buttress_idempotency::IdempotencyBody;
use buttress_testkit::body::{BodyHandle, ScriptedBody, Step};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

/// What it answers: after a while, a head and the steps of a body.
pub(crate) struct Answer {
    pub(crate) after: Duration,
    pub(crate) head: Result<Response<()>, BoxError>,
    pub(crate) steps: Vec<Step>,
    pub(crate) reads: bool,
    pub(crate) panics: bool,
}

impl Answer {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            after: Duration::ZERO,
            head: Ok(Response::new(())),
            steps: steps.into_iter().collect(),
            reads: true,
            panics: false,
        }
    }

    pub(crate) fn status(status: u16, body: &'static str) -> Self {
        let mut answer = Self::new([Step::data(body)]);
        answer.head = Ok(Response::builder().status(status).body(()).unwrap());
        answer
    }

    pub(crate) fn stream(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::new(steps).with("content-type", "text/event-stream")
    }

    pub(crate) fn error(error: impl Into<BoxError>) -> Self {
        let mut answer = Self::new([]);
        answer.head = Err(error.into());
        answer
    }

    pub(crate) fn panic() -> Self {
        let mut answer = Self::new([]);
        answer.panics = true;
        answer
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        if let Ok(head) = &mut self.head {
            head.headers_mut().append(name, value.parse().unwrap());
        }
        self
    }

    pub(crate) fn after(mut self, millis: u64) -> Self {
        self.after = Duration::from_millis(millis);
        self
    }

    /// It answers without reading the request.
    pub(crate) fn unread(mut self) -> Self {
        self.reads = false;
        self
    }
}

type Script = dyn FnMut(usize) -> Answer + Send;

/// Makes an answer of each call, and counts them.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<Inside>);

struct Inside {
    script: Mutex<Box<Script>>,
    calls: AtomicUsize,
    seen: Mutex<Vec<(Parts, Bytes)>>,
    bodies: Mutex<Vec<BodyHandle>>,
}

impl Upstream {
    /// What the call of that number is answered with.
    pub(crate) fn new(script: impl FnMut(usize) -> Answer + Send + 'static) -> Self {
        Self(Arc::new(Inside {
            script: Mutex::new(Box::new(script)),
            calls: AtomicUsize::new(0),
            seen: Mutex::default(),
            bodies: Mutex::default(),
        }))
    }

    pub(crate) fn saying(body: &'static str) -> Self {
        Self::new(move |_| Answer::new([Step::data(body)]))
    }

    pub(crate) fn in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::new(move |call| answers.pop_front().unwrap_or_else(|| panic!("call {call}")))
    }

    pub(crate) fn service(&self) -> Caller {
        Caller(self.clone())
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    /// What became of the answer of the call of that number.
    pub(crate) fn body(&self, call: usize) -> BodyHandle {
        self.0.bodies.lock().unwrap()[call].clone()
    }

    /// The request of that number.
    pub(crate) fn seen(&self, call: usize) -> Bytes {
        self.0.seen.lock().unwrap()[call].1.clone()
    }
}

#[derive(Clone)]
pub(crate) struct Caller(Upstream);

impl<Q> Service<Request<Q>> for Caller
where
    Q: Body<Data = Bytes> + Send + 'static,
    Q::Error: Into<BoxError> + Send,
{
    type Response = Response<ScriptedBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let inside = Arc::clone(&self.0.0);
        let call = inside.calls.fetch_add(1, SeqCst);
        let answer = (inside.script.lock().unwrap())(call);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if answer.reads {
                let body = body.collect().await.map_err(Into::into)?.to_bytes();
                inside.seen.lock().unwrap().push((parts, body));
            }
            if !answer.after.is_zero() {
                tokio::time::sleep(answer.after).await;
            }
            assert!(!answer.panics, "on purpose");
            let body = ScriptedBody::new(answer.steps);
            inside.bodies.lock().unwrap().push(body.handle());
            answer.head.map(|head| head.map(|()| body))
        })
    }
}

pub(crate) fn keyed(key: &str, body: &'static str) -> Request<Full<Bytes>> {
    by("Bearer me", key, body)
}

pub(crate) fn by(whom: &str, key: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/messages").header("authorization", whom);
    let request = request.header("content-type", "application/json");
    let request = request.header("idempotency-key", key);
    request.body(Full::from(body)).unwrap()
}

pub(crate) async fn read<B>(answer: Response<IdempotencyBody<B>>) -> Bytes
where
    B: Body,
    B::Error: Into<BoxError>,
{
    answer.into_body().collect().await.unwrap().to_bytes()
}

/// Asks, and reads the answer.
pub(crate) async fn ask<S, Q, B>(
    service: &S,
    request: Request<Q>,
) -> Result<(Response<()>, Bytes), BoxError>
where
    S: Service<Request<Q>, Response = Response<IdempotencyBody<B>>, Error = BoxError> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
{
    let answer = service.clone().oneshot(request).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((Response::from_parts(head, ()), body))
}

pub(crate) fn is_replay(head: &Response<()>) -> bool {
    head.headers()
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

/// Asks on the service itself, which is readied first.
pub(crate) async fn send<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> Bytes
where
    S: Service<Request<Full<Bytes>>, Response = Response<IdempotencyBody<B>>, Error = BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    read(service.ready().await.unwrap().call(request).await.unwrap()).await
}
