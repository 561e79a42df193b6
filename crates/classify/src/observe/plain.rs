//! A body that is no stream of events: its first byte is content, and any end is its end.

use buttress_core::{Outcome, Sign};

use super::skim::Skim;

pub(super) struct Plain {
    ending: Outcome,
    content: bool,
}

impl Plain {
    pub(super) const fn ending(ending: Outcome) -> Self {
        Self {
            ending,
            content: false,
        }
    }

    pub(super) fn read(&mut self, data: &[u8]) -> Sign {
        if self.content || data.is_empty() {
            return Sign::Nothing;
        }
        self.content = true;
        Sign::Content
    }

    pub(super) const fn skim(&self) -> Skim {
        Skim::after(self.content)
    }

    pub(super) const fn end(&self) -> Outcome {
        self.ending
    }
}
