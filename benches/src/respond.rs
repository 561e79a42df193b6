//! Answering for failures, where there are none.

use buttress_respond::RespondLayer;
use tower_layer::Layer;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape};

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let group = Group {
        layer: "respond",
        scenario: "an answer that passes",
        shape: Http::NAME,
    };
    // The look at the request's content type, and the move of the answer.
    let target = Target {
        instructions: 250.0,
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
        row("buttress", Role::Ours(target), |inner| {
            Bench::service(RespondLayer::new().layer(inner), Http::request)
        }),
    ]
}
