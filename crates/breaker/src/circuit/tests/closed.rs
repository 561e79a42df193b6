use std::num::NonZeroU16;
use std::time::Duration;

use buttress_core::{Kind, Outcome, Ratio};

use super::{BROKEN, Bench, SECOND, WELL};
use crate::circuit::CircuitState;
use crate::policy::{Policy, SlowCalls, Window};

#[test]
fn five_failures_in_a_row_open_it_and_four_do_not() {
    let mut bench = Bench::new(Policy::DEFAULT);
    bench.calls([BROKEN; 4]);
    bench.call(WELL);
    bench.calls([BROKEN; 4]);
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.call(BROKEN);
    assert_eq!(bench.state(), CircuitState::Open);
}

#[test]
fn f27_a_first_failure_opens_nothing() {
    let mut bench = Bench::new(Policy::DEFAULT);
    bench.call(BROKEN);
    bench.call(WELL);
    assert_eq!(bench.state(), CircuitState::Closed, "one of two is no rate");
}

#[test]
fn half_of_ten_failed_opens_it() {
    let mut bench = Bench::new(Policy::DEFAULT.consecutive_failures(None));
    bench.calls([WELL; 5]);
    bench.calls([BROKEN; 4]);
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.call(BROKEN);
    assert_eq!(bench.state(), CircuitState::Open);
}

#[test]
fn p1_a_long_healthy_time_delays_nothing() {
    let by_rate = Policy::DEFAULT.consecutive_failures(None);
    for window in [
        Window::Time(10 * SECOND),
        Window::Calls(NonZeroU16::new(10).unwrap()),
    ] {
        let mut bench = Bench::new(by_rate.window(window));
        bench.calls([WELL; 1_000]);
        bench.pass(10 * SECOND);
        let mut failures = 0;
        while bench.state() == CircuitState::Closed {
            bench.call(BROKEN);
            failures += 1;
        }
        assert!(failures <= 10, "{failures} failures in {window:?}");
    }
}

#[test]
fn f28_the_requests_own_fault_and_our_own_refusals_count_for_nothing() {
    let mut bench = Bench::new(Policy::DEFAULT);
    for kind in [Kind::Invalid, Kind::Unavailable, Kind::Abandoned] {
        bench.calls([Outcome::new(kind); 100]);
    }
    assert_eq!(bench.state(), CircuitState::Closed);
    assert_eq!(bench.circuit.counts(bench.now).calls, 0);
    bench.calls([BROKEN; 4]);
    bench.call(Outcome::new(Kind::Invalid));
    bench.call(BROKEN);
    assert_eq!(
        bench.state(),
        CircuitState::Open,
        "five, with nothing between"
    );
}

#[test]
fn p3_a_call_that_was_dropped_is_a_failure_only_if_it_had_waited_long() {
    let gone = Outcome::new(Kind::Abandoned);
    let mut bench = Bench::new(Policy::DEFAULT);
    for _ in 0..10 {
        let call = bench.admitted();
        bench.record_after(call, gone, Some(Duration::from_millis(29_999)));
    }
    assert_eq!(bench.state(), CircuitState::Closed);
    for _ in 0..5 {
        let call = bench.admitted();
        bench.record_after(call, gone, Some(30 * SECOND));
    }
    assert_eq!(bench.state(), CircuitState::Open);

    let mut bench = Bench::new(Policy::DEFAULT.abandon_after(None));
    for _ in 0..10 {
        let call = bench.admitted();
        bench.record_after(call, gone, Some(Duration::MAX));
    }
    assert_eq!(bench.state(), CircuitState::Closed, "switched off");
}

#[test]
fn what_is_said_of_a_credential_counts_only_where_all_calls_carry_it() {
    let mut shared = Bench::new(Policy::DEFAULT);
    shared.calls([Outcome::new(Kind::OutOfQuota); 50]);
    shared.calls([Outcome::new(Kind::Throttled); 50]);
    assert_eq!(shared.state(), CircuitState::Closed);

    let mut own = Bench::new(Policy::DEFAULT.single_credential(true));
    own.call(Outcome::new(Kind::OutOfQuota));
    assert_eq!(own.state(), CircuitState::Open);
    assert_eq!(own.left(), 300 * SECOND, "the longest wait");

    let mut told = Bench::new(Policy::DEFAULT.single_credential(true));
    told.call(Outcome::new(Kind::OutOfQuota).after(3_600 * SECOND));
    assert_eq!(told.left(), 3_600 * SECOND);

    for hint in [Duration::ZERO, SECOND] {
        let mut misled = Bench::new(Policy::DEFAULT.single_credential(true));
        misled.call(Outcome::new(Kind::OutOfQuota).after(hint));
        assert_eq!(misled.left(), 300 * SECOND, "told {hint:?}");
    }
}

#[test]
fn being_throttled_lowers_the_rate_but_is_no_failure_in_a_row() {
    let throttled = Outcome::new(Kind::Throttled);
    let own = Policy::DEFAULT.single_credential(true);
    let mut bench = Bench::new(own);
    bench.calls([WELL; 9]);
    bench.calls([throttled; 8]);
    assert_eq!(bench.state(), CircuitState::Closed);
    assert_eq!(bench.circuit.consecutive_failures(), 0);
    bench.call(throttled);
    assert_eq!(bench.state(), CircuitState::Open, "9 of 18");

    let mut bench = Bench::tripped(own);
    bench.wait_until_it_asks();
    bench.call(throttled);
    assert_eq!(bench.state(), CircuitState::Open, "a probe fails by it");
}

#[test]
fn slow_calls_open_it_though_they_succeed() {
    let slow = SlowCalls::new(2 * SECOND, Ratio::percent(60));
    let mut bench = Bench::new(Policy::DEFAULT.slow_calls(Some(slow)));
    let mut call = |took| {
        let admission = bench.admitted();
        bench.record_after(admission, WELL, Some(took));
        bench.state()
    };
    for _ in 0..4 {
        assert_eq!(call(2 * SECOND), CircuitState::Closed, "not longer than it");
    }
    for _ in 0..5 {
        assert_eq!(call(3 * SECOND), CircuitState::Closed);
    }
    assert_eq!(call(3 * SECOND), CircuitState::Open, "6 of 10");
}

#[test]
fn a_rate_of_zero_opens_at_the_first_failure_among_enough_calls_and_not_without_one() {
    let policy = Policy::DEFAULT
        .consecutive_failures(None)
        .failure_rate(Some(Ratio::ZERO));
    let mut bench = Bench::new(policy);
    bench.calls([WELL; 100]);
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.call(BROKEN);
    assert_eq!(bench.state(), CircuitState::Open);
}

#[test]
fn with_everything_off_it_never_opens() {
    let policy = Policy::DEFAULT
        .consecutive_failures(None)
        .failure_rate(None);
    let mut bench = Bench::new(policy);
    bench.calls([BROKEN; 1_000]);
    assert_eq!(bench.state(), CircuitState::Closed);
    assert_eq!(bench.circuit.counts(bench.now).failures, 1_000);
}
