//! Time budgets: where one begins, where it is read, and where a part of it is taken.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::{Deadline, Ratio};
use buttress_deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use http::Request;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tower::timeout::TimeoutLayer;
use tower_layer::Layer;
use tower_service::Service;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Answering, Inner, Script};
use crate::shape::{Broken, Http, Shape};
use crate::timeout::runtime;

/// The rows of these layers.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = start("ready", false, [650.0, 3.0]);
    // The timer, once for both.
    cases.extend(start("inner pending once", true, [650.0 + 720.0, 4.0]));
    cases.extend(inherit());
    cases
}

const LIMIT: Duration = Duration::from_secs(60);
const HALF: Ratio = Ratio::percent(50);

fn group(scenario: &'static str) -> Group {
    Group {
        layer: "time budget",
        scenario,
        shape: Http::NAME,
    }
}

fn target(instructions: f64, allocations: f64) -> Role {
    Role::Ours(Target {
        instructions,
        allocations,
        clock_reads: None,
    })
}

/// A call without a deadline gets one: what two time-outs, of the call and of its only attempt, are
/// without it.
fn start(
    scenario: &'static str,
    pending: bool,
    [instructions, allocations]: [f64; 2],
) -> Vec<Case> {
    let script = Script {
        pending,
        ..Script::default()
    };
    let row = |name, role, build: fn(Arc<Runtime>, Inner<Http>) -> Bench| Case {
        group: group(scenario),
        name,
        role,
        inner_calls: 1,
        bench: Box::new(move || build(runtime(), Inner::new(script))),
    };
    vec![
        row("inner service", Role::Base, |runtime, inner| {
            Bench::service_on(runtime, inner, Http::request)
        }),
        row("two time-outs of tower", Role::Peer, |runtime, inner| {
            let one = TimeoutLayer::new(LIMIT / 2).layer(inner);
            let both = TimeoutLayer::new(LIMIT).layer(one);
            Bench::service_on(runtime, both, Http::request)
        }),
        row("an extension, by hand", Role::Peer, |runtime, inner| {
            Bench::service_on(runtime, ByHand(inner, tell), Http::request)
        }),
        row(
            "buttress, budget",
            target(instructions, allocations),
            |runtime, inner| {
                let service = TimeoutBudgetLayer::new(LIMIT).layer(inner);
                Bench::service_on(runtime, service, Http::request)
            },
        ),
        row(
            "buttress, budget and share",
            target(instructions + 90.0, allocations),
            |runtime, inner| {
                let share = BudgetShareLayer::fraction(HALF).layer(inner);
                let service = TimeoutBudgetLayer::new(LIMIT).layer(share);
                Bench::service_on(runtime, service, Http::request)
            },
        ),
    ]
}

/// A call has a deadline already, which somebody outside enforces.
fn inherit() -> Vec<Case> {
    let row = |name, role, build: fn(Arc<Runtime>, Inner<Http>) -> Bench| Case {
        group: group("one is there already"),
        name,
        role,
        inner_calls: 1,
        bench: Box::new(move || build(runtime(), Inner::new(Script::default()))),
    };
    vec![
        row("inner service", Role::Base, |runtime, inner| {
            Bench::service_on(runtime, inner, with_deadline)
        }),
        row("buttress, read", target(90.0, 0.0), |runtime, inner| {
            Bench::service_on(runtime, ByHand(inner, read), with_deadline)
        }),
        row(
            "buttress, share of all that remains",
            target(90.0, 0.0),
            |runtime, inner| {
                let service = BudgetShareLayer::all().layer(inner);
                Bench::service_on(runtime, service, with_deadline)
            },
        ),
    ]
}

fn with_deadline() -> <Http as Shape>::Request {
    let mut request: Request<_> = Http::request();
    let deadline = Deadline::after(Instant::now().into_std(), LIMIT).enforced();
    request.extensions_mut().insert(deadline);
    request
}

/// A layer that does one thing with each request.
#[derive(Debug, Clone)]
struct ByHand<F>(Inner<Http>, F);

type Call = <Http as Shape>::Request;

/// What those ask that are about to wait.
fn read(request: &mut Call) {
    if let Some(deadline) = request.extensions().get::<Deadline>() {
        let left = deadline.remaining(Instant::now().into_std());
        assert!(!left.is_zero(), "it is a minute away");
    }
}

/// What any budget does at the least: reads the clock, and tells the request.
fn tell(request: &mut Call) {
    let deadline = Deadline::after(Instant::now().into_std(), LIMIT);
    request.extensions_mut().insert(deadline);
}

impl<F: Fn(&mut Call)> Service<Call> for ByHand<F> {
    type Response = <Http as Shape>::Response;
    type Error = Broken;
    type Future = Answering<Http>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Service::<Call>::poll_ready(&mut self.0, cx)
    }

    #[inline]
    fn call(&mut self, mut request: Call) -> Answering<Http> {
        (self.1)(&mut request);
        self.0.call(request)
    }
}
