//! **Where the tiers meet**: each with a stack of its own, one budget for the retries of all.

use buttress::classify::Profile;
use buttress::core::BoxError;
use buttress::fallback::{FallbackBody, FallbackLayer, Http, Rewrite, Tier};
use buttress::judge::JudgeLayer;
use buttress::retry::{RetryBudget, RetryLayer};
use buttress_testkit::upstream::Upstream;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, service_fn};

use crate::inbox::Inbox;
use crate::rules;

/// The large model, the smaller one, the rules, a human.
pub(crate) fn client(
    large: &Upstream,
    small: &Upstream,
    inbox: Inbox,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<FallbackBody<impl Body<Error: Into<BoxError>> + use<>>>,
    Error = BoxError,
> + Clone
+ use<> {
    let budget = RetryBudget::default();
    let model = |upstream: &Upstream| {
        ServiceBuilder::new()
            .layer(
                RetryLayer::llm(Profile::OPENAI)
                    .seed(1)
                    .budget(budget.clone()),
            )
            .layer(JudgeLayer::llm(Profile::OPENAI))
            .service(upstream.service())
    };
    let rewrite = Rewrite::new()
        .model(Profile::OPENAI, "small")
        .bearer("key-of-the-smaller-one")
        .expect("a key of letters can stand in a header");
    let small = Tier::upstream("small", model(small), Profile::OPENAI)
        .rewrite(rewrite)
        .degraded(true);
    FallbackLayer::<_, Http<Full<Bytes>, _>>::http(Profile::OPENAI)
        .primary("large")
        .tier(small)
        .tier(Tier::local("rules", service_fn(rules::read)))
        .tier(Tier::hand_over("human", inbox))
        .layer(model(large))
}
