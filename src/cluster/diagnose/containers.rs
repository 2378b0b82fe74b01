//! Containers that cannot start or do not stay: missing configuration, a program that is not there, memory, crashes.

use super::Diagnosis;
use super::facts::{Container, Facts, quoted, text, times};
use super::lines;
use crate::cluster::ready;
use serde_json::Value;

/// After how many endings of the same kind a crash counts as fate, where its log says so too.
const ENOUGH: u64 = 4;

/// A Secret, a `ConfigMap` or a key in one is not there.
pub(super) fn missing_configuration(facts: &Facts) -> Option<Diagnosis> {
    let (pod, message) = facts
        .containers()
        .find_map(|container| {
            let said = text(container.status, "/state/waiting/message");
            (container.waiting() == "CreateContainerConfigError").then_some((container.pod, said))
        })
        .or_else(|| unmounted(facts))?;
    let found = match what_is_missing(message) {
        Some(missing) => Diagnosis::new(
            format!("{} needs {missing}, which is not there", facts.call(pod)),
            format!("create {missing}, or mend the name in the values"),
        ),
        None => Diagnosis::new(format!("the configuration of {} is refused", facts.call(pod)), "mend what the message says"),
    };
    Some(found.line(message))
}

fn unmounted(facts: &Facts) -> Option<(&Value, &str)> {
    facts.troubled().filter(|pod| pod["status"]["phase"] == "Pending").find_map(|pod| {
        let failed = facts.warnings(pod).rev().find(|event| event["reason"] == "FailedMount")?;
        let message = text(failed, "/message");
        what_is_missing(message).map(|_| (pod, message))
    })
}

/// Which Secret, `ConfigMap` or key it is, from the kubelet's words.
fn what_is_missing(message: &str) -> Option<String> {
    let lower = message.to_lowercase();
    let kind = ["secret", "configmap"].into_iter().find(|kind| lower.contains(kind))?;
    let shown = if kind == "secret" { "Secret" } else { "ConfigMap" };
    if let Some(rest) = message.split("couldn't find key ").nth(1) {
        let mut words = rest.split(' ');
        let (key, name) = (words.next()?, words.nth(2)?);
        return Some(format!("the key `{key}` in the {shown} `{name}`"));
    }
    if let Some((_, key)) = message.split_once("non-existent") {
        return Some(format!("the key `{}` in a {shown}", key.rsplit(": ").next().unwrap_or_default().trim()));
    }
    let after = &message[lower.find(&format!("{kind} \""))?..];
    after.contains("not found").then(|| format!("the {shown} `{}`", quoted(after).unwrap_or_default()))
}

/// The program of a container cannot be started.
pub(super) fn cannot_start(facts: &Facts) -> Option<Diagnosis> {
    let (container, said) = facts.containers().find_map(|container| {
        let ended = container.ended().filter(|ended| ["StartError", "ContainerCannotRun"].contains(&text(ended, "/reason")));
        let waiting = ["CreateContainerError", "RunContainerError"].contains(&container.waiting());
        match ended {
            Some(ended) => Some((container, text(ended, "/message"))),
            None => waiting.then(|| (container, text(container.status, "/state/waiting/message"))),
        }
    })?;
    let vain = ["executable file not found", "no such file or directory", "permission denied"].iter().any(|sign| said.contains(sign));
    let help = if vain { "mend `command` in the values, or choose an image that has this program" } else { "mend what the message says" };
    let said = said.rsplit("unable to start container process: ").next().unwrap_or(said);
    let found = Diagnosis::new(format!("{} cannot start", facts.call(container.pod)), help)
        .line(format!("container `{}`: {said}", container.name()));
    Some(found.doomed(vain && facts.has_lasted(container.pod)))
}

/// A container needs more memory than it may have.
pub(super) fn out_of_memory(facts: &Facts) -> Option<Diagnosis> {
    let killed = |container: &Container<'_>| container.ended().is_some_and(|ended| ended["reason"] == "OOMKilled");
    let container = facts.containers().find(killed)?;
    let limit = text(container.spec, "/resources/limits/memory");
    let at = if limit.is_empty() { "because its node had no memory left".to_owned() } else { format!("at its limit of {limit}") };
    let found = Diagnosis::new(format!("{} runs out of memory", facts.call(container.pod)), "raise `resources.limits.memory`");
    Some(found.line(format!("container `{}` was killed {at}, {}", container.name(), times(container.endings()))))
}

/// A container ends and is started again, over and over.
pub(super) fn crash(facts: &Facts) -> Option<Diagnosis> {
    let container = facts.containers().find(|container| is_crashing(facts, *container))?;
    let ended = container.ended()?;
    let log = container.log(facts);
    let sign = lines::sign(log);
    let what = if ended["exitCode"] == 0 { "ends instead of going on" } else { "crashes" };
    let cause = match sign {
        Some(sign) => format!("{} {what}: {}", facts.call(container.pod), sign.means),
        None => format!("{} {what}", facts.call(container.pod)),
    };
    let over = container.status["state"]["terminated"].is_object();
    let options = if over { "" } else { ", #{ previous: true }" };
    let more = format!("`kube::logs(\"{}\"{options})` shows more", container.path());
    let mut found = Diagnosis::new(cause, sign.map_or(more, |sign| sign.help.to_owned()));
    let shown = lines::worth_showing(log);
    let tail = if shown.is_empty() { "; it said nothing" } else { "; its last lines:" };
    found = found.line(format!("container `{}` {}, {}{tail}", container.name(), ending(ended), times(container.endings())));
    found.detail.extend(shown.into_iter().map(|line| format!("  {line}")));
    Some(found.doomed(sign.is_some_and(|sign| !sign.may_pass) && container.endings() >= ENOUGH))
}

/// Whether a container ends, rather than not having begun: it waits to be started again, or ended a moment ago.
fn is_crashing(facts: &Facts, container: Container<'_>) -> bool {
    let Some(ended) = container.ended() else { return false };
    let failed = ended["exitCode"] != 0 || container.endings() > 1;
    let lately = || facts.age(text(ended, "/finishedAt")).is_some_and(|age| age < 300);
    container.waiting() == "CrashLoopBackOff" || (failed && (container.status["state"]["terminated"].is_object() || lately()))
}

/// `exited 1`, or `was killed by signal 9`.
fn ending(ended: &Value) -> String {
    match (ended["exitCode"].as_i64().unwrap_or(0), ended["signal"].as_i64().unwrap_or(0)) {
        (code @ 129..=192, 0) => format!("was killed by signal {}", code - 128),
        (code, 0) => format!("exited {code}"),
        (_, signal) => format!("was killed by signal {signal}"),
    }
}

/// A Job has given up.
pub(super) fn failed_job(facts: &Facts) -> Option<Diagnosis> {
    if !job_failed(&facts.object) {
        return None;
    }
    let failed = ready::conditions_of(&facts.object).find(|condition| condition["type"] == "Failed")?;
    let found = Diagnosis::new("it has given up", "see its pods' logs, delete it and let it be made anew");
    Some(found.line(format!("{}: {}", text(failed, "/reason"), text(failed, "/message"))))
}

/// Whether this is a Job that will not be tried again.
pub(super) fn job_failed(object: &Value) -> bool {
    object["kind"] == "Job" && ready::condition(object, "Failed") == Some(true)
}
