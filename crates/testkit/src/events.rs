//! What is said: the `tracing` events of one target, in one line each.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Writes down the events of a target that are emitted on this thread, until it is dropped.
///
/// ```
/// let lines = buttress_testkit::events::Lines::of("house");
/// tracing::info!(target: "house", floor = 2, "light");
/// tracing::info!(target: "garden", "birds");
/// assert_eq!(lines.take(), ["INFO message=light floor=2"]);
/// ```
#[derive(Debug)]
pub struct Lines {
    said: Arc<Mutex<Vec<String>>>,
    _listening: DefaultGuard,
}

impl Lines {
    /// Begins to listen.
    #[must_use]
    pub fn of(target: &'static str) -> Self {
        let said = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&said);
        let note = move |line| {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(line);
        };
        Self {
            said,
            _listening: listen(target, note),
        }
    }

    /// What has been said since this was last asked: level, message and fields.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does something with the line of each event of a target on this thread, until what is returned is dropped.
///
/// Events that are emitted meanwhile are not heard.
#[must_use = "dropped, it listens no more"]
pub fn listen(
    target: &'static str,
    on_event: impl Fn(String) + Send + Sync + 'static,
) -> DefaultGuard {
    tracing::subscriber::set_default(Listener { target, on_event })
}

struct Listener<F> {
    target: &'static str,
    on_event: F,
}

impl<F: Fn(String) + Send + Sync + 'static> Subscriber for Listener<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == self.target
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        (self.on_event)(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string has room");
    }
}
