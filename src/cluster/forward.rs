//! Connections to a port inside a pod, through the API server. What is spoken over them is up to who asked.

use super::{Cluster, ClusterError, KindName, Name, PodName};
use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use serde_json::Value;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

const CONNECT: Duration = Duration::from_secs(10);

impl Cluster {
    /// A connection to a port of a pod. In a dry run too: what goes over it must only read.
    pub async fn forward(&self, pod: &PodName, port: u16) -> Result<Forward, ClusterError> {
        let cannot = |reason: String| ClusterError::CannotForward { pod: pod.to_string(), port, reason };
        let pods: Api<Pod> = Api::namespaced(self.tunnels.clone(), &pod.namespace);
        let opened = tokio::time::timeout(CONNECT, pods.portforward(&pod.name, &[port])).await;
        let opened = opened.map_err(|_| cannot("no answer within the time-out".into()))?;
        let mut forwarder = opened.map_err(|error| match super::error::explain("reach", &pod.to_string(), error) {
            ClusterError::Refused { reason, .. } => cannot(reason),
            other => other,
        })?;
        let stream = forwarder.take_stream(port).ok_or_else(|| cannot("no stream was opened".into()))?;
        let failed = forwarder.take_error(port).map_or_else(|| futures::future::ready(None).boxed(), FutureExt::boxed);
        Ok(Forward { forwarder, stream, failed: Some(failed) })
    }

    /// A ready pod behind a Service, and the port of the pod that this port of the Service leads to.
    pub async fn backend(&self, namespace: &str, service: &str, port: u16) -> Result<(PodName, u16), ClusterError> {
        let name = Name::new(namespace, "service", service);
        let object = self.get(&name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
        let slices = KindName { namespace: Some(namespace.into()), kind: "endpointslice".into() };
        let slices = self.list(&slices, Some(&format!("kubernetes.io/service-name={service}"))).await?;
        let refuse =
            |reason: String, help: &str| ClusterError::Refused { attempt: format!("reach `{name}`"), reason, help: Some(help.into()) };
        let wanted = port_name(&object, port).ok_or_else(|| refuse(format!("it has no port {port}"), "`kube::get` shows its ports"))?;
        let found = slices.iter().find_map(|slice| ready_pod(slice, &wanted));
        let (pod, port) = found.ok_or_else(|| refuse("no pod behind it is ready".into(), "`kube::diagnose` of the pods says why"))?;
        Ok((PodName { namespace: namespace.into(), name: pod, container: None }, port))
    }
}

/// The name of a Service's port; a single port may have none.
fn port_name(service: &Value, port: u16) -> Option<String> {
    let ports = service["spec"]["ports"].as_array()?;
    let found = ports.iter().find(|known| known["port"] == port)?;
    Some(found["name"].as_str().unwrap_or_default().to_owned())
}

fn ready_pod(slice: &Value, port: &str) -> Option<(String, u16)> {
    let port = slice["ports"].as_array()?.iter().find(|known| known["name"].as_str().unwrap_or_default() == port)?;
    let port = u16::try_from(port["port"].as_u64()?).ok()?;
    let ready = slice["endpoints"].as_array()?.iter().find(|endpoint| endpoint["conditions"]["ready"] != false)?;
    Some((ready["targetRef"]["name"].as_str()?.to_owned(), port))
}

/// A stream to a port of a pod; dropping it closes the connection.
pub struct Forward {
    forwarder: Portforwarder,
    stream: DuplexStream,
    failed: Option<BoxFuture<'static, Option<String>>>,
}

impl Forward {
    /// What the far side said if it could not connect.
    fn failure(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        let Poll::Ready(said) = self.failed.as_mut()?.as_mut().poll(context) else { return None };
        self.failed = None;
        let said = said?;
        let last = said.trim().rsplit(": ").next().unwrap_or_default().to_owned();
        let reason = if said.contains("connection refused") { "nothing listens on this port of the pod".into() } else { last };
        Some(io::Error::new(io::ErrorKind::ConnectionRefused, reason))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forward {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() > before {
            return polled;
        }
        match self.failure(context) {
            Some(error) => Poll::Ready(Err(error)),
            None => polled,
        }
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_services_port_leads_to_a_ready_pods_port() {
        let service = json!({"spec": {"ports": [{"name": "tcp", "port": 5432}]}});
        let slice = json!({"ports": [{"name": "tcp", "port": 15432}], "endpoints": [
            {"conditions": {"ready": false}, "targetRef": {"name": "p-0"}}, {"conditions": {"ready": true}, "targetRef": {"name": "p-1"}}]});
        let name = port_name(&service, 5432).unwrap();
        assert_eq!(ready_pod(&slice, &name), Some(("p-1".into(), 15432)));
        assert_eq!(port_name(&service, 80), None);
    }
}
