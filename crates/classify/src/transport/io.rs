//! Errors of the operating system.

use std::io::{Error, ErrorKind};

use buttress_core::{Acceptance, Kind, Outcome, Reason, Timer};

pub(super) fn read(error: &Error) -> Option<Outcome> {
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::new(Kind::Transient)
            .because(Reason::Refused)
            .accepted(Acceptance::Rejected),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Outcome::new(Kind::Transient).because(Reason::Reset),
        ErrorKind::TimedOut => {
            Outcome::new(Kind::Transient).because(Reason::Timeout(Timer::Upstream))
        }
        _ => return None,
    })
}
