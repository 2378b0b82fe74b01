//! What a script may say about objects of the cluster. One name everywhere: `namespace/kind/name`, `namespace/kind`
//! for a list, `kind/name` for what lives in no namespace.

mod command;
mod driver;
mod error;
mod masked;
mod replicas;
mod secret;
mod waits;

pub use error::KubeError;

use crate::cluster::{KindName, Name};
use crate::effect::{Change, Preview};
use crate::script::reveal::json;
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, bind_declaring, host_of, read, value};
use command::{Command, ExecOptions, Ran};
use driver::{DeleteOptions, Kube, LogOptions, SettleOptions, timeout};
use replicas::ScaleOptions;
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;
use serde_json::Value;
use waits::{Awaited, WaitOptions};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListOptions {
    labels: Option<String>,
}

#[export_module]
mod verbs {
    use super::*;

    /// An object as a map, or `()` where it is not there. The values of a Secret are not shown: see `kube::secret`.
    ///
    /// ```rhai
    /// let image = kube::get("gitea/deployment/gitea").spec.template.spec.containers[0].image;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn get(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        let name = named(name)?;
        read(&ctx, &[&name.to_string()], |host| host.wait(Kube::on(host)?.get(&name)))
    }

    /// The objects of one kind in a namespace, or in all.
    ///
    /// ```rhai
    /// let claims = kube::list("gitea/persistentvolumeclaim").map(|claim| claim.metadata.name);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn list(ctx: NativeCallContext, kind: &str) -> RhaiResultOf<Dynamic> {
        listed(&ctx, kind, None)
    }

    /// The objects of one kind that carry certain labels.
    ///
    /// ```rhai
    /// let pods = kube::list("gitea/pod", "app.kubernetes.io/name=gitea");
    /// ```
    #[rhai_fn(name = "list", volatile, return_raw)]
    pub fn list_with(ctx: NativeCallContext, kind: &str, labels: &str) -> RhaiResultOf<Dynamic> {
        listed(&ctx, kind, Some(labels.to_owned()))
    }

    /// The objects of one kind, chosen by `labels`.
    ///
    /// ```rhai
    /// let pods = kube::list("gitea/pod", #{ labels: "app.kubernetes.io/name=gitea" });
    /// ```
    #[rhai_fn(name = "list", volatile, return_raw)]
    pub fn list_chosen(ctx: NativeCallContext, kind: &str, options: Map) -> RhaiResultOf<Dynamic> {
        let options: ListOptions = value::options(options).map_err(Fault::raise)?;
        listed(&ctx, kind, options.labels)
    }

    /// Whether an object is there and ready, in its latest form.
    ///
    /// ```rhai
    /// let up = kube::ready("platform/statefulset/postgresql-ha-postgresql");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn ready(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        let name = named(name)?;
        read(&ctx, &[&name.to_string()], |host| host.wait(Kube::on(host)?.is_ready(&name)))
    }

    /// The last lines of a pod's log, or of a ready pod of a workload.
    ///
    /// ```rhai
    /// let log = kube::logs("gitea/deployment/gitea");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn logs(ctx: NativeCallContext, pod: &str) -> RhaiResultOf<Dynamic> {
        logged(&ctx, pod, Map::new())
    }

    /// A pod's log: `tail` lines (200), of the `previous` container, of one `container`.
    ///
    /// ```rhai
    /// let crash = kube::logs("gitea/pod/gitea-0", #{ tail: 20, previous: true });
    /// ```
    #[rhai_fn(name = "logs", volatile, return_raw)]
    pub fn logs_with(ctx: NativeCallContext, pod: &str, options: Map) -> RhaiResultOf<Dynamic> {
        logged(&ctx, pod, options)
    }

    /// What happened to an object, oldest first: `time`, `kind`, `reason`, `message`, `count`.
    ///
    /// ```rhai
    /// let warnings = kube::events("gitea/pod/gitea-0").filter(|event| event.kind == "warning");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn events(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        let name = named(name)?;
        read(&ctx, &[&name.to_string()], |host| host.wait(Kube::on(host)?.events(&name)))
    }

    /// Why an object is not ready: `cause`, `detail`, `help`, `doomed`; `()` where it is ready.
    ///
    /// ```rhai
    /// let why = kube::diagnose("gitea/deployment/gitea");
    /// if why != () { note(why.cause); }
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn diagnose(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        let name = named(name)?;
        read(&ctx, &[&name.to_string()], |host| host.wait(Kube::on(host)?.cluster.diagnose(&name)))
    }

    /// Waits until an object is ready, at most 5 minutes; a dry run asks once.
    ///
    /// ```rhai
    /// kube::wait("gitea/deployment/gitea");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn wait(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        waited(&ctx, name, Map::new())
    }

    /// Waits until an object, or all objects of a kind with certain `labels`, are in a `state`: `"ready"`, `"deleted"`
    /// or only `"there"`.
    ///
    /// ```rhai
    /// kube::wait("gitea/pod/gitea-0", #{ state: "deleted", timeout: "1m" });
    /// kube::wait("gitea/pod", #{ labels: "app.kubernetes.io/name=postgresql-ha", state: "deleted" });
    /// ```
    #[rhai_fn(name = "wait", volatile, return_raw)]
    pub fn wait_with(ctx: NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
        waited(&ctx, name, options)
    }

    /// One value of a Kubernetes Secret, as a secret. It is read when a verb uses it, so it may be named anywhere.
    ///
    /// ```rhai
    /// let password = kube::secret("platform/secret/valkey", "valkey-password");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn secret(ctx: NativeCallContext, name: &str, key: &str) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |_| Ok(Dynamic::from(super::secret::lazy(&host_of(&ctx), &Name::parse(name)?, key))))
    }

    /// Makes an object as described, and keeps what others have set in it. A field that another manager keeps is an
    /// error that names both.
    ///
    /// ```rhai
    /// kube::apply(#{ apiVersion: "v1", kind: "Namespace", metadata: #{ name: "platform" } });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn apply(ctx: NativeCallContext, object: Map) -> RhaiResultOf<Dynamic> {
        applied(&ctx, Dynamic::from(object))
    }

    /// Changes some fields of an object; `()` takes a field away.
    ///
    /// ```rhai
    /// kube::patch("persistentvolume/pv-1", #{ spec: #{ persistentVolumeReclaimPolicy: "Retain" } });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn patch(ctx: NativeCallContext, name: &str, fields: Map) -> RhaiResultOf<Dynamic> {
        let name = named(name)?;
        bind(&ctx, |host| {
            let (kube, fields) = (Kube::on(host)?, json(host, &Dynamic::from(fields))?);
            host.change::<_, Fault>(
                changing("kube patch", &name),
                || host.wait(kube.preview_patch(&name, &fields)),
                |permit, _| host.wait(kube.patch(permit, &name, &fields)),
            )
        })
    }

    /// Sets how many replicas a workload has, and waits until its pods are ready, or gone. The answer has `from`, `to`, and
    /// its `generation` from then on: another one later means that somebody has started or altered it meanwhile.
    ///
    /// ```rhai
    /// kube::scale("gitea/deployment/gitea", 1);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn scale(ctx: NativeCallContext, name: &str, replicas: i64) -> RhaiResultOf<Dynamic> {
        scaled(&ctx, name, replicas, Map::new())
    }

    /// Sets how many replicas a workload has. A `note` is written onto one that is stopped and taken off when it is
    /// started: `#{ by: "T02" }` becomes the annotation `railrun.dev/stopped-by`; `railrun.dev/stopped-replicas` says
    /// from how many. Options: `note`, `wait` (true), `timeout` (`"5m"`).
    ///
    /// ```rhai
    /// kube::scale("gitea/deployment/gitea", 0, #{ note: #{ by: "T02", database: "gitea/gitea" } });
    /// ```
    #[rhai_fn(name = "scale", volatile, return_raw)]
    pub fn scale_with(ctx: NativeCallContext, name: &str, replicas: i64, options: Map) -> RhaiResultOf<Dynamic> {
        scaled(&ctx, name, replicas, options)
    }

    /// Deletes an object and waits until it is gone; whether there was one.
    ///
    /// ```rhai
    /// kube::delete("gitea/persistentvolumeclaim/data-gitea-0");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn delete(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        deleted(&ctx, name, Map::new())
    }

    /// Deletes an object. Options: `wait` (true), `timeout` (`"5m"`), `grace`, how long a pod may take to end (`"0s"` takes
    /// it away without asking its node).
    ///
    /// ```rhai
    /// kube::delete("gitea/pod/gitea-0", #{ wait: false });
    /// ```
    #[rhai_fn(name = "delete", volatile, return_raw)]
    pub fn delete_with(ctx: NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
        deleted(&ctx, name, options)
    }

    /// Replaces every pod of a workload, one after the other, and waits until all are ready. Its pods then carry the
    /// annotation `railrun.dev/restarted-by` with this run and step.
    ///
    /// ```rhai
    /// kube::restart("platform/deployment/postgresql-ha-pgpool");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn restart(ctx: NativeCallContext, name: &str) -> RhaiResultOf<Dynamic> {
        restarted(&ctx, name, Map::new())
    }

    /// Replaces every pod of a workload. Options: `wait` (true), `timeout` (`"5m"`).
    ///
    /// ```rhai
    /// kube::restart("platform/deployment/postgresql-ha-pgpool", #{ timeout: "10m" });
    /// ```
    #[rhai_fn(name = "restart", volatile, return_raw)]
    pub fn restart_with(ctx: NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
        restarted(&ctx, name, options)
    }

    /// Runs a command (a list of words, no shell) in a pod, or in a ready pod of a workload: `status`, `stdout`,
    /// `stderr`. A status other than 0 is an error.
    ///
    /// ```rhai
    /// let version = kube::exec("gitea/deployment/gitea", ["gitea", "--version"]).stdout;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn exec(ctx: NativeCallContext, pod: &str, command: Array) -> RhaiResultOf<Dynamic> {
        executed(&ctx, pod, command, Map::new())
    }

    /// Runs a command in a pod. Options: `stdin` (a text, a secret, or a list of both, line by line), `container`,
    /// `read_only` (it alters nothing, and runs in a dry run too), `may_fail`, `timeout` (`"5m"`).
    ///
    /// ```rhai
    /// let script = "IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec valkey-cli dbsize";
    /// let size = kube::exec("platform/pod/valkey-primary-0", ["sh", "-c", script], #{
    ///     stdin: [kube::secret("platform/secret/valkey", "valkey-password")], read_only: true,
    /// }).stdout;
    /// ```
    #[rhai_fn(name = "exec", volatile, return_raw)]
    pub fn exec_with(ctx: NativeCallContext, pod: &str, command: Array, options: Map) -> RhaiResultOf<Dynamic> {
        executed(&ctx, pod, command, options)
    }
}

fn named(name: &str) -> RhaiResultOf<Name> {
    Name::parse(name).map_err(|error| Fault::from(error).raise())
}

/// What a command or a log is about: the pod or workload, whichever its container.
fn about(pod: &str) -> String {
    let name = pod.split('/').take(3).collect::<Vec<_>>().join("/");
    Name::parse(&name).map_or(name, |name| name.to_string())
}

/// A change of an object; of a workload also its pods, of a namespace also everything in it.
fn changing(verb: &'static str, name: &Name) -> Change {
    let change = Change::new(verb, name.to_string()).touching(name.to_string());
    match (&name.namespace, name.kind.as_str()) {
        (None, "namespace") => change.touching(format!("{}/", name.name)),
        (Some(namespace), "deployment" | "statefulset" | "daemonset" | "replicaset" | "job") => {
            change.touching(format!("{namespace}/pod/"))
        }
        _ => change,
    }
}

fn listed(ctx: &NativeCallContext, kind: &str, labels: Option<String>) -> RhaiResultOf<Dynamic> {
    let kind = KindName::parse(kind).map_err(|error| Fault::from(error).raise())?;
    read(ctx, &[&kind.to_string(), &format!("{kind}/")], |host| {
        let objects: Vec<Value> = host.wait::<_, _, Fault>(Kube::on(host)?.cluster.list(&kind, labels.as_deref()))?;
        Ok(objects.into_iter().map(masked::masked).collect::<Vec<_>>())
    })
}

fn logged(ctx: &NativeCallContext, pod: &str, options: Map) -> RhaiResultOf<Dynamic> {
    read(ctx, &[&about(pod)], |host| {
        let (kube, options): (_, LogOptions) = (Kube::on(host)?, value::options(options)?);
        let pod = host.wait::<_, _, Fault>(kube.pod(pod, options.container))?;
        host.wait::<_, _, Fault>(kube.cluster.logs(&pod, Some(options.tail.unwrap_or(200)), options.previous))
    })
}

fn waited(ctx: &NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
    let options: WaitOptions = value::options(options).map_err(Fault::raise)?;
    let resources = match KindName::parse(name) {
        Ok(kind) if options.labels.is_some() => [kind.to_string(), format!("{kind}/")],
        _ => [about(name), about(name)],
    };
    read(ctx, &resources.each_ref().map(String::as_str), |host| {
        host.wait(Kube::on(host)?.wait(&Awaited::parse(name, options.labels.clone())?, &options))
    })
}

fn applied(ctx: &NativeCallContext, object: Dynamic) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let object = crate::cluster::compare::state(&json(host, &object)?);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (kind, name) = (text(&object["kind"]).unwrap_or_default(), text(&object["metadata"]["name"]).unwrap_or_default());
        let name = Name { namespace: text(&object["metadata"]["namespace"]), kind: kind.to_lowercase(), name };
        let kube = Kube::on(host)?;
        host.change::<_, Fault>(
            changing("kube apply", &name),
            || host.wait(kube.preview_apply(&object)),
            |permit, _| host.wait(kube.apply(permit, &object)),
        )
    })
}

fn scaled(ctx: &NativeCallContext, name: &str, replicas: i64, options: Map) -> RhaiResultOf<Dynamic> {
    let name = named(name)?;
    bind(ctx, |host| {
        let to = u64::try_from(replicas).map_err(|_| KubeError::Unfit {
            option: "replicas",
            given: replicas.to_string(),
            wanted: "0, 1, 2 …",
        })?;
        let (kube, options): (_, ScaleOptions) = (Kube::on(host)?, value::options(options)?);
        let outcome = host.change::<_, Fault>(
            changing("kube scale", &name),
            || host.wait(kube.preview_scale(&name, to, &options)),
            |permit, _| host.wait(kube.scale(permit, &name, to, &options)),
        )?;
        if options.wait.unwrap_or(true) && !host.dry_run() {
            host.wait::<_, _, Fault>(kube.settle(&name, to, timeout(options.timeout)))?;
        }
        Ok(outcome)
    })
}

fn deleted(ctx: &NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
    let name = named(name)?;
    bind(ctx, |host| {
        let (kube, options): (_, DeleteOptions) = (Kube::on(host)?, value::options(options)?);
        host.change::<_, Fault>(
            changing("kube delete", &name),
            || host.wait(kube.preview_delete(&name)),
            |permit, _| host.wait(kube.delete(permit, &name, &options)),
        )
    })
}

fn restarted(ctx: &NativeCallContext, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
    let name = named(name)?;
    bind(ctx, |host| {
        let (kube, options): (_, SettleOptions) = (Kube::on(host)?, value::options(options)?);
        let by = host.step().map_or_else(|| host.run_id.clone(), |step| format!("{}/{}", host.run_id, step.index));
        let outcome = host.change::<_, Fault>(
            changing("kube restart", &name),
            || host.wait(kube.preview_restart(&name)),
            |permit, _| host.wait(kube.restart(permit, &name, &by)),
        )?;
        if options.wait.unwrap_or(true) && !host.dry_run() {
            host.wait::<_, _, Fault>(kube.wait_ready(std::slice::from_ref(&name), timeout(options.timeout)))?;
        }
        Ok(outcome)
    })
}

fn executed(ctx: &NativeCallContext, pod: &str, words: Array, options: Map) -> RhaiResultOf<Dynamic> {
    let options: ExecOptions = value::options(options).map_err(Fault::raise)?;
    if options.read_only {
        return read(ctx, &[&about(pod)], |host| {
            host.rights.foresee(host, &Change::new("kube exec", pod));
            let (kube, command) = (Kube::on(host)?, Command::new(host, texts(words)?, &options)?);
            let pod = host.wait::<_, _, Fault>(kube.pod(pod, options.container.clone()))?;
            host.wait(kube.exec_read(&pod, &command))
        });
    }
    bind(ctx, |host| {
        let (kube, command) = (Kube::on(host)?, Command::new(host, texts(words)?, &options)?);
        let container = options.container.clone();
        let what = Change::new("kube exec", pod).touching(about(pod));
        host.change::<Ran, Fault>(
            what,
            || Ok(Preview::Action { request: command.request() }),
            |permit, _| {
                let pod = host.wait::<_, _, Fault>(kube.pod(pod, container))?;
                host.wait(kube.exec(permit, &pod, &command))
            },
        )
    })
}

fn texts(words: Array) -> Result<Vec<String>, KubeError> {
    let text = |word: Dynamic| {
        let given = value::kind(&word);
        word.into_string().map_err(|_| KubeError::Unfit { option: "command", given, wanted: "texts; a secret goes in through `stdin`" })
    };
    words.into_iter().map(text).collect()
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "kube",
        module: exported_module!(verbs),
        verbs: vec![
            Verb::read("get"),
            Verb::read("list").options::<ListOptions>(),
            Verb::read("ready"),
            Verb::read("logs").options::<LogOptions>(),
            Verb::read("events"),
            Verb::read("diagnose"),
            Verb::read("wait").options::<WaitOptions>(),
            Verb::read("secret").while_declaring(),
            Verb::state("apply"),
            Verb::state("patch"),
            Verb::state("scale").options::<ScaleOptions>(),
            Verb::state("delete").options::<DeleteOptions>(),
            Verb::action("restart").options::<SettleOptions>(),
            Verb::action("exec").options::<ExecOptions>(),
        ],
        types: |_| {},
    }
}
