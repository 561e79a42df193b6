//! Errors as real clients give them, over real sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod upstream;
mod with_hyper;
mod with_reqwest;
