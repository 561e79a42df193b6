//! Errors that need no foreign crate.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use buttress_classify::Profile;
use buttress_classify::transport::{transport, transport_error};
use buttress_core::{Acceptance, BoxError, Classify, Failure, Kind, Outcome, Reason, Timer};

/// An error of a type that nobody knows, with something behind it.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn reads(outcome: Outcome) -> (Kind, Option<Reason>, Acceptance) {
    (outcome.kind, outcome.reason, outcome.acceptance)
}

#[test]
fn the_systems_errors_are_read_by_their_kind() {
    let reset = (Kind::Transient, Some(Reason::Reset), Acceptance::Unknown);
    let refused = (Kind::Transient, Some(Reason::Refused), Acceptance::Rejected);
    let idle = Some(Reason::Timeout(Timer::Idle));
    for (kind, expected) in [
        (ErrorKind::ConnectionRefused, refused),
        (ErrorKind::AddrNotAvailable, refused),
        (ErrorKind::ConnectionReset, reset),
        (ErrorKind::ConnectionAborted, reset),
        (ErrorKind::BrokenPipe, reset),
        (ErrorKind::UnexpectedEof, reset),
        (ErrorKind::HostUnreachable, reset),
        (
            ErrorKind::TimedOut,
            (Kind::Transient, idle, Acceptance::Unknown),
        ),
        (
            ErrorKind::InvalidData,
            (Kind::Transient, None, Acceptance::Unknown),
        ),
    ] {
        assert_eq!(reads(transport(&io::Error::from(kind))), expected, "{kind}");
        let boxed: BoxError = Wrapped(io::Error::new(kind, "text").into()).into();
        assert_eq!(reads(transport(&boxed)), expected, "{kind}");
    }
}

#[test]
fn an_unknown_error_is_transient_and_ambiguous() {
    let unknown = (Kind::Transient, None, Acceptance::Unknown);
    assert_eq!(reads(transport(&"no error at all")), unknown);
    assert_eq!(reads(transport(&fmt::Error)), unknown);
    assert_eq!(reads(transport_error(&fmt::Error)), unknown);
}

#[test]
fn every_box_in_which_errors_travel_is_opened() {
    let error = || Failure::new(Outcome::QUEUE_FULL, "full");
    let boxed: BoxError = error().into();
    let only_send: Box<dyn Error + Send> = Box::new(error());
    let neither: Box<dyn Error> = Box::new(error());
    assert_eq!(transport(&boxed), Outcome::QUEUE_FULL);
    assert_eq!(transport(&only_send), Outcome::QUEUE_FULL);
    assert_eq!(transport(&neither), Outcome::QUEUE_FULL);
    assert_eq!(transport(&error()), Outcome::QUEUE_FULL);
}

#[test]
fn a_failure_is_found_behind_anything_even_within_an_io_error() {
    let failure = Failure::new(Outcome::CIRCUIT_OPEN, "open");
    let reset = io::Error::new(ErrorKind::ConnectionReset, Wrapped(failure.into()));
    let error: BoxError = Wrapped(io::Error::other(reset).into()).into();
    assert_eq!(transport(&error), Outcome::CIRCUIT_OPEN);
}

#[test]
fn f25_a_chain_without_end_is_left_in_time() {
    #[derive(Debug)]
    struct Loop;
    impl fmt::Display for Loop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("loop")
        }
    }
    impl Error for Loop {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    assert_eq!(transport_error(&Loop), Outcome::new(Kind::Transient));
}

#[test]
fn profiles_read_errors_so() {
    let error = io::Error::from(ErrorKind::ConnectionRefused);
    for profile in Profile::ALL {
        let result: Result<&http::Response<String>, _> = Err(&error);
        assert_eq!(profile.classify(result).at_head(), transport(&error));
    }
}
