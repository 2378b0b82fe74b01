//! What a script may say about other programs of this machine: one verb, a list of words, no shell.

use crate::duration::Span;
use crate::effect::{Change, Preview};
use crate::host::Host;
use crate::process::{Command, Output, ProcessError};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use miette::Diagnostic;
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum CommandError {
    #[error("a command needs at least one word")]
    #[diagnostic(code(command::empty), help("write it like `command::run([\"make\", \"smoke\"])`"))]
    Empty,
    #[error("a command's words are texts, and `{0}` is none")]
    #[diagnostic(code(command::not_text), help("use `.to_string()`; a secret goes into `stdin`"))]
    NotText(String),
    #[error("`{folder}` lies in no known checkout")]
    #[diagnostic(code(command::outside), help("name a folder below `{root}` or one of the `checkouts` of railrun.yaml"))]
    Outside { folder: String, root: String },
    #[error("`{command}` did not end within {timeout}")]
    #[diagnostic(code(command::timeout), help("give `timeout` a larger value, or look why it hangs"))]
    Timeout { command: String, timeout: String },
}

/// How to run it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    folder: Option<String>,
    read_only: bool,
    timeout: Option<Span>,
    stdin: Option<String>,
    env: std::collections::BTreeMap<String, String>,
}

#[export_module]
mod verbs {
    /// Runs a program: `#{ status, stdout, stderr }`. A status other than 0 is an answer; death by a signal is an error.
    /// Options: `folder` (inside the root or a checkout), `read_only` (it changes nothing: also run in a dry run),
    /// `timeout` (default `"10m"`), `stdin`, `env`.
    ///
    /// ```rhai
    /// let smoke = command::run(["make", "smoke"], #{ folder: settings::get("checkouts.cluster"), read_only: true });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn run(ctx: NativeCallContext, words: Array, settings: Map) -> RhaiResultOf<Dynamic> {
        carry_out(&ctx, words, settings)
    }

    #[rhai_fn(name = "run", volatile, return_raw)]
    pub fn run_plain(ctx: NativeCallContext, words: Array) -> RhaiResultOf<Dynamic> {
        carry_out(&ctx, words, Map::new())
    }
}

fn carry_out(ctx: &NativeCallContext, words: Array, settings: Map) -> RhaiResultOf<Dynamic> {
    let read_only = settings.get("read_only").is_some_and(|flag| flag.as_bool().unwrap_or(false));
    if read_only {
        return read(ctx, &[], |host| {
            let (command, timeout) = prepare(host, words, settings)?;
            host.wait(bounded(&command, timeout, host.process.read_as_declared(&command)))
        });
    }
    bind(ctx, |host| {
        let (command, timeout) = prepare(host, words, settings)?;
        host.change(
            Change::new("run", command.to_string()),
            || Ok::<_, Fault>(Preview::action(format!("in {}", command.folder.clone().unwrap_or_default().display()))),
            |permit, _| host.wait(bounded(&command, timeout, host.process.write(permit, &command))),
        )
    })
}

async fn bounded(command: &Command, timeout: Duration, run: impl Future<Output = Result<Output, ProcessError>>) -> Result<Value, Fault> {
    let ended = tokio::time::timeout(timeout, run).await;
    match ended.map_err(|_| CommandError::Timeout { command: command.to_string(), timeout: crate::duration::show(timeout) })? {
        Ok(output) => Ok(json!({"status": 0, "stdout": output.text(), "stderr": output.stderr})),
        Err(ProcessError::Failed { status: Some(status), stderr, stdout, .. }) => Ok(json!({"status": status, "stdout": stdout, "stderr": stderr})),
        Err(error) => Err(error.into()),
    }
}

fn prepare(host: &Host, words: Array, settings: Map) -> Result<(Command, Duration), Fault> {
    let options: Options = value::options(settings)?;
    let mut texts = Vec::new();
    for word in words {
        texts.push(word.clone().into_immutable_string().map_err(|_| CommandError::NotText(word.type_name().to_owned()))?.to_string());
    }
    let (program, args) = texts.split_first().ok_or(CommandError::Empty)?;
    let folder = folder(host, options.folder.as_deref().unwrap_or("."))?;
    let mut command = Command::new(program.clone(), args.iter().cloned()).folder(folder);
    command.stdin = options.stdin.map(String::into_bytes);
    command.env = options.env.into_iter().collect();
    if let Ok(cluster) = host.cluster() {
        command = command.env("KUBECONFIG", cluster.kubeconfig().path().to_string_lossy().into_owned());
    }
    Ok((command, options.timeout.map_or(Duration::from_secs(600), |span| span.0)))
}

/// A folder below the root or one of the checkouts, links resolved.
fn folder(host: &Host, asked: &str) -> Result<PathBuf, Fault> {
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let wanted = real(host.files.path(asked));
    let checkouts = host.settings.find("checkouts").and_then(|all| all.as_mapping()).into_iter().flatten();
    let mut known = checkouts.filter_map(|(_, path)| path.as_str()).map(|path| real(host.files.path(path)));
    if wanted.starts_with(real(host.files.root().to_owned())) || known.any(|known| wanted.starts_with(known)) {
        return Ok(wanted);
    }
    Err(CommandError::Outside { folder: asked.to_owned(), root: host.files.root().display().to_string() }.into())
}

pub fn primitive() -> Primitive {
    Primitive { name: "command", module: exported_module!(verbs), verbs: vec![Verb::action("run").options::<Options>()], types: |_| {} }
}
