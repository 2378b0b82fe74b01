//! Whole tasks on the real sandbox.
