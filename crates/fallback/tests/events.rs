//! The events of the layer, whose names and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_core::{BoxError, Classify, Failure, Kind, Outcome, classify_fn, find};
use buttress_fallback::{Cloned, FallbackLayer, Tier};
use buttress_testkit::events::Lines;
use buttress_testkit::probe::{Reply, ScriptedService};
use tower::{Layer, ServiceExt};

fn classify() -> impl Classify<u32, BoxError> + Clone + Send + Sync + 'static {
    classify_fn(|result: Result<&u32, &BoxError>| match result {
        Ok(_) => Outcome::SUCCESS,
        Err(error) => find::<Failure>(&**error).map_or(Outcome::LOCAL, Failure::outcome),
    })
}

/// What is said of a call whose primary is overloaded, and whose tiers end like this.
async fn said<const N: usize>(tiers: [(&str, Result<u32, Outcome>); N]) -> Vec<String> {
    let service = |result: Result<u32, Outcome>| {
        let (service, _) = ScriptedService::<u8, u32, BoxError>::new([match result {
            Ok(answer) => Reply::Ok(answer),
            Err(outcome) => Reply::Err(Failure::new(outcome, "secret").into()),
        }]);
        service
    };
    let mut layer: FallbackLayer<_, Cloned<u8, u32>> = FallbackLayer::new(classify());
    for (name, result) in tiers {
        layer = layer.tier(Tier::upstream(name, service(result), classify()));
    }
    let service = layer.layer(service(Err(Outcome::new(Kind::Overloaded))));
    let lines = Lines::of("buttress::fallback");
    drop(service.oneshot(1).await);
    lines.take()
}

#[tokio::test]
async fn each_step_is_told_with_its_reason() {
    let open = Outcome::CIRCUIT_OPEN;
    assert_eq!(
        said([("b", Err(open)), ("c", Ok(7))]).await,
        [
            r#"INFO message=falling back to="b" kind="overloaded""#,
            r#"DEBUG message=skipped tier="b" kind="unavailable" reason="circuit_open""#,
            r#"INFO message=falling back to="c" kind="overloaded""#,
            r#"INFO message=served tier="c" place=2 degraded=false"#,
        ]
    );
}

#[tokio::test]
async fn that_nobody_could_serve_is_a_warning_and_that_nobody_was_asked_is_not() {
    let said_of_all = said([("b", Err(Outcome::IDLE_ELAPSED))]).await;
    assert_eq!(
        said_of_all[1],
        r#"WARN message=all tiers failed tiers=2 kind="transient" reason="idle_timeout""#
    );
    let primary = r#"DEBUG message=nobody to ask tier="primary" kind="overloaded""#;
    // The primary's own name: passed over.
    assert_eq!(said([("primary", Ok(1))]).await, [primary]);
}

#[tokio::test]
async fn no_event_tells_what_an_error_says() {
    for line in said([("b", Err(Outcome::TOTAL_ELAPSED))]).await {
        assert!(!line.contains("secret"), "{line}");
    }
}
