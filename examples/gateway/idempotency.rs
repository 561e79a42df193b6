//! Calls that are made once, however often they are asked for.

use buttress::classify::Profile;
use buttress::core::{Classify, Kind, Outcome, Verdict};
use buttress::fallback::ServedBy;
use buttress::idempotency::IdempotencyLayer;
use http::Response;
use tracing::warn;

use crate::args::Args;
use crate::background::Background;
use crate::respond::explain;

/// The layer as the flags want it; what goes on without its clients goes on in the background.
///
/// That Redis is not there is said, and no reason not to start: it may be there in a moment.
pub(crate) async fn layer(
    args: &Args,
    background: &Background,
) -> Result<IdempotencyLayer<Keeping>, String> {
    let mut layer = args.idempotency(Keeping(args.profile));
    if let Some(store) = args.shared_store()? {
        if let Err(error) = store.check().await {
            let error = explain(&error);
            warn!(target: "gateway", %error, "the store of --idempotency-store does not answer");
        }
        layer = layer.store(store);
    }
    let background = background.clone();
    Ok(layer.executor(move |call| background.run(call)))
}

/// What is worth keeping: successes, but for the answer that is always there. Whoever asks again may be luckier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping(Profile);

impl<B, E> Classify<Response<B>, E> for Keeping
where
    Profile: Classify<Response<B>, E>,
{
    type Watch = <Profile as Classify<Response<B>, E>>::Watch;

    fn classify(&self, result: Result<&Response<B>, &E>) -> Verdict<Self::Watch> {
        let served_by = result.ok().and_then(|answer| answer.extensions().get());
        if served_by.is_some_and(ServedBy::is_degraded) {
            return Verdict::Final(Outcome::new(Kind::Unavailable));
        }
        self.0.classify(result)
    }
}
