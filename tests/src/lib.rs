//! Vectors: what they say, and which of them say something else than we do.
//!
//! Every vector of a file agrees with us, or is listed by its id with the reason why not. A listed one that agrees is an
//! error too, so that the lists cannot rot.
#![allow(
    clippy::unwrap_used,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a vector that cannot be read is a failed test, and a verdict says for itself what it means"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use serde_json::Value;

/// Whether a vector agrees with us, or what differs.
pub type Verdict = Result<(), String>;

/// A vector that says something else than we do, and why.
pub type Listed = (&'static str, &'static str);

/// The file of that name below `vectors/`.
#[must_use]
pub fn file(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let text = std::fs::read_to_string(dir.join(name).with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The vectors of a file, of which there are some.
#[must_use]
pub fn vectors(name: &str) -> Vec<Value> {
    section(&file(name), "vectors")
}

/// Those of one section of a file.
#[must_use]
pub fn section(file: &Value, name: &str) -> Vec<Value> {
    let vectors = file[name].as_array().unwrap().clone();
    assert!(!vectors.is_empty(), "no vectors");
    vectors
}

/// The verdicts on the vectors of one file, by id.
#[derive(Debug, Default)]
pub struct Suite {
    verdicts: BTreeMap<String, Verdict>,
}

impl Suite {
    /// One verdict.
    pub fn judge(&mut self, id: impl Into<String>, verdict: Verdict) {
        let id = id.into();
        let before = self.verdicts.insert(id.clone(), verdict);
        assert!(before.is_none(), "two vectors are called {id}");
    }

    /// Fails with all that is wrong, at once.
    pub fn finish(self, listed: &[Listed]) {
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

/// Judges all vectors of a file; `check` gets the id of each, too.
pub fn suite(name: &str, listed: &[Listed], mut check: impl FnMut(&str, &Value) -> Verdict) {
    let mut suite = Suite::default();
    for vector in vectors(name) {
        let id = vector["id"].as_str().unwrap();
        suite.judge(id, check(id, &vector));
    }
    suite.finish(listed);
}

/// The verdict of assertions.
pub fn asserted<T>(check: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|panic| match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => format!("{:?}", panic.downcast_ref::<&str>()),
    })
}

/// The verdict of assertions that have to wait.
pub async fn asserted_late(check: impl Future<Output = ()>) -> Verdict {
    let mut check = pin!(check);
    poll_fn(|cx| match asserted(|| check.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(said) => Poll::Ready(Err(said)),
    })
    .await
}

/// The verdict of a comparison.
pub fn same<T: Copy + PartialEq + Debug>(ours: T, theirs: T) -> Verdict {
    match ours == theirs {
        true => Ok(()),
        false => Err(format!("{ours:?}, the vector says {theirs:?}")),
    }
}
