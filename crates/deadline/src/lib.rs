//! Tower layers that give a call a time budget, tell everybody of it, and end the call with it.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
