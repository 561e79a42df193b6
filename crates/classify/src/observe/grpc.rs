//! The answer to a gRPC call: its status comes last, in the trailers.

use buttress_core::{Outcome, Sign};
use http::HeaderMap;

use super::skim::Skim;
use crate::grpc;

pub(super) struct Call {
    /// What the head has said: the answer is "trailers only", or not of gRPC's making.
    at_head: Option<Outcome>,
    content: bool,
}

impl Call {
    pub(super) fn new(headers: &HeaderMap, failure: Option<Outcome>) -> Self {
        Self {
            at_head: grpc::outcome(headers).or(failure),
            content: false,
        }
    }

    pub(super) const fn awaits_content(&self) -> bool {
        self.at_head.is_none()
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

    pub(super) fn trailers(&self, trailers: &HeaderMap) -> Outcome {
        grpc::outcome(trailers).unwrap_or_else(|| self.end())
    }

    pub(super) fn end(&self) -> Outcome {
        self.at_head.unwrap_or(Outcome::TRUNCATED)
    }
}
