//! `railrun doctor`: which programs and connections are found, which version, and what each is needed for.

use super::args::{self, Global};
use super::exit::Exit;
use super::{check, setup};
use crate::effect::Mode;
use crate::engine::Sources;
use crate::host::SharedHost;
use crate::process::{Command, Output, ProcessError};
use crate::report::Mark;
use crate::script::Fault;
use std::io::Write;

/// Program, the arguments that print its version, and what it is needed for.
const PROGRAMS: &[(&str, &[&str], &str)] = &[
    ("helm", &["version", "--short"], "releases"),
    ("sops", &["--version"], "encrypted values"),
    ("git", &["--version"], "the checkouts"),
];

pub fn doctor(global: &Global) -> Exit {
    let root = setup::root();
    let host = match setup::host(&Global { quiet: true, ..global.clone() }, root.clone(), Mode::DryRun) {
        Ok(host) => host,
        Err(fault) => return check::fail(global, &Sources::new(root), &fault),
    };
    let mut well = true;
    for (program, args, purpose) in PROGRAMS {
        let found: Result<Output, Fault> =
            host.wait::<_, ProcessError, Fault>(host.process.read(&Command::new(*program, args.iter().copied())));
        well &= found.is_ok();
        let said = found.map(|output| output.text().lines().next().unwrap_or_default().to_owned());
        say(global, &host, program, purpose, &said.map_err(|fault| fault.message()));
    }
    let cluster = host.cluster().map(|cluster| format!("{} ({})", cluster.uid(), host.settings.environment_name));
    well &= cluster.is_ok();
    say(global, &host, "cluster", "everything", &cluster.map_err(|error| error.to_string()));
    if well { Exit::Done } else { Exit::Failed }
}

fn say(global: &Global, host: &SharedHost, what: &str, purpose: &str, found: &Result<String, String>) {
    if global.output == args::Output::Json {
        let (text, found) = match found {
            Ok(text) => (text, true),
            Err(text) => (text, false),
        };
        let line = serde_json::json!({"v": 1, "what": what, "for": purpose, "found": found, "said": text.trim()});
        let _ = writeln!(std::io::stdout(), "{}", host.redactor.record(line));
        return;
    }
    let paint = setup::paint_stdout(global);
    let (mark, text) = match found {
        Ok(text) => (Mark::Yes, text),
        Err(text) => (Mark::No, text),
    };
    let line = paint.line(mark, &format!("{what:<9}{}", text.trim()), "", purpose);
    let _ = writeln!(std::io::stdout(), "{}", host.redactor.redact(&line));
}
