//! railrun carries out the tasks of a platform workplan: Rhai scripts on a Rust host.
//!
//! The floors, bottom to top; a floor may use what lies below it and nothing else (`tests/architecture.rs`):
//!
//! | floor | modules | what it is |
//! |---|---|---|
//! | 0 | [`effect`] [`event`] [`secret`] [`duration`] [`causes`] | a change and its permit; what happened; what nobody may see |
//! | 1 | [`bridge`] [`process`] [`files`] [`webdav`] [`settings`] [`plan`] [`journal`] [`saved`] [`rights`] [`sops`] [`http`] [`yaml`] [`chart`] [`chart_values`] [`report`] | one door per effect; readers of the events |
//! | 2 | [`host`] [`cluster`] [`database`] | what a primitive may reach |
//! | 3 | [`script`] | the border between Rust and Rhai |
//! | 4 | [`primitives`] | helm, kube, sql, sops, backup … a folder each |
//! | 5 | [`engine`] | load, resolve imports, check, report an error in a script |
//! | 6 | [`task`] | the life of a run |
//! | 7 | [`cli`] | what the user typed; exit codes |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests run programs, write files and block"))]

pub mod bridge;
pub mod causes;
pub mod chart;
pub mod chart_values;
pub mod cli;
pub mod cluster;
pub mod database;
pub mod duration;
pub mod effect;
pub mod engine;
pub mod event;
pub mod files;
pub mod host;
pub mod http;
pub mod journal;
pub mod plan;
pub mod primitives;
pub mod process;
pub mod report;
pub mod rights;
pub mod saved;
pub mod script;
pub mod secret;
pub mod settings;
pub mod sops;
pub mod task;
pub mod webdav;
pub mod yaml;
