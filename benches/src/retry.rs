//! Retry: a call that needs none, and a call that needs one, at once.
//!
//! Everybody may make three attempts, asks the same question of the result, and waits for nothing.

mod by_hand;
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
        cases.extend(rows::<U64>(scenario, ours::u64));
    }
    for scenario in [NOT_TAKEN, ONE] {
        cases.extend(rows::<Http>(scenario, ours::http));
        cases.extend(rows::<Llm>(scenario, ours::llm));
    }
    cases
}

/// How a row is set up around the inner service; with a budget, or without.
type Build<Sh> = fn(Inner<Sh>, bool) -> Bench;

fn rows<Sh: Shape>(scenario: Scenario, ours: Build<Sh>) -> Vec<Case> {
    let Scenario {
        name,
        script,
        attempts,
        target,
    } = scenario;
    let group = Group {
        layer: "retry",
        scenario: name,
        shape: Sh::NAME,
    };
    let row = |name, role, build: Build<Sh>, budget| Case {
        group,
        name,
        role,
        inner_calls: attempts,
        bench: Box::new(move || build(Inner::new(script), budget)),
    };
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
        row("tower", Role::Peer, peers::tower, false),
        row("tower + TpsBudget", Role::Peer, peers::tower, true),
        row(
            "tower-resilience",
            Role::Peer,
            peers::tower_resilience,
            false,
        ),
        row(
            "tower-resilience + budget",
            Role::Peer,
            peers::tower_resilience,
            true,
        ),
        row(
            "seatbelt, as tower",
            Role::Peer,
            peers::seatbelt_tower,
            false,
        ),
        row(
            "seatbelt, as layered",
            Role::Peer,
            peers::seatbelt_layered,
            false,
        ),
        row("backon", Role::Peer, peers::backon, false),
        row("buttress, without budget", Role::Ours(target), ours, false),
        row("buttress", Role::Ours(target), ours, true),
    ]
}
