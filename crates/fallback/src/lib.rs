//! Goes elsewhere when an upstream fails.

mod body;
mod chain;
mod error;
mod event;
mod future;
mod hand_over;
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
pub use rewrite::{InvalidBase, Rewrite, Unrewritable};
pub use served::{ServedBy, Tried};
pub use service::Fallback;
pub use tier::Tier;
pub use traffic::{Accept, Cloned, Facts, Http, KeptHttp, Traffic};
pub use trail::{FallbackOverride, Trail};
pub use when::When;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
