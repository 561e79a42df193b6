//! A Tower layer that stops calling an upstream that keeps failing, streams and all.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
