//! What an error says, when there is no answer.
//!
//! | error | kind, reason | taken on? |
//! |---|---|---|
//! | a [`Failure`], anywhere in the chain | what it says itself | what it says itself |
//! | connecting: DNS, TCP, TLS | transient, refused or connect timeout | no |
//! | connection reset, aborted, cut off | transient, reset | unknown |
//! | the system's own time limit | transient, idle timeout | unknown |
//! | hyper: the request was never written (`is_canceled`, `is_closed`) | transient, reset | no |
//! | hyper: building or sending the request failed on our side (`is_user`) | [`Outcome::LOCAL`] | – |
//! | hyper: the answer is not HTTP, or its connection went away | transient | unknown |
//! | h2: `REFUSED_STREAM`; `GOAWAY` with `NO_ERROR` that leaves the stream out | transient, unprocessed | no |
//! | h2: any other reset or `GOAWAY` | transient, reset | unknown |
//! | reqwest: the request could not be built | [`Outcome::LOCAL`] | – |
//! | reqwest: its own time limits | transient, connect or total timeout | no, or unknown |
//! | reqwest: too many redirects; `error_for_status` | invalid; as the status means anywhere | yes |
//! | anything else | transient | unknown |
//!
//! The rows of a foreign crate need the feature of its name. Without it, its errors are judged by
//! what is found behind them.
//!
//! [`Failure`]: buttress_core::Failure

#[cfg(feature = "h2")]
mod h2;
#[cfg(feature = "hyper")]
mod hyper;
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;

use std::any::Any;
use std::error::Error;

use buttress_core::{Acceptance, BoxError, Failure, Kind, Outcome, Reason, chain};

/// What an error of any type means.
///
/// Known are boxed errors, [`Failure`], [`std::io::Error`], and the error types of the crates whose
/// features are on; their source chains are followed. An unknown type is transient and ambiguous: it
/// may pass, and nothing is known about whether the upstream took the request on.
#[must_use]
pub fn transport<E: 'static>(error: &E) -> Outcome {
    known(error).map_or(UNKNOWN, transport_error)
}

/// What an error means, by itself and by what is behind it.
///
/// A [`Failure`] anywhere in the chain speaks first, then the outermost error that is known.
#[must_use]
pub fn transport_error(error: &(dyn Error + 'static)) -> Outcome {
    let failure = chain(error).find_map(|link| link.downcast_ref::<Failure>());
    match failure {
        Some(failure) => failure.outcome(),
        None => chain(error).find_map(read).unwrap_or(UNKNOWN),
    }
}

/// The error in a value of unknown type.
fn known(value: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(boxed) = value.downcast_ref::<BoxError>() {
        return Some(&**boxed);
    }
    if let Some(boxed) = value.downcast_ref::<Box<dyn Error + Send>>() {
        return Some(&**boxed);
    }
    if let Some(boxed) = value.downcast_ref::<Box<dyn Error>>() {
        return Some(&**boxed);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = as_error::<::hyper::Error>(value)
        .or_else(|| as_error::<hyper_util::client::legacy::Error>(value))
    {
        return Some(error);
    }
    #[cfg(feature = "h2")]
    if let Some(error) = as_error::<::h2::Error>(value) {
        return Some(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = as_error::<::reqwest::Error>(value) {
        return Some(error);
    }
    as_error::<Failure>(value).or_else(|| as_error::<std::io::Error>(value))
}

fn as_error<T: Error + 'static>(value: &dyn Any) -> Option<&(dyn Error + 'static)> {
    value.downcast_ref::<T>().map(|error| error as _)
}

fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    #[cfg(feature = "reqwest")]
    if let Some(outcome) = reqwest::read(error) {
        return Some(outcome);
    }
    #[cfg(feature = "hyper")]
    if let Some(outcome) = hyper::read(error) {
        return Some(outcome);
    }
    #[cfg(feature = "h2")]
    if let Some(outcome) = h2::read(error) {
        return Some(outcome);
    }
    io::read(error)
}

/// No connection was made. Nothing has been sent, whatever stood in the way.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn not_connected(error: &(dyn Error + 'static)) -> Outcome {
    if chain(error).any(io::is_timeout) {
        return Outcome::CONNECT_ELAPSED;
    }
    REFUSED
}

/// It may pass, and nobody knows whether the request was taken on.
const UNKNOWN: Outcome = Outcome::new(Kind::Transient);
const RESET: Outcome = UNKNOWN.because(Reason::Reset);
const REFUSED: Outcome = UNKNOWN
    .because(Reason::Refused)
    .accepted(Acceptance::Rejected);
/// The connection went away under a request that had not been written to it.
#[cfg(feature = "hyper")]
const UNSENT: Outcome = RESET.accepted(Acceptance::Rejected);
#[cfg(feature = "h2")]
const UNPROCESSED: Outcome = UNKNOWN
    .because(Reason::Unprocessed)
    .accepted(Acceptance::Rejected);
