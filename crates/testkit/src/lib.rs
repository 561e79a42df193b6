//! Contract probes, scripted bodies and a scripted LLM upstream for Buttress tests.
