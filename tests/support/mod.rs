//! How tests run railrun: one builder that compares exit code, stdout and stderr together.

#![expect(clippy::disallowed_methods, reason = "tests run programs and write files")]

pub mod account;
pub mod boundary;
pub mod sandbox;
pub mod schema;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// One run of railrun in a folder of its own.
pub struct Test {
    folder: TempDir,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A `railrun.yaml` with one environment of this name: by it a test has a lock of its own, and may run beside others.
pub fn environment(name: &str, more: &str) -> String {
    format!("default_environment: {name}\nenvironments: {{{name}: {{{more}}}}}\n")
}

/// How it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Test {
    pub fn new() -> Self {
        let test = Self { folder: tempfile::tempdir().expect("a temporary folder"), args: Vec::new(), env: Vec::new() };
        test.file("railrun.yaml", "{}\n")
    }

    /// Writes a file into the folder.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    /// The script to run, as `scripts/it.rhai`.
    pub fn script(self, text: &str) -> Self {
        self.file("scripts/it.rhai", text).arg("scripts/it.rhai")
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub fn args<'a>(self, args: impl IntoIterator<Item = &'a str>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn dry_run(self) -> Self {
        self.arg("--dry-run")
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railrun"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("RAILRUN_ENV")
            .env_remove("KUBECONFIG")
            .env("HOME", self.folder.path())
            .env("NO_COLOR", "1")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Starts it without waiting for its end; what it says is lost.
    pub fn start(&self) -> Child {
        self.command(self.args.iter().map(String::as_str)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("railrun starts")
    }

    /// Starts it in the place of a program that prepares its process (`env --default-signal=HUP`).
    pub fn start_under(&self, program: &[&str]) -> Child {
        let own = self.command(self.args.iter().map(String::as_str));
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(own.get_program()).args(own.get_args()).current_dir(self.folder.path());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    }

    /// Starts it with its event stream on stdout.
    pub fn start_reading(&self) -> Child {
        let args = self.args.iter().map(String::as_str).chain(["--output", "json"]);
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("railrun starts")
    }

    pub fn run(&self) -> Ran {
        self.run_with(&self.args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs railrun in the same folder with other arguments.
    pub fn run_with(&self, args: &[&str]) -> Ran {
        let output = self.command(args.iter().copied()).output().expect("railrun starts");
        if args.contains(&"json") {
            String::from_utf8_lossy(&output.stdout).lines().for_each(schema::check);
        }
        let text = |bytes: Vec<u8>| without_times(&String::from_utf8(bytes).expect("UTF-8"));
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub fn success(self) -> Self {
        self.exits(0)
    }

    pub fn says(self, text: &str) -> Self {
        assert!(flat(&self.stderr).contains(&flat(text)), "`{text}` is not in:\n{}", self.stderr);
        self
    }

    pub fn does_not_say(self, text: &str) -> Self {
        assert!(!flat(&self.stderr).contains(&flat(text)), "`{text}` is in:\n{}", self.stderr);
        self
    }

    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "`{text}` is not in:\n{}", self.stdout);
        self
    }
}

/// Elapsed times differ from run to run: each becomes `0ms`, its columns kept apart by one blank.
fn without_times(text: &str) -> String {
    text.lines().map(without_time).fold(String::new(), |all, line| all + &line + "\n")
}

fn without_time(line: &str) -> String {
    let is_time = |word: &str| {
        let digits = word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        digits.len() < word.len() && matches!(digits, "ms" | "s")
    };
    let trimmed = line.trim_end();
    match trimmed.rsplit_once(' ') {
        Some((before, last)) if is_time(last) => format!("{} 0ms", before.trim_end()),
        Some((before, last)) if last.starts_with('(') && is_time(last.trim_matches(['(', ')'])) => format!("{before} (0ms)"),
        _ => trimmed.to_owned(),
    }
}

/// A text on one line: where a line is broken depends on the width of the terminal.
pub fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
