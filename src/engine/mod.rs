//! From a file to something that can be run: load, resolve imports, check, report.
