//! Amazon's binary event stream.

use buttress_core::{Outcome, Sign};

use crate::profile::Profile;

pub(super) struct Frames {
    profile: Profile,
    content: bool,
}

impl Frames {
    pub(super) const fn new(profile: Profile) -> Self {
        Self {
            profile,
            content: false,
        }
    }

    pub(super) fn data(&mut self, data: &[u8]) -> Sign {
        let _ = &self.profile;
        if self.content || data.is_empty() {
            return Sign::Nothing;
        }
        self.content = true;
        Sign::Content
    }

    pub(super) const fn end(&self) -> Outcome {
        Outcome::SUCCESS
    }
}
