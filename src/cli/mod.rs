//! What the user typed, and what the process answers: arguments, exit codes, nothing else.
