//! A streaming gateway in front of LLM APIs: the layers at work in a program.
//!
//! ```sh
//! cargo run --release --example gateway
//! ```
//!
//! `stack.rs` is where the layers meet; the rest is what any proxy needs.

mod access;
mod args;
mod background;
mod banner;
mod circuits;
mod client;
mod demo;
mod duration;
mod fallback;
mod forward;
mod idempotency;
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

use buttress::core::BoxError;
use tracing::{error, info};

use crate::args::Args;
use crate::background::Background;
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
    let mut upstreams = args.upstreams.clone();
    let mut demo = Vec::new();
    if upstreams.is_empty() {
        (upstreams, demo) = demo::start(args.seed).await?;
    }
    let listener = serve::bind(args.listen)?;
    let background = Background::default();
    let idempotency = idempotency::layer(&args, &background).await?;
    banner::print(listener.local_addr()?, args.profile.name(), demo.is_empty())?;
    info!(target: "gateway", upstream = %upstreams[0], profile = args.profile.name(), "ready");
    info!(target: "gateway", "{}", args.streams());
    info!(target: "gateway", "{}", args.on_idempotency());
    let (chain, circuits) = fallback::chain(&args, &upstreams)?;
    let gateway = Gateway::new(
        upstreams.swap_remove(0),
        Board::new(circuits),
        &respond::layer(args.profile),
        stack::stack(&args, idempotency, chain),
    );
    let app = gateway.router();
    Ok(serve::serve(listener, app, background, signals, args.drain).await)
}
