//! What refusals and expired budgets look like to clients that are not ours, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and a server runs beside its clients"
)]

mod grpcio;
mod http;
mod server;
