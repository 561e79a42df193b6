//! Requests that are simply cloned.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use buttress_core::{BoxError, Outcome};

use super::{Accept, Facts, Traffic};
use crate::served::{ServedBy, Tried};
use crate::trail::Trail;

/// Requests `Q` that are cloned, and responses `R` that pass as they are.
///
/// It knows no deadline but the [current](buttress_core::Deadline::current) one, and nobody learns from a response
/// who gave it, unless it says so itself.
pub struct Cloned<Q, R>(PhantomData<fn(Q) -> R>);

/// How a tier changes a request.
pub(crate) type Change<Q> = Arc<dyn Fn(Q) -> Q + Send + Sync>;

impl<Q, R> Cloned<Q, R> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Q: Clone + Send + 'static, R> Traffic for Cloned<Q, R> {
    type Request = Q;
    type Sent = Q;
    type Kept = Q;
    type Received = R;
    type Response = R;
    type Rewrite = Option<Change<Q>>;

    #[inline]
    fn once(request: Q) -> Q {
        request
    }

    #[inline]
    fn keep(&self, request: Q) -> (Q, Option<Q>) {
        let kept = request.clone();
        (request, Some(kept))
    }

    fn facts(_kept: &Q) -> Facts {
        Facts::default()
    }

    fn again(kept: &Q, _trail: impl FnOnce() -> Trail) -> Option<Q> {
        Some(kept.clone())
    }

    async fn rewrite(
        rewrite: Option<Change<Q>>,
        _same_account: bool,
        request: Q,
    ) -> Result<Q, BoxError> {
        Ok(match rewrite {
            Some(change) => change(request),
            None => request,
        })
    }

    #[inline]
    fn hand_on(response: R) -> R {
        response
    }

    #[inline]
    fn primary_served(&self, _response: &mut R, _kept: &Q) {}

    fn tier_served(&self, _response: &mut R, _kept: &Q, _by: ServedBy) {}

    fn all_failed(&self, _response: &mut R, _outcome: Outcome, _by: ServedBy) {}

    fn tried_inside(_response: &R) -> &[Tried] {
        &[]
    }
}

impl<Q: Clone + Send + 'static, R> Accept<R> for Cloned<Q, R> {
    fn accept(response: R) -> R {
        response
    }
}

impl<Q, R> Clone for Cloned<Q, R> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<Q, R> fmt::Debug for Cloned<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloned")
    }
}
