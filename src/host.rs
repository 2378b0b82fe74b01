//! What a primitive may reach: the doors of floor 1, the cluster, and [`Host::change`]. One host serves one run.
//! It knows neither Rhai nor what a task is.

mod expected;
mod lock;
pub mod rights;

use crate::bridge::Bridge;
use crate::cluster::{Cluster, ClusterError};
use crate::effect::{self, Change, Diff, Interrupted, Mode, Outcome, Permit, Preview, Stage};
use crate::event::{Event, Events};
use crate::files::Files;
use crate::journal::{Journal, Key};
use crate::plan::Plan;
use crate::process::Process;
use crate::saved::Expected;
use crate::secret::{Input, Redactor, Secret, SecretError, Text};
use crate::settings::Settings;
use lock::Lock;
use rights::Rights;
use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A host, as the script engine's tag carries it.
pub type SharedHost = Arc<Host>;

pub struct Host {
    pub bridge: Bridge,
    pub process: Process,
    pub files: Files,
    pub settings: Settings,
    pub events: Events,
    pub redactor: Redactor,
    pub plan: Plan,
    /// Names this run in annotations, backups and logs.
    pub run_id: String,
    /// Where this run is written down, if it is.
    pub journal: OnceLock<Journal>,
    /// The saved plan that this run is held to, if it is.
    pub expected: OnceLock<Expected>,
    /// What new passwords are drawn from where a saved plan foretells them; elsewhere from the operating system.
    pub passwords: OnceLock<Key>,
    /// Keeps other runs away while this one changes something.
    pub lock: Lock,
    /// Which rights this run takes.
    pub rights: Rights,
    mode: Mode,
    cluster: OnceLock<Cluster>,
    /// The step under way, as `step 2`: plans say after which step something is known.
    step: Mutex<Option<Step>>,
    changes: AtomicUsize,
    /// While a script only declares, verbs that reach the world are refused.
    declaring: AtomicBool,
    /// While a yes-or-no question of a script is asked.
    asking: AtomicBool,
}

/// The step under way.
#[derive(Clone, Debug)]
pub struct Step {
    pub index: usize,
    pub name: String,
}

/// What a run is made with.
pub struct Parts {
    pub process: Process,
    pub files: Files,
    pub settings: Settings,
    pub events: Events,
    pub redactor: Redactor,
    pub mode: Mode,
}

impl Host {
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        Ok(Self {
            bridge: Bridge::new()?,
            process: parts.process,
            files: parts.files,
            settings: parts.settings,
            events: parts.events,
            redactor: parts.redactor,
            plan: Plan::default(),
            run_id: ulid::Ulid::generate().to_string(),
            journal: OnceLock::new(),
            expected: OnceLock::new(),
            passwords: OnceLock::new(),
            lock: Lock::default(),
            rights: Rights::default(),
            mode: parts.mode,
            cluster: OnceLock::new(),
            step: Mutex::default(),
            changes: AtomicUsize::new(0),
            declaring: AtomicBool::new(false),
            asking: AtomicBool::new(false),
        })
    }

    pub fn dry_run(&self) -> bool {
        self.mode == Mode::DryRun
    }

    /// The cluster of the chosen environment, connected at the first use.
    pub fn cluster(&self) -> Result<&Cluster, ClusterError> {
        if let Some(cluster) = self.cluster.get() {
            return Ok(cluster);
        }
        let cluster = self.bridge.wait::<_, ClusterError, ClusterError>(Cluster::connect(&self.settings.environment, self.mode))?;
        Ok(self.cluster.get_or_init(|| cluster))
    }

    /// Waits for asynchronous work; Ctrl-C ends the wait unless a change that cannot be cancelled is under way.
    pub fn wait<T, E, F>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, F>
    where
        F: From<E> + From<Interrupted>,
    {
        self.bridge.wait(work)
    }

    /// Makes a change, or shows it in a dry run: see [`effect::change`]. What its preview asks of the cluster tells which
    /// rights it takes.
    pub fn change<T, E>(
        &self,
        what: Change,
        preview: impl FnOnce() -> Result<Preview<T>, E>,
        apply: impl FnOnce(&Permit, &Diff) -> Result<T, E>,
    ) -> Result<Outcome<T>, E>
    where
        E: Display + From<Interrupted>,
    {
        let told = what.clone();
        let preview = || {
            self.rights.begin(self);
            let found = preview();
            self.rights.learn(self, &told, &found);
            found
        };
        effect::change(self, what, preview, apply)
    }

    /// The value of a secret, masked from now on in everything that is printed.
    pub fn reveal<'s>(&self, secret: &'s Secret) -> Result<&'s str, SecretError> {
        let value = secret.reveal()?;
        self.redactor.learn(value);
        Ok(value)
    }

    /// A text that may be a secret, for a verb to hand on.
    pub fn reveal_text<'t>(&self, text: &'t Text) -> Result<&'t str, SecretError> {
        match text {
            Text::Plain(text) => Ok(text),
            Text::Secret(secret) => self.reveal(secret),
        }
    }

    /// What a program shall read, its secrets masked from now on in everything that is printed.
    pub fn reveal_input(&self, input: &Input) -> Result<Vec<u8>, SecretError> {
        match input {
            Input::Whole(text) => Ok(self.reveal_text(text)?.as_bytes().to_vec()),
            Input::Lines(lines) => {
                lines.iter().map(|line| Ok(format!("{}\n", self.reveal_text(line)?))).collect::<Result<String, _>>().map(String::into_bytes)
            }
        }
    }

    /// Sleeps, unless Ctrl-C comes; in a dry run it returns at once.
    pub fn sleep(&self, duration: Duration) -> Result<(), Interrupted> {
        if self.dry_run() {
            return Ok(());
        }
        self.bridge.wait(async {
            tokio::time::sleep(duration).await;
            Ok::<_, Interrupted>(())
        })
    }

    pub fn begin_step(&self, step: Option<Step>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
        self.changes.store(0, Ordering::SeqCst);
    }

    pub fn step(&self) -> Option<Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many changes were made (or planned) since the step began.
    pub fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    pub fn set_declaring(&self, declaring: bool) {
        self.declaring.store(declaring, Ordering::SeqCst);
    }

    /// While it is set no change begins, be it in a dry run.
    pub fn set_asking(&self, asking: bool) {
        self.asking.store(asking, Ordering::SeqCst);
    }

    pub fn declaring(&self) -> bool {
        self.declaring.load(Ordering::SeqCst)
    }
}

impl Stage for Host {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn unchanged(&self, what: &Change) {
        if self.expected.get().is_some_and(|expected| expected.has(what)) {
            self.events.note(format!("already as planned: `{what}`"));
        }
        self.events.emit(&Event::ChangeUnchanged { verb: what.verb, target: what.target.clone() });
    }

    fn planned(&self, what: &Change, diff: &Diff) {
        let after = match self.step() {
            Some(step) => format!("step {}, `{what}`", step.index),
            None => format!("`{what}`"),
        };
        self.plan.add(&what.touches, &after);
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.events.emit(&Event::ChangePlanned { verb: what.verb, target: what.target.clone(), diff: diff.clone() });
    }

    fn intent(&self, what: &Change, diff: &Diff) {
        self.bridge.shield(!what.cancellable);
        self.events.emit(&Event::ChangeIntent { verb: what.verb, target: what.target.clone(), diff: diff.clone() });
    }

    fn done(&self, what: &Change, result: Result<(), &str>) {
        self.bridge.shield(false);
        self.changes.fetch_add(1, Ordering::SeqCst);
        let error = result.err().map(str::to_owned);
        self.events.emit(&Event::ChangeDone { verb: what.verb, target: what.target.clone(), error });
    }

    fn waits_for(&self, what: &Change) -> Option<String> {
        self.plan.touched_by(&what.touches).or_else(|| self.plan.touched_by(&what.rests_on))
    }

    fn may_begin(&self) -> Result<(), Interrupted> {
        if let Some(reason) = self.bridge.halted() {
            return Err(reason);
        }
        if self.asking.load(Ordering::SeqCst) {
            return Err(Interrupted::InQuestion);
        }
        if let Some(reason) = self.journal.get().and_then(Journal::broken) {
            return Err(Interrupted::Unwritten(reason));
        }
        self.lock()
    }

    fn admit(&self, what: &Change, diff: &Diff) -> Result<(), Interrupted> {
        self.as_planned(what, diff)?;
        self.may_make(what)
    }

    fn unforeseen(&self, what: &Change, error: &str) -> Option<Interrupted> {
        self.not_as_planned(what, error)
    }
}
