//! The sandbox as tests see it: whether it is there, its environment, its logs.

use std::process::Command;

/// A line of `sandbox env` that tests look at.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the sandbox is up. In CI its absence is a failure; elsewhere the test is skipped aloud.
pub fn is_up() -> bool {
    if variable("RAILRUN_SANDBOX").is_some() {
        return true;
    }
    assert!(variable("CI").is_none(), "CI runs without the sandbox: `tests/run` brings it up");
    println!("skipped: no sandbox (`make sandbox`)");
    false
}

/// What a shell command prints; it must succeed.
pub fn shell(script: &str) -> String {
    let output = Command::new("bash").args(["-ec", script]).output().expect("bash starts");
    assert!(output.status.success(), "{script}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
