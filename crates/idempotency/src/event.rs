//! The events of this layer. Names and fields are part of its API.

use crate::call_id::CallId;

/// Target of all events: what a subscriber filters on.
const TARGET: &str = "buttress::idempotency";

/// A duplicate got the answer that was kept.
pub(crate) fn replayed(call: &CallId) {
    tracing::debug!(target: TARGET, ?call, "replayed");
}

/// A duplicate joined the call that is under way.
pub(crate) fn joined(call: &CallId) {
    tracing::debug!(target: TARGET, ?call, "joined");
}

/// A request was refused.
pub(crate) fn refused(reason: &'static str) {
    tracing::debug!(target: TARGET, reason, "refused");
}

/// The call has ended, and the store says whether its answer is kept.
pub(crate) fn told(call: &CallId, kept: bool, bytes: usize) {
    match kept {
        true => tracing::debug!(target: TARGET, ?call, bytes, "kept"),
        false => unkept(call, "the store has no room for it, or its lease was lost"),
    }
}

/// The call has ended, and may be made again.
pub(crate) fn released(call: &CallId) {
    tracing::debug!(target: TARGET, ?call, "released");
}

/// A call that went well is not kept, or not even arbitrated: a duplicate would make it again.
pub(crate) fn unkept(call: &CallId, reason: &'static str) {
    tracing::warn!(target: TARGET, ?call, reason, "not kept");
}

/// All who waited have gone away. `driven`: the call goes on nevertheless.
pub(crate) fn orphaned(call: &CallId, driven: bool) {
    tracing::debug!(target: TARGET, ?call, driven, "orphaned");
}

/// A request has a key, and nobody knows whose it is: it is not deduplicated.
pub(crate) fn unscoped() {
    tracing::debug!(target: TARGET, "no scope");
}
