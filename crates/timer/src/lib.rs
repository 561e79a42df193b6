//! One timer per stream: made at the first wait, re-armed in place, and a count of quiet ticks.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
