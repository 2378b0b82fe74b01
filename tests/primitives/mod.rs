//! Verbs against real servers. What needs none is tested beside the code.

mod sql;
