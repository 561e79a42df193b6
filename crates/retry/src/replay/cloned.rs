//! Requests that are simply cloned.

use std::future::Ready;

use buttress_core::Attempt;

use super::{Discard, Replay};
use crate::policy::Facts;

/// Keeps a clone of the request.
///
/// It takes every request for repeatable: the classifier alone decides what is tried again.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Cloned;

impl<Req: Clone> Replay<Req> for Cloned {
    type Request = Req;
    type Saved = Req;

    #[inline]
    fn once(&self, request: Req) -> Req {
        request
    }

    #[inline]
    fn save(&self, request: Req) -> (Req, Option<Req>) {
        let saved = request.clone();
        (request, Some(saved))
    }

    #[inline]
    fn facts(&self, _saved: &Req) -> Facts {
        Facts::REPEATABLE
    }

    #[inline]
    fn restore(&self, saved: &mut Req, _attempt: Attempt) -> Option<Req> {
        Some(saved.clone())
    }
}

impl<Res> Discard<Res> for Cloned {
    type Discarding = Ready<()>;

    #[inline]
    fn discard(&self, response: Res) -> Option<Ready<()>> {
        drop(response);
        None
    }
}
