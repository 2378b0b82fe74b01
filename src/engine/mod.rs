//! From a file to something that can be run: load, resolve imports, check, report. Running it is the task floor's
//! business; what a verb does is the primitives'.

mod header;
mod load;
pub mod profile;
mod resolve;
mod sources;
#[cfg(test)]
mod testing;
pub mod wording;

pub use header::TaskHeader;
pub use load::{LoadError, Script, load};
pub use sources::{Source, Sources};
