//! Fallback: a call that the primary serves, and a call that goes to another service.

mod ours;
mod peers;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::retry::by_hand;
use crate::shape::{Http, Llm, Shape, U64};

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    script: Script,
    calls: u64,
    target: Target,
}

const NOT_TAKEN: Scenario = Scenario {
    name: "not taken",
    script: Script {
        fails_first: false,
        pending: false,
    },
    calls: 1,
    target: Target {
        instructions: 10.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    },
};

/// The primary and the other service are alike: the first call fails, and the second does not.
const TAKEN: Scenario = Scenario {
    name: "taken, by another service",
    script: Script {
        fails_first: true,
        pending: false,
    },
    calls: 2,
    target: Target {
        instructions: 2_000.0,
        // Where the call stands, whom it has visited, what came of them, the call of the tier, and the future.
        allocations: 5.0,
        clock_reads: Some(0.0),
    },
};

/// How a row is set up around the inner service.
type Build<Sh> = fn(Inner<Sh>) -> Bench;

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in [NOT_TAKEN, TAKEN] {
        cases.extend(rows::<U64>(scenario));
        cases.push(ours(scenario, "buttress", ours::u64, scenario.target));
    }
    cases.extend(http_rows::<Http>(ours::http, ours::cloned::<Http>));
    cases.extend(http_rows::<Llm>(ours::http, ours::cloned::<Llm>));
    cases
}

/// The record of a body that is not empty.
const RECORD: f64 = 1.0;

fn http_rows<Sh: Shape>(recorded: Build<Sh>, cloned: Build<Sh>) -> Vec<Case> {
    let mut rows = rows::<Sh>(NOT_TAKEN);
    let admitted = Target {
        allocations: RECORD,
        ..NOT_TAKEN.target
    };
    rows.push(ours(NOT_TAKEN, "buttress", recorded, admitted));
    let name = "buttress, bodies cloned";
    rows.push(ours(NOT_TAKEN, name, cloned, NOT_TAKEN.target));
    rows
}

fn ours<Sh: Shape>(
    scenario: Scenario,
    name: &'static str,
    build: Build<Sh>,
    target: Target,
) -> Case {
    row(scenario, name, Role::Ours(target), build)
}

fn row<Sh: Shape>(scenario: Scenario, name: &'static str, role: Role, build: Build<Sh>) -> Case {
    Case {
        group: group::<Sh>(scenario),
        name,
        role,
        inner_calls: scenario.calls,
        bench: Box::new(move || build(Inner::new(scenario.script))),
    }
}

fn group<Sh: Shape>(scenario: Scenario) -> Group {
    Group {
        layer: "fallback",
        scenario: scenario.name,
        shape: Sh::NAME,
    }
}

/// Those that are not ours.
fn rows<Sh: Shape>(scenario: Scenario) -> Vec<Case> {
    let Scenario { script, calls, .. } = scenario;
    let once = Script {
        fails_first: false,
        ..script
    };
    vec![
        Case {
            group: group::<Sh>(scenario),
            name: "inner service",
            role: Role::Base,
            inner_calls: 1,
            bench: Box::new(move || Bench::service(Inner::<Sh>::new(once), Sh::request)),
        },
        Case {
            group: group::<Sh>(scenario),
            name: "calls and request clones",
            role: Role::Floor,
            inner_calls: calls,
            bench: Box::new(move || by_hand::bench(Inner::<Sh>::new(script), calls)),
        },
        row(
            scenario,
            "tower-resilience",
            Role::Peer,
            peers::tower_resilience::<Sh>,
        ),
        row(
            scenario,
            "seatbelt, as tower",
            Role::Peer,
            peers::seatbelt_tower::<Sh>,
        ),
        row(
            scenario,
            "seatbelt, as layered",
            Role::Peer,
            peers::seatbelt_layered::<Sh>,
        ),
    ]
}
