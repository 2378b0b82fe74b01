//! The verbs of each namespace on the real sandbox: each changing one changes, does nothing the second time, only
//! shows in a dry run, and fails with a report that helps.

mod helm;
mod kube;
mod sql;
