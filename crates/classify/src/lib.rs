//! What an upstream's answer says: provider profiles, hints, error bodies and transport errors.
