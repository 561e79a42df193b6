//! Tower layers that keep calls to unreliable upstreams manageable, LLM APIs first.
