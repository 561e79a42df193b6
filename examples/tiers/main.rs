//! Orders for a café, read by a large model, and by whoever is left when that one fails: a smaller model, a parser
//! with three rules, and in the end a human.
//!
//! ```sh
//! cargo run --release --example tiers
//! ```
//!
//! The models are scripted (testkit's upstream), and the clock is paused, so that it needs no key, no network and no
//! time.

mod inbox;
mod rules;
mod stack;
mod weather;

use std::io::{self, Write};

use buttress::core::BoxError;
use buttress::fallback::ServedBy;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::runtime::Builder;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::inbox::Inbox;
use crate::weather::{WEATHERS, Weather};

fn main() -> Result<(), BoxError> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let inbox = Inbox::default();
    let mut out = io::stdout().lock();
    for weather in WEATHERS {
        runtime.block_on(read_an_order(weather, &inbox, &mut out))?;
    }
    writeln!(out, "\nin the inbox:")?;
    for (ticket, order) in inbox.tickets().iter().enumerate() {
        writeln!(out, "  #{} {order}", ticket + 1)?;
    }
    Ok(())
}

/// One order, in that weather, and what becomes of it.
async fn read_an_order(
    weather: Weather,
    inbox: &Inbox,
    out: &mut impl Write,
) -> Result<(), BoxError> {
    let (large, small) = (weather.large(), weather.small());
    let client = stack::client(&large, &small, inbox.clone());
    writeln!(out, "\n{}\n  order      {}", weather.name, weather.order)?;

    let body = format!(r#"{{"model":"large","order":"{}"}}"#, weather.order);
    let request = Request::post("/v1/chat/completions")
        .header("authorization", "Bearer key-of-the-caller")
        .body(Full::<Bytes>::from(body))?;
    let start = Instant::now();
    let response = client.oneshot(request).await?;

    let (served, before) = served_by(&response);
    let (large, small) = (large.counts().calls, small.counts().calls);
    let (status, waited) = (response.status(), start.elapsed());
    let answer = response.into_body().collect().await?.to_bytes();
    writeln!(out, "  calls      large {large}, small {small}{before}")?;
    writeln!(
        out,
        "  served by  {served}, after {} ms",
        waited.as_millis()
    )?;
    writeln!(
        out,
        "  answer     {} {}",
        status.as_u16(),
        String::from_utf8_lossy(&answer)
    )?;
    Ok(())
}

/// Who served the call, and what became of the others.
fn served_by<B>(response: &Response<B>) -> (String, String) {
    let Some(by) = response.extensions().get::<ServedBy>() else {
        return ("large".into(), String::new());
    };
    let degraded = if by.is_degraded() { " (degraded)" } else { "" };
    let mut before = String::new();
    for tried in by.reasons() {
        let outcome = tried.outcome();
        let why = outcome
            .reason
            .map_or(outcome.kind.as_str(), |reason| reason.as_str());
        before.push_str(&format!("; {}: {why}", tried.name()));
    }
    (format!("{}{degraded}", by.name()), before)
}
