//! **Where the tiers meet**: each with a stack of its own, one budget for the retries of all, and one for their time.

use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{BoxError, Ratio};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::fallback::{FallbackLayer, Http, Rewrite, Tier};
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

/// How long a customer waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// The large model, the smaller one, the rules, a human.
pub(crate) fn client(
    large: &Upstream,
    small: &Upstream,
    inbox: Inbox,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl Body<Error = BoxError> + use<>>,
    Error = BoxError,
> + Clone
+ use<> {
    let budget = RetryBudget::default();
    // A model that says nothing must leave time for others; one that has begun may use what remains.
    let share = BudgetShareLayer::all().attempt_share(Ratio::percent(40));
    let model = |upstream: &Upstream| {
        ServiceBuilder::new()
            .layer(
                RetryLayer::llm(Profile::OPENAI)
                    .seed(1)
                    .budget(budget.clone()),
            )
            .layer(share)
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
    let fallback = FallbackLayer::<_, Http<Full<Bytes>, _>>::http(Profile::OPENAI)
        .primary("large")
        .tier(small)
        .tier(Tier::local("rules", service_fn(rules::read)))
        .tier(Tier::hand_over("human", inbox));
    TimeoutBudgetLayer::new(PATIENCE).layer(fallback.layer(model(large)))
}
