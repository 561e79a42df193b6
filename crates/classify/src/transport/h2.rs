//! Errors of HTTP/2 streams and connections.

use std::error::Error;

use buttress_core::Outcome;
use h2::Reason;

use super::{RESET, UNPROCESSED};

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<Outcome> {
    let error = error.downcast_ref::<h2::Error>()?;
    if error.is_io() {
        return super::io::read(error.get_io()?);
    }
    let given_back = match error.reason() {
        // RFC 9113 §8.7: refused before any processing.
        Some(Reason::REFUSED_STREAM) => error.is_reset() && error.is_remote(),
        // RFC 9113 §6.8: streams above the last id were not acted upon. A remote GOAWAY reaches a
        // stream in one way only: h2 0.4, `proto/streams/streams.rs`, `recv_go_away` gives the error
        // to those with `stream.id > last_stream_id`, and `ensure_no_conn_error` refuses new ones
        // with it; streams at or below the id go on, and see an io error if the connection breaks.
        // The same would hold for other reasons. But a server that reports an error has lost its
        // footing, and some of them send whatever id is at hand.
        Some(Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        // Neither a frame nor the socket: our own use of h2 was wrong.
        None => return Some(Outcome::LOCAL),
        Some(_) => false,
    };
    Some(if given_back { UNPROCESSED } else { RESET })
}
