//! The nouns that Buttress layers agree on.
