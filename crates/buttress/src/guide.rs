//! What no single layer can tell.

#[doc = include_str!("guide/ordering.md")]
pub mod ordering {}

#[cfg(all(feature = "stack", feature = "reqwest"))]
#[doc = include_str!("guide/clients.md")]
pub mod clients {}

#[cfg(feature = "heartbeat")]
#[doc(inline)]
pub use buttress_heartbeat::proxies;
#[cfg(feature = "timeout")]
#[doc(inline)]
pub use buttress_timeout::choosing as limits;
