//! Holds the picture of `docs/architecture.md`: floors, borders, budgets. A failure names the file to mend.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which floor a module of `src/` stands on.
const FLOORS: &[(&str, usize)] = &[
    ("effect", 0),
    ("event", 0),
    ("secret", 0),
    ("duration", 0),
    ("causes", 0),
    ("bridge", 1),
    ("process", 1),
    ("files", 1),
    ("settings", 1),
    ("plan", 1),
    ("journal", 1),
    ("saved", 1),
    ("rights", 1),
    ("report", 1),
    ("sops", 1),
    ("http", 1),
    ("webdav", 1),
    ("yaml", 1),
    ("chart", 1),
    ("chart_values", 1),
    ("host", 2),
    ("cluster", 2),
    ("database", 2),
    ("script", 3),
    ("primitives", 4),
    ("engine", 5),
    ("task", 6),
    ("cli", 7),
];

/// A crate, and the only places that may name it.
const BORDERS: &[(&str, &[&str])] = &[
    ("kube", &["cluster/"]),
    ("tokio_postgres", &["database/"]),
    ("clap", &["cli/"]),
    ("rhai", &["script/", "engine/", "task/", "primitives/", "cli/run.rs"]),
];

/// Every source by its path below `src/`, files that hold only tests left out.
fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let only_tests =
                    path.file_name().is_some_and(|name| ["tests.rs", "trial.rs", "testing.rs"].iter().any(|test| name == *test));
                if only_tests || path.components().any(|part| part.as_os_str() == "tests") {
                    continue;
                }
                files.insert(path.strip_prefix(&root).expect("inside").to_owned(), text);
            }
        }
    }
    files
}

fn module(path: &Path) -> String {
    let first = path.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// What test code of its own is called.
const TESTS: &[&str] = &["tests.rs", "testing.rs", "trial.rs"];

/// The part of a file before its inline tests.
fn code<'t>(path: &Path, text: &'t str) -> &'t str {
    if path.file_name().is_some_and(|name| TESTS.iter().any(|tests| name == *tests)) {
        return "";
    }
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

#[test]
fn every_module_has_a_floor() {
    let missing: Vec<String> = sources()
        .keys()
        .map(|path| module(path))
        .filter(|name| !["lib", "main"].contains(&name.as_str()) && floor(name).is_none())
        .collect();
    assert!(missing.is_empty(), "give these a floor in tests/architecture.rs: {missing:?}");
}

#[test]
fn arrows_point_down() {
    let mut up = Vec::new();
    for (path, text) in &sources() {
        let Some(own) = floor(&module(path)) else { continue };
        for line in code(path, text).lines() {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
                if floor(&used).is_some_and(|used| used > own) {
                    up.push(format!("src/{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(up.is_empty(), "these reach up; move what they need down a floor:\n{}", up.join("\n"));
}

/// Whether a line of code names a crate: in a `use`, or by a path that begins with it and goes on to one of its types or
/// modules. (`kube` is a primitive's module as well, and a word in messages.)
fn names(line: &str, krate: &str) -> bool {
    // What stands in a text is no name.
    let line = line.trim_start().split('"').next().unwrap_or_default();
    if line.starts_with("//") || line.contains("code(") {
        return false;
    }
    if line.starts_with(&format!("use {krate}::")) || line.starts_with(&format!("pub use {krate}::")) {
        return true;
    }
    let own = ["primitive", "verbs"];
    line.match_indices(&format!("{krate}::")).any(|(at, found)| {
        let before = line[..at].chars().next_back();
        let after: String = line[at + found.len()..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == ':' || letter == '_') && !own.contains(&after.as_str())
    })
}

#[test]
fn each_border_crate_is_named_in_its_own_place_only() {
    let mut strays = Vec::new();
    for (path, text) in &sources() {
        let name = path.to_string_lossy().into_owned();
        for (krate, places) in BORDERS {
            let inside = places.iter().any(|place| name.starts_with(place));
            let named = code(path, text).lines().any(|line| names(line, krate));
            if named && !inside {
                strays.push(format!("src/{name} names `{krate}`"));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn a_driver_knows_no_rhai() {
    let strays: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            path.starts_with("primitives") && path.file_name().is_some_and(|name| name != "mod.rs") && code(path, text).contains("rhai::")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(strays.is_empty(), "move these lines into the primitive's mod.rs: {strays:?}");
}

#[test]
fn primitives_never_import_each_other() {
    let strays: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            path.starts_with("primitives/") && path.components().count() > 2 && {
                let own = path.components().nth(1).expect("a folder").as_os_str().to_string_lossy().into_owned();
                code(path, text).split("primitives::").skip(1).any(|used| !used.starts_with(&own))
            }
        })
        .map(|(path, _)| path)
        .collect();
    assert!(strays.is_empty(), "move what two primitives need down a floor: {strays:?}");
}

#[test]
fn every_file_says_what_it_is_and_stays_within_its_budget() {
    let mut wrong = Vec::new();
    let mut lengths = Vec::new();
    for (path, text) in &sources() {
        let lines = text.lines().count();
        lengths.push(lines);
        if !text.starts_with("//!") {
            wrong.push(format!("src/{} does not open with what it is", path.display()));
        }
        if lines > 500 {
            wrong.push(format!("src/{} has {lines} lines: split it", path.display()));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(median <= 150, "the median file has {median} lines");
}

#[test]
fn no_task_script_names_a_charts_internals() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for entry in std::fs::read_dir(scripts).expect("scripts/") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a script");
        for word in ["repmgr", "pgpool.", "customUsers", "postgresql-ha-", "app.kubernetes.io"] {
            let named = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            assert!(!named, "{} names `{word}`: that belongs into stdlib/", path.display());
        }
    }
}

/// `src/lib.rs` and `docs/architecture.md` say the same as these tests do.
#[test]
fn the_tables_of_the_floors_are_true() {
    let read = |file: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
    for (file, row) in [("src/lib.rs", "//! | "), ("docs/architecture.md", "| ")] {
        let text = read(file);
        for (module, floor) in FLOORS {
            let begins = format!("{row}{floor} |");
            let line = text.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{file} has no floor {floor}"));
            assert!(line.contains(&format!("`{module}`")), "{file}: `{module}` is not on floor {floor}");
        }
    }
}
