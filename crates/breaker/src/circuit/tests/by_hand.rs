use buttress_core::{Kind, Outcome};

use super::{BROKEN, Bench, SECOND, WELL};
use crate::circuit::{Admission, CircuitState};
use crate::policy::Policy;

#[test]
fn f6_looking_takes_nothing() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    for _ in 0..10 {
        assert_eq!(bench.state(), CircuitState::Open);
        assert_eq!(
            bench.circuit.left(bench.now),
            None,
            "a call would be let through"
        );
        assert_eq!(bench.circuit.counts(bench.now).calls, 0);
    }
    assert!(bench.admit().is_some_and(Admission::is_probe));
}

#[test]
fn held_open_it_refuses_until_it_is_reset() {
    let mut bench = Bench::new(Policy::DEFAULT);
    bench.circuit.force_open();
    bench.pass(1_000_000 * SECOND);
    assert_eq!(bench.admit(), None);
    assert_eq!(bench.state(), CircuitState::ForcedOpen);
    assert_eq!(bench.left(), 30 * SECOND);
    bench.circuit.reset(bench.now);
    bench.call(WELL);
    assert_eq!(bench.state(), CircuitState::Closed);
}

#[test]
fn held_closed_it_lets_through_whatever_becomes_of_it() {
    let mut bench = Bench::tripped(Policy::DEFAULT.single_credential(true));
    bench.circuit.force_closed();
    bench.calls([BROKEN; 100]);
    bench.call(Outcome::new(Kind::OutOfQuota));
    assert_eq!(bench.state(), CircuitState::ForcedClosed);
    bench.circuit.reset(bench.now);
    assert_eq!(bench.circuit.counts(bench.now).calls, 0);
    bench.trip();
    assert_eq!(
        bench.left(),
        30 * SECOND,
        "and forgets how long it was open"
    );
}
