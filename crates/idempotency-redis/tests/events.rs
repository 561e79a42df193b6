//! The events of this store, whose names and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_idempotency::IdempotencyStore;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use kit::{KEY, LONG, Server, answer, claim, claim_in_the_end, lease};

/// Writes down each event of ours in one line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// What was said since it was last asked.
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "buttress::idempotency_redis"
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

#[tokio::test]
async fn an_outage_is_said_once_when_it_begins_and_once_when_it_ends() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let store = server.store();
    let lease = lease(&store, LONG).await;
    assert_eq!(lines.said(), [""; 0], "an ordinary day is silent");

    server.stop();
    for _ in 0..5 {
        claim(&store).await;
    }
    let said = lines.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("WARN message=redis is down error="),
        "{said:?}"
    );

    store.renew(&lease, LONG).await;
    store.release(lease).await;
    let failed = |what| {
        format!("WARN message=redis failed call=00000000 what=\"{what}\" error=redis: I/O error")
    };
    assert_eq!(lines.said(), [failed("renew"), failed("release")]);

    server.restart().await;
    while store.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.check().await.unwrap();
    assert_eq!(lines.said(), ["INFO message=redis is up"]);
}

#[tokio::test]
async fn an_answer_that_is_fenced_off_or_unreadable_is_said() {
    let Some(server) = Server::start().await else {
        return;
    };
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let store = server.store();
    let stale = lease(&store, Duration::from_millis(30)).await;
    claim_in_the_end(&store).await;
    assert!(!store.finish(stale, answer("stale"), LONG).await);
    assert_eq!(lines.said(), ["WARN message=fenced off call=00000000"]);

    let () = server
        .say(&[b"HSET", KEY.as_bytes(), b"size", b"nonsense"])
        .await;
    claim(&store).await;
    assert_eq!(lines.said(), ["WARN message=unreadable call=00000000"]);
}
