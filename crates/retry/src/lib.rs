//! A retry layer for Tower with jitter, a shared budget and replayed bodies.
