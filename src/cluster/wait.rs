//! Waiting until objects are ready: their own state is watched; beside it the cause is looked for, so that a wait
//! that is in vain ends early and one that runs out says why.

use super::diagnose::{Diagnosis, NotReady};
use super::ready::{self, Readiness};
use super::watch::{Views, Watched, timed_out};
use super::{Cluster, ClusterError, KindName, Name};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long nothing is said about a cause: most bad signs of the first seconds pass.
const GRACE: Duration = Duration::from_secs(5);
/// How often the cause is looked for while nothing changes, and how long one look may take.
const LOOK: Duration = Duration::from_secs(10);
/// How long a container that nobody probes must have run: one that crashes at once is ready for a moment, too.
const SETTLED: Duration = Duration::from_secs(3);
/// After this many seconds by the node's own clock it has run for long, however wrong that clock is.
const LONG_AGO: i64 = 60;

/// How far a wait is.
#[derive(Clone, Debug)]
pub struct Waiting<'w> {
    pub ready: usize,
    pub total: usize,
    /// What is waited for: `gitea/deployment/gitea: 0 of 1 replica is ready`.
    pub reason: &'w str,
    /// A bad sign that was not there before.
    pub warning: Option<&'w Diagnosis>,
}

impl Cluster {
    /// Whether an object is ready, and if not, in a few words why. What is stored about pods on a silent node is not
    /// believed.
    pub async fn ready(&self, name: &Name) -> Result<Readiness, ClusterError> {
        let Some(object) = self.get(name).await? else { return Ok(Err("it is not there".into())) };
        let judged = ready::readiness(&object);
        let silent = self.silent_nodes().await;
        let namespace = name.namespace.as_deref().filter(|_| judged.is_ok() && !silent.is_empty());
        let Some(namespace) = namespace else { return Ok(judged) };
        Ok(believable(&self.pods_of(namespace, &object).await?, &silent))
    }

    /// Waits until all these objects are ready. Ends early only for what cannot heal by itself.
    pub async fn wait_ready(&self, names: &[Name], deadline: Duration, mut progress: impl FnMut(&Waiting<'_>)) -> Result<(), ClusterError> {
        let begun = Instant::now();
        let mut wait = Wait::open(self, names).await?;
        let mut look = begun + GRACE;
        loop {
            tokio::select! {
                change = wait.views.change() => {
                    change?;
                    if wait.judge(&mut progress) {
                        return Ok(());
                    }
                }
                () = sleep(SETTLED), if wait.settling => {
                    if wait.judge(&mut progress) {
                        return Ok(());
                    }
                }
                () = sleep_until(look.min(begun + deadline)) => {
                    let found = wait.look().await;
                    if Instant::now() >= begun + deadline {
                        return Err(wait.over(found, begun, deadline));
                    }
                    if let Some((name, found)) = found.filter(|(_, found)| found.doomed) {
                        return Err(Box::new(NotReady::new(name, found, begun.elapsed(), deadline)).into());
                    }
                    if wait.judge(&mut progress) {
                        return Ok(());
                    }
                    look = Instant::now() + LOOK;
                }
            }
        }
    }
}

/// A wait under way.
struct Wait<'c> {
    cluster: &'c Cluster,
    views: Views,
    watched: Vec<Watched>,
    names: Vec<Name>,
    silent: Vec<(String, i64)>,
    /// Since when each container is seen to run.
    running: HashMap<String, Instant>,
    /// Everything is ready, but some container has only just started.
    settling: bool,
    said: Option<(usize, String)>,
    reason: Option<String>,
    warned: Option<(String, Diagnosis)>,
    warning: Option<Diagnosis>,
}

impl<'c> Wait<'c> {
    async fn open(cluster: &'c Cluster, names: &[Name]) -> Result<Self, ClusterError> {
        let mut watched = Vec::new();
        let mut waited = Vec::new();
        for name in names {
            let object = cluster.get(name).await?;
            if object.as_ref().is_none_or(|object| object["status"].is_object() || ready::is_judged(object)) {
                watched.push(Watched::one(name));
                waited.push(name.clone());
            }
        }
        let namespaces: BTreeSet<String> = waited.iter().filter_map(|name| name.namespace.clone()).collect();
        watched.extend(
            namespaces.into_iter().map(|namespace| Watched::all(KindName { namespace: Some(namespace), kind: "pod".into() }, None)),
        );
        let views = Views::open(cluster, watched.clone()).await?;
        let silent = cluster.silent_nodes().await;
        Ok(Self {
            cluster,
            views,
            watched,
            names: waited,
            silent,
            running: HashMap::new(),
            settling: false,
            said: None,
            reason: None,
            warned: None,
            warning: None,
        })
    }

    /// Says how far it is; true once everything is ready.
    fn judge(&mut self, progress: &mut impl FnMut(&Waiting<'_>)) -> bool {
        let judged: Vec<Readiness> = (0..self.names.len()).map(|place| self.readiness(place)).collect();
        let ready = judged.iter().filter(|readiness| readiness.is_ok()).count();
        let (total, warning) = (self.names.len(), self.warning.take());
        let waiting = judged.into_iter().zip(&self.names).find_map(|(readiness, name)| Some(format!("{name}: {}", readiness.err()?)));
        let fresh = if ready == total { self.fresh_container() } else { None };
        self.settling = fresh.is_some();
        let reason = waiting.or(fresh).unwrap_or_default();
        if warning.is_some() || self.said.as_ref().is_none_or(|(before, said)| *before != ready || *said != reason) {
            progress(&Waiting { ready, total, reason: &reason, warning: warning.as_ref() });
            self.said = Some((ready, reason.clone()));
        }
        self.reason = Some(reason);
        ready == total && !self.settling
    }

    fn readiness(&self, place: usize) -> Readiness {
        let Some(object) = self.views.objects(place).next() else { return Err("it is not there".into()) };
        ready::readiness(object)?;
        if self.silent.is_empty() {
            return Ok(());
        }
        let pods: Vec<Value> = self.pods(place).cloned().collect();
        believable(&pods, &self.silent)
    }

    /// The pods that the object at this place stands for.
    fn pods(&self, place: usize) -> impl Iterator<Item = &Value> {
        let namespace = &self.names[place].namespace;
        let view = self.watched.iter().position(|watched| watched.name.is_none() && watched.kind.namespace == *namespace);
        let object = self.views.objects(place).next();
        let pods = view.into_iter().flat_map(|view| self.views.objects(view));
        pods.filter(move |pod| object.is_some_and(|object| ready::selects(object, pod)))
    }

    /// A container that nobody probes and that has only just started, if there is one. The pods' own watch may lag
    /// behind their workload's: one that is not seen to run counts as well.
    fn fresh_container(&mut self) -> Option<String> {
        let unprobed: Vec<(String, Option<String>)> =
            (0..self.names.len()).flat_map(|place| self.pods(place).flat_map(ready::unprobed)).collect();
        let fresh =
            unprobed.into_iter().find(|(container, started)| !started.as_ref().is_some_and(|started| self.has_settled(container, started)));
        fresh.map(|(container, _)| format!("container `{container}` has only just started"))
    }

    fn has_settled(&mut self, container: &str, started: &str) -> bool {
        let now = Instant::now();
        let seen = *self.running.entry(format!("{container} {started}")).or_insert(now);
        let ago = started.parse::<Timestamp>().map_or(0, |started| Timestamp::now().as_second() - started.as_second());
        ago > LONG_AGO || now - seen >= SETTLED
    }

    /// Looks for the cause that lies nearest to the root among all that is not ready.
    async fn look(&mut self) -> Option<(String, Diagnosis)> {
        let cluster = self.cluster;
        let waiting: Vec<&Name> =
            (0..self.names.len()).filter(|place| self.readiness(*place).is_err()).map(|place| &self.names[place]).collect();
        let asked = async { tokio::join!(cluster.silent_nodes(), join_all(waiting.iter().map(|name| cluster.diagnose(name)))) };
        let (silent, answers) = timeout(LOOK, asked).await.ok()?;
        let found = waiting.iter().zip(answers).filter_map(|(name, answer)| Some((name.to_string(), answer.ok()??)));
        let found = found.min_by_key(|(_, diagnosis)| (!diagnosis.doomed, diagnosis.rank));
        self.silent = silent;
        let (name, diagnosis) = found?;
        if diagnosis.is_trouble() && self.warned.as_ref().is_none_or(|(_, warned)| warned.cause != diagnosis.cause) {
            self.warned = Some((name.clone(), diagnosis.clone()));
            self.warning = Some(diagnosis.clone());
        }
        Some((name, diagnosis))
    }

    /// The time is over: the cause as it is now, else as it was when the cluster could last be asked.
    fn over(mut self, found: Option<(String, Diagnosis)>, begun: Instant, deadline: Duration) -> ClusterError {
        let trouble = self.views.trouble().map(|trouble| format!("the cluster could not be asked at the end: {trouble}"));
        match found.or(self.warned) {
            Some((name, mut diagnosis)) => {
                diagnosis.detail.extend(trouble);
                Box::new(NotReady::new(name, diagnosis, begun.elapsed(), deadline)).into()
            }
            None => timed_out("not everything became ready", deadline, self.reason.take(), self.views.trouble()),
        }
    }
}

/// Ready as far as it can be known: no pod stands on a node that has gone silent.
fn believable(pods: &[Value], silent: &[(String, i64)]) -> Readiness {
    let living = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let doubtful = living.filter_map(|pod| pod["spec"]["nodeName"].as_str()).find_map(|node| silent.iter().find(|(name, _)| name == node));
    match doubtful {
        Some((node, age)) => Err(format!("the node `{node}` has not been heard of for {age} s")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stored_ready_on_a_silent_node_is_not_believed() {
        let pod = |node: &str| json!({"metadata": {"name": "p"}, "spec": {"nodeName": node}});
        let silent = [("a".to_owned(), 60)];
        assert_eq!(believable(&[pod("b"), pod("a")], &silent).unwrap_err(), "the node `a` has not been heard of for 60 s");
        assert_eq!(believable(&[pod("b")], &silent), Ok(()));
    }
}
