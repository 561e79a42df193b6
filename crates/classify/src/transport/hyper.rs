//! Errors of hyper, and of hyper-util's pooled client.

use std::error::Error;

use buttress_core::Outcome;
use hyper_util::client::legacy;

use super::{RESET, UNKNOWN, UNSENT, not_connected};

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        return pooled(error);
    }
    connection(error.downcast_ref::<hyper::Error>()?)
}

fn pooled(error: &legacy::Error) -> Option<Outcome> {
    if error.is_connect() {
        return Some(not_connected(error));
    }
    // What it can say of its own accord is that the method, the version or the URI will not do; in
    // all else it passes on what a connection said.
    error.source().is_none().then_some(Outcome::LOCAL)
}

fn connection(error: &hyper::Error) -> Option<Outcome> {
    // hyper has one word for two things: the request was still in its queue, or the connection was
    // gone before it got there. It was not written in either case.
    if error.is_canceled() || error.is_closed() {
        return Some(UNSENT);
    }
    if error.is_user() {
        return Some(if is_dispatch_gone(error) {
            RESET
        } else {
            Outcome::LOCAL
        });
    }
    if error.is_incomplete_message() {
        return Some(RESET);
    }
    // An HTTP/2 ping that nobody answered.
    if error.is_timeout() {
        return Some(Outcome::IDLE_ELAPSED);
    }
    if error.is_parse() {
        return Some(UNKNOWN);
    }
    None
}

/// hyper counts the end of its own connection task among the user's errors, and an upstream that
/// goes away while requests wait for a free stream brings it about. Only the text tells: hyper
/// leaves that open to change, and a test holds it against the real thing.
fn is_dispatch_gone(error: &hyper::Error) -> bool {
    error.to_string().contains("dispatch task is gone")
}
