//! The border between Rust and Rhai: errors, values, secrets and unknowns cross it here and nowhere else.

mod bind;
pub mod duration;
mod fault;
pub mod kept;
pub mod pending;
pub mod reveal;
pub mod secret;
pub mod swallowed;
pub mod target;
pub mod value;
mod verb;

pub use bind::{bind, bind_declaring, bind_value, calling_back, host_of, origin, read, read_value, unknown};
pub use fault::{Fault, Origin, is_interrupt};
pub use pending::Pending;
pub use verb::{Kind, Primitive, Verb};

/// What a verb returns; the definition writer matches this name by text.
pub type RhaiResultOf<T> = Result<T, Box<rhai::EvalAltResult>>;
