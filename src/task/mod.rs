//! The life of a run: from a loaded script to a proof that it holds. What a verb does is not known here.

mod ask;
mod closure;
mod declared;
mod needs;
mod order;
mod run;
mod sides;
mod state;
mod steps;

pub use closure::Closure;
pub use order::{OrderError, in_order};
pub use run::{Failed, Runner, id_of};
pub use steps::Walk;

/// Makes `task` and `state` known to scripts.
pub fn register(engine: &mut rhai::Engine) {
    declared::register(engine);
    state::register(engine);
}

#[cfg(test)]
mod tests {
    use crate::engine::{METHODS, Sources, profile};
    use std::collections::BTreeSet;

    #[test]
    fn check_knows_exactly_the_methods_that_task_has() {
        let mut engine = profile::engine(None, &Sources::new(".".into()));
        super::register(&mut engine);
        let registered = engine.collect_fn_metadata(
            None,
            |info| {
                let function = info.metadata;
                let known = function.params_info.first().is_some_and(|first| first.ends_with("&mut task"));
                known.then(|| (function.name.to_string(), function.num_params - 1))
            },
            false,
        );
        let registered: BTreeSet<_> = registered.into_iter().collect();
        let known: BTreeSet<_> = METHODS.iter().map(|method| (method.name.to_owned(), method.params.len())).collect();
        assert_eq!(registered, known);
    }
}
