//! Who is asked, in which order, and with whose key.

use std::num::NonZeroU32;

use axum::body::Body;
use buttress::breaker::{CircuitKey, Circuits};
use buttress::classify::Profile;
use buttress::core::BoxError;
use buttress::fallback::{FallbackLayer, Http, Rewrite, Tier, When};
use tracing::{info, warn};

use crate::args::fallback::{key_variable, own_key};
use crate::args::{Args, LARGER_MODEL, STATIC, names};
use crate::client::client;
use crate::forward::Once;
use crate::stack::{self, tier};
use crate::upstream::Upstream;

/// The first upstream, and who is asked when it fails.
pub(crate) struct Chain {
    pub(crate) fallback: Fallback,
    pub(crate) primary: stack::Tier,
}

type Fallback = FallbackLayer<Profile, Http<Once, Body>>;

/// What the circuits of each upstream are shown under.
pub(crate) type Boards = Vec<(String, Circuits<CircuitKey>)>;

/// The caller's credentials go to the first upstream's origin and nowhere else.
pub(crate) fn chain(args: &Args, upstreams: &[Upstream]) -> Result<(Chain, Boards), BoxError> {
    let profile = args.profile;
    let (client, retry) = (client(args.connect_timeout)?, args.retry());
    let mut boards = Boards::new();
    let mut stack = |upstream: &Upstream, name: &str| {
        let breaker = args.breaker(name);
        boards.push((name.to_owned(), breaker.circuits()));
        let retry = retry.clone(); // one budget for all of them
        tier(args, upstream.clone(), retry, breaker, client.clone())
    };
    let named = || upstreams.iter().zip(names(upstreams));
    let (first, name) = named().next().ok_or("there is no upstream")?;
    let primary = stack(first, &name);
    let mut fallback = Fallback::http(profile)
        .primary(&name)
        .say_who(true)
        .max_replay(args.max_replay)
        .max_attempts(attempts(upstreams.len()));
    for (upstream, name) in named().skip(1) {
        let key = own_key(&name, profile)?;
        let is_ours = key.is_none() && upstream.is_same_origin(first);
        if key.is_none() && !is_ours && !args.is_demo() {
            warn!(target: "gateway", upstream = %upstream, variable = key_variable(&name), "has no key");
        }
        info!(target: "gateway", %upstream, "is asked if those before fail");
        let asked = Tier::upstream(&name, stack(upstream, &name), profile)
            .same_account(is_ours)
            .rewrite(key.unwrap_or_default());
        fallback = fallback.tier(asked);
    }
    if let Some(model) = args.larger_model() {
        let larger = Tier::upstream(LARGER_MODEL, primary.clone(), profile)
            .when(When::CONTEXT_WINDOW)
            .same_account(true)
            .rewrite(Rewrite::new().model(profile, model));
        fallback = fallback.tier(larger);
    }
    if let Some(answer) = args.static_answer() {
        fallback = fallback.answer(STATIC, move |_head, _why| Some(answer.response()));
    }
    Ok((Chain { fallback, primary }, boards))
}

/// Each upstream once, and the larger model.
fn attempts(upstreams: usize) -> NonZeroU32 {
    let upstreams = u32::try_from(upstreams).unwrap_or(u32::MAX);
    NonZeroU32::MIN.saturating_add(upstreams)
}
