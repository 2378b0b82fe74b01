//! Every finding in a script before anything runs, several in one go, with its place. No cluster is needed and
//! nothing is evaluated.

use crate::engine::{Finding, Script, Sources};

/// What is wrong with these scripts and all that they import, in order of place.
pub fn check(_: &Sources, _: &[Script]) -> Vec<Finding> {
    Vec::new()
}
