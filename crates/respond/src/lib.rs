//! A Tower layer that answers for failures: problem details for HTTP, statuses for gRPC.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
