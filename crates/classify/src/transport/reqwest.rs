//! Errors of reqwest.

use std::error::Error;

use buttress_core::Outcome;

use super::not_connected;
use crate::status;

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    let error = error.downcast_ref::<reqwest::Error>()?;
    if error.is_builder() {
        return Some(Outcome::LOCAL);
    }
    if error.is_connect() {
        return Some(not_connected(error));
    }
    if error.is_timeout() {
        return Some(Outcome::TOTAL_ELAPSED);
    }
    // Each hop was an answer, and the next attempt would go round the same way.
    if error.is_redirect() {
        return Some(status::INVALID);
    }
    // All else is what hyper found, or what was wrong with a body: the chain says it.
    error.status().map(|status| status::common(status.as_u16()))
}
