use std::{future::poll_fn, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::{task::JoinSet, time::sleep_until};
use tower_service::Service;

use super::{LENGTH, QueueingUpstream, RATE, Run, Scenario, meter::Meter};
use crate::random::SplitMix64;

/// Makes [`RATE`] calls a second for [`LENGTH`], through what `client` puts in front of the upstream.
///
/// Open loop: the next call arrives when it arrives, whatever has become of the last. Each is a POST
/// with an `Idempotency-Key`, so that a client may send it again after whatever failure. Returns when
/// the last one has ended.
///
/// # Panics
/// Where the client panics.
pub async fn simulate<S, B>(
    scenario: Scenario,
    seed: u64,
    client: impl FnOnce(QueueingUpstream) -> S,
) -> Run
where
    S: Service<Request<String>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
{
    let meter = Meter::start();
    let mut random = SplitMix64::seeded(seed);
    let upstream = QueueingUpstream::new(scenario.clone(), random.next(), meter.clone());
    let client = client(upstream);
    let mut calls = JoinSet::new();
    let mut at = Duration::ZERO;
    for number in 0_u64.. {
        at += random.exponential(Duration::from_secs(1) / RATE);
        if at >= LENGTH {
            break;
        }
        sleep_until(meter.instant(at)).await;
        calls.spawn(call(client.clone(), request(number), meter.clone()));
        while let Some(ended) = calls.try_join_next() {
            ended.expect(NO_PANIC);
        }
    }
    calls.join_all().await;
    meter.finish(scenario)
}

const NO_PANIC: &str = "a client does not panic";

async fn call<S, B>(mut client: S, request: Request<String>, meter: Meter)
where
    S: Service<Request<String>, Response = Response<B>>,
{
    let arrived = meter.now();
    meter.count(arrived, |second| second.offered += 1);
    let ready = poll_fn(|cx| client.poll_ready(cx)).await;
    let result = match ready {
        Ok(()) => client.call(request).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(response) if response.status().is_success() => {
            meter.count(meter.now(), |second| second.goodput += 1);
        }
        _ => meter.count(arrived, |second| second.lost += 1),
    }
}

fn request(number: u64) -> Request<String> {
    let mut request = Request::new("{}".to_owned());
    *request.method_mut() = Method::POST;
    let key = HeaderValue::from(number);
    request.headers_mut().insert(IDEMPOTENCY_KEY, key);
    request
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
