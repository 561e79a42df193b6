use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Call, Counts, Tally};
use crate::policy::Window;

const MILLI: Duration = Duration::from_millis(1);
const WINDOW: Duration = Duration::from_secs(10);
const BUCKET: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "any moment will do to start from"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn count<'a>(calls: impl Iterator<Item = &'a Call>) -> Counts {
    calls.fold(Counts::default(), |counts, call| {
        counts.plus(Counts::of(*call))
    })
}

fn call() -> impl Strategy<Value = Call> {
    (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Call { failed, slow })
}

/// Mostly short pauses; now and then one that empties some buckets, or all of them many times.
fn pause() -> impl Strategy<Value = Duration> {
    prop::strategy::Union::new_weighted(vec![
        (8, (0_u64..300).boxed()),
        (2, (300_u64..15_000).boxed()),
        (1, (15_000_u64..3_600_000_000).boxed()),
    ])
    .prop_map(Duration::from_millis)
}

proptest! {
    /// Against the log of all that has happened: an error of one bucket.
    #[test]
    fn a_window_of_time_is_right_but_for_one_bucket(
        calls in prop::collection::vec((pause(), call()), 1..300),
        later in pause(),
    ) {
        let mut now = epoch();
        let mut tally = Tally::new(Window::Time(WINDOW), now);
        let mut log = Vec::new();
        for (pause, call) in calls {
            now += pause;
            tally.record(call, now);
            log.push((now, call));
            check(&tally, &log, now)?;
        }
        check(&tally, &log, now + later)?;
    }

    /// Against the log of all that has happened: exact.
    #[test]
    fn a_window_of_calls_holds_the_last_so_many(
        size in 1_u16..40,
        calls in prop::collection::vec((call(), 0_u32..60), 1..100),
    ) {
        let now = epoch();
        let mut tally = Tally::new(Window::Calls(NonZeroU16::new(size).unwrap()), now);
        let mut log = Vec::new();
        let well = Call { failed: false, slow: false };
        for (call, successes) in calls {
            tally.absorb(successes);
            log.extend((0..successes).map(|_| well));
            tally.record(call, now);
            log.push(call);
            let last = log.iter().rev().take(usize::from(size));
            prop_assert_eq!(tally.counts(now), count(last));
        }
    }
}

/// What ended within nine buckets is there, and nothing that ended ten buckets ago.
fn check(
    tally: &Tally,
    log: &[(Instant, Call)],
    now: Instant,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let within = |age: Duration| {
        let recent = log.iter().filter(move |(at, _)| now - *at < age);
        count(recent.map(|(_, call)| call))
    };
    let (least, found, most) = (within(WINDOW - BUCKET), tally.counts(now), within(WINDOW));
    for part in [
        |counts: Counts| counts.calls,
        |counts: Counts| counts.failures,
        |counts: Counts| counts.slow,
    ] {
        prop_assert!(part(least) <= part(found) && part(found) <= part(most));
    }
    Ok(())
}

#[test]
fn what_was_absorbed_belongs_to_the_bucket_before_the_turn() {
    let start = epoch();
    let mut tally = Tally::new(Window::Time(WINDOW), start);
    tally.absorb(5);
    tally.turn(start + WINDOW);
    assert_eq!(tally.counts(start + WINDOW).calls, 0);
    tally.absorb(7);
    assert_eq!(tally.counts(start + WINDOW).calls, 7);
}

#[test]
fn the_next_turn_is_at_the_end_of_the_bucket() {
    let start = epoch();
    let mut tally = Tally::new(Window::Time(WINDOW), start);
    assert_eq!(u128::from(tally.turns_at()), BUCKET.as_nanos());
    tally.turn(start + 3 * BUCKET - MILLI);
    assert_eq!(u128::from(tally.turns_at()), (3 * BUCKET).as_nanos());
    tally.turn(start + 3 * BUCKET);
    assert_eq!(u128::from(tally.turns_at()), (4 * BUCKET).as_nanos());
}

#[test]
fn windows_of_any_size_and_clocks_of_any_kind_are_survived() {
    let start = epoch();
    let call = Call {
        failed: true,
        slow: true,
    };
    for window in [Duration::from_nanos(1), WINDOW, Duration::MAX] {
        let mut tally = Tally::new(Window::Time(window), start);
        tally.record(call, start);
        tally.record(call, start + 100 * 365 * 24 * 3_600 * BUCKET);
        tally.record(call, start - BUCKET);
        let counts = tally.counts(start);
        assert!(counts.failures >= 2, "{window:?}: {counts:?}");
        tally.absorb(u32::MAX);
        tally.absorb(u32::MAX);
        assert_eq!(tally.counts(start).calls, u32::MAX);
    }
}
