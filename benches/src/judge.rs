//! Looking into answers: a success that there is nothing to look for in, and a stream that passes.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use buttress_body::Observe;
use buttress_classify::{Observer, Profile};
use buttress_core::Sign;
use buttress_judge::JudgeLayer;
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape};

/// The rows of this layer, and of the observer that it shares with others.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = success();
    cases.extend(frames());
    cases
}

/// A success goes through untouched.
fn success() -> Vec<Case> {
    let group = Group {
        layer: "judge",
        scenario: "a success",
        shape: Http::NAME,
    };
    let target = Target {
        instructions: 60.0,
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
        row("buttress, errors only", Role::Ours(target), |inner| {
            let layer = JudgeLayer::new(Profile::OPENAI);
            Bench::service(layer.layer(inner), Http::request)
        }),
        row("buttress, streams held", Role::Ours(target), |inner| {
            let layer = JudgeLayer::llm(Profile::OPENAI);
            Bench::service(layer.layer(inner), Http::request)
        }),
    ]
}

/// One event of 64 bytes, after the first content: what each frame of a long answer costs.
fn frames() -> Vec<Case> {
    let group = Group {
        layer: "observer",
        scenario: "a frame of 64 bytes after the first content",
        shape: "event stream",
    };
    let target = Target {
        instructions: 40.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    };
    vec![
        Case {
            group,
            name: "nobody looks",
            role: Role::Base,
            inner_calls: 0,
            bench: Box::new(|| Bench::service(Stream { observer: None }, frame)),
        },
        Case {
            group,
            name: "buttress",
            role: Role::Ours(target),
            inner_calls: 0,
            bench: Box::new(|| Bench::service(Stream::observed(), frame)),
        },
    ]
}

const FRAME: &str = "data: {\"choices\":[{\"delta\":{\"content\":\" some words of it\"}}]}\n\n";

fn frame() -> &'static [u8] {
    FRAME.as_bytes()
}

/// A stream in the middle of its text; each call is a frame.
struct Stream {
    observer: Option<Observer>,
}

impl Stream {
    fn observed() -> Self {
        let mut headers = HeaderMap::new();
        let events = HeaderValue::from_static("text/event-stream");
        headers.insert(http::header::CONTENT_TYPE, events);
        let mut observer = Profile::OPENAI.observer(StatusCode::OK, &headers);
        assert_eq!(observer.data(frame()), Sign::Content, "the first frame");
        Self {
            observer: Some(observer),
        }
    }
}

/// A clone is a stream of its own.
impl Clone for Stream {
    fn clone(&self) -> Self {
        match self.observer {
            Some(_) => Self::observed(),
            None => Self { observer: None },
        }
    }
}

impl Service<&'static [u8]> for Stream {
    type Response = Sign;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Sign, Self::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, frame: &'static [u8]) -> Self::Future {
        ready(Ok(match &mut self.observer {
            Some(observer) => observer.data(frame),
            None => Sign::Nothing,
        }))
    }
}
