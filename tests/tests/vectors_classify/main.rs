//! The vectors about what an answer says.
//!
//! Every vector of a file agrees with the classifier, or is listed here by its id with the reason why
//! not. A listed one that agrees is an error too, so that the lists cannot rot.

#![expect(
    clippy::unwrap_used,
    reason = "a vector of another shape is a broken file, and the test says where"
)]

mod grpc;
mod provider_errors;
mod rate_limits;
mod retry_after;
mod statuses;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

/// A vector that we decide otherwise, and why.
type Listed = (&'static str, &'static str);

/// The verdicts on the vectors of one file, by id.
#[derive(Default)]
struct Suite {
    verdicts: BTreeMap<String, Result<(), String>>,
}

impl Suite {
    fn judge(&mut self, id: impl Into<String>, verdict: Result<(), String>) {
        let id = id.into();
        let before = self.verdicts.insert(id.clone(), verdict);
        assert!(before.is_none(), "two vectors are called {id}");
    }

    fn finish(self, listed: &[Listed]) {
        let reasons: BTreeMap<_, _> = listed.iter().copied().collect();
        assert_eq!(reasons.len(), listed.len(), "an id is listed twice");
        assert!(!self.verdicts.is_empty(), "no vectors");
        let mut wrong: Vec<String> = Vec::new();
        for (id, verdict) in &self.verdicts {
            match (verdict, reasons.contains_key(id.as_str())) {
                (Err(why), false) => wrong.push(format!("{id}: {why}")),
                (Ok(()), true) => wrong.push(format!("{id} agrees, but is listed")),
                (Ok(()), false) | (Err(_), true) => {}
            }
        }
        let unknown = reasons
            .keys()
            .filter(|id| !self.verdicts.contains_key(**id));
        wrong.extend(unknown.map(|id| format!("{id} is listed, but is no vector")));
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }
}

fn vectors(file: &str) -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    match file["vectors"].take() {
        Value::Array(vectors) => vectors,
        other => panic!("no array of vectors but {other}"),
    }
}

fn id(vector: &Value) -> &str {
    vector["id"].as_str().unwrap()
}

fn equal<T: Copy + PartialEq + std::fmt::Debug>(ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{ours:?}, the vector says {theirs:?}"))
}

/// Headers from an object whose values are strings or arrays of strings.
fn headers(object: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().unwrap();
        for line in lines(value) {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
    }
    headers
}

fn lines(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(lines) => lines.iter().map(|line| line.as_str().unwrap()).collect(),
        line => vec![line.as_str().unwrap()],
    }
}

fn unix(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Vectors speak of whole milliseconds; ours are exact, and theirs are rounded up.
fn milliseconds(wait: Duration) -> u128 {
    wait.as_nanos().div_ceil(1_000_000)
}
