//! Waiting for a state by watching, not by polling. The API being away for a moment does not end a wait, and what is
//! said at its end is the last real reason, not that.

use super::{Cluster, ClusterError, KindName, Name, error};
use crate::duration;
use crate::rights;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use kube::Api;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What to keep an eye on: the objects of one kind, perhaps only one of them or those with certain labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub kind: KindName,
    pub name: Option<String>,
    pub labels: Option<String>,
}

impl Watched {
    pub fn all(kind: KindName, labels: Option<String>) -> Self {
        Self { kind, name: None, labels }
    }

    pub fn one(name: &Name) -> Self {
        let kind = KindName { namespace: name.namespace.clone(), kind: name.kind.clone() };
        Self { kind, name: Some(name.name.clone()), labels: None }
    }
}

/// What is thought of the objects as they are now.
#[derive(Debug)]
pub enum Verdict<T> {
    Done(T),
    /// Not yet, and why.
    NotYet(String),
    /// It will never be: the wait ends here.
    Never(ClusterError),
}

impl Cluster {
    /// Waits until `judge` is content with the watched objects. `changed` hears each new reason why it is not.
    pub async fn wait_until<T>(
        &self,
        what: &str,
        watched: Watched,
        deadline: Duration,
        mut judge: impl FnMut(&[&Value]) -> Verdict<T>,
        mut changed: impl FnMut(&str),
    ) -> Result<T, ClusterError> {
        let end = Instant::now() + deadline;
        let mut views = Views::open(self, vec![watched]).await?;
        let mut last: Option<String> = None;
        loop {
            match timeout_at(end, views.change()).await {
                Err(_) => return Err(timed_out(what, deadline, last, views.trouble())),
                Ok(change) => change?,
            }
            match judge(&views.objects(0).collect::<Vec<_>>()) {
                Verdict::Done(answer) => return Ok(answer),
                Verdict::Never(error) => return Err(error),
                Verdict::NotYet(reason) => {
                    if last.as_ref() != Some(&reason) {
                        changed(&reason);
                    }
                    last = Some(reason);
                }
            }
        }
    }

    /// What a wait would see first: in a dry run it asks once. The rights are those of the whole wait.
    pub async fn glance(&self, watched: &Watched) -> Result<Vec<Value>, ClusterError> {
        if let Ok(kind) = self.kind(&watched.kind.kind).await {
            let namespace = watched.kind.namespace.as_deref().filter(|_| kind.namespaced);
            self.requests.add(rights::waiting(namespace, &kind.group, &kind.plural));
        }
        match &watched.name {
            Some(name) => {
                let name = Name { namespace: watched.kind.namespace.clone(), kind: watched.kind.kind.clone(), name: name.clone() };
                Ok(self.get(&name).await?.into_iter().collect())
            }
            None => self.list(&watched.kind, watched.labels.as_deref()).await,
        }
    }

    /// Waits until an object is there no more; with its `uid`, also until another one has taken its name.
    pub async fn wait_gone(&self, name: &Name, uid: Option<&str>, deadline: Duration) -> Result<(), ClusterError> {
        let judge = |objects: &[&Value]| match objects {
            [] => Verdict::Done(()),
            [object, ..] if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) => Verdict::Done(()),
            [object, ..] => Verdict::NotYet(why_still_there(object)),
        };
        self.wait_until(&format!("`{name}` is still there"), Watched::one(name), deadline, judge, |_| {}).await
    }
}

fn why_still_there(object: &Value) -> String {
    let finalizers: Vec<&str> = object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (object["metadata"]["deletionTimestamp"].is_null(), finalizers.is_empty()) {
        (true, _) => "its deletion has not been asked for".into(),
        (false, true) => "it is terminating".into(),
        (false, false) => format!("it is kept by the finalizer `{}`", finalizers.join("`, `")),
    }
}

pub(super) fn timed_out(what: &str, waited: Duration, last: Option<String>, trouble: Option<&str>) -> ClusterError {
    let trouble = trouble.map(|trouble| format!("the cluster could not be asked at the end: {trouble}"));
    let last = last.into_iter().chain(trouble).collect::<Vec<_>>().join("; ");
    ClusterError::TimedOut { what: what.into(), waited: duration::show(waited), last }
}

type Stream = BoxStream<'static, (usize, watcher::Result<Event<DynamicObject>>)>;

/// The watched objects as they are now, one view for each thing watched.
pub(super) struct Views {
    streams: SelectAll<Stream>,
    each: Vec<View>,
    trouble: Option<String>,
}

#[derive(Default)]
struct View {
    /// What its objects are: items of a list come without it.
    kind: String,
    api_version: String,
    objects: BTreeMap<String, Value>,
    /// A list under way, until it is complete.
    listing: Option<BTreeMap<String, Value>>,
    settled: bool,
}

impl Views {
    pub async fn open(cluster: &Cluster, watched: Vec<Watched>) -> Result<Self, ClusterError> {
        let mut streams = SelectAll::new();
        let mut views = Vec::new();
        for (place, watched) in watched.into_iter().enumerate() {
            let kind = cluster.kind(&watched.kind.kind).await?;
            let resource = ApiResource {
                group: kind.group.clone(),
                version: kind.version.clone(),
                api_version: kind.api_version(),
                kind: kind.kind.clone(),
                plural: kind.plural.clone(),
            };
            let api: Api<DynamicObject> = match &watched.kind.namespace {
                Some(namespace) if kind.namespaced => Api::namespaced_with(cluster.api.clone(), namespace, &resource),
                _ => Api::all_with(cluster.api.clone(), &resource),
            };
            let asked = watcher::Config {
                field_selector: watched.name.map(|name| format!("metadata.name={name}")),
                label_selector: watched.labels,
                ..watcher::Config::default()
            };
            streams.push(watcher(api, asked).default_backoff().map(move |event| (place, event)).boxed());
            views.push(View { kind: resource.kind, api_version: resource.api_version, ..View::default() });
        }
        Ok(Self { streams, each: views, trouble: None })
    }

    /// Waits for the next change, with every view complete.
    pub async fn change(&mut self) -> Result<(), ClusterError> {
        loop {
            let Some((place, event)) = self.streams.next().await else {
                return std::future::pending().await;
            };
            match event {
                Err(error) => self.trouble = Some(trouble(error)?),
                Ok(event) => {
                    self.trouble = None;
                    let changed = self.each[place].take(event);
                    if changed && self.each.iter().all(|view| view.settled) {
                        return Ok(());
                    }
                }
            }
        }
    }

    pub fn objects(&self, view: usize) -> impl Iterator<Item = &Value> {
        self.each[view].objects.values()
    }

    /// Why the cluster cannot be asked at the moment, if it cannot.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

impl View {
    /// Takes an event in; says whether what is seen may have changed.
    fn take(&mut self, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                if let Some((key, value)) = self.entry(object) {
                    self.listing.get_or_insert_default().insert(key, value);
                }
            }
            Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                self.settled = true;
                return true;
            }
            Event::Apply(object) => {
                if let Some((key, value)) = self.entry(object) {
                    self.objects.insert(key, value);
                }
                return self.settled;
            }
            Event::Delete(object) => {
                if let Some((key, _)) = self.entry(object) {
                    self.objects.remove(&key);
                }
                return self.settled;
            }
        }
        false
    }

    fn entry(&self, object: DynamicObject) -> Option<(String, Value)> {
        let metadata = &object.metadata;
        let key = format!("{}/{}", metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut value = serde_json::to_value(object).ok()?;
        value["apiVersion"] = self.api_version.as_str().into();
        value["kind"] = self.kind.as_str().into();
        Some((key, value))
    }
}

/// What is wrong with a watch for now; an error where waiting cannot help.
fn trouble(error: watcher::Error) -> Result<String, ClusterError> {
    let explained = match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            error::explain("watch", "the cluster", error)
        }
        other => return Ok(other.to_string()),
    };
    match explained {
        ClusterError::Forbidden { .. } | ClusterError::Unauthorized { .. } => Err(explained),
        passing => Ok(passing.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str) -> DynamicObject {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "a"}})).unwrap()
    }

    #[test]
    fn a_view_is_complete_only_after_its_list_is() {
        let mut view = View::default();
        assert!(!view.take(Event::Init) && !view.take(Event::InitApply(object("x"))));
        assert!(view.objects.is_empty());
        assert!(view.take(Event::InitDone));
        assert_eq!(view.objects.keys().collect::<Vec<_>>(), ["a/x"]);
    }

    #[test]
    fn an_item_of_a_list_gets_the_kind_that_it_comes_without() {
        let mut view = View { kind: "Deployment".into(), api_version: "apps/v1".into(), ..View::default() };
        for event in [Event::Init, Event::InitApply(object("x")), Event::InitDone] {
            view.take(event);
        }
        assert_eq!(view.objects["a/x"]["kind"], "Deployment");
    }

    #[test]
    fn what_a_new_list_does_not_have_is_gone() {
        let mut view = View::default();
        for event in [Event::Init, Event::InitDone, Event::Apply(object("x")), Event::Init, Event::InitApply(object("y"))] {
            view.take(event);
        }
        assert_eq!(view.objects.keys().collect::<Vec<_>>(), ["a/x"]);
        view.take(Event::InitDone);
        assert_eq!(view.objects.keys().collect::<Vec<_>>(), ["a/y"]);
    }

    #[test]
    fn what_keeps_an_object_is_named() {
        let object = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}});
        assert_eq!(why_still_there(&object), "it is kept by the finalizer `kubernetes.io/pvc-protection`");
    }

    #[test]
    fn the_last_real_reason_is_not_hidden_by_the_api_being_away() {
        let error =
            timed_out("`a/pod/b` is not ready", Duration::from_secs(90), Some("its pod crashes".into()), Some("connection refused"));
        let said = "`a/pod/b` is not ready after 1m30s: its pod crashes; the cluster could not be asked at the end: connection refused";
        assert_eq!(error.to_string(), said);
    }
}
