//! A Tower layer that keeps event streams alive with comments no client can see.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
