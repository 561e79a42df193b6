//! What no single layer can tell.

#[doc = include_str!("guide/ordering.md")]
pub mod ordering {}

#[cfg(feature = "heartbeat")]
#[doc(inline)]
pub use buttress_heartbeat::proxies;
#[cfg(feature = "timeout")]
#[doc(inline)]
pub use buttress_timeout::choosing as limits;
