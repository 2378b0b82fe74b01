//! What a script may ask of `railrun.yaml`. Which environment is chosen, and how files and `--set` are laid over each
//! other, is `crate::settings`' business.

use crate::script::{Primitive, RhaiResultOf, Verb, bind_declaring, value};
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};

#[export_module]
mod verbs {
    /// A setting of the chosen environment: a text, a number, `true` or `false`, a list or a map.
    /// A missing one is an error that names file and key, unless a default follows.
    ///
    /// ```rhai
    /// let url = settings::get("gitea.url");
    /// let limit = settings::get("failover.login_outage", "30s");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn get(ctx: NativeCallContext, key: &str) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |host| value::answer(host.settings.get(key)?))
    }

    #[rhai_fn(name = "get", volatile, return_raw)]
    pub fn get_or(ctx: NativeCallContext, key: &str, default: Dynamic) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |host| host.settings.find(key).map_or(Ok(default), value::answer))
    }
}

pub fn primitive() -> Primitive {
    Primitive { name: "settings", module: exported_module!(verbs), verbs: vec![Verb::read("get").while_declaring()], types: |_| {} }
}

#[cfg(test)]
mod tests {
    use crate::effect::Mode;
    use crate::primitives::trial::{Setup, Trial};
    use crate::process::Process;

    #[test]
    fn settings_keep_their_shape_and_may_be_asked_while_declaring() {
        let settings = "settings: {gitea: {url: 'http://x', port: 3000, ha: true, load: 0.5, names: [a, b]}}";
        let trial = Trial::new(Setup { mode: Mode::Live, process: Process::real(), settings });
        trial.host.set_declaring(true);
        assert_eq!(
            trial.text("let g = settings::get(\"gitea\"); [g.url, g.port + 1, g.ha, g.load * 2.0, g.names.len()]"),
            "[\"http://x\", 3001, true, 1.0, 2]"
        );
        assert_eq!(trial.text("settings::get(\"gitea.none\", 7)"), "7");
        assert_eq!(trial.text("settings::get(\"gitea.port\", 7)"), "3000");
        assert_eq!(trial.code("settings::get(\"gitea.ulr\")"), "settings::missing");
    }
}
