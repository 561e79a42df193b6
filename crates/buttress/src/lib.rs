//! Tower layers that keep calls to unreliable upstreams manageable, LLM APIs first.
//!
//! This crate only re-exports: each layer lives in a crate of its own and can be used alone. What it adds is the order
//! in which they stand: [`stack`] builds it, [`guide::ordering`] explains it. The [`guide`] also says around which clients they
//! stand, and how.

pub mod guide;
#[cfg(feature = "stack")]
pub mod stack;

#[doc(inline)]
pub use buttress_body as body;
#[cfg(feature = "breaker")]
#[doc(inline)]
pub use buttress_breaker as breaker;
#[doc(inline)]
pub use buttress_classify as classify;
#[doc(inline)]
pub use buttress_core as core;
#[cfg(feature = "deadline")]
#[doc(inline)]
pub use buttress_deadline as deadline;
#[cfg(feature = "fallback")]
#[doc(inline)]
pub use buttress_fallback as fallback;
#[cfg(feature = "heartbeat")]
#[doc(inline)]
pub use buttress_heartbeat as heartbeat;
#[cfg(feature = "idempotency")]
#[doc(inline)]
pub use buttress_idempotency as idempotency;
#[cfg(feature = "idempotency-redis")]
#[doc(inline)]
pub use buttress_idempotency_redis as idempotency_redis;
#[cfg(feature = "judge")]
#[doc(inline)]
pub use buttress_judge as judge;
#[cfg(feature = "respond")]
#[doc(inline)]
pub use buttress_respond as respond;
#[cfg(feature = "retry")]
#[doc(inline)]
pub use buttress_retry as retry;
#[doc(inline)]
pub use buttress_sse as sse;
#[cfg(feature = "timeout")]
#[doc(inline)]
pub use buttress_timeout as timeout;
#[doc(inline)]
pub use buttress_timer as timer;

/// What the READMEs show compiles.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../../README.md")]
    struct Project;
    #[doc = include_str!("../README.md")]
    struct Facade;
}
