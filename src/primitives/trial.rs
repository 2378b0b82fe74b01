//! For the verbs' inline tests: a folder, a host and an engine, and what was said.

use crate::effect::Mode;
use crate::engine::{Sources, profile};
use crate::event::{Event, Events, Listener};
use crate::files::Files;
use crate::host::{Host, Parts, SharedHost};
use crate::process::Process;
use crate::script::{Fault, Pending, swallowed};
use crate::secret::Redactor;
use crate::settings::Settings;
use rhai::{Dynamic, Engine};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// What a trial is made from.
pub struct Setup {
    pub mode: Mode,
    pub process: Process,
    pub settings: &'static str,
}

pub struct Trial {
    pub folder: TempDir,
    pub host: SharedHost,
    engine: Engine,
    said: Arc<Mutex<Vec<String>>>,
    redactor: Redactor,
}

struct Ear(Arc<Mutex<Vec<String>>>);

impl Listener for Ear {
    fn hear(&self, event: &Event) {
        let line = match event {
            Event::ChangeUnchanged { verb, target } => format!("same {verb} {target}"),
            Event::ChangePlanned { verb, target, diff } => format!("plan {verb} {target}: {}", serde_json::to_string(diff).unwrap()),
            Event::ChangeDone { verb, target, error } => format!("done {verb} {target}{}", error.as_deref().unwrap_or_default()),
            Event::Note { text } => format!("note {text}"),
            Event::Warning { text } => format!("warn {text}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Trial {
    pub fn live() -> Self {
        Self::new(Setup { mode: Mode::Live, process: Process::real(), settings: "" })
    }

    pub fn dry_run() -> Self {
        Self::new(Setup { mode: Mode::DryRun, process: Process::real(), settings: "" })
    }

    pub fn new(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        Self::within(folder, setup)
    }

    /// A trial in a folder that is there already.
    pub fn within(folder: TempDir, setup: Setup) -> Self {
        let (said, redactor) = (Arc::<Mutex<Vec<String>>>::default(), Redactor::default());
        let root: PathBuf = folder.path().canonicalize().unwrap();
        let parts = Parts {
            process: setup.process,
            files: Files::new(root.clone(), setup.mode),
            settings: Settings::parse("railrun.yaml", setup.settings, None, &[]).unwrap(),
            events: Events::new(vec![Box::new(Ear(said.clone()))]),
            redactor: redactor.clone(),
            mode: setup.mode,
        };
        let host = Arc::new(Host::new(parts).unwrap());
        let engine = profile::engine(Some(&host), &Sources::new(root));
        Self { folder, host, engine, said, redactor }
    }

    pub fn eval(&self, script: &str) -> Result<Dynamic, String> {
        let _ = swallowed::take();
        let result = self.engine.eval::<Dynamic>(script);
        swallowed::raise().and(result).map_err(|error| match (Fault::find(&error), Pending::find(&error)) {
            (Some(fault), _) => format!("{}: {}", fault.code(), fault.message()),
            (_, Some(pending)) => format!("pending: {}", pending.after),
            _ => error.to_string(),
        })
    }

    pub fn run(&self, script: &str) {
        let _ = self.eval(script).unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    /// The answer as text.
    pub fn text(&self, script: &str) -> String {
        self.eval(script).unwrap_or_else(|error| panic!("{script}: {error}")).to_string()
    }

    /// The code of the error that this ends with.
    pub fn code(&self, script: &str) -> String {
        let error = self.eval(script).map(|answer| panic!("{script} gave {answer}")).unwrap_err();
        error.split(": ").next().unwrap_or_default().to_owned()
    }

    /// What was said since the last call, as a sink would show it.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().drain(..).map(|line| self.redactor.redact(&line)).collect()
    }

    pub fn put(&self, file: &str, text: &str) {
        let path = self.host.files.path(file);
        self.host.files.write(&crate::effect::Permit::for_tests(), &path, text).unwrap();
    }

    pub fn disk(&self, file: &str) -> String {
        self.host.files.read_disk(&self.host.files.path(file)).unwrap()
    }
}
