//! The upstream for those who have none: it speaks both dialects, and has its bad moments.

use buttress_testkit::upstream::{Server, Upstream as Scripted, misbehaving_by_chance};

use crate::upstream::{InvalidUpstream, Upstream};

/// Runs until the server is dropped. The same seed gives the same bad moments.
pub(crate) async fn start(seed: u64) -> Result<(Upstream, Server), InvalidUpstream> {
    let scripted = Scripted::new(misbehaving_by_chance(seed));
    scripted.record_bodies(0); // nobody asks it what it was sent
    let server = Server::start(scripted).await;
    let upstream = format!("demo={}", server.url()).parse()?;
    Ok((upstream, server))
}
