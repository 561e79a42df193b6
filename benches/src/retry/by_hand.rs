//! What no retry can do without: the attempts, and before each a clone of the request, since there may
//! be another.

use std::hint::black_box;

use crate::bench::Bench;
use crate::inner::Inner;
use crate::shape::Shape;

/// It knows beforehand how many attempts it will take, and looks at no result.
pub(crate) fn bench<Sh: Shape>(inner: Inner<Sh>, attempts: u64) -> Bench {
    let call = async move |mut request: Sh::Request| {
        for _ in 1..attempts {
            let kept = black_box(request.clone());
            drop(black_box(inner.answer(request).await));
            request = kept;
        }
        let _kept = black_box(request.clone());
        inner.answer(request).await
    };
    Bench::function(call, Sh::request)
}
