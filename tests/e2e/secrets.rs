//! Canaries: every password of the platform is looked for in everything that railrun left behind.

use super::platform::{checkout, journal, output_file, state};
use crate::support::sandbox::shell;
use serde_json::Value;
use std::path::Path;

fn encrypted_texts(file: &Path) -> Vec<String> {
    let clear: Value = serde_json::from_str(&shell(&format!("sops decrypt --output-type json {}", file.display()))).expect("JSON");
    let cipher = std::fs::read_to_string(file).expect("a values file");
    assert!(cipher.contains("ENC["), "{} is not encrypted", file.display());
    let mut texts = Vec::new();
    leaves("", &clear, &mut texts);
    texts
}

/// The texts at keys whose values are encrypted.
fn leaves(key: &str, value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(key, value, texts)),
        Value::Array(items) => items.iter().for_each(|item| leaves(key, item, texts)),
        Value::String(text) if key.to_lowercase().contains("passw") || key == "SECRET_KEY" || key == "signing_key" => {
            texts.push(text.clone());
        }
        _ => {}
    }
}

pub fn are_nowhere(command_lines: &str) {
    let mut canaries = encrypted_texts(&checkout("railiance-platform").join("helm/postgresql-ha-values.sops.yaml"));
    canaries.extend(encrypted_texts(&checkout("railiance-platform").join("helm/databases.sops.yaml")));
    canaries.extend(encrypted_texts(&checkout("railiance-cluster").join("helm/gitea-values.sops.yaml")));
    canaries.extend(encrypted_texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/backup.sops.yaml")));
    canaries.retain(|canary| canary.len() >= 8);
    assert!(canaries.len() >= 10, "only {} canaries", canaries.len());
    let audit = std::fs::read_to_string(state().join("log/audit.log")).unwrap_or_default();
    // Gitea's chart writes its administrator's password into the Deployment itself, so whoever sends the Deployment sends it.
    let charts_own = |line: &str| line.contains("dryRun=All") && line.contains("\"resource\":\"deployments\"");
    let audit: String = audit.lines().filter(|line| line.contains("\"username\":\"railrun\"") && !charts_own(line)).collect();
    let places = [
        ("a command line", command_lines.to_owned()),
        ("its output", std::fs::read_to_string(output_file()).expect("the output")),
        ("the audit log", audit),
        ("the request log", std::fs::read_to_string(state().join("log/nextcloud.log")).unwrap_or_default()),
        ("a journal", shell(&format!("cat {}/runs/*", journal().display()))),
        ("a temporary file", shell("grep -rIl --include='*' . /tmp/railrun* /tmp/.railrun* 2>/dev/null | xargs -r cat || true")),
    ];
    for (place, text) in places {
        for canary in &canaries {
            for form in [canary.clone(), base64(canary)] {
                assert!(!text.contains(&form), "a password that begins with `{}` is in {place}", &canary[..3]);
            }
        }
    }
}

fn base64(text: &str) -> String {
    shell(&format!("printf %s '{text}' | base64 -w0")).trim().trim_end_matches('=').to_owned()
}
