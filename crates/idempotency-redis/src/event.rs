//! The events of this store. Names and fields are part of its API.

use buttress_idempotency::CallId;
use redis::RedisError;

use crate::error::StoreUnavailable;

/// Target of all events: what a subscriber filters on.
const TARGET: &str = "buttress::idempotency_redis";

/// From now on calls are made, or refused, without the store.
pub(crate) fn down(error: &RedisError) {
    tracing::warn!(target: TARGET, %error, "redis is down");
}

/// It is back.
pub(crate) fn up() {
    tracing::info!(target: TARGET, "redis is up");
}

/// An answer, a lease or a release did not get there.
pub(crate) fn failed(call: &CallId, what: &'static str, error: &StoreUnavailable) {
    tracing::warn!(target: TARGET, ?call, what, %error, "redis failed");
}

/// There is something under the name of a call that is no answer of ours, or not all of it.
pub(crate) fn unreadable(call: &CallId) {
    tracing::warn!(target: TARGET, ?call, "unreadable");
}

/// Another had the call in the meantime: an answer is not kept.
pub(crate) fn fenced(call: &CallId) {
    tracing::warn!(target: TARGET, ?call, "fenced off");
}
