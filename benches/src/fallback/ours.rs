//! `FallbackLayer`, as its users set it up.

use buttress_classify::Profile;
use buttress_core::{Classify, Kind, Outcome, classify_fn};
use buttress_fallback::{FallbackLayer, Tier};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_layer::Layer;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::{Broken, Shape, U64};

pub(super) fn u64(inner: Inner<U64>) -> Bench {
    let layer = FallbackLayer::new(classify()).tier(Tier::upstream("b", inner, classify()));
    Bench::service(layer.layer(inner), U64::request)
}

fn classify() -> impl Classify<u64, Broken> + Clone + Send + Sync + 'static {
    classify_fn(|result: Result<&u64, &Broken>| {
        if U64::is_failure(result) {
            Outcome::new(Kind::Transient)
        } else {
            Outcome::SUCCESS
        }
    })
}

pub(super) fn http<Sh>(inner: Inner<Sh>) -> Bench
where
    Sh: Shape<Request = Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
{
    let tier = Tier::upstream("b", inner, Profile::OPENAI);
    let layer = FallbackLayer::http(Profile::OPENAI).tier(tier);
    Bench::service(layer.layer(inner), Sh::request)
}

/// The same, with requests that are cloned as they are.
pub(super) fn cloned<Sh>(inner: Inner<Sh>) -> Bench
where
    Sh: Shape<Request = Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
{
    let tier = Tier::upstream("b", inner, Profile::OPENAI);
    let layer = FallbackLayer::new(Profile::OPENAI).tier(tier);
    Bench::service(layer.layer(inner), Sh::request)
}
