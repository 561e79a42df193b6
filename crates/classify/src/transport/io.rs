//! Errors of the operating system.

use std::error::Error;
use std::io::{self, ErrorKind};

use buttress_core::Outcome;

use super::{REFUSED, RESET};

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    match error.downcast_ref::<io::Error>()?.kind() {
        // Both end a `connect`, and nothing else.
        ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable => Some(REFUSED),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Some(RESET),
        // The peer acknowledged nothing for as long as the system cared to wait.
        ErrorKind::TimedOut => Some(Outcome::IDLE_ELAPSED),
        _ => None,
    }
}

#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub(super) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::TimedOut)
}
