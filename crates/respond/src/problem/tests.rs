use std::io;

use super::{Code, Duration, Failure, Kind, Outcome, Problem, Reason, StatusCode};

#[test]
fn each_refusal_of_ours_has_its_status_and_its_wait() {
    let second = Some(Duration::from_secs(1));
    let table = [
        (Outcome::CIRCUIT_OPEN, 503, Code::Unavailable, second),
        (Outcome::QUEUE_FULL, 503, Code::Unavailable, second),
        (Outcome::IN_FLIGHT, 409, Code::Aborted, second),
        (
            Outcome::DEADLINE_EXCEEDED,
            504,
            Code::DeadlineExceeded,
            None,
        ),
        (Outcome::SHARE_EXCEEDED, 504, Code::DeadlineExceeded, None),
        (Outcome::SHARE_TOO_SHORT, 504, Code::DeadlineExceeded, None),
        (Outcome::CONNECT_ELAPSED, 504, Code::Unavailable, None),
        (
            Outcome::FIRST_FRAME_ELAPSED,
            504,
            Code::DeadlineExceeded,
            None,
        ),
        (Outcome::IDLE_ELAPSED, 504, Code::DeadlineExceeded, None),
        (Outcome::TOTAL_ELAPSED, 504, Code::DeadlineExceeded, None),
        (Outcome::TRUNCATED, 502, Code::Unavailable, None),
        (Outcome::KEY_MISSING, 400, Code::InvalidArgument, None),
        (Outcome::KEY_REUSED, 422, Code::InvalidArgument, None),
        (Outcome::LOCAL, 500, Code::Internal, None),
        (
            Outcome::new(Kind::Throttled),
            429,
            Code::ResourceExhausted,
            second,
        ),
        (
            Outcome::new(Kind::Overloaded),
            503,
            Code::Unavailable,
            second,
        ),
        (
            Outcome::new(Kind::OutOfQuota),
            402,
            Code::ResourceExhausted,
            None,
        ),
        (Outcome::new(Kind::Transient), 502, Code::Unavailable, None),
        (Outcome::SUCCESS, 500, Code::Internal, None),
    ];
    for (outcome, status, code, wait) in table {
        let problem = Problem::new(outcome);
        assert_eq!(problem.status.as_u16(), status, "{outcome:?}");
        assert_eq!(problem.code, code, "{outcome:?}");
        assert_eq!(problem.retry_after, wait, "{outcome:?}");
    }
}

#[test]
fn f37_no_refusal_that_passes_by_itself_goes_without_a_wait() {
    for reason in [
        Reason::RateLimit,
        Reason::CircuitOpen,
        Reason::QueueFull,
        Reason::InFlight,
    ] {
        for kind in [Kind::Throttled, Kind::Overloaded, Kind::Unavailable] {
            let problem = Problem::new(Outcome::new(kind).because(reason));
            assert!(problem.wait_seconds().is_some_and(|wait| wait >= 1));
        }
    }
}

#[test]
fn a_wait_is_never_told_shorter_than_it_is_and_never_as_none() {
    let told = |wait| {
        let problem = Problem::new(Outcome::CIRCUIT_OPEN.after(wait));
        (
            problem.wait_seconds().unwrap(),
            problem.wait_millis().unwrap(),
        )
    };
    assert_eq!(told(Duration::ZERO), (1, 1));
    assert_eq!(told(Duration::from_nanos(1)), (1, 1));
    assert_eq!(told(Duration::from_micros(1_000_001)), (2, 1_001));
    assert_eq!(told(Duration::from_secs(30)), (30, 30_000));
    assert_eq!(told(Duration::MAX), (u64::MAX, u64::MAX));
}

#[test]
fn what_no_repetition_can_mend_is_not_repeated_by_the_client() {
    let word = |outcome| Problem::new(outcome).should_retry;
    assert_eq!(word(Outcome::DEADLINE_EXCEEDED), Some(false));
    assert_eq!(word(Outcome::LOCAL), Some(false));
    assert_eq!(word(Outcome::CIRCUIT_OPEN), None);
    assert_eq!(word(Outcome::TRUNCATED), None);
    assert_eq!(word(Outcome::TRUNCATED.should_retry(false)), Some(false));
    assert_eq!(word(Outcome::KEY_REUSED), None, "nobody repeats a 422");
}

#[test]
fn after_retries_only_a_refusal_of_our_own_may_be_tried_again() {
    let word = |outcome| {
        let mut problem = Problem::new(outcome);
        problem.after_retries();
        problem.should_retry
    };
    assert_eq!(word(Outcome::TRUNCATED), Some(false));
    assert_eq!(word(Outcome::new(Kind::Throttled)), Some(false));
    assert_eq!(word(Outcome::CIRCUIT_OPEN), None);
}

#[test]
fn an_error_is_known_by_what_is_in_its_chain_and_its_text_is_not_told() {
    let secret = "dns error: no such host upstream.internal";
    let failure = Failure::new(Outcome::DEADLINE_EXCEEDED, secret).within(Duration::from_secs(2));
    let problem = Problem::of(&io::Error::other(failure));
    assert_eq!(problem.limit, Some(Duration::from_secs(2)));
    assert_eq!(problem.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(!format!("{problem:?}").contains("upstream.internal"));

    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(Problem::of(&refused).status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        Problem::of(&std::fmt::Error).status,
        StatusCode::BAD_GATEWAY
    );
}
