//! The last so many calls: a ring of outcomes.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use crate::window::{Call, Counts};

/// One entry per call, all of them allocated at once.
#[derive(Debug)]
pub(crate) struct CallRing {
    calls: VecDeque<Call>,
    size: usize,
    counts: Counts,
}

impl CallRing {
    pub(crate) fn new(size: NonZeroU16) -> Self {
        let size = usize::from(size.get());
        Self {
            calls: VecDeque::with_capacity(size),
            size,
            counts: Counts::default(),
        }
    }

    pub(crate) fn push(&mut self, call: Call) {
        if self.calls.len() == self.size {
            if let Some(oldest) = self.calls.pop_front() {
                self.counts.calls -= 1;
                self.counts.failures -= u32::from(oldest.failed);
                self.counts.slow -= u32::from(oldest.slow);
            }
        }
        self.calls.push_back(call);
        self.counts = self.counts.plus(Counts::of(call));
    }

    pub(crate) fn push_successes(&mut self, successes: u32) {
        let success = Call {
            failed: false,
            slow: false,
        };
        // More than fit push each other out.
        for _ in (0..successes).take(self.size) {
            self.push(success);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.counts = Counts::default();
    }
}
