//! What an error says, when there is no answer.

mod io;

use std::any::Any;
use std::error::Error;

use buttress_core::{BoxError, Failure, Kind, Outcome, chain, find};

/// What an error of any type means, where it is one of those known here.
///
/// Known are [`BoxError`], [`Failure`], [`std::io::Error`]. An unknown type is transient and
/// ambiguous: it may pass, and nothing is known about whether the upstream took the request on.
#[must_use]
pub fn transport<E: 'static>(error: &E) -> Outcome {
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<BoxError>() {
        return transport_error(&**error);
    }
    known(any).map_or(UNKNOWN, transport_error)
}

/// What an error means, by its source chain.
#[must_use]
pub fn transport_error(error: &(dyn Error + 'static)) -> Outcome {
    if let Some(failure) = find::<Failure>(error) {
        return failure.outcome();
    }
    chain(error).find_map(read).unwrap_or(UNKNOWN)
}

fn known(any: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(failure) = any.downcast_ref::<Failure>() {
        return Some(failure);
    }
    any.downcast_ref::<std::io::Error>().map(|error| error as _)
}

fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    error.downcast_ref().and_then(io::read)
}

const UNKNOWN: Outcome = Outcome::new(Kind::Transient);
