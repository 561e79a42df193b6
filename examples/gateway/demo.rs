//! The upstreams for those who have none: both dialects, and bad moments.

use std::time::Duration;

use buttress_testkit::upstream::{
    Behaviour, Cut, Script, Server, Upstream as Scripted, misbehaving_by_chance,
};

use crate::upstream::{InvalidUpstream, Upstream};

/// Two upstreams and their servers, which run until they are dropped: one with bad moments, and a spare one.
pub(crate) async fn start(seed: u64) -> Result<(Vec<Upstream>, Vec<Server>), InvalidUpstream> {
    let scripts = [
        ("demo", misbehaving_by_chance(seed).after(story())),
        ("spare", Script::always(well())),
    ];
    let (mut upstreams, mut servers) = (Vec::new(), Vec::new());
    for (name, script) in scripts {
        let scripted = Scripted::new(script);
        scripted.record_bodies(0); // nobody asks it what it was sent
        let server = Server::start(scripted).await;
        upstreams.push(format!("{name}={}", server.url()).parse()?);
        servers.push(server);
    }
    Ok((upstreams, servers))
}

/// What everybody sees who pastes the two commands twice: the first call is left without an answer, the second is
/// throttled, then a stream is slow, and then nobody is there until the circuit opens. The same seed gives the same bad
/// moments after that.
fn story() -> impl IntoIterator<Item = Behaviour> {
    let left_alone = well().cut_before_head(Cut::Stall);
    let throttled = Behaviour::rate_limited().header("retry-after-ms", "700");
    let slow = Behaviour::well().tokens(4).chunk_delay(ms(900));
    let dead = well().cut_before_head(Cut::Reset);
    [left_alone, well(), throttled, slow]
        .into_iter()
        .chain([(); FAILURES_TO_OPEN].map(|()| dead.clone()))
}

fn well() -> Behaviour {
    Behaviour::well().chunk_delay(ms(40))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// As many in a row as `--breaker-failures` allows by default.
const FAILURES_TO_OPEN: usize = 5;
