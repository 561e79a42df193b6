//! Circuit breaker: a call through a closed circuit, and one that is refused.

mod ours;
mod peers;

use crate::bench::Bench;
use crate::case::{Case, Group, Role, Target};
use crate::inner::{Inner, Script};
use crate::shape::{Http, Shape, U64};

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    script: Script,
    inner_calls: u64,
    target: Target,
}

const CLOSED: Scenario = Scenario {
    name: "closed",
    script: Script {
        fails_first: false,
        pending: false,
    },
    inner_calls: 1,
    target: Target {
        instructions: 60.0,
        allocations: 0.0,
        clock_reads: Some(0.02),
    },
};

/// The clock is read when the call is first pending, and when it ends: what slow calls are told by, too.
const PENDING: Scenario = Scenario {
    name: "closed, inner pending once",
    script: Script {
        pending: true,
        ..CLOSED.script
    },
    target: Target {
        instructions: 200.0,
        clock_reads: Some(2.02),
        ..CLOSED.target
    },
    ..CLOSED
};

/// The first call fails, and from then on nobody gets through. A refusal of ours is an error in a box.
const OPEN: Scenario = Scenario {
    name: "open",
    script: Script {
        fails_first: true,
        pending: false,
    },
    inner_calls: 0,
    target: Target {
        instructions: 100.0,
        allocations: 0.0,
        clock_reads: Some(1.05),
    },
};

/// A key is hashed, and its circuit is looked up.
const KEYED: Scenario = Scenario {
    name: "closed, a circuit per key",
    target: Target {
        instructions: 300.0,
        ..CLOSED.target
    },
    ..CLOSED
};

/// The rows of this layer.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in [CLOSED, PENDING, OPEN] {
        cases.extend(u64_rows(scenario));
    }
    cases.extend(keyed_rows());
    cases.extend(http_rows());
    cases
}

fn u64_rows(scenario: Scenario) -> Vec<Case> {
    let peer = |name, build| row::<U64>(scenario, name, Role::Peer, build);
    let mine = |name, build| row::<U64>(scenario, name, Role::Ours(scenario.target), build);
    let mut rows = vec![
        base::<U64>(scenario),
        peer("tower-resilience, last 10", peers::tower_resilience),
        peer("seatbelt, as tower", peers::seatbelt_tower),
        peer("seatbelt, as layered", peers::seatbelt_layered),
        peer("failsafe, consecutive", peers::failsafe_consecutive),
        peer("recloser", peers::recloser),
        mine("buttress", ours::u64),
        mine("buttress, last 100", ours::u64_last_100),
    ];
    // Every other call fails, and its moving average would take minutes to open for that.
    if !scenario.script.fails_first {
        rows.insert(4, peer("failsafe", peers::failsafe));
    }
    rows
}

fn keyed_rows() -> Vec<Case> {
    let mine = |name, build| row::<U64>(KEYED, name, Role::Ours(KEYED.target), build);
    vec![
        base::<U64>(KEYED),
        mine("buttress, 1 key", ours::keyed::<1>),
        mine("buttress, 100 keys", ours::keyed::<100>),
        mine("buttress, 10,000 keys", ours::keyed::<10_000>),
    ]
}

fn http_rows() -> Vec<Case> {
    let peer = |name, build| row::<Http>(CLOSED, name, Role::Peer, build);
    let mine = |name, build| row::<Http>(CLOSED, name, Role::Ours(CLOSED.target), build);
    vec![
        base::<Http>(CLOSED),
        peer("tower-resilience, last 10", peers::tower_resilience),
        peer("seatbelt, as tower", peers::seatbelt_tower),
        peer("seatbelt, as layered", peers::seatbelt_layered),
        mine("buttress, bodies watched", ours::http),
    ]
}

/// How a row is set up around the inner service.
type Build<Sh> = fn(Inner<Sh>) -> Bench;

fn base<Sh: Shape>(scenario: Scenario) -> Case {
    let script = Script {
        fails_first: false,
        ..scenario.script
    };
    let scenario = Scenario {
        script,
        inner_calls: 1,
        ..scenario
    };
    row::<Sh>(scenario, "inner service", Role::Base, |inner| {
        Bench::service(inner, Sh::request)
    })
}

fn row<Sh: Shape>(scenario: Scenario, name: &'static str, role: Role, build: Build<Sh>) -> Case {
    Case {
        group: Group {
            layer: "breaker",
            scenario: scenario.name,
            shape: Sh::NAME,
        },
        name,
        role,
        inner_calls: scenario.inner_calls,
        bench: Box::new(move || {
            let bench = build(Inner::new(scenario.script));
            if scenario.inner_calls == 0 {
                open(&bench);
            }
            bench
        }),
    }
}

/// Fails every other call, until the circuit is open.
fn open(bench: &Bench) {
    bench.worker()(20);
}
