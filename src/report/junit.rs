//! The event stream as a JUnit file: a suite per task, a case per check and per step. It is written anew whenever a task
//! ends, every text of it through the redactor.

use crate::event::{Ending, Event, Listener, Phase, Verdict};
use crate::secret::Redactor;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub struct Junit {
    path: PathBuf,
    redactor: Redactor,
    suites: Mutex<Vec<Suite>>,
}

#[derive(Default)]
struct Suite {
    name: String,
    cases: Vec<Case>,
    elapsed: Duration,
}

struct Case {
    name: String,
    class: &'static str,
    elapsed: Duration,
    /// What went wrong, or why it was left out.
    ending: Outcome,
}

enum Outcome {
    Good,
    Skipped(String),
    Bad(String),
}

impl Junit {
    /// Fails where the file cannot be written: a run whose record is lost should not begin.
    pub fn new(path: PathBuf, redactor: Redactor) -> std::io::Result<Self> {
        OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self { path, redactor, suites: Mutex::default() })
    }

    fn text(&self, suites: &[Suite]) -> String {
        let mut report = Report::new("railrun");
        for suite in suites {
            let mut written = TestSuite::new(self.redactor.redact(&suite.name));
            written.set_time(suite.elapsed);
            for case in &suite.cases {
                let mut one = TestCase::new(self.redactor.redact(&case.name), self.status(&case.ending));
                one.set_classname(case.class).set_time(case.elapsed);
                written.add_test_case(one);
            }
            report.add_test_suite(written);
        }
        report.to_string().unwrap_or_default()
    }

    fn status(&self, outcome: &Outcome) -> TestCaseStatus {
        let (mut status, message) = match outcome {
            Outcome::Good => return TestCaseStatus::success(),
            Outcome::Skipped(why) => (TestCaseStatus::skipped(), why),
            Outcome::Bad(why) => (TestCaseStatus::non_success(NonSuccessKind::Failure), why),
        };
        status.set_message(self.redactor.redact(message));
        status
    }

    fn write(&self, suites: &[Suite]) {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path);
        if let Err(error) = file.and_then(|mut file| file.write_all(self.text(suites).as_bytes())) {
            let _ = writeln!(std::io::stderr(), "cannot write `{}`: {error}", self.path.display());
        }
    }
}

impl Listener for Junit {
    fn hear(&self, event: &Event) {
        let mut suites = self.suites.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::RunStarted { id, title, .. } = event {
            suites.push(Suite { name: format!("{id} {title}").trim().to_owned(), ..Suite::default() });
        }
        let Some(suite) = suites.last_mut() else { return };
        match event {
            Event::Checked { phase, name, verdict, elapsed } => {
                let class = match phase {
                    Phase::Need => "needs",
                    Phase::Precondition => "preconditions",
                    Phase::DoneWhen => "done_when",
                };
                // A task that is not done yet asks the same twice: the last answer counts.
                suite.cases.retain(|case| case.class != class || case.name != *name);
                suite.cases.push(Case { name: name.clone(), class, elapsed: *elapsed, ending: judged(verdict) });
            }
            Event::StepEnded { name, ending, elapsed, .. } => {
                suite.cases.push(Case { name: name.clone(), class: "steps", elapsed: *elapsed, ending: ended(ending) });
            }
            Event::Failure { code, message, .. } => {
                let failed = suite.cases.iter_mut().rev().find(|case| matches!(case.ending, Outcome::Bad(_)));
                match failed {
                    Some(case) => case.ending = Outcome::Bad(format!("{code}: {message}")),
                    None => suite.cases.push(Case {
                        name: "the run".into(),
                        class: "run",
                        elapsed: Duration::ZERO,
                        ending: Outcome::Bad(format!("{code}: {message}")),
                    }),
                }
                self.write(&suites);
            }
            Event::RunEnded { elapsed, .. } => {
                suite.elapsed = *elapsed;
                self.write(&suites);
            }
            _ => {}
        }
    }
}

fn judged(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::True => Outcome::Good,
        Verdict::False(detail) => Outcome::Bad(format!("not true: {detail}")),
        Verdict::Unknown(reason) => Outcome::Bad(format!("could not be asked: {reason}")),
        Verdict::Pending(after) => Outcome::Skipped(format!("known after {after}")),
    }
}

fn ended(ending: &Ending) -> Outcome {
    match ending {
        Ending::Ran { .. } => Outcome::Good,
        Ending::AlreadyDone => Outcome::Skipped("already done".into()),
        Ending::Earlier => Outcome::Skipped("done before the run was cut short".into()),
        Ending::Pending(after) => Outcome::Skipped(format!("known after {after}")),
        Ending::Failed => Outcome::Bad("failed".into()),
    }
}
