//! A Tower layer with the four limits of a stream: first frame, idle, progress, total.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
