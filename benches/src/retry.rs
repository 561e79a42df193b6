//! Retry: a call that needs none, and a call that needs one, at once.
//!
//! Everybody may make three attempts, asks the same question of the result, and waits for nothing.

pub(crate) mod by_hand;
mod ours;
mod peers;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Llm, Shape, U64};

/// The first attempt included.
const MAX_ATTEMPTS: u32 = 3;

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    script: Script,
    attempts: u64,
    target: Target,
}

const NOT_TAKEN: Scenario = Scenario {
    name: "not taken",
    script: Script {
        fails_first: false,
        pending: false,
    },
    attempts: 1,
    target: Target {
        instructions: 40.0,
        allocations: 0.0,
        clock_reads: Some(0.0),
    },
};

const NOT_TAKEN_PENDING: Scenario = Scenario {
    name: "not taken, inner pending once",
    script: Script {
        fails_first: false,
        pending: true,
    },
    ..NOT_TAKEN
};

const ONE: Scenario = Scenario {
    name: "one, zero delay",
    script: Script {
        fails_first: true,
        pending: false,
    },
    attempts: 2,
    target: Target {
        instructions: 120.0,
        allocations: 0.0,
        clock_reads: None,
    },
};

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in [NOT_TAKEN, NOT_TAKEN_PENDING, ONE] {
        cases.extend(rows::<U64>(scenario));
        cases.extend(with_and_without_budget(
            scenario,
            ours::u64,
            scenario.target,
        ));
    }
    for scenario in [NOT_TAKEN, ONE] {
        cases.extend(http_rows::<Http>(scenario, ours::http, ours::http_cloned));
        cases.extend(http_rows::<Llm>(scenario, ours::llm, ours::llm_cloned));
    }
    cases
}

/// What one attempt may allocate with the defaults: the first extension of a request, which is three
/// allocations, and the record of its body.
const EXTENSION: f64 = 3.0;
const RECORD: f64 = 1.0;

fn http_rows<Sh: Shape>(scenario: Scenario, ours: Build<Sh>, cloned: Build<Sh>) -> Vec<Case> {
    #[expect(clippy::cast_precision_loss, reason = "a handful of attempts")]
    let attempts = scenario.attempts as f64;
    let admitted = Target {
        // The record is made once per call, however often it is replayed.
        allocations: attempts * EXTENSION + RECORD,
        ..scenario.target
    };
    let mut rows = rows::<Sh>(scenario);
    rows.extend(with_and_without_budget(scenario, ours, admitted));
    rows.push(row(
        scenario,
        "buttress, bodies cloned, attempts unmarked",
        Role::Ours(scenario.target),
        cloned,
        true,
    ));
    rows
}

fn with_and_without_budget<Sh: Shape>(
    scenario: Scenario,
    ours: Build<Sh>,
    target: Target,
) -> [Case; 2] {
    let role = Role::Ours(target);
    [
        row(scenario, "buttress, without budget", role, ours, false),
        row(scenario, "buttress", role, ours, true),
    ]
}

/// How a row is set up around the inner service; with a budget, or without.
type Build<Sh> = fn(Inner<Sh>, bool) -> Bench;

fn group<Sh: Shape>(scenario: Scenario) -> Group {
    Group {
        layer: "retry",
        scenario: scenario.name,
        shape: Sh::NAME,
    }
}

fn row<Sh: Shape>(
    scenario: Scenario,
    name: &'static str,
    role: Role,
    build: Build<Sh>,
    budget: bool,
) -> Case {
    Case {
        group: group::<Sh>(scenario),
        name,
        role,
        inner_calls: scenario.attempts,
        bench: Box::new(move || build(Inner::new(scenario.script), budget)),
    }
}

/// Those that are not ours.
fn rows<Sh: Shape>(scenario: Scenario) -> Vec<Case> {
    let Scenario {
        script, attempts, ..
    } = scenario;
    let group = group::<Sh>(scenario);
    let peer = |name, build: Build<Sh>, budget| row(scenario, name, Role::Peer, build, budget);
    let once = Script {
        fails_first: false,
        ..script
    };
    vec![
        Case {
            group,
            name: "inner service",
            role: Role::Base,
            inner_calls: 1,
            bench: Box::new(move || Bench::service(Inner::<Sh>::new(once), Sh::request)),
        },
        Case {
            group,
            name: "attempts and request clones",
            role: Role::Floor,
            inner_calls: attempts,
            bench: Box::new(move || by_hand::bench(Inner::<Sh>::new(script), attempts)),
        },
        peer("tower", peers::tower, false),
        peer("tower + TpsBudget", peers::tower, true),
        peer("tower-resilience", peers::tower_resilience, false),
        peer("tower-resilience + budget", peers::tower_resilience, true),
        peer("seatbelt, as tower", peers::seatbelt_tower, false),
        peer("seatbelt, as layered", peers::seatbelt_layered, false),
        peer("backon", peers::backon, false),
    ]
}
