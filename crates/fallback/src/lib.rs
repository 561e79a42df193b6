//! Goes elsewhere when an upstream fails.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
