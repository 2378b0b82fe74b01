//! Changes one can trust: what a run leaves written down, and what the next one makes of it.

mod resume;
