//! Whole stacks, around a call that goes well at once: what all the layers cost that have nothing to do.

use buttress::stack::{Outbound, inbound, outbound};
use buttress_breaker::CircuitBreakerLayer;
use buttress_classify::Profile;
use buttress_core::{BoxError, Kind, Outcome, classify_fn};
use buttress_retry::{CloneBodies, RetryLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Broken, Http, Llm, Shape, U64};

/// The rows of the stacks.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        base::<U64>("outbound stack"),
        row(
            "outbound stack",
            "buttress, retry and breaker",
            ours(400.0, 0.0),
            u64,
        ),
    ];
    cases.extend(requests::<Http>(
        |inner| around(outbound(Profile::OPENAI), inner),
        |inner| around(cloned(), inner),
        |inner| around(inbound(), inner),
    ));
    cases.extend(requests::<Llm>(
        |inner| around(outbound(Profile::OPENAI), inner),
        |inner| around(cloned(), inner),
        |inner| around(inbound(), inner),
    ));
    cases
}

/// The deadline is the first extension of the request: three.
const DEADLINE: f64 = 3.0;
/// What the retry keeps of the head: two for its fields, three for its extensions.
const HEAD: f64 = 5.0;
/// The number of the attempt, and the record of the body.
const ATTEMPT: f64 = 2.0;

fn requests<Sh: Shape>(whole: Build<Sh>, cloned: Build<Sh>, door: Build<Sh>) -> Vec<Case> {
    vec![
        base::<Sh>("outbound stack"),
        row(
            "outbound stack",
            "buttress",
            ours(1500.0, DEADLINE + HEAD + ATTEMPT),
            whole,
        ),
        row(
            "outbound stack",
            "buttress, bodies cloned, attempts unmarked",
            ours(1500.0, DEADLINE + HEAD),
            cloned,
        ),
        base::<Sh>("inbound stack"),
        row("inbound stack", "buttress", ours(1000.0, DEADLINE), door),
    ]
}

/// How a stack is put around the inner service.
type Build<Sh> = fn(Inner<Sh>) -> Bench;

fn base<Sh: Shape>(layer: &'static str) -> Case {
    row(layer, "inner service", Role::Base, |inner: Inner<Sh>| {
        Bench::service(inner, Sh::request)
    })
}

fn row<Sh: Shape>(layer: &'static str, name: &'static str, role: Role, build: Build<Sh>) -> Case {
    Case {
        group: Group {
            layer,
            scenario: "a success at once",
            shape: Sh::NAME,
        },
        name,
        role,
        inner_calls: 1,
        bench: Box::new(move || build(Inner::new(Script::default()))),
    }
}

const fn ours(instructions: f64, allocations: f64) -> Role {
    Role::Ours(Target {
        instructions,
        allocations,
        clock_reads: None,
    })
}

/// The layers that are for services of any type.
fn u64(inner: Inner<U64>) -> Bench {
    let calls = classify_fn(|result: Result<&u64, &Broken>| match result {
        Ok(_) => Outcome::SUCCESS,
        Err(_) => Outcome::new(Kind::Transient),
    });
    let attempts = classify_fn(|result: Result<&u64, &BoxError>| match result {
        Ok(_) => Outcome::SUCCESS,
        Err(_) => Outcome::new(Kind::Transient),
    });
    let breaker = CircuitBreakerLayer::new(calls).layer(inner);
    Bench::service(RetryLayer::new(attempts).layer(breaker), U64::request)
}

/// A stack around an inner service of HTTP.
fn around<Sh, L>(stack: L, inner: Inner<Sh>) -> Bench
where
    Sh: Shape,
    L: Layer<Inner<Sh>>,
    L::Service: Service<Sh::Request> + Clone + Send + 'static,
{
    Bench::service(stack.layer(inner), Sh::request)
}

/// Requests are cloned as they are, and inner layers do not see the number of the attempt.
fn cloned() -> Outbound<RetryLayer<Profile, CloneBodies>> {
    let retry = RetryLayer::llm(Profile::OPENAI).mark_attempts(false);
    outbound(Profile::OPENAI).retry(retry.clone_bodies())
}
