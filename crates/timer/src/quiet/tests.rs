use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Looks when it is told to, while things happen at these moments; when it was found to have passed.
fn passed(limit: Duration, events: &[Duration]) -> Duration {
    let start = Instant::now();
    let mut quiet = Quiet::new(limit);
    quiet.restart(start);
    let mut events = events.iter().peekable();
    let mut now = start;
    loop {
        now = quiet.next(now).unwrap();
        while events.next_if(|at| start + **at <= now).is_some() {
            quiet.touch();
        }
        if quiet.has_passed(now) {
            assert!(events.peek().is_none(), "before its time");
            return now - start;
        }
    }
}

proptest! {
    #[test]
    fn it_is_never_early_and_at_most_a_quarter_or_a_millisecond_late(
        limit in 1_u64..100_000,
        gaps in prop::collection::vec(0.0_f64..0.999, 0..40),
    ) {
        let limit = Duration::from_micros(limit);
        let mut at = Duration::ZERO;
        let events: Vec<_> = gaps
            .into_iter()
            .map(|gap| {
                at += limit.mul_f64(gap);
                at
            })
            .collect();
        let passed = passed(limit, &events);
        prop_assert!(passed >= at + limit, "{passed:?} after {at:?}");
        // A quarter that is no whole number of nanoseconds is rounded down, so that looks come earlier.
        prop_assert!(passed <= at + limit + MS.max(limit / 4), "{passed:?} after {at:?}");
    }
}

#[test]
fn without_anything_it_passes_at_the_limit_itself() {
    assert_eq!(passed(MS * 100, &[]), MS * 100);
}

#[test]
fn looks_are_a_millisecond_apart_or_at_the_end_however_short_the_limit() {
    let start = Instant::now();
    for nanos in [1, 3, 1_000, 999_999] {
        let limit = Duration::from_nanos(nanos);
        let mut quiet = Quiet::new(limit);
        quiet.restart(start);
        assert_eq!(quiet.next(start), Some(start + limit), "{limit:?}");
    }
    let mut quiet = Quiet::new(MS * 2);
    quiet.restart(start);
    assert_eq!(quiet.next(start), Some(start + MS));
}

#[test]
fn a_look_out_of_turn_does_no_harm() {
    let start = Instant::now();
    let mut quiet = Quiet::new(MS * 100);
    quiet.restart(start);
    for look in 1..100 {
        assert!(!quiet.has_passed(start + MS * look));
    }
    assert!(quiet.has_passed(start + MS * 100));
}

#[test]
fn a_clock_that_stands_still_or_goes_back_passes_nothing() {
    let start = Instant::now() + MS * 500;
    let mut quiet = Quiet::new(MS);
    quiet.restart(start);
    assert!(!quiet.has_passed(start));
    assert!(!quiet.has_passed(start - MS * 500));
    assert!(quiet.has_passed(start + MS));
}

#[test]
fn zero_passes_at_the_first_look_and_what_the_clock_cannot_say_never() {
    let now = Instant::now();
    assert!(Quiet::new(Duration::ZERO).has_passed(now));

    let mut never = Quiet::new(Duration::MAX);
    assert!(!never.has_passed(now));
    assert_eq!(never.next(now), None);
}
