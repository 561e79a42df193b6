//! Logs on stderr: a line for each request and each decision.

use std::io;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// For whom the lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line of text.
    Human,
    /// One JSON object.
    Json,
}

/// Shows what the gateway and the layers say. Others stay silent: what they log is not ours to
/// vouch for, and no query, field value or body may appear.
pub(crate) fn init(format: Format) {
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match format {
        Format::Human => lines.compact().boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let ours = Targets::new()
        .with_target("gateway", Level::INFO)
        .with_target("buttress", Level::DEBUG);
    tracing_subscriber::registry()
        .with(lines.with_filter(ours))
        .init();
}
