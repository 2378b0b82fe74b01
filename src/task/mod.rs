//! The life of a run: from a loaded script to a proof that it holds.
