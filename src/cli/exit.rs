//! Exit codes: 0 done, 1 failed, 2 usage or findings of `check`, 3 refused, 130 interrupted.

use crate::event::RunOutcome;
use crate::script::{Fault, is_interrupt};
use std::process::{ExitCode, Termination};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Refused,
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Interrupted => 130,
        }
    }
}

impl Exit {
    /// What a failure that has no run around it ends the process with.
    pub fn of(fault: &Fault) -> Self {
        let code = fault.code();
        if is_interrupt(fault) {
            Exit::Interrupted
        } else if fault.is_refusal() {
            Exit::Refused
        } else if code.starts_with("settings::") || code.starts_with("script::") || code == "task::not_found" {
            Exit::Usage
        } else {
            Exit::Failed
        }
    }
}

impl From<RunOutcome> for Exit {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::AlreadyDone | RunOutcome::Done | RunOutcome::Planned | RunOutcome::Undone => Exit::Done,
            RunOutcome::WouldStop | RunOutcome::Failed => Exit::Failed,
            RunOutcome::Refused => Exit::Refused,
            RunOutcome::Interrupted => Exit::Interrupted,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// Help and version are answers; anything else clap says is a usage error.
pub fn usage(error: &clap::Error) -> Exit {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let _ = error.print();
    if matches!(error.kind(), DisplayHelp | DisplayVersion) { Exit::Done } else { Exit::Usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        let codes = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Refused, Exit::Interrupted].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 130]);
    }
}
