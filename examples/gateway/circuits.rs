//! What the circuits look like from outside: `GET /circuits`.

use std::sync::Arc;

use axum::Json;
use buttress::breaker::{CircuitHandle, CircuitKey, Circuits};
use serde_json::{Value, json};

/// All circuits of the gateway. Looking at them changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<[(String, Circuits<CircuitKey>)]>);

impl Board {
    /// The circuits in front of each upstream, under its name.
    pub(crate) fn new(upstreams: impl IntoIterator<Item = (String, Circuits<CircuitKey>)>) -> Self {
        Self(upstreams.into_iter().collect())
    }

    pub(crate) fn show(&self) -> Json<Value> {
        let circuits = self.0.iter().flat_map(|(upstream, circuits)| {
            let of_keys = circuits.snapshot().into_iter();
            of_keys.map(move |(key, circuit)| entry(upstream, key, &circuit))
        });
        Json(json!({ "circuits": circuits.collect::<Vec<_>>() }))
    }
}

/// No address and no credential: of the latter eight digits of a hash that another process cannot know.
fn entry(upstream: &str, key: CircuitKey, circuit: &CircuitHandle) -> Value {
    let counts = circuit.counts();
    let wait = circuit.retry_after();
    json!({
        "upstream": upstream,
        "credential": key.to_string(),
        "state": circuit.state().as_str(),
        "calls": counts.calls,
        "failures": counts.failures,
        "consecutive_failures": circuit.consecutive_failures(),
        "retry_after_ms": wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    })
}
