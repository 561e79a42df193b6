use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::{Acceptance, Backoff, Jitter, Kind, Outcome};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Facts, GaveUp, Policy, RetryOverride};

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Outcome = Outcome::new(Kind::Transient);

fn exact() -> Policy {
    let policy = Policy::default();
    Policy {
        backoff: policy.backoff.jitter(Jitter::None),
        ..policy
    }
}

fn decide(policy: &Policy, outcome: Outcome, facts: Facts) -> Result<Duration, GaveUp> {
    policy.decide(&outcome, &facts, NonZeroU32::MIN, None, 0.5)
}

fn delay_after(policy: &Policy, attempt: u32, outcome: Outcome) -> Result<Duration, GaveUp> {
    let number = NonZeroU32::MIN.saturating_add(attempt - 1);
    let many = Facts {
        overrides: RetryOverride::default().max_attempts(NonZeroU32::MAX),
        ..Facts::REPEATABLE
    };
    policy.decide(&outcome, &many, number, None, 0.5)
}

const NOT_REPEATABLE: Facts = Facts {
    repeatable: false,
    ..Facts::REPEATABLE
};

#[test]
fn only_what_may_end_better_is_tried_again() {
    for kind in [
        Kind::Success,
        Kind::OutOfQuota,
        Kind::Invalid,
        Kind::Unavailable,
        Kind::Abandoned,
    ] {
        let decision = decide(&exact(), Outcome::new(kind), Facts::REPEATABLE);
        assert_eq!(decision, Err(GaveUp::NotRetryable), "{kind:?}");
    }
    for kind in [Kind::Transient, Kind::Throttled, Kind::Overloaded] {
        assert!(decide(&exact(), Outcome::new(kind), Facts::REPEATABLE).is_ok());
    }
}

#[test]
fn the_upstreams_explicit_word_overrides_the_verdict_both_ways() {
    let yes = Outcome::new(Kind::Invalid).should_retry(true);
    assert!(decide(&exact(), yes, NOT_REPEATABLE).is_ok());
    let no = FAILED.should_retry(false);
    assert_eq!(
        decide(&exact(), no, Facts::REPEATABLE),
        Err(GaveUp::NotRetryable)
    );
}

#[test]
fn the_first_call_is_one_of_the_attempts() {
    let third = NonZeroU32::new(3).unwrap();
    let decision = exact().decide(&FAILED, &Facts::REPEATABLE, third, None, 0.5);
    assert_eq!(decision, Err(GaveUp::Attempts));
}

#[test]
fn f18_what_may_have_been_billed_is_not_sent_again_unless_told_so() {
    use Acceptance::{Answered, Rejected, Unknown};
    let safe = exact();
    let answered = Policy {
        retry_answered: true,
        ..exact()
    };
    let ambiguous = Policy {
        retry_ambiguous: true,
        ..exact()
    };
    for (policy, acceptance, retried) in [
        (&safe, Rejected, true),
        (&safe, Answered, false),
        (&safe, Unknown, false),
        (&answered, Rejected, true),
        (&answered, Answered, true),
        (&answered, Unknown, false),
        (&ambiguous, Rejected, true),
        (&ambiguous, Answered, true),
        (&ambiguous, Unknown, true),
    ] {
        let outcome = FAILED.accepted(acceptance);
        let decision = decide(policy, outcome, NOT_REPEATABLE);
        assert_eq!(decision.is_ok(), retried, "{acceptance:?} {policy:?}");
        assert!(decide(policy, outcome, Facts::REPEATABLE).is_ok());
    }
}

#[test]
fn a_request_may_override_the_layer_in_either_direction() {
    let never = Facts {
        overrides: RetryOverride::never(),
        ..Facts::REPEATABLE
    };
    assert_eq!(decide(&exact(), FAILED, never), Err(GaveUp::Attempts));
    let ambiguous = Facts {
        overrides: RetryOverride::default().retry_ambiguous(true),
        ..NOT_REPEATABLE
    };
    assert!(decide(&exact(), FAILED, ambiguous).is_ok());
    let careful = Facts {
        overrides: RetryOverride::default().retry_ambiguous(false),
        ..NOT_REPEATABLE
    };
    let bold = Policy {
        retry_ambiguous: true,
        ..exact()
    };
    assert_eq!(decide(&bold, FAILED, careful), Err(GaveUp::NotRepeatable));
}

#[test]
fn the_delay_doubles_to_eight_seconds_and_to_thirty_where_patience_is_asked_for() {
    let millis = |attempt, kind| {
        delay_after(&exact(), attempt, Outcome::new(kind))
            .unwrap()
            .as_millis()
    };
    let transient: Vec<_> = (1..=6).map(|n| millis(n, Kind::Transient)).collect();
    assert_eq!(transient, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
    assert_eq!(millis(9, Kind::Throttled), 30_000);
    assert_eq!(millis(9, Kind::Overloaded), 30_000);
}

#[test]
fn patience_is_never_shorter_where_it_is_asked_for() {
    let slow = Policy {
        backoff: Backoff::constant(SECOND * 40).jitter(Jitter::None),
        ..exact()
    };
    for kind in [Kind::Transient, Kind::Throttled, Kind::Overloaded] {
        assert_eq!(delay_after(&slow, 1, Outcome::new(kind)), Ok(SECOND * 40));
    }
}

#[test]
fn f10_never_earlier_than_told_and_a_small_hint_is_followed_exactly() {
    let hint = Duration::from_millis(43);
    let outcome = Outcome::new(Kind::Throttled).after(hint);
    assert_eq!(delay_after(&exact(), 1, outcome), Ok(hint));
    // Jitter goes upward only, by no more than the hint itself.
    let jittered = delay_after(&Policy::default(), 1, outcome).unwrap();
    assert_eq!(jittered, hint + hint / 2);
}

#[test]
fn the_spread_of_a_long_hint_is_the_local_backoff() {
    let outcome = Outcome::new(Kind::Throttled).after(SECOND * 20);
    let delay = delay_after(&Policy::default(), 1, outcome).unwrap();
    assert_eq!(delay, SECOND * 20 + Duration::from_millis(250));
}

#[test]
fn f8_a_hint_of_zero_keeps_the_local_backoff() {
    let outcome = FAILED.after(Duration::ZERO);
    assert_eq!(
        delay_after(&exact(), 1, outcome),
        Ok(Duration::from_millis(500))
    );
}

#[test]
fn f9_a_hint_above_the_limit_means_stop_and_not_sooner() {
    let told = |hint| decide(&exact(), FAILED.after(hint), Facts::REPEATABLE);
    assert_eq!(told(SECOND * 60), Ok(SECOND * 60));
    assert_eq!(
        told(SECOND * 60 + Duration::from_nanos(1)),
        Err(GaveUp::HintTooLong)
    );
    assert_eq!(told(Duration::MAX), Err(GaveUp::HintTooLong));
}

#[test]
fn f13_no_retry_starts_that_the_deadline_would_cut_off() {
    let left = |left| {
        exact().decide(
            &FAILED,
            &Facts::REPEATABLE,
            NonZeroU32::MIN,
            Some(left),
            0.5,
        )
    };
    // 500 ms of delay and 1 s for the attempt itself.
    assert_eq!(left(Duration::from_millis(1_500)), Err(GaveUp::Deadline));
    assert!(left(Duration::from_millis(1_501)).is_ok());
    assert_eq!(left(Duration::ZERO), Err(GaveUp::Deadline));
}

#[test]
fn f38_each_delay_follows_from_the_latest_failure_alone() {
    // Nothing of the first failure is known any more, whatever it asked for.
    let second = NonZeroU32::new(2).unwrap();
    let decision = exact().decide(&FAILED, &Facts::REPEATABLE, second, None, 0.5);
    assert_eq!(decision, Ok(SECOND));
}

proptest! {
    #[test]
    fn any_hint_and_any_backoff_give_a_delay_within_bounds(
        hint in any::<u64>(), base in any::<u64>(), cap in any::<u64>(),
        attempt in 1_u32..100, sample in any::<f64>(), throttled in any::<bool>(),
    ) {
        let (hint, base, cap) = (
            Duration::from_nanos(hint),
            Duration::from_nanos(base),
            Duration::from_nanos(cap),
        );
        let policy = Policy {
            backoff: Backoff::exponential(base, cap),
            throttled_cap: cap,
            max_hint: Duration::MAX,
            ..Policy::default()
        };
        let kind = if throttled { Kind::Throttled } else { Kind::Transient };
        let outcome = Outcome::new(kind).after(hint);
        let facts = Facts {
            overrides: RetryOverride::default().max_attempts(NonZeroU32::MAX),
            ..Facts::REPEATABLE
        };
        let number = NonZeroU32::new(attempt).unwrap();
        let delay = policy.decide(&outcome, &facts, number, None, sample).unwrap();
        if hint.is_zero() {
            prop_assert!(delay <= cap);
        } else {
            prop_assert!(delay >= hint, "never earlier than told");
            prop_assert!(delay <= hint + cap.min(hint));
        }
        // With time left for exactly the delay and the attempt, it is not made.
        let left = delay + policy.min_attempt;
        let decision = policy.decide(&outcome, &facts, number, Some(left), sample);
        prop_assert_eq!(decision, Err(GaveUp::Deadline));
    }
}
