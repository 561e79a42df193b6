//! Two gateways, each with a layer of its own, and one Redis.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and gateways are told apart as tasks"
)]

mod kit;

use std::env;
use std::future::pending;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{BoxError, Failure, Kind, find};
use buttress_idempotency::{CallInFlight, Duplicates, IdempotencyLayer, KeyReused};
use buttress_idempotency_redis::{RedisStore, StoreUnavailable};
use buttress_testkit::redis::free_port;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use kit::{LONG, Server};

fn layer(store: RedisStore) -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP).store(store)
}

/// An upstream that answers when it is let.
struct Upstream {
    calls: AtomicUsize,
    gate: Semaphore,
    status: u16,
    answer: Bytes,
}

impl Upstream {
    fn new(status: u16, answer: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            status,
            answer: answer.into(),
        })
    }

    fn open(status: u16, answer: impl Into<Bytes>) -> Arc<Self> {
        let upstream = Self::new(status, answer);
        upstream.open_gate();
        upstream
    }

    fn open_gate(&self) {
        self.gate.add_permits(1000);
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    async fn is_called(&self) {
        while self.calls() == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn call<B>(
        self: Arc<Self>,
        request: Request<B>,
    ) -> Result<Response<Full<Bytes>>, BoxError>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        drop(request.into_body().collect().await.map_err(Into::into)?);
        self.calls.fetch_add(1, SeqCst);
        drop(self.gate.acquire().await?);
        let answer = Full::new(self.answer.clone());
        Ok(Response::builder()
            .status(self.status)
            .header("x-from", "upstream")
            .body(answer)?)
    }
}

fn request(key: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/messages").header("authorization", "Bearer me");
    request
        .header("idempotency-key", key)
        .body(Full::from(body))
        .unwrap()
}

/// One request at a gateway in front of that upstream, and its answer.
async fn ask(
    layer: &IdempotencyLayer,
    upstream: &Arc<Upstream>,
    request: Request<Full<Bytes>>,
) -> Result<(Response<()>, Bytes), BoxError> {
    let upstream = Arc::clone(upstream);
    let gateway = layer.layer(service_fn(move |request| {
        Arc::clone(&upstream).call(request)
    }));
    let (head, body) = gateway.oneshot(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((Response::from_parts(head, ()), body))
}

fn is_replay(answer: &Response<()>) -> bool {
    answer.headers().contains_key("idempotent-replayed")
}

#[tokio::test]
async fn a_duplicate_at_another_gateway_waits_and_gets_the_answer_of_the_first() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let (upstream, never) = (Upstream::new(201, "once"), Upstream::open(200, "twice"));
    let first = {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move { ask(&one, &upstream, request("k", "p")).await.unwrap() })
    };
    upstream.is_called().await;
    let mut second = {
        let never = Arc::clone(&never);
        tokio::spawn(async move { ask(&other, &never, request("k", "p")).await.unwrap() })
    };
    assert!(
        timeout(Duration::from_millis(100), &mut second)
            .await
            .is_err()
    );
    upstream.open_gate();

    let (answer, body) = first.await.unwrap();
    assert!(!is_replay(&answer) && body == "once");
    let (answer, body) = second.await.unwrap();
    assert!(is_replay(&answer) && body == "once");
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-from"], "upstream");
    assert_eq!((upstream.calls(), never.calls()), (1, 0));
}

#[tokio::test]
async fn a_duplicate_at_another_gateway_is_refused_if_it_shall_not_wait() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let other = other.duplicates(Duplicates::Refuse);
    let (upstream, never) = (Upstream::new(200, "once"), Upstream::open(200, "twice"));
    let first = {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move { ask(&one, &upstream, request("k", "p")).await.unwrap() })
    };
    upstream.is_called().await;
    let error = ask(&other, &never, request("k", "p")).await.unwrap_err();
    assert!(find::<CallInFlight>(&*error).is_some(), "{error:?}");
    upstream.open_gate();
    first.await.unwrap();
    let (answer, body) = ask(&other, &never, request("k", "p")).await.unwrap();
    assert!(is_replay(&answer) && body == "once");
    assert_eq!((upstream.calls(), never.calls()), (1, 0));
}

#[tokio::test]
async fn a_thousand_duplicates_at_two_gateways_are_one_call() {
    let Some(server) = Server::start().await else {
        return;
    };
    let gateways = [layer(server.store()), layer(server.store())];
    let upstream = Upstream::new(200, vec![7; 100_000]);
    let asking: Vec<_> = (0..1000)
        .map(|n| {
            let (gateway, upstream) = (gateways[n % 2].clone(), Arc::clone(&upstream));
            tokio::spawn(async move { ask(&gateway, &upstream, request("k", "p")).await.unwrap() })
        })
        .collect();
    upstream.is_called().await;
    upstream.open_gate();
    for asked in asking {
        let (answer, body) = asked.await.unwrap();
        assert!(answer.status() == 200 && body == vec![7; 100_000]);
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused_at_another_gateway() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let upstream = Upstream::open(200, "once");
    ask(&one, &upstream, request("k", "p")).await.unwrap();
    let error = ask(&other, &upstream, request("k", "q")).await.unwrap_err();
    assert!(find::<KeyReused>(&*error).is_some(), "{error:?}");
    assert_eq!(upstream.calls(), 1);
}

/// 32, P9.
#[tokio::test]
async fn a_failure_at_one_gateway_is_not_replayed_at_another() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let (broken, works) = (Upstream::open(500, "broken"), Upstream::open(200, "works"));
    assert_eq!(
        ask(&one, &broken, request("k", "p")).await.unwrap().1,
        "broken"
    );
    assert!(server.keys().await.is_empty());
    let (answer, body) = ask(&other, &works, request("k", "p")).await.unwrap();
    assert!(!is_replay(&answer) && body == "works");
}

/// 33.
#[tokio::test]
async fn two_credentials_do_not_share_a_key_at_two_gateways() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let upstream = Upstream::open(200, "mine");
    ask(&one, &upstream, request("k", "p")).await.unwrap();
    let mut theirs = request("k", "p");
    theirs
        .headers_mut()
        .insert("authorization", "Bearer them".parse().unwrap());
    let (answer, _) = ask(&other, &upstream, theirs).await.unwrap();
    assert!(!is_replay(&answer));
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_long_call_renews_its_lease() {
    let Some(server) = Server::start().await else {
        return;
    };
    let gateway = layer(server.store()).lease(Duration::from_secs(6));
    let upstream = Upstream::new(200, "long");
    let asking = {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move { ask(&gateway, &upstream, request("k", "p")).await.unwrap() })
    };
    upstream.is_called().await;
    let key = server.keys().await.remove(0);
    let mut before = i64::MAX;
    loop {
        let left: i64 = server.say(&[b"PTTL", key.as_bytes()]).await;
        assert!(left > 0, "it has run out");
        if left > before {
            break; // which time does not do by itself
        }
        before = left;
        sleep(Duration::from_millis(50)).await;
    }
    upstream.open_gate();
    asking.await.unwrap();
}

/// Where the child of the next test finds its Redis.
const OWNER_OF: &str = "BUTTRESS_TEST_OWNER_OF";

/// 32: 409 for ever after a crash.
#[tokio::test]
async fn an_owner_that_is_killed_in_mid_call_is_replaced_when_its_lease_has_run_out() {
    let lease = Duration::from_secs(1);
    if let Ok(url) = env::var(OWNER_OF) {
        return own_a_call_for_ever(layer(RedisStore::new(&url).unwrap()).lease(lease)).await;
    }
    let Some(server) = Server::start().await else {
        return;
    };
    let name = "an_owner_that_is_killed_in_mid_call_is_replaced_when_its_lease_has_run_out";
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(OWNER_OF, server.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with(CALLED)),
        "it has ended"
    );

    let other = layer(server.store()).lease(lease);
    let upstream = Upstream::open(200, "mine");
    let refuse = other.clone().duplicates(Duplicates::Refuse);
    let error = ask(&refuse, &upstream, request("k", "p"))
        .await
        .unwrap_err();
    assert!(find::<CallInFlight>(&*error).is_some(), "{error:?}");

    owner.kill().unwrap();
    owner.wait().unwrap();
    let asking = ask(&other, &upstream, request("k", "p"));
    let (answer, body) = timeout(LONG, asking).await.unwrap().unwrap();
    assert!(!is_replay(&answer) && body == "mine");
    assert_eq!(upstream.calls(), 1);
}

/// What the child says when its call is under way.
const CALLED: &str = "the owner has called";

async fn own_a_call_for_ever(layer: IdempotencyLayer) {
    let upstream = service_fn(|_: Request<_>| async {
        let mut out = std::io::stdout();
        writeln!(out, "{CALLED}")?;
        out.flush()?;
        pending::<Result<Response<Full<Bytes>>, BoxError>>().await
    });
    drop(layer.layer(upstream).oneshot(request("k", "p")).await);
}

#[tokio::test]
async fn an_answer_is_kept_though_redis_has_forgotten_everything_in_mid_call() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let (one, other) = (layer(server.store()), layer(server.store()));
    let upstream = Upstream::new(200, "once");
    let first = {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move { ask(&one, &upstream, request("k", "p")).await.unwrap() })
    };
    upstream.is_called().await;
    server.stop();
    server.restart().await;
    upstream.open_gate();
    first.await.unwrap();
    let (answer, body) = ask(&other, &upstream, request("k", "p")).await.unwrap();
    assert!(is_replay(&answer) && body == "once");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn without_redis_calls_are_made_or_refused_as_the_store_was_told() {
    let store = RedisStore::new(&format!("redis://127.0.0.1:{}/", free_port())).unwrap();
    let upstream = Upstream::open(200, "made");
    let (open, closed) = (layer(store.clone()), layer(store.fail_closed()));
    let (answer, body) = ask(&open, &upstream, request("k", "p")).await.unwrap();
    assert!(!is_replay(&answer) && body == "made");

    let error = ask(&closed, &upstream, request("k", "p"))
        .await
        .unwrap_err();
    assert!(find::<StoreUnavailable>(&*error).is_some(), "{error:?}");
    let failure = find::<Failure>(&*error).unwrap();
    assert_eq!(failure.outcome().kind, Kind::Unavailable);
    assert_eq!(upstream.calls(), 1);
}
