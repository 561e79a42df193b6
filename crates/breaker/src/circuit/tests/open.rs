use std::time::Duration;

use buttress_core::{Kind, Outcome};

use super::{BROKEN, Bench, SECOND, WELL};
use crate::circuit::Admission;
use crate::policy::Policy;

#[test]
fn open_it_says_what_is_left_to_wait() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.pass(10 * SECOND);
    let refusal = bench.circuit.admit(bench.now, 0.0).unwrap_err();
    assert_eq!(refusal.retry_after(), 20 * SECOND);
    assert_eq!(refusal.to_string(), "circuit open for another 20s");
}

#[test]
fn the_wait_grows_by_half_each_time_a_probe_fails_up_to_its_limit() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    let mut waits = vec![bench.left()];
    for _ in 0..8 {
        bench.wait_until_it_asks();
        bench.call(BROKEN);
        waits.push(bench.left());
    }
    let seconds: Vec<_> = waits.iter().map(Duration::as_secs_f64).collect();
    let expected = [
        30.0, 45.0, 67.5, 101.25, 151.875, 227.8125, 300.0, 300.0, 300.0,
    ];
    assert_eq!(seconds.len(), expected.len());
    for (wait, expected) in seconds.iter().zip(expected) {
        assert!((wait - expected).abs() < 1e-6, "{seconds:?}");
    }
}

#[test]
fn jitter_makes_the_wait_up_to_a_tenth_longer_and_never_shorter() {
    for (sample, millis) in [
        (0.0, 30_000),
        (0.5, 31_500),
        (1.0, 33_000),
        (f64::NAN, 30_000),
    ] {
        let mut bench = Bench::new(Policy::DEFAULT);
        bench.sample = sample;
        bench.trip();
        assert_eq!(bench.left(), Duration::from_millis(millis));
    }
}

#[test]
fn the_wait_begins_anew_once_it_was_closed_as_long_as_it_was_open() {
    let reopened_after = |calm: Duration| {
        let mut bench = Bench::tripped(Policy::DEFAULT);
        bench.wait_until_it_asks();
        bench.call(BROKEN); // 45 s
        bench.wait_until_it_asks();
        bench.call(WELL);
        bench.pass(calm);
        bench.trip();
        bench.left()
    };
    assert_eq!(reopened_after(45 * SECOND), 30 * SECOND);
    assert_eq!(
        reopened_after(Duration::from_millis(44_999)),
        Duration::from_millis(67_500)
    );
}

#[test]
fn the_wait_is_never_shorter_than_the_upstreams_hint_of_which_a_day_is_believed() {
    let wait_after = |hint| {
        let mut bench = Bench::new(Policy::DEFAULT);
        bench.calls([BROKEN; 4]);
        bench.call(Outcome::new(Kind::Overloaded).after(hint));
        bench.left()
    };
    assert_eq!(wait_after(SECOND), 30 * SECOND);
    assert_eq!(wait_after(900 * SECOND), 900 * SECOND);
    assert_eq!(wait_after(Duration::MAX), 86_400 * SECOND);
}

#[test]
fn it_need_not_be_the_last_failure_that_says_how_long_to_wait() {
    let hinted = |seconds| Outcome::new(Kind::Overloaded).after(seconds * SECOND);
    let mut bench = Bench::new(Policy::DEFAULT);
    bench.calls([hinted(120), hinted(60)]);
    bench.pass(10 * SECOND);
    bench.calls([BROKEN; 3]);
    assert_eq!(bench.left(), 110 * SECOND);

    let mut bench = Bench::new(Policy::DEFAULT);
    bench.calls([hinted(120), WELL]);
    bench.trip();
    assert_eq!(bench.left(), 30 * SECOND, "it has taken a call since");
}

#[test]
fn a_probe_that_fails_is_heeded_too() {
    let mut bench = Bench::tripped(Policy::DEFAULT);
    bench.wait_until_it_asks();
    bench.call(Outcome::new(Kind::Overloaded).after(900 * SECOND));
    assert_eq!(bench.left(), 900 * SECOND);
    bench.wait_until_it_asks();
    bench.call(BROKEN);
    assert!(bench.left() < 100 * SECOND, "once");
}

#[test]
fn waits_without_end_are_waits_without_end() {
    let policy = Policy::DEFAULT.open_wait(Duration::MAX, Duration::MAX);
    let mut bench = Bench::tripped(policy);
    bench.pass(1_000_000 * SECOND);
    assert_eq!(bench.admit(), None);
    assert_eq!(bench.left(), Duration::MAX);
}

#[test]
fn after_the_shortest_wait_there_is_one_probe_too() {
    const LEAST: Duration = Duration::from_nanos(1);
    let mut bench = Bench::tripped(Policy::DEFAULT.open_wait(LEAST, LEAST));
    bench.pass(LEAST);
    assert!(bench.admit().is_some_and(Admission::is_probe));
    assert_eq!(bench.admit(), None, "and there is only one");
}

#[test]
#[should_panic(expected = "a circuit that opens for no time is none")]
fn no_open_wait_at_all_is_refused() {
    let _ = Policy::DEFAULT.open_wait(Duration::ZERO, SECOND);
}

#[test]
#[should_panic(expected = "the longest wait is no shorter than the first")]
fn a_longest_wait_below_the_first_is_refused() {
    let _ = Policy::DEFAULT.open_wait(30 * SECOND, SECOND);
}

#[test]
fn a_clock_that_stands_still_or_goes_back_is_survived() {
    let mut bench = Bench::new(Policy::DEFAULT);
    bench.pass(600 * SECOND);
    bench.call(BROKEN);
    bench.now -= 300 * SECOND;
    bench.calls([BROKEN; 4]);
    assert_eq!(bench.left(), 30 * SECOND);
    bench.now -= 200 * SECOND;
    assert_eq!(bench.admit(), None);
}
