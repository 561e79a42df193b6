//! The event of the layer, whose name and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_core::BoxError;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::StreamTimeoutLayer;
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
        metadata.target() == "buttress::timeout"
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

#[tokio::test(start_paused = true)]
async fn each_limit_says_once_that_it_has_elapsed() {
    const LIMIT: Duration = Duration::from_millis(1_500);
    let off = StreamTimeoutLayer::new()
        .first_frame(None)
        .idle(None)
        .total(None);
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    for layer in [
        off.first_frame(LIMIT),
        off.idle(LIMIT),
        off.progress(LIMIT),
        off.total(LIMIT),
        off.total(LIMIT * 9),
    ] {
        let steps = [Step::Wait(LIMIT * 2), Step::data("x")];
        let answer = Response::new(ScriptedBody::new(steps));
        let (inner, _handle) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer)]);
        let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
        audit(answer.into_body()).await;
    }
    let line = |limit| format!("DEBUG message=elapsed limit=\"{limit}\" limit_ms=1500");
    let expected = ["first_frame", "idle", "progress", "total"].map(line);
    assert_eq!(*lines.0.lock().unwrap(), expected);
}
