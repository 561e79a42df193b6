//! A streaming gateway in front of LLM APIs: the layers at work in a program.
//!
//! ```sh
//! cargo run --release --example gateway
//! ```
//!
//! `stack.rs` is where the layers meet; the rest is what any proxy needs.

mod access;
mod args;
mod banner;
mod circuits;
mod client;
mod demo;
mod duration;
mod forward;
mod last_words;
mod limit;
mod log;
mod proxy;
mod respond;
mod serve;
mod signals;
mod stack;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;

use buttress::core::BoxError;
use tracing::{error, info};

use crate::args::Args;
use crate::circuits::Board;
use crate::proxy::Gateway;
use crate::signals::Signals;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::read();
    log::init(args.log);
    match run(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            error!(target: "gateway", %error, "cannot run");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all that was in flight at the end could be finished.
async fn run(args: Args) -> Result<bool, BoxError> {
    let signals = Signals::catch()?;
    let (upstream, demo) = match args.upstreams.first() {
        Some(first) => (first.clone(), None),
        None => demo::start(args.seed)
            .await
            .map(|(url, demo)| (url, Some(demo)))?,
    };
    let listener = serve::bind(args.listen)?;
    banner::print(listener.local_addr()?, args.profile.name(), demo.is_none())?;
    info!(target: "gateway", %upstream, profile = args.profile.name(), "ready");
    info!(target: "gateway", "{}", args.streams());
    for waiting in args.upstreams.iter().skip(1) {
        info!(target: "gateway", upstream = %waiting, "waits for a fallback");
    }
    let name = upstream.name().unwrap_or("upstream").to_owned();
    let breaker = args.breaker(&name);
    let gateway = Gateway {
        upstream: Arc::new(upstream),
        circuits: Board::new([(name, breaker.circuits())]),
        stack: stack::stack(&args, breaker)?,
    };
    Ok(serve::serve(listener, gateway.router(), signals, args.drain).await)
}
