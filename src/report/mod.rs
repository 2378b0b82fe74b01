//! Readers of the event stream: a live terminal, plain lines, JSON.
