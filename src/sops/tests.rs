//! The real `sops` program on real files.

use super::*;
use crate::bridge::Bridge;
use crate::effect::{Interrupted, Mode};
use std::future::Future;
use tempfile::TempDir;

struct World {
    folder: TempDir,
    process: Process,
    files: Files,
    bridge: Bridge,
}

const VALUES: &str = "gitea:\n  admin:\n    username: me\n    password: hunter22\nusers:\n  # first\n  - name: a\nplain: [x]\n";

impl World {
    fn new(mode: Mode) -> Option<Self> {
        let (process, recipient) = trial::identity()?;
        let folder = TempDir::new().unwrap();
        let files = Files::new(folder.path().to_owned(), mode);
        let world = Self { folder, process, files, bridge: Bridge::new().unwrap() };
        let rules = "creation_rules:\n  - path_regex: helm/.*\\.sops\\.yaml$\n    encrypted_regex: password\n    age: ";
        world.put(".sops.yaml", &format!("{rules}{recipient}\n"));
        // As a person would: with comments, which `Sops::encrypt` has no way to keep.
        let output = world.run(world.process.read(&encrypt(&world.path("helm/x.sops.yaml"), VALUES))).unwrap();
        world.put("helm/x.sops.yaml", &output.text());
        Some(world)
    }

    fn sops(&self) -> Sops<'_> {
        Sops::on(&self.process, &self.files)
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn put(&self, file: &str, text: &str) {
        self.files.write(&Permit::for_tests(), &self.path(file), text).unwrap();
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.bridge.wait::<_, Interrupted, Interrupted>(async { Ok(work.await) }).unwrap()
    }

    fn set(&self, key: &str, value: impl Into<Value>) -> Result<(), SopsError> {
        let path = self.path("helm/x.sops.yaml");
        self.run(self.sops().set(&Permit::for_tests(), &path, &Key::parse(key).unwrap(), &value.into()))
    }
}

fn code(error: &SopsError) -> String {
    miette::Diagnostic::code(error).unwrap().to_string()
}

#[test]
fn a_file_is_read_in_clear_with_its_secrets_known() {
    let Some(world) = World::new(Mode::Live) else { return };
    let clear = world.run(world.sops().open(&world.path("helm/x.sops.yaml"))).unwrap();
    assert_eq!(clear.value, serde_yaml::from_str::<Value>(VALUES).unwrap());
    assert_eq!(clear.secrets(), ["hunter22"]);
    assert!(!clear.encrypts(&Key::parse("gitea.admin.username").unwrap()));
    assert!(clear.encrypts(&Key::parse("gitea.new.password").unwrap()));
}

#[test]
fn a_reference_leads_to_a_value() {
    let Some(world) = World::new(Mode::Live) else { return };
    let secret = |reference: &str| world.run(world.sops().secret(reference));
    assert_eq!(secret("helm/x.sops.yaml#gitea.admin.password").unwrap(), "hunter22");
    let error = secret("helm/x.sops.yaml#gitea.admin.pasword").unwrap_err();
    assert_eq!(error.to_string(), "`helm/x.sops.yaml` has no value at `gitea.admin.pasword`");
    assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "did you mean `gitea.admin.password`?");
    let codes = ["helm/y.sops.yaml#a", "helm/x.sops.yaml", "helm/x.sops.yaml#gitea"].map(|reference| code(&secret(reference).unwrap_err()));
    assert_eq!(codes, ["sops::not_found", "sops::bad_key", "sops::not_a_value"]);
}

#[test]
fn a_key_is_set_and_what_the_rule_says_is_encrypted() {
    let Some(world) = World::new(Mode::Live) else { return };
    world.set("gitea.admin.password", "a, \"b\"; ü\n").unwrap();
    world.set("gitea.database.password", "deep").unwrap();
    world.set("plain[1]", 5).unwrap();
    let stored = world.files.read(&world.path("helm/x.sops.yaml")).unwrap();
    assert!(!stored.contains("deep") && stored.contains("- 5"), "{stored}");
    let clear = world.run(world.sops().read(&world.path("helm/x.sops.yaml"))).unwrap();
    assert_eq!(clear["gitea"]["admin"]["password"], "a, \"b\"; ü\n");
    assert_eq!(clear["gitea"]["database"]["password"], "deep");
}

#[test]
fn setting_never_overwrites_a_comment_or_a_value_on_the_way() {
    let Some(world) = World::new(Mode::Live) else { return };
    let before = world.files.read(&world.path("helm/x.sops.yaml")).unwrap();
    let codes = ["users[0].name", "gitea.admin.username.deep", "plain[9]"].map(|key| code(&world.set(key, "x").unwrap_err()));
    assert_eq!(codes, ["sops::commented_list", "sops::does_not_fit", "sops::does_not_fit"]);
    assert_eq!(world.files.read(&world.path("helm/x.sops.yaml")).unwrap(), before);
}

#[test]
fn a_file_whose_mac_does_not_verify_is_neither_read_nor_changed() {
    let Some(world) = World::new(Mode::Live) else { return };
    let path = world.path("helm/x.sops.yaml");
    let good = world.files.read(&path).unwrap();
    let tampered = good.replace("username: me", "username: you");
    let unsigned = good.lines().filter(|line| !line.starts_with("    mac:")).collect::<Vec<_>>().join("\n");
    for text in [tampered, unsigned] {
        world.put("helm/x.sops.yaml", &text);
        assert_eq!(code(&world.run(world.sops().read(&path)).unwrap_err()), "sops::mac_mismatch");
        assert_eq!(code(&world.set("plain", "x").unwrap_err()), "sops::mac_mismatch");
        assert_eq!(world.files.read(&path).unwrap(), text);
    }
}

#[test]
fn every_other_bad_file_has_its_own_error() {
    let Some(world) = World::new(Mode::Live) else { return };
    let read = |world: &World, text: &str| {
        world.put("helm/y.sops.yaml", text);
        world.run(world.sops().read(&world.path("helm/y.sops.yaml"))).unwrap_err()
    };
    assert_eq!(code(&read(&world, "a: b\n")), "sops::not_encrypted");
    assert_eq!(code(&read(&world, "")), "sops::not_encrypted");
    assert_eq!(code(&read(&world, "a: [")), "sops::invalid");
    let other = World::new(Mode::Live).unwrap();
    let foreign = other.files.read(&other.path("helm/x.sops.yaml")).unwrap();
    let error = read(&world, &foreign);
    assert_eq!(code(&error), "sops::no_key");
    assert!(error.to_string().contains("it is encrypted for `age1"), "{error}");
}

#[test]
fn a_new_file_follows_the_rules_above_it_and_replaces_nothing() {
    let Some(world) = World::new(Mode::Live) else { return };
    let create = |file: &str, text: &str| {
        let clear = serde_yaml::from_str(text).unwrap();
        world.run(world.sops().create(&Permit::for_tests(), &world.path(file), &clear))
    };
    create("helm/new.sops.yaml", "{user: me, password: hunter22}").unwrap();
    let stored = world.files.read(&world.path("helm/new.sops.yaml")).unwrap();
    assert!(stored.contains("user: me") && !stored.contains("hunter22"), "{stored}");
    let tries = [("helm/new.sops.yaml", "{a: b}"), ("elsewhere.yaml", "{a: b}"), ("helm/z.sops.yaml", "{sops: {mac: x}}")];
    assert_eq!(
        tries.map(|(file, text)| code(&create(file, text).unwrap_err())),
        ["sops::exists", "sops::cannot_encrypt", "sops::already_encrypted"]
    );
    assert!(!world.path("elsewhere.yaml").exists());
}

#[test]
fn a_dry_run_reads_what_it_planned_and_keeps_the_rule() {
    let Some(world) = World::new(Mode::DryRun) else { return };
    let path = world.path("helm/x.sops.yaml");
    let clear = world.run(world.sops().open(&path)).unwrap();
    let planned = clear.with(&Key::parse("gitea.admin.password").unwrap(), &"other".into()).unwrap();
    world.sops().foretell(&path, &planned);
    let again = world.run(world.sops().open(&path)).unwrap();
    assert_eq!(again.value, planned.value);
    assert_eq!(again.secrets(), ["other"]);
    assert!(!world.files.read_disk(&path).unwrap().contains("other"));
}

#[test]
fn everybody_whom_the_metadata_names_is_a_recipient() {
    let metadata: Value = serde_yaml::from_str(
        "age: [{recipient: age1a}]\npgp: [{fp: ABC}]\nkms: [{arn: 'arn:x'}]\nazure_kv: [{vault_url: u, name: n, version: '1', created_at: today, enc: x}]\nkey_groups: [{age: [{recipient: age1b}], hc_vault: [{vault_address: v, engine_path: e, key_name: k}]}]\n",
    )
    .unwrap();
    assert_eq!(recipients_in(&metadata).into_iter().collect::<Vec<_>>(), ["ABC", "age1a", "age1b", "arn:x", "u n 1", "v e k"]);
}
