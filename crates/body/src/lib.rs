//! HTTP bodies that several Buttress layers need: replay and bounded discard.
