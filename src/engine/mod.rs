//! From a file to something that can be run: load, resolve imports, check, report. Running it is the task floor's
//! business; what a verb does is the primitives'.

mod check;
pub mod docs;
pub mod examples;
mod finding;
mod header;
mod load;
mod place;
pub mod profile;
pub mod report;
mod resolve;
mod sheet;
mod sources;
#[cfg(test)]
mod testing;
mod trace;
mod values;
pub mod vocabulary;
mod wording;

pub use check::{METHODS, Method, check};
pub use finding::Finding;
pub use header::TaskHeader;
pub use load::{LoadError, Script, all, load};
pub use sources::{Source, Sources};
pub use values::check_values;
