//! The tests that need a whole program: a mirror of `src/`, least powerful first; `e2e` needs the sandbox.

mod architecture;
mod cli;
mod e2e;
mod primitives;
mod support;
mod task;
mod trust;
