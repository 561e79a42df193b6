use std::time::Duration;

use buttress_core::{Kind, Outcome, Ratio};

use super::{BROKEN, Bench, SECOND, WELL, n};
use crate::circuit::CircuitState;
use crate::policy::{Policy, SlowCalls};

#[test]
fn f1_p15_half_open_admits_exactly_as_many_as_there_are_probes() {
    for probes in [1, 3] {
        let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(probes)));
        bench.wait_until_it_asks();
        let admitted: Vec<_> = (0..500).filter_map(|_| bench.admit()).collect();
        assert_eq!(admitted.len(), probes as usize);
        assert_eq!(bench.left(), SECOND, "nobody knows how long they take");
        for probe in admitted {
            assert_eq!(bench.state(), CircuitState::HalfOpen);
            bench.record(probe, WELL);
        }
        assert_eq!(bench.state(), CircuitState::Closed);
    }
}

#[test]
fn one_failure_among_the_probes_opens_it_again() {
    let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(3)));
    bench.wait_until_it_asks();
    let probes = [bench.admitted(), bench.admitted(), bench.admitted()];
    bench.record(probes[0], WELL);
    bench.record(probes[1], BROKEN);
    assert_eq!(bench.state(), CircuitState::Open);
    bench.record(probes[2], WELL);
    assert_eq!(bench.state(), CircuitState::Open, "too late");
}

#[test]
fn f2_f3_a_neutral_outcome_gives_the_place_to_the_next() {
    for kind in [
        Kind::Invalid,
        Kind::Unavailable,
        Kind::Abandoned,
        Kind::Throttled,
    ] {
        let mut bench = Bench::tripped(Policy::DEFAULT);
        bench.wait_until_it_asks();
        for _ in 0..10 {
            let probe = bench.admitted();
            assert_eq!(bench.admit(), None);
            bench.record(probe, Outcome::new(kind));
            assert_eq!(bench.state(), CircuitState::HalfOpen);
        }
        bench.call(WELL);
        assert_eq!(bench.state(), CircuitState::Closed);
    }
}

#[test]
fn a_probe_that_was_dropped_after_a_long_wait_has_failed() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    bench.record_after(probe, Outcome::new(Kind::Abandoned), Some(31 * SECOND));
    assert_eq!(bench.state(), CircuitState::Open);
}

#[test]
fn f2_p6_a_probe_that_hangs_has_failed_when_its_lease_runs_out() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    bench.pass(30 * SECOND - Duration::from_millis(1));
    assert_eq!(bench.admit(), None);
    assert_eq!(bench.state(), CircuitState::HalfOpen);
    assert_eq!(bench.left(), Duration::from_millis(1));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.admit(), None);
    assert_eq!(bench.state(), CircuitState::Open);
    bench.wait_until_it_asks();
    let next = bench.admitted();
    bench.record(probe, BROKEN);
    bench.record(next, WELL);
    assert_eq!(
        bench.state(),
        CircuitState::Closed,
        "nor does it matter later"
    );
}

#[test]
fn the_lease_grows_with_the_waits() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    for lease in [30_000, 45_000, 67_500] {
        bench.wait_until_it_asks();
        let _hung = bench.admitted();
        bench.pass(Duration::from_millis(lease - 1));
        assert!(bench.admit().is_none());
        assert_eq!(bench.state(), CircuitState::HalfOpen);
        bench.pass(Duration::from_millis(1));
        assert!(bench.admit().is_none());
        assert_eq!(bench.state(), CircuitState::Open);
    }
}

#[test]
fn a_success_that_comes_after_the_lease_closes_it_while_it_is_open() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    bench.pass(30 * SECOND);
    assert!(bench.admit().is_none());
    bench.pass(10 * SECOND);
    let call = bench.circuit.first_content(probe, None, bench.now, 0.0);
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.record(call, BROKEN);
    assert_eq!(
        bench.circuit.consecutive_failures(),
        1,
        "it is of the new era"
    );
}

#[test]
fn of_several_probes_all_must_succeed_be_it_late() {
    for late in [[WELL, WELL], [BROKEN, WELL], [WELL, BROKEN]] {
        let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(3)));
        bench.wait_until_it_asks();
        let probes = [bench.admitted(), bench.admitted(), bench.admitted()];
        bench.record(probes[0], WELL);
        bench.pass(30 * SECOND);
        assert!(bench.admit().is_none());
        let left = bench.left();
        bench.record(probes[1], late[0]);
        assert_eq!(bench.state(), CircuitState::Open);
        bench.record(probes[2], late[1]);
        if late == [WELL, WELL] {
            assert_eq!(bench.state(), CircuitState::Closed);
        } else {
            assert_eq!(bench.left(), left, "nor is it open for longer");
        }
    }
}

#[test]
fn f2_a_probe_that_hangs_is_noticed_however_many_others_come_and_go() {
    let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(2)));
    bench.wait_until_it_asks();
    let _hung = bench.admitted();
    for _ in 0..2 {
        bench.pass(10 * SECOND);
        bench.call(Outcome::new(Kind::Invalid));
    }
    bench.pass(10 * SECOND);
    assert!(bench.admit().is_none());
    assert_eq!(bench.state(), CircuitState::Open);
}

#[test]
fn a_lease_begins_anew_when_no_probe_is_under_way() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    bench.call(Outcome::new(Kind::Invalid));
    bench.pass(20 * SECOND);
    let probe = bench.admitted();
    bench.pass(20 * SECOND);
    assert!(bench.admit().is_none());
    bench.record(probe, WELL);
    assert_eq!(bench.state(), CircuitState::Closed);
}

#[test]
fn an_outcome_that_is_recorded_twice_is_one() {
    let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(2)));
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    for _ in 0..2 {
        bench.record(probe, Outcome::new(Kind::Invalid));
    }
    let probe = bench.admitted();
    for _ in 0..2 {
        bench.record(probe, WELL);
        assert_eq!(bench.state(), CircuitState::HalfOpen);
    }
    bench.call(WELL);
    assert_eq!(bench.state(), CircuitState::Closed);
}

#[test]
fn the_lease_is_as_long_as_the_open_wait_and_half_a_minute_at_least() {
    for (wait, lease) in [(1, 30), (100, 100)] {
        let policy = Policy::DEFAULT.open_wait(wait * SECOND, 300 * SECOND);
        let mut bench = Bench::tripped(policy);
        bench.wait_until_it_asks();
        let _probe = bench.admitted();
        bench.pass((lease - 1) * SECOND);
        assert!(bench.admit().is_none());
        assert_eq!(bench.state(), CircuitState::HalfOpen);
        bench.pass(SECOND);
        assert!(bench.admit().is_none());
        assert_eq!(bench.state(), CircuitState::Open);
    }
}

#[test]
fn a_slow_probe_has_failed_unless_slow_calls_are_only_counted() {
    for (slow, state) in [
        (SlowCalls::new(2 * SECOND, Ratio::ONE), CircuitState::Open),
        (SlowCalls::counted(2 * SECOND), CircuitState::Closed),
    ] {
        let mut bench = Bench::tripped(Policy::DEFAULT.slow_calls(Some(slow)));
        bench.wait_until_it_asks();
        let probe = bench.admitted();
        bench.record_after(probe, WELL, Some(3 * SECOND));
        assert_eq!(bench.state(), state);
    }
}

#[test]
fn a_probe_is_decided_at_its_first_content_and_its_end_belongs_to_the_new_era() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    let call = bench.circuit.first_content(probe, None, bench.now, 0.0);
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.record(probe, BROKEN);
    assert_eq!(
        bench.circuit.consecutive_failures(),
        0,
        "the probe is spent"
    );
    bench.record(call, BROKEN);
    assert_eq!(bench.circuit.consecutive_failures(), 1);
}

#[test]
fn the_end_of_a_decided_probe_says_nothing_while_others_are_under_way() {
    for (other, counted) in [(WELL, 1), (BROKEN, 0)] {
        let mut bench = Bench::tripped(Policy::DEFAULT.probes(n(2)));
        bench.wait_until_it_asks();
        let probes = [bench.admitted(), bench.admitted()];
        let early = bench.circuit.first_content(probes[0], None, bench.now, 0.0);
        bench.record(early, BROKEN);
        assert_eq!(bench.state(), CircuitState::HalfOpen);
        bench.record(probes[1], other);
        let late = bench.circuit.first_content(early, None, bench.now, 0.0);
        bench.record(late, BROKEN);
        assert_eq!(bench.circuit.consecutive_failures(), counted, "{other:?}");
    }
}

#[test]
fn f5_p2_a_call_of_an_earlier_era_decides_nothing() {
    let mut bench = Bench::new(Policy::DEFAULT);
    let [slow_success, slow_failure] = [bench.admitted(), bench.admitted()];
    bench.trip();
    bench.wait_until_it_asks();
    let probe = bench.admitted();
    bench.record(slow_success, WELL);
    assert_eq!(bench.state(), CircuitState::HalfOpen);
    bench.record(slow_failure, BROKEN);
    assert_eq!(bench.state(), CircuitState::HalfOpen);
    bench.record(probe, WELL);
    bench.record(slow_failure, BROKEN);
    assert_eq!(bench.circuit.consecutive_failures(), 0);
    assert_eq!(bench.circuit.counts(bench.now).calls, 0);
}

#[test]
fn a_circuit_that_closes_counts_from_then_on() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.pass(600 * SECOND);
    bench.call(WELL);
    bench.circuit.absorb(7);
    assert_eq!(bench.circuit.counts(bench.now).calls, 7);
}

#[test]
fn a_circuit_that_closes_has_forgotten_what_opened_it() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    bench.call(WELL);
    bench.calls([BROKEN; 4]);
    assert_eq!(bench.state(), CircuitState::Closed);
}
