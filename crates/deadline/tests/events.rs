//! The events of these layers, whose names and fields are part of their API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::time::Duration;

use buttress_core::Ratio;
use buttress_deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::events::Lines;
use buttress_testkit::probe::{Reply, ScriptedService};
use http::{Request, Response};
use tower::{Layer, ServiceExt};

/// What is said of a call that is never answered, where a stage gets half of two seconds.
async fn said(share: BudgetShareLayer, header: &str) -> Vec<String> {
    let lines = Lines::of("buttress::deadline");
    let (inner, _) =
        ScriptedService::<_, Response<ScriptedBody>, Infallible>::new([Reply::Pending]);
    let stack = TimeoutBudgetLayer::new(Duration::from_secs(2)).layer(share.layer(inner));
    let request = Request::get("/?secret=1").header("grpc-timeout", header);
    let error = stack.oneshot(request.body(()).unwrap()).await.unwrap_err();
    drop(error);
    let said = lines.take();
    assert!(said.iter().all(|line| !line.contains("secret")));
    said
}

#[tokio::test(start_paused = true)]
async fn each_end_and_each_refusal_is_said_once_with_its_numbers() {
    let all = BudgetShareLayer::all();
    let half = BudgetShareLayer::fraction(Ratio::percent(50));
    assert_eq!(
        said(all, "1S").await,
        ["INFO message=exceeded limit=\"budget\" limit_ms=1000"]
    );
    assert_eq!(
        said(half, "secret").await,
        [
            "DEBUG message=ignored header=\"grpc-timeout\"",
            "INFO message=exceeded limit=\"share\" limit_ms=1000"
        ]
    );
    assert_eq!(
        said(half.floor(Duration::from_millis(700)), "1S").await,
        ["INFO message=refused limit=\"share\" left_ms=500 floor_ms=700"]
    );
    assert_eq!(
        said(all, "0S").await,
        ["INFO message=refused limit=\"budget\" left_ms=0 floor_ms=0"]
    );
}
