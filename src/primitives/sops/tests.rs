//! The verbs on real encrypted files.

use crate::effect::Mode;
use crate::primitives::trial::{Setup, Trial};
use crate::process::Process;
use crate::secret::Secret;
use crate::sops::trial::identity;

const CREATE: &str = r#"sops::create("helm/x.sops.yaml", #{
    gitea: #{ admin: #{ username: "me", password: secret::format("{}", "hunter22") }, size: 3 },
    users: [#{ name: "a", password: secret::format("{}", "abcd1234") }],
});"#;

struct World {
    live: Trial,
    process: Process,
}

impl World {
    /// An empty folder whose rule encrypts what is called a password.
    fn empty() -> Option<Self> {
        let (process, recipient) = identity()?;
        let live = Trial::new(Setup { mode: Mode::Live, process: process.clone(), settings: "" });
        live.put(".sops.yaml", &format!("creation_rules:\n  - encrypted_regex: password\n    age: {recipient}\n"));
        Some(Self { live, process })
    }

    fn with_file() -> Option<Self> {
        let world = Self::empty()?;
        world.live.run(CREATE);
        world.live.said();
        Some(world)
    }

    /// A dry run in the same folder.
    fn dry_run(self) -> Trial {
        Trial::within(self.live.folder, Setup { mode: Mode::DryRun, process: self.process, settings: "" })
    }
}

#[test]
fn a_new_file_is_made_once() {
    let Some(world) = World::empty() else { return };
    world.live.run(CREATE);
    let stored = world.live.disk("helm/x.sops.yaml");
    assert!(stored.contains("username: me") && !stored.contains("hunter22"), "{stored}");
    world.live.run(CREATE);
    assert_eq!(world.live.said(), ["done sops create helm/x.sops.yaml", "same sops create helm/x.sops.yaml"]);
}

#[test]
fn secrets_come_as_secrets_and_the_rest_as_it_is() {
    let Some(world) = World::with_file() else { return };
    let trial = world.live;
    trial.run("let v = sops::read(\"helm/x.sops.yaml\"); expect(v.gitea.admin.username, \"me\"); expect(v.gitea.size, 3); expect(v.users[0].name, \"a\"); expect(v.users[0].password, secret::format(\"{}\", \"abcd1234\"));");
    let secret = trial.eval("sops::secret(\"helm/x.sops.yaml\", \"gitea.admin.password\")").unwrap().cast::<Secret>();
    assert_eq!((trial.host.reveal(&secret).unwrap(), secret.origin()), ("hunter22", "sops:helm/x.sops.yaml#gitea.admin.password"));
    assert_eq!(trial.host.redactor.redact("<hunter22>"), "<[secret]>");
}

#[test]
fn a_secret_is_named_while_declaring_and_read_when_used() {
    let Some(world) = World::empty() else { return };
    let trial = world.live;
    trial.host.set_declaring(true);
    let secret = trial.eval("sops::secret(\"helm/none.sops.yaml\", \"a\")").unwrap().cast::<Secret>();
    let error = trial.host.reveal(&secret).unwrap_err();
    assert!(error.to_string().contains("there is no file"), "{error}");
    assert_eq!(trial.code("sops::secret(\"x\", \"a..b\")"), "sops::bad_key");
    assert_eq!(trial.code("sops::read(\"x\")"), "script::not_here");
}

#[test]
fn a_value_is_set_once() {
    let Some(world) = World::with_file() else { return };
    let trial = world.live;
    let script = "sops::set(\"helm/x.sops.yaml\", \"gitea.config.database\", #{ HOST: \"db\", password: secret::format(\"{}\", \"tiger111\"), n: 3, ha: true });";
    trial.run(script);
    trial.run(script);
    let target = "helm/x.sops.yaml#gitea.config.database";
    assert_eq!(trial.said(), [format!("done sops set {target}"), format!("same sops set {target}")]);
    assert!(!trial.disk("helm/x.sops.yaml").contains("tiger111"));
    trial.run("let d = sops::read(\"helm/x.sops.yaml\").gitea.config.database; expect([d.HOST, d.n, d.ha], [\"db\", 3, true]);");
}

#[test]
fn a_secret_never_goes_where_it_would_be_readable() {
    let Some(world) = World::with_file() else { return };
    let trial = world.live;
    let before = trial.disk("helm/x.sops.yaml");
    let secret = "secret::format(\"redis://:{}@host\", \"hunter22\")";
    assert_eq!(trial.code(&format!("sops::set(\"helm/x.sops.yaml\", \"gitea.cache.HOST\", {secret})")), "sops::would_be_readable");
    assert_eq!(trial.code(&format!("sops::set(\"helm/x.sops.yaml\", \"gitea.cache\", #{{ a: [{secret}] }})")), "sops::would_be_readable");
    assert_eq!(trial.code(&format!("sops::create(\"helm/y.sops.yaml\", #{{ cache: {secret} }})")), "sops::would_be_readable");
    assert_eq!(trial.code("sops::generate(\"helm/x.sops.yaml\", \"gitea.token\")"), "sops::would_be_readable");
    assert_eq!(trial.disk("helm/x.sops.yaml"), before);
}

#[test]
fn a_password_is_made_up_only_where_there_is_none() {
    let Some(world) = World::with_file() else { return };
    let trial = world.live;
    trial.run("sops::generate(\"helm/x.sops.yaml\", \"gitea.admin.password\"); sops::generate(\"helm/x.sops.yaml\", \"pgpool.password\", #{ length: 40 }); sops::generate(\"helm/x.sops.yaml\", \"pgpool.password\");");
    assert_eq!(
        trial.said(),
        [
            "same sops generate helm/x.sops.yaml#gitea.admin.password",
            "done sops generate helm/x.sops.yaml#pgpool.password",
            "same sops generate helm/x.sops.yaml#pgpool.password"
        ]
    );
    let secret = trial.eval("sops::secret(\"helm/x.sops.yaml\", \"pgpool.password\")").unwrap().cast::<Secret>();
    assert_eq!(trial.host.reveal(&secret).unwrap().len(), 40);
    assert_eq!(trial.code("sops::generate(\"helm/x.sops.yaml\", \"gitea\")"), "sops::not_a_value");
    assert_eq!(trial.code("sops::generate(\"helm/x.sops.yaml\", \"b.password\", #{ lenght: 5 })"), "option::invalid");
}

#[test]
fn a_dry_run_says_so_remembers_it_and_touches_nothing() {
    let Some(world) = World::with_file() else { return };
    let trial = world.dry_run();
    let before = trial.disk("helm/x.sops.yaml");
    trial.run("sops::set(\"helm/x.sops.yaml\", \"gitea.admin.password\", secret::format(\"{}\", \"other123\")); sops::set(\"helm/x.sops.yaml\", \"gitea.size\", 5); sops::create(\"helm/new.sops.yaml\", #{ password: \"x\", a: 1 }); sops::generate(\"helm/new.sops.yaml\", \"b.password\");");
    assert_eq!(
        trial.said(),
        [
            r#"plan sops set helm/x.sops.yaml#gitea.admin.password: {"edits":[{"field":{"path":"gitea.admin.password","from":"[secret]","to":"(secret changed)"}}]}"#,
            r#"plan sops set helm/x.sops.yaml#gitea.size: {"edits":[{"field":{"path":"gitea.size","from":"3","to":"5"}}]}"#,
            r#"plan sops create helm/new.sops.yaml: {"edits":[{"field":{"path":"a","from":null,"to":"1"}},{"field":{"path":"password","from":null,"to":"[secret]"}}]}"#,
            r#"plan sops generate helm/new.sops.yaml#b.password: {"edits":[{"field":{"path":"b.password","from":null,"to":"[secret]"}}]}"#,
        ]
    );
    trial.run("expect(sops::read(\"helm/x.sops.yaml\").gitea.size, 5); expect(sops::secret(\"helm/x.sops.yaml\", \"gitea.admin.password\"), secret::format(\"{}\", \"other123\")); expect(sops::read(\"helm/new.sops.yaml\").a, 1);");
    assert_eq!(trial.disk("helm/x.sops.yaml"), before);
    assert!(!trial.folder.path().join("helm/new.sops.yaml").exists());
}

#[test]
fn what_cannot_be_changed_fails_with_its_reason() {
    let Some(world) = World::with_file() else { return };
    let trial = world.live;
    assert_eq!(trial.code("sops::set(\"helm/none.sops.yaml\", \"a\", 1)"), "sops::not_found");
    assert_eq!(trial.code("sops::set(\"helm/x.sops.yaml\", \"gitea.size.deep\", 1)"), "sops::does_not_fit");
    assert_eq!(trial.code("sops::set(\"helm/x.sops.yaml\", \"a\", || 1)"), "value::not_plain");
    let tampered = trial.disk("helm/x.sops.yaml").replace("username: me", "username: you");
    trial.put("helm/x.sops.yaml", &tampered);
    assert_eq!(trial.code("sops::read(\"helm/x.sops.yaml\")"), "sops::mac_mismatch");
    assert_eq!(trial.code("sops::set(\"helm/x.sops.yaml\", \"gitea.size\", 7)"), "sops::mac_mismatch");
}

const UPDATE: &str = "sops::update_keys(\"helm/x.sops.yaml\")";

#[test]
fn a_file_follows_the_recipients_of_its_rule() {
    let Some(world) = World::with_file() else { return };
    let trial = &world.live;
    trial.run(UPDATE);
    let other = age::x25519::Identity::generate().to_public().to_string();
    let rule = trial.disk(".sops.yaml");
    trial.put(".sops.yaml", &format!("{},{other}\n", rule.trim_end()));
    let before = trial.disk("helm/x.sops.yaml");
    let said = trial.said();
    let World { live, process } = world;
    let planning = World { live, process: process.clone() }.dry_run();
    planning.run(UPDATE);
    assert_eq!(planning.disk("helm/x.sops.yaml"), before);
    assert_eq!(planning.said(), [format!("plan sops update_keys helm/x.sops.yaml: {{\"edits\":[{{\"note\":\"+ {other}\"}}]}}")]);
    let trial = Trial::within(planning.folder, Setup { mode: Mode::Live, process, settings: "" });
    trial.run(UPDATE);
    trial.run(UPDATE);
    assert!(trial.disk("helm/x.sops.yaml").contains(&other));
    assert_eq!(trial.said(), ["done sops update_keys helm/x.sops.yaml", "same sops update_keys helm/x.sops.yaml"]);
    assert_eq!(said.last().map(String::as_str), Some("same sops update_keys helm/x.sops.yaml"));
    assert_eq!(trial.code("sops::update_keys(\"helm/none.sops.yaml\")"), "sops::not_found");
}
