//! From a file to something that can be run: load, resolve imports, check, report. Running it is the task floor's
//! business; what a verb does is the primitives'.

mod finding;
pub mod docs;
mod header;
mod load;
pub mod profile;
pub mod report;
mod resolve;
mod sources;
#[cfg(test)]
mod testing;
pub mod wording;

pub use header::TaskHeader;
pub use finding::{Finding, check};
pub use load::{LoadError, Script, all, load};
pub use sources::{Source, Sources};
