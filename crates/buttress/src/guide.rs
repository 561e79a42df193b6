//! What no single layer can tell.

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/ordering.md")]
pub mod ordering {}

#[doc = include_str!("guide/proxies.md")]
pub mod proxies {}
