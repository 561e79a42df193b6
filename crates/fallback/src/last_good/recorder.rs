//! Keeps a copy of an answer while it passes.

use std::sync::Arc;

use buttress_body::Observe;
use buttress_classify::Observer;
use buttress_core::Sign;
use bytes::Bytes;
use http_body::Frame;
use tokio::time::Instant;

use super::store::{Good, Key, Limits, Store};

/// Copies what passes, and keeps it once it has come to its proper end.
pub(crate) struct Recorder {
    store: Arc<Store>,
    limits: Limits,
    observer: Observer,
    copy: Vec<u8>,
    /// `None` once it has been kept or given up.
    place: Option<(Key, Good)>,
}

impl Recorder {
    pub(super) const fn new(
        store: Arc<Store>,
        limits: Limits,
        key: Key,
        good: Good,
        observer: Observer,
    ) -> Self {
        Self {
            store,
            limits,
            observer,
            copy: Vec::new(),
            place: Some((key, good)),
        }
    }

    /// A frame passes.
    pub(crate) fn frame(&mut self, frame: &Frame<Bytes>) {
        // An answer with trailers is not whole without them.
        let Some(data) = frame.data_ref() else {
            return self.give_up();
        };
        if self.copy.len().saturating_add(data.len()) > self.limits.entry {
            return self.give_up();
        }
        self.copy.extend_from_slice(data);
        if let Sign::Settled(outcome) = self.observer.data(data) {
            self.settle(outcome.is_success());
        }
    }

    /// The body has ended.
    pub(crate) fn end(&mut self) {
        if !self.is_done() {
            let outcome = self.observer.end();
            self.settle(outcome.is_success());
        }
    }

    /// The body has failed, or there is something against keeping it.
    pub(crate) fn give_up(&mut self) {
        self.place = None;
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.place.is_none()
    }

    fn settle(&mut self, good: bool) {
        let Some((key, head)) = self.place.take() else {
            return;
        };
        if good {
            let body = std::mem::take(&mut self.copy).into();
            let good = Good { body, ..head };
            self.store.keep(key, good, &self.limits, Instant::now());
        }
    }
}
