//! What a script may say about other programs of this machine: one verb, a list of words, no shell.

mod driver;

use crate::cluster::ClusterError;
use crate::effect::{Change, Diff, Preview};
use crate::host::Host;
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use driver::{CommandError, Run, RunOptions};
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, ImmutableString, Map};

#[export_module]
mod verbs {
    /// Runs a program: `#{ status, stdout, stderr }`. It acts, and must exit 0 (or `expect_status`), unless
    /// `read_only: true` says that it changes nothing: then it runs in a dry run too and any status is an answer.
    /// Death by a signal is an error. Options: `folder` (a name among `checkouts`, or a folder inside one or the
    /// root), `timeout` (`"10m"`), `env`, `stdin` (a text or a secret), `expect_status` (one or a list), `touches` (what
    /// a dry run should know it reads or alters, like `["gitea/"]`).
    ///
    /// ```rhai
    /// let smoke = command::run(["make", "smoke"], #{ folder: settings::get("checkouts.cluster"), read_only: true });
    /// command::run(["make", "backup"], #{ folder: "cluster", timeout: "30m" });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn run(ctx: NativeCallContext, words: Array, options: Map) -> RhaiResultOf<Dynamic> {
        carry_out(&ctx, &words, options)
    }

    #[rhai_fn(name = "run", volatile, return_raw)]
    pub fn run_plain(ctx: NativeCallContext, words: Array) -> RhaiResultOf<Dynamic> {
        carry_out(&ctx, &words, Map::new())
    }
}

fn carry_out(ctx: &NativeCallContext, words: &Array, options: Map) -> RhaiResultOf<Dynamic> {
    let options: RunOptions = value::options(options).map_err(Fault::raise)?;
    if options.read_only {
        let about: Vec<&str> = options.touches.iter().map(String::as_str).collect();
        return read(ctx, &about, |host| {
            let run = prepared(host, words, &options)?;
            host.wait(run.ended(host.process.read_as_declared(&run.command)))
        });
    }
    bind(ctx, |host| {
        let run = prepared(host, words, &options)?;
        let what = options.touches.iter().fold(Change::new("command run", run.command.to_string()), Change::touching);
        let folder = run.command.folder.as_deref().map(|folder| host.files.name(folder)).filter(|name| !name.is_empty());
        let request = folder.map_or_else(Diff::new, |folder| Diff::new().note(format!("in `{folder}`"))).with_unseen(run.unseen(&options));
        host.change(what, || Ok(Preview::Action { request }), |permit, _| host.wait(run.ended(host.process.write(permit, &run.command))))
    })
}

fn prepared(host: &Host, words: &Array, options: &RunOptions) -> Result<Run, Fault> {
    let words = words.iter().map(text).collect::<Result<Vec<_>, Fault>>()?;
    let mut run = Run::new(host, &words, options)?;
    run.command = environment(host)?.into_iter().fold(run.command, |command, (name, value)| command.env(name, value));
    Ok(run)
}

/// What leads a program to the cluster of the environment. Where that cannot be reached it leads nowhere: the program
/// would find another one by itself. Only a live run without a kubeconfig leaves a program what it finds.
fn environment(host: &Host) -> Result<Vec<(String, String)>, Fault> {
    match host.cluster() {
        Ok(cluster) => Ok(cluster.environment()),
        Err(error @ ClusterError::Interrupted(_)) => Err(error.into()),
        Err(ClusterError::NoKubeconfig { .. }) if !host.dry_run() => Ok(Vec::new()),
        Err(_) => Ok(vec![("KUBECONFIG".into(), "/dev/null".into())]),
    }
}

fn text(given: &Dynamic) -> Result<String, Fault> {
    if let Some(pending) = value::pending_in(given) {
        return Err(pending.into());
    }
    let text = given.read_lock::<ImmutableString>().map(|text| text.to_string());
    text.ok_or_else(|| CommandError::NotText { kind: value::kind(given) }.into())
}

pub fn primitive() -> Primitive {
    Primitive { name: "command", module: exported_module!(verbs), verbs: vec![Verb::action("run").options::<RunOptions>()], types: |_| {} }
}

#[cfg(test)]
mod tests;
