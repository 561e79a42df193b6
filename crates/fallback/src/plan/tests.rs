use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::{Kind, Outcome, Reason};

use super::{Plan, Rules, Terms};
use crate::name::TierName;
use crate::served::Tried;
use crate::when::When;

const OVERLOADED: Outcome = Outcome::new(Kind::Overloaded);
const REFUSED: Outcome = Outcome::new(Kind::Transient).because(Reason::Refused);
const INVALID: Outcome = Outcome::new(Kind::Invalid);
const TOO_LONG: Outcome = INVALID.because(Reason::ContextWindow);
const UNPAID: Outcome = Outcome::new(Kind::OutOfQuota);

fn upstream(name: &str) -> Terms {
    Terms {
        name: TierName::literal(name),
        when: When::FAILURES,
        local: false,
        same_account: false,
        degraded: false,
    }
}

fn local(name: &str) -> Terms {
    Terms {
        local: true,
        ..upstream(name)
    }
}

fn rules() -> Rules {
    Rules {
        max_attempts: NonZeroU32::new(5).unwrap(),
        min_attempt: Duration::from_secs(1),
    }
}

/// The order in which tiers are asked, if the primary and then each of them ends like this.
fn order(attempts: u32, tiers: &[Terms], outcomes: &[Outcome]) -> Vec<String> {
    let mut plan = Plan::new(attempts, vec![TierName::literal("primary")]);
    let mut outcomes = outcomes.iter().chain(std::iter::repeat(&OVERLOADED));
    plan.primary_failed(outcomes.next().unwrap());
    let mut asked = Vec::new();
    while let Some(place) = plan.next(tiers.iter(), &rules(), None) {
        asked.push(tiers[place].name.to_string());
        plan.tier_failed(&tiers[place], outcomes.next().unwrap());
    }
    asked
}

#[test]
fn tiers_are_asked_in_order_and_each_once() {
    let tiers = [upstream("a"), upstream("b"), upstream("a"), local("c")];
    assert_eq!(order(9, &tiers, &[OVERLOADED]), ["a", "b", "c"]);
}

#[test]
fn the_request_own_fault_is_not_sent_to_a_second() {
    let tiers = [upstream("a"), local("static")];
    assert!(order(9, &tiers, &[INVALID]).is_empty());
    assert!(order(9, &tiers, &[Outcome::LOCAL]).is_empty());
    assert!(order(9, &tiers, &[Outcome::SUCCESS]).is_empty());
    assert!(order(9, &tiers, &[Outcome::new(Kind::Abandoned)]).is_empty());
}

#[test]
fn a_prompt_too_long_goes_to_the_larger_model_alone() {
    let larger = Terms {
        when: When::CONTEXT_WINDOW,
        ..upstream("larger")
    };
    let tiers = [upstream("a"), larger, local("static")];
    assert_eq!(order(9, &tiers, &[TOO_LONG, TOO_LONG]), ["larger"]);
    assert_eq!(
        order(9, &tiers, &[OVERLOADED, TOO_LONG]),
        ["a", "larger", "static"]
    );
}

#[test]
fn a_prompt_that_is_too_long_stays_so_however_the_larger_model_fails() {
    let larger = |name| Terms {
        when: When::FAILURES.or(When::CONTEXT_WINDOW),
        ..upstream(name)
    };
    let tiers = [larger("larger"), upstream("b"), larger("largest")];
    let refused = INVALID.because(Reason::Credentials);
    for failure in [OVERLOADED, REFUSED, UNPAID, refused] {
        assert_eq!(
            order(9, &tiers, &[TOO_LONG, failure]),
            ["larger", "largest"],
            "{failure:?}"
        );
    }
}

#[test]
fn what_a_tier_calls_invalid_is_sent_to_no_other_but_may_be_answered_here() {
    let tiers = [upstream("a"), upstream("b"), local("static")];
    assert_eq!(order(9, &tiers, &[OVERLOADED, INVALID]), ["a", "static"]);
}

#[test]
fn a_tier_whose_own_key_or_model_is_refused_is_itself_at_fault() {
    for reason in [Reason::Credentials, Reason::NotFound] {
        let tiers = [upstream("a"), upstream("b")];
        let refused = INVALID.because(reason);
        assert_eq!(order(9, &tiers, &[OVERLOADED, refused]), ["a", "b"]);
        let callers = Terms {
            same_account: true,
            ..upstream("a")
        };
        let tiers = [callers, upstream("b")];
        assert_eq!(
            order(9, &tiers, &[OVERLOADED, refused]),
            ["a"],
            "the caller's"
        );
    }
}

#[test]
fn an_unpaid_account_is_left_for_good() {
    let smaller = Terms {
        same_account: true,
        ..upstream("smaller")
    };
    let tiers = [smaller.clone(), upstream("elsewhere"), smaller];
    assert_eq!(order(9, &tiers, &[UNPAID]), ["elsewhere"]);
    assert_eq!(order(9, &tiers, &[OVERLOADED]), ["smaller", "elsewhere"]);
    // Another's unpaid bill is not the caller's.
    let tiers = [upstream("elsewhere"), tiers[0].clone()];
    assert_eq!(
        order(9, &tiers, &[OVERLOADED, UNPAID]),
        ["elsewhere", "smaller"]
    );
}

#[test]
fn attempts_are_capped_and_an_answer_of_our_own_is_none() {
    let tiers = [upstream("a"), upstream("b"), local("static")];
    assert_eq!(order(1, &tiers, &[OVERLOADED]), ["static"]);
    assert_eq!(order(2, &tiers, &[OVERLOADED]), ["a", "static"]);
    assert_eq!(order(0, &tiers, &[OVERLOADED]), ["static"]);
}

#[test]
fn who_is_skipped_costs_no_attempt_and_leaves_the_reason_as_it_was() {
    let tiers = [upstream("open"), upstream("b"), local("static")];
    let open = Outcome::CIRCUIT_OPEN;
    assert_eq!(
        order(2, &tiers, &[OVERLOADED, open]),
        ["open", "b", "static"]
    );
    assert_eq!(order(1, &tiers, &[open, REFUSED]), ["open", "static"]);
    // Nothing could be made for it, say because the request is not JSON.
    assert_eq!(
        order(2, &tiers, &[OVERLOADED, Outcome::LOCAL]),
        ["open", "b", "static"]
    );
}

#[test]
fn no_time_left_means_answers_of_our_own_alone() {
    let tiers = [upstream("a"), local("static")];
    for left in [Duration::ZERO, rules().min_attempt] {
        let mut plan = Plan::new(9, Vec::new());
        plan.primary_failed(&OVERLOADED);
        assert_eq!(plan.next(tiers.iter(), &rules(), Some(left)), Some(1));
    }
    let mut plan = Plan::new(9, Vec::new());
    plan.primary_failed(&OVERLOADED);
    assert_eq!(
        plan.next(tiers.iter(), &rules(), Some(Duration::MAX)),
        Some(0)
    );
    // Without a deadline it was a budget of the primary's own that was used up.
    assert_eq!(
        order(9, &tiers, &[Outcome::DEADLINE_EXCEEDED]),
        ["a", "static"]
    );
    assert_eq!(
        order(9, &tiers, &[Outcome::SHARE_EXCEEDED]),
        ["a", "static"]
    );
}

#[test]
fn f25_what_an_inner_fallback_has_asked_is_not_asked_again_and_counts() {
    let tiers = [upstream("b"), upstream("d"), upstream("c")];
    let tried = |name: &str, outcome| Tried::new(TierName::literal(name), outcome);
    let mut plan = Plan::new(4, vec![TierName::literal("a")]);
    plan.primary_failed(&OVERLOADED);
    assert_eq!(plan.next(tiers.iter(), &rules(), None), Some(0));
    plan.tier_failed(&tiers[0], &OVERLOADED);
    let inner = [tried("primary", REFUSED), tried("d", OVERLOADED)];
    plan.inner_tried(&inner, &OVERLOADED);
    assert_eq!(plan.attempts_left(), 1);
    assert_eq!(
        plan.next(tiers.iter(), &rules(), None),
        Some(2),
        "d is passed over"
    );
    plan.tier_failed(&tiers[2], &OVERLOADED);
    assert_eq!(plan.next(tiers.iter(), &rules(), None), None);
}
