//! What retries do to an upstream in trouble, with the budget and without it: a table, and a plot.
//!
//! ```sh
//! cargo run --release --example outage
//! ```
//!
//! The layer is the real one; the upstream, the load and the clock are simulated (testkit's `outage`), so that
//! eight minutes of 1,000 calls a second take some seconds.

mod clients;
mod panel;
mod plot;
mod table;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use buttress::core::BoxError;
use buttress_testkit::outage::{PATIENCE, Run, Scenario, simulate};
use clap::Parser;
use http::StatusCode;
use tokio::runtime::Builder;
use tower::Layer;
use tower::timeout::Timeout;

use crate::clients::{CLIENTS, Client};

/// What retries do to an upstream in trouble, with the budget and without it.
#[derive(Debug, Parser)]
#[command(name = "outage")]
struct Args {
    /// Where the plot goes
    #[arg(long, value_name = "PATH", default_value = "target/outage.svg")]
    svg: PathBuf,

    /// The luck of arrivals, of the work, and of the backoff; the same for every client
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// One scenario, and how each of the [`CLIENTS`] went through it.
struct Trial {
    name: &'static str,
    runs: [Run; CLIENTS.len()],
}

fn main() -> Result<(), BoxError> {
    let Args { svg, seed } = Args::parse();
    let trials = [
        (
            "Outage: for 30 s every call is answered 503",
            Scenario::outage(StatusCode::SERVICE_UNAVAILABLE),
        ),
        (
            "Brown-out: for 10 s the work takes four times as long",
            Scenario::brown_out(),
        ),
    ];
    let mut out = io::stdout().lock();
    writeln!(out, "{}\nseed {seed}", table::INTRODUCTION)?;
    let mut tried = Vec::new();
    for (name, scenario) in trials {
        let trial = Trial {
            name,
            runs: CLIENTS.map(|client| play(&scenario, seed, client)),
        };
        write!(out, "\n{}", table::table(&trial))?;
        tried.push(trial);
    }
    if let Some(dir) = svg.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&svg, plot::plot(&tried))?;
    writeln!(out, "\nplotted in {}", svg.display())?;
    Ok(())
}

/// One thread and paused time: the same seed gives the same run.
fn play(scenario: &Scenario, seed: u64, client: Client) -> Run {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    let layer = (client.layer)().seed(seed);
    runtime.block_on(simulate(scenario.clone(), seed, |upstream| {
        layer.layer(Timeout::new(upstream, PATIENCE))
    }))
}
