//! The events of these layers, whose names and fields are part of their API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_core::Ratio;
use buttress_deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::probe::{Reply, ScriptedService};
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down each event of ours in one line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "buttress::deadline"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

/// What is said of a call that is never answered, where a stage gets half of two seconds.
async fn said(share: BudgetShareLayer, header: &str) -> Vec<String> {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let (inner, _) =
        ScriptedService::<_, Response<ScriptedBody>, Infallible>::new([Reply::Pending]);
    let stack = TimeoutBudgetLayer::new(Duration::from_secs(2)).layer(share.layer(inner));
    let request = Request::get("/?secret=1").header("grpc-timeout", header);
    let error = stack.oneshot(request.body(()).unwrap()).await.unwrap_err();
    drop(error);
    let lines = lines.0.lock().unwrap();
    assert!(lines.iter().all(|line| !line.contains("secret")));
    lines.clone()
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
