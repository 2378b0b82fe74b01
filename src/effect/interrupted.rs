//! Why a run may not go on. Every driver's error takes it in; what it means for a step is the task floor's business.

/// Why no further change may begin, or why waiting for one was cut short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Interrupted {
    /// The user pressed Ctrl-C, or the process was told to end.
    #[error("interrupted")]
    #[diagnostic(code(interrupted), help("run the same command again to go on"))]
    ByUser,
    /// A question (`done`, `holds`, a precondition, a line of `done_when`) called a verb that changes something.
    #[error("a question changes nothing, and this would")]
    #[diagnostic(code(task::question_changes), help("move it into the `run` of a step"))]
    InQuestion,
    /// What happens can no longer be written down.
    #[error("the journal cannot be written: {0}")]
    #[diagnostic(
        code(journal::failed),
        help("nothing is changed that is not written down first: make room, or name another folder with the setting `journal.folder`")
    )]
    Unwritten(String),
    /// The user of the kubeconfig, or of a database, may not do what is to be done.
    #[error("these rights are missing for {what}:{list}")]
    #[diagnostic(code(rights::missing), help("nothing of it was written; `railrun plan TASK… --rbac` prints the roles that a run takes"))]
    Lacking { what: String, list: String },
    /// Another run works on this environment.
    #[error("{0}")]
    #[diagnostic(
        code(lock::held),
        help("wait for it to end; `railrun unlock` shows the lock, and removes it where its holder is gone for good")
    )]
    LockHeld(String),
    /// This run may no longer be the only one.
    #[error("the lock of this environment is lost: {0}")]
    #[diagnostic(
        code(lock::lost),
        help("nothing further was begun; the same command goes on with the run, `railrun history` shows it, `railrun undo` takes it back")
    )]
    LockLost(String),
    /// What was found is not what the saved plan replaces.
    #[error("{said}")]
    #[diagnostic(code(plan::drift))]
    Drift {
        said: String,
        #[help]
        help: String,
    },
    #[error("cannot take the lock of this environment: {0}")]
    #[diagnostic(
        code(lock::failed),
        help(
            "the setting `lock.namespace` says in which namespace its Lease is kept; the user of the kubeconfig needs get, create, update and delete of leases there"
        )
    )]
    NoLock(String),
}

impl Interrupted {
    /// Rights that are missing, each on a line.
    pub fn lacking(what: &str, rights: &[String]) -> Self {
        let list = rights.iter().fold(String::new(), |list, right| list + "\n  - " + right.as_str());
        Interrupted::Lacking { what: what.into(), list }
    }
}
