//! Idempotency: a request without a key, the first one with it, and a duplicate.

mod peers;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{self, Future, Ready};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_idempotency::{
    CallId, Claim, Fingerprint, IdempotencyLayer, IdempotencyStore, MemoryStore, Reply, Stored,
};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape};

type Prompt = Request<Full<Bytes>>;

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = unkeyed();
    cases.extend(first());
    cases.extend(replay());
    cases
}

/// One look into the headers, and both bodies wrapped.
fn unkeyed() -> Vec<Case> {
    let target = Target {
        instructions: 250.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    };
    let row = rows("no key", 1);
    vec![
        row("inner service", Role::Base, || {
            Bench::service(Reader(inner()), prompt)
        }),
        row("buttress", Role::Ours(target), || {
            Bench::service(Reader(layer().layer(inner())), prompt)
        }),
    ]
}

/// Each call has a key of its own, and its answer is read and kept. Most of it is what others could join by: a body that
/// many can read. The row whose payload is hashed has no target, since Valgrind hides the instructions made for that.
fn first() -> Vec<Case> {
    let target = Target {
        instructions: 1_000.0,
        allocations: 4.0,
        clock_reads: None,
    };
    let row = rows("the first call with a key", 1);
    vec![
        row("inner service", Role::Base, || {
            Bench::service(Keys(Reader(inner())), prompt)
        }),
        row(
            "tower-resilience coalesce, nothing kept",
            Role::Peer,
            || Bench::service(Keys(Reader(peers::coalesce(inner()))), prompt),
        ),
        row("buttress, keys trusted", Role::Ours(target), || {
            let layer = layer().trust_keys(true);
            Bench::service(Keys(Reader(layer.layer(inner()))), prompt)
        }),
        row("buttress, payload hashed", Role::Peer, || {
            Bench::service(Keys(Reader(layer().layer(inner()))), prompt)
        }),
    ]
}

/// The answer is known; what it takes does not depend on how many others are.
fn replay() -> Vec<Case> {
    let target = Target {
        instructions: 700.0,
        allocations: 0.0,
        // One; the table would count those of the preparation.
        clock_reads: None,
    };
    let row = rows("a replay", 0);
    vec![
        row("a clone of the answer", Role::Base, || {
            Bench::service(Reader(Known), keyed)
        }),
        row("tower-resilience cache", Role::Peer, || {
            Bench::service(warm(Reader(peers::cache(inner()))), keyed)
        }),
        row("moka, by hand", Role::Peer, || {
            Bench::service(warm(Reader(peers::moka(inner()))), keyed)
        }),
        row("buttress, 1 answer", Role::Ours(target), || replayed(1)),
        row("buttress, 1,000 answers", Role::Ours(target), || {
            replayed(1_000)
        }),
        row("buttress, 1,000,000 answers", Role::Ours(target), || {
            replayed(1_000_000)
        }),
    ]
}

fn rows(
    scenario: &'static str,
    inner_calls: u64,
) -> impl Fn(&'static str, Role, fn() -> Bench) -> Case {
    let group = Group {
        layer: "idempotency",
        scenario,
        shape: Http::NAME,
    };
    move |name, role, build| Case {
        group,
        name,
        role,
        inner_calls,
        bench: Box::new(build),
    }
}

fn inner() -> Inner<Http> {
    Inner::new(Script::default())
}

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

fn prompt() -> Prompt {
    let mut request = Http::request();
    *request.method_mut() = Method::POST;
    let credential = HeaderValue::from_static("Bearer sk-0123456789abcdef0123456789abcdef");
    request.headers_mut().insert(AUTHORIZATION, credential);
    drop(request.clone()); // as shared as the others
    request
}

fn keyed() -> Prompt {
    let mut request = prompt();
    let key = HeaderValue::from_static("8e03978e-40d5-43e8-bc93-6894a57f9324");
    request.headers_mut().insert(KEY, key);
    request
}

/// A layer that keeps so many answers, one of which is that to [`keyed`].
fn replayed(answers: u32) -> Bench {
    let store = MemoryStore::new()
        .max_entries(2_000_000)
        .scope_entries(2_000_000);
    for answer in 1..u128::from(answers) {
        let call = CallId::new(0, answer.wrapping_mul(SPREAD));
        if let Reply::Now(Some(Claim::Run(lease))) = store.claim(&call, Duration::MAX) {
            let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"another"));
            let stored = Stored::new(StatusCode::OK, headers, body, None, Fingerprint::UNCHECKED);
            drop(store.finish(lease, stored, Duration::MAX));
        }
    }
    let layer = layer().trust_keys(true).store(store);
    Bench::service(warm(Reader(layer.layer(inner()))), keyed)
}

/// It has answered once.
fn warm<S>(mut service: S) -> S
where
    S: Service<Prompt>,
    S::Future: Unpin,
{
    let mut first = service.call(keyed());
    let answered = Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop()));
    assert!(answered.is_ready(), "it does not wait for anything");
    drop(first);
    service
}

/// Gives each call a key of its own.
#[derive(Clone)]
struct Keys<S>(S);

/// Reads answers to their ends: a call is kept when it has ended.
#[derive(Clone)]
struct Reader<S>(S);

/// Has the answer, and clones it.
#[derive(Clone)]
struct Known;

/// Where the next thread begins to count: no two give the same key.
static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static CALLS: Cell<u64> = Cell::new(THREADS.fetch_add(1 << 40, Relaxed));
}

impl<S: Service<Prompt>> Service<Prompt> for Keys<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Prompt) -> S::Future {
        let call = CALLS.get();
        CALLS.set(call + 1);
        request.headers_mut().insert(KEY, HeaderValue::from(call));
        self.0.call(request)
    }
}

impl<S, B> Service<Prompt> for Reader<S>
where
    S: Service<Prompt, Response = Response<B>>,
    S::Future: Unpin,
    B: Body + Unpin,
{
    type Response = ();
    type Error = S::Error;
    type Future = Reading<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Prompt) -> Self::Future {
        Reading::Head(self.0.call(request))
    }
}

/// Waits for an answer and reads it.
enum Reading<F, B> {
    Head(F),
    Body(B),
}

impl<F, B, E> Future for Reading<F, B>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
    B: Body + Unpin,
{
    type Output = Result<(), E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Head(future) => {
                    let answer = ready!(Pin::new(future).poll(cx))?;
                    *self = Self::Body(answer.into_body());
                }
                Self::Body(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => drop(black_box(frame)),
                    Some(Err(_)) | None => return Poll::Ready(Ok(())),
                },
            }
        }
    }
}

impl Service<Prompt> for Known {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Prompt) -> Self::Future {
        drop(black_box(request));
        let mut answer = Response::new(Full::from("an answer"));
        let yes = HeaderValue::from_static("true");
        answer
            .headers_mut()
            .insert(HeaderName::from_static("idempotent-replayed"), yes);
        future::ready(Ok(answer))
    }
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Odd, and long: names that are as far apart as those of hashes.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
