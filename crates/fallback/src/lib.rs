//! Goes elsewhere when an upstream fails.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_fallback::{FallbackLayer, Rewrite, ServedBy, Tier};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // … or hyper, or reqwest, each with retries and a circuit breaker of its own.
//! let large = service_fn(|_: Request<_>| async { Response::builder().status(503).body(Full::<Bytes>::default()) });
//! let small = service_fn(|_: Request<_>| async { Response::builder().body(Full::<Bytes>::from("Yes.")) });
//!
//! let small = Tier::upstream("small", small, Profile::MISTRAL)
//!     .rewrite(
//!         Rewrite::new()
//!             .base("https://api.mistral.ai")?
//!             .model(Profile::MISTRAL, "ministral-8b")
//!             .bearer("its-own-key")?,
//!     )
//!     .degraded(true);
//! let client = FallbackLayer::http(Profile::OPENAI)
//!     .tier(small)
//!     .answer("sorry", |_head, _why| Some(Response::new("Please ask again later.".into())))
//!     .layer(large);
//!
//! let prompt = Request::post("/v1/chat/completions").body(Full::<Bytes>::from(r#"{"model": "large"}"#))?;
//! let answer = client.oneshot(prompt).await?;
//! let by: &ServedBy = answer.extensions().get().ok_or("the primary served it")?;
//! assert_eq!((by.name(), by.is_degraded()), ("small", true));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Where another provider, a smaller model, an older answer or an honest "later" is better than none. Not where
//! any other answer is wrong, and not for calls that must happen once: after a time-out nobody knows whether the
//! primary has done its part, and a tier does it again.
//!
//! # Differences from others
//!
//! - *tower's* `steer` and `filter` choose before the call; here the result decides.
//! - *tower-resilience's* fallback has one backup service behind a lock that is held until it is ready, so that
//!   one slow call holds up all others. Here each call readies a clone of its own.
//! - *LLM routers* send a request that one provider called invalid to the next, with headers and all. Here a
//!   request at fault stays where it is, and no credential crosses over.
//!
//! # How a tier is chosen
//!
//! ```text
//!            failed                     failed            failed
//!  primary ─────────► the next tier ───────────► … ─────────────► nobody is left: the last result
//!     │               that suits    │ skipped: as if it were not there
//!     └─ served: done               └─ served: done
//! ```
//!
//! Tiers are asked in their order, each at most once, and [which failures call for which](FallbackLayer#what-calls-for-a-tier)
//! is told by kind and reason. With fallbacks inside of fallbacks all of them together ask nobody twice, as far as
//! they have the same names, and share the outermost one's attempts.
//!
//! # Defaults
//!
//! Five attempts in all, none that has less than a second left, prompts of up to 16 MiB: the reasons are on the page of
//! the [layer](FallbackLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Outside of retry, circuit breaker and limits, of which each tier has its own, and inside of what belongs to
//! the call: idempotency key and time budget. A retry *outside* of it would ask all tiers again. Give all the
//! retries inside one budget, and a judge innermost in each tier: it is what turns a stream that dies before its
//! first content into a failure that can still be mended.
//!
//! # Who stalls
//!
//! An upstream that is down often says nothing at all, and whoever waits for it to the end of the call has no time
//! left for others. So give each tier but the last a share of what remains, of the time until its first content:
//! `BudgetShareLayer::all().attempt_share(Ratio::percent(40))` inside of its retries, where the stack above has it.
//! What has begun by then keeps all the time of the call; a share of the whole (`fraction`) would cut long answers
//! short. Of 30 s two that stall then take 12 s and 7.2 s, and leave 10.8 s to the third: `examples/tiers` shows it. A
//! time-out of any layer does, too, if it is shorter than the [deadline]; a budget that a tier has for itself is
//! not taken for the call's.
//!
//! [deadline]: buttress_core::Deadline
//!
//! # What it costs
//!
//! A call that the primary serves: the clone of the request (of HTTP its head, and one allocation for the record
//! of its body), two steps of a shared count, and no box, lock or clock. Retries inside keep a record of their own:
//! the chunks are shared, the account of them is kept twice. After a failure: one box for the course
//! of the call, one for the call of each tier and one for its body. [`LastGood`] copies each answer that it keeps
//! while it passes, and takes a lock at its end.
//!
//! # Observability
//!
//! Events of the target `buttress::fallback`; names and fields are part of the API:
//!
//! | message | level | fields |
//! |---|---|---|
//! | `falling back` | info | `to` which tier; `kind` and `reason` of the failure before |
//! | `skipped` | debug | `tier`, `kind`, `reason`: nothing was sent |
//! | `served` | info | `tier`, its `place`, `degraded` |
//! | `nobody to ask` | debug | `tier` (the primary), `kind`, `reason` |
//! | `all tiers failed` | warn | `tiers` (how many), `kind`, `reason` |
//!
//! No event holds a header, a URI or a body. The answer has [`ServedBy`] in its extensions and, [if asked
//! for](FallbackLayer::say_who), in its headers; what an upstream says in an `x-buttress-…` of its own is taken off.
//!
//! # Sources
//!
//! RFC 9110 §15.5 (what is the request's own fault) · RFC 9111 §5.1 (`Age`) · Nygard, *Release It!*, 2nd ed.,
//! "Stability Patterns" · the incidents of LLM routers whose fallbacks called themselves, or failed over what no
//! other provider could mend

mod body;
mod chain;
mod error;
mod event;
mod future;
mod hand_over;
mod hop_by_hop;
mod last_good;
mod layer;
mod name;
mod plan;
mod rewrite;
mod served;
mod service;
mod tier;
mod traffic;
mod trail;
mod when;

pub use body::FallbackBody;
pub use error::AllTiersFailed;
pub use future::ResponseFuture;
pub use hand_over::HandOver;
pub use last_good::LastGood;
pub use layer::FallbackLayer;
pub use name::{InvalidName, TierName};
pub use rewrite::{InvalidBase, Rewrite, Unrewritable, climbs};
pub use served::{ServedBy, Tried};
pub use service::Fallback;
pub use tier::Tier;
pub use traffic::{Accept, Cloned, Facts, Http, KeptHttp, Traffic};
pub use trail::{FallbackOverride, Trail};
pub use when::When;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
