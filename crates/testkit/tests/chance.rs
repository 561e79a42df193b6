//! Chance is repeatable, and kind enough for a demonstration.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as a test may"
)]

use std::time::Duration;

use buttress_testkit::body::audit;
use buttress_testkit::upstream::{Behaviour, Chance, Script, Upstream, misbehaving_by_chance};
use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::timeout;
use tower_service::Service;

/// As long as anybody waits for an answer, and longer than any takes that comes.
const PATIENCE: Duration = Duration::from_secs(1);

const STREAM: &str = r#"{"stream":true}"#;

/// What became of each request in turn: the status, and whether the body came to its end.
async fn outcomes(script: Script, count: usize) -> Vec<(Option<u16>, bool)> {
    let mut service = Upstream::new(script).service();
    let mut outcomes = Vec::new();
    for _ in 0..count {
        let request = Request::post("/v1/messages")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        outcomes.push(match timeout(PATIENCE, service.call(request)).await {
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                (Some(status), response.into_body().collect().await.is_ok())
            }
            Ok(Err(_)) | Err(_) => (None, false),
        });
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn a_seed_decides_everything() {
    let first = outcomes(misbehaving_by_chance(42), 200).await;
    assert_eq!(first, outcomes(misbehaving_by_chance(42), 200).await);
    assert_ne!(first, outcomes(misbehaving_by_chance(43), 200).await);
    assert_eq!(misbehaving_by_chance(42).seed(), Some(42));
    assert_eq!(Script::well().seed(), None);
}

#[tokio::test(start_paused = true)]
async fn three_tries_are_enough_and_somebody_sees_a_retry_soon() {
    for seed in 0..20 {
        let outcomes = outcomes(misbehaving_by_chance(seed), 300).await;
        let refused = |&(status, _): &(Option<u16>, bool)| status != Some(200);
        assert!(
            !outcomes.windows(3).any(|tries| tries.iter().all(refused)),
            "seed {seed}"
        );
        assert!(outcomes[..12].iter().any(refused), "seed {seed}");
        let all_refused = outcomes.iter().filter(|outcome| refused(outcome)).count();
        assert!(
            (60..150).contains(&all_refused),
            "seed {seed}: {all_refused} of 300"
        );
        for status in [None, Some(429), Some(500), Some(529)] {
            assert!(
                outcomes.iter().any(|outcome| outcome.0 == status),
                "seed {seed}: {status:?}"
            );
        }
        let broken = outcomes
            .iter()
            .filter(|&&(status, whole)| status == Some(200) && !whole)
            .count();
        assert!(
            broken <= 10,
            "seed {seed}: {broken} of 300 break in the middle"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn some_streams_fail_or_stall_before_their_content_and_three_tries_are_enough_for_them_too() {
    for seed in 0..20 {
        let mut service = Upstream::new(misbehaving_by_chance(seed)).service();
        let (mut ended_early, mut with_an_error, mut stalled) = (0, 0, 0);
        let mut failed_in_a_row = 0;
        for _ in 0..300 {
            let request = Request::post("/v1/messages").body(Full::<bytes::Bytes>::from(STREAM));
            let answer = timeout(PATIENCE, service.call(request.unwrap())).await;
            stalled += u32::from(answer.is_err());
            let Ok(Ok(response)) = answer else {
                failed_in_a_row += 1;
                continue;
            };
            let seen = audit(response.into_body()).await;
            let text = String::from_utf8_lossy(&seen.bytes()).into_owned();
            let content = text.contains("content_block_delta");
            if !content && text.contains("message_start") {
                if text.contains("overloaded_error") {
                    with_an_error += 1;
                } else {
                    ended_early += 1;
                }
            }
            failed_in_a_row = if content { 0 } else { failed_in_a_row + 1 };
            assert!(failed_in_a_row < 3, "seed {seed}");
        }
        assert!((3..40).contains(&stalled), "seed {seed}: {stalled}");
        assert!((3..40).contains(&ended_early), "seed {seed}: {ended_early}");
        assert!(
            (3..40).contains(&with_an_error),
            "seed {seed}: {with_an_error}"
        );
    }
}

#[tokio::test]
async fn weights_are_kept() {
    let chance = Chance::seeded(7)
        .with(3, Behaviour::well())
        .with(0, Behaviour::status(404))
        .with(1, Behaviour::status(500));
    let outcomes = outcomes(Script::chance(chance), 4000).await;
    let count = |status| {
        outcomes
            .iter()
            .filter(|outcome| outcome.0 == Some(status))
            .count()
    };
    assert_eq!(count(404), 0);
    assert!(
        (900..1100).contains(&count(500)),
        "{} of 4000, expected about 1000",
        count(500)
    );
}

#[tokio::test]
async fn relief_ends_a_row_of_faults() {
    let chance = Chance::seeded(7)
        .with(1, Behaviour::well())
        .with(1000, Behaviour::status(500))
        .relief_after(2);
    let outcomes = outcomes(Script::chance(chance), 300).await;
    let well = outcomes
        .iter()
        .filter(|outcome| outcome.0 == Some(200))
        .count();
    assert!((100..105).contains(&well), "{well} of 300");
}

#[tokio::test]
async fn nothing_to_choose_from_is_well() {
    let nothing = Script::chance(Chance::seeded(1));
    assert_eq!(outcomes(nothing, 1).await, [(Some(200), true)]);
    let only_faults = Chance::seeded(1)
        .with(1, Behaviour::status(500))
        .relief_after(1);
    let statuses = outcomes(Script::chance(only_faults), 3).await;
    assert_eq!(
        statuses,
        [(Some(500), true), (Some(200), true), (Some(500), true)]
    );
}
