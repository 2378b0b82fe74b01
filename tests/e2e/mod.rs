//! Whole tasks on the real sandbox. There is one platform, so these run one after the other, in the order of `main_job`.

mod anew;
mod argv;
mod chains;
mod failover;
mod failures;
mod injected;
mod killed;
mod logs;
mod main_job;
mod platform;
mod portrait;
mod secrets;
mod sweeps;
mod workplan;
