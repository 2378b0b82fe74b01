//! The command line's shape.

use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Carries out the tasks of a platform workplan: plans helm, kube, SQL, secrets and backups as one, applies and proves it.
#[derive(Debug, Parser)]
#[command(name = "railrun", version, subcommand_precedence_over_arg = true, max_term_width = 100)]
pub struct Args {
    /// The script to run (`railrun scripts/t02-gitea-migrate.rhai`).
    pub script: Option<String>,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct RunArgs {
    /// Show what would change, as differences; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Start over where an earlier run was cut short, and leave that one as it is.
    #[arg(long, conflicts_with_all = ["dry_run", "resume"])]
    pub fresh: bool,
    /// Go on with a run that was cut short although its script has changed since.
    #[arg(long, conflicts_with = "dry_run")]
    pub resume: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct Global {
    /// The environment of `railrun.yaml` to work on.
    #[arg(long, global = true, env = "RAILRUN_ENV", value_name = "NAME")]
    pub env: Option<String>,
    /// Override a setting: `--set gitea.url=http://localhost:3000`.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The kubeconfig to use (otherwise: the environment's, $KUBECONFIG, ~/.kube/config, k3s's own).
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Answer yes where a protected environment asks.
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Only warnings, failures and the result.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Every change and every unchanged thing, differences in full.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
    /// Also write what was checked and done as a JUnit file.
    #[arg(long, global = true, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run tasks by id or file, in the order of their `needs` and `after`.
    Run {
        #[arg(required = true, value_name = "TASK")]
        tasks: Vec<String>,
        #[command(flatten)]
        run: RunArgs,
    },
    /// What tasks would change, written into a file that can be applied.
    Plan {
        #[arg(required = true, value_name = "TASK")]
        tasks: Vec<String>,
        /// Where to write the plan.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print the roles that its reads and changes take, as `kubectl apply -f -` takes them.
        #[arg(long)]
        rbac: bool,
    },
    /// Make exactly the changes of a saved plan.
    Apply {
        #[arg(value_name = "FILE")]
        plan: PathBuf,
        /// Let steps that could not be previewed when the plan was made change what nobody has seen.
        #[arg(long)]
        allow_pending: bool,
    },
    /// The tasks that there are; nothing is evaluated.
    List,
    /// Which tasks are done, asked of the cluster, and what each still misses.
    Status,
    /// The runs that there were, or one run's story.
    History {
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
    /// Take back what a run did that was cut short or failed, as far as it can be taken back.
    Undo {
        #[arg(value_name = "RUN")]
        run: String,
        /// Although its script has changed since.
        #[arg(long)]
        resume: bool,
    },
    /// Show who holds the lock of the environment, and remove it.
    Unlock,
    /// What `railrun.yaml` says about an environment.
    Env {
        #[command(subcommand)]
        command: EnvCommand,
    },
    /// Find mistakes before anything runs; no cluster needed.
    Check {
        #[arg(value_name = "SCRIPT")]
        scripts: Vec<PathBuf>,
    },
    /// Which programs and connections are found, and what each is for.
    Doctor,
    /// What a verb does, takes and gives (all of them without VERB).
    Docs {
        verb: Option<String>,
        /// The whole reference as Markdown.
        #[arg(long)]
        markdown: bool,
    },
    /// A completion script for a shell.
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// Write down which cluster and which PostgreSQL servers the environment leads to now: others are refused from then on.
    Pin {
        #[command(flatten)]
        run: RunArgs,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

impl Args {
    /// Reads a command line. clap keeps only the `--set`s of one side where some stand before a command and some behind it:
    /// here all count, the later ones over the earlier.
    pub fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        let mut args = Self::try_parse_from(words)?.checked()?;
        args.global.set = sets(words);
        Ok(args)
    }

    /// Refuses what stands before a command and would be left out: nobody may take a live run for a dry one.
    fn checked(self) -> Result<Self, clap::Error> {
        let run = &self.run;
        let lost = self.script.is_some() || run.dry_run || run.fresh || run.resume;
        if self.command.is_none() || !lost {
            return Ok(self);
        }
        let text = "a script, `--dry-run`, `--fresh` and `--resume` do not go before a command: write `railrun run t01 --dry-run`";
        Err(Args::command().error(clap::error::ErrorKind::ArgumentConflict, text))
    }
}

/// Every `--set`, in the order in which they stand.
fn sets(words: &[OsString]) -> Vec<String> {
    let texts: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).take_while(|word| word != "--").collect();
    let with_next = texts.iter().zip(texts.iter().skip(1).map(Some).chain([None]));
    with_next
        .filter_map(|(word, next)| if word == "--set" { next.cloned() } else { word.strip_prefix("--set=").map(str::to_owned) })
        .collect()
}

/// The help, as clap shows it when nothing was asked for.
pub fn help() -> clap::Error {
    let mut command = Args::command();
    let text = command.render_help();
    clap::Error::raw(clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_counts_wherever_it_stands() {
        let words = ["railrun", "--set", "a=1", "run", "t1", "--set=b=2", "--set", "a=3"].map(OsString::from);
        let args = Args::read(&words).unwrap();
        assert_eq!(args.global.set, ["a=1", "b=2", "a=3"]);
        assert!(Args::read(&["railrun", "list"].map(OsString::from)).unwrap().global.set.is_empty());
    }
}
