//! From the name of a host to a stream of bytes: straight where this host is the cluster's own, else through the
//! API server. What is spoken over it is the session's business.

use super::DatabaseError;
use crate::cluster::{Cluster, ClusterError, Name, PodName};
use crate::settings::Reach;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long a connect may take.
pub const CONNECT: Duration = Duration::from_secs(5);

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What a host name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `pgpool.platform.svc.cluster.local`
    Service { namespace: String, name: String },
    /// `pg-0.pg-headless.platform.svc.cluster.local`
    Pod { namespace: String, name: String },
    /// Anything that is not a full name inside the cluster.
    Outside(String),
}

impl Address {
    pub fn parse(host: &str) -> Self {
        let parts: Vec<&str> = host.split('.').collect();
        let inside = parts.iter().position(|part| *part == "svc").unwrap_or_default();
        match parts[..inside] {
            [name, namespace] => Address::Service { namespace: namespace.into(), name: name.into() },
            [name, _, namespace] => Address::Pod { namespace: namespace.into(), name: name.into() },
            _ => Address::Outside(host.into()),
        }
    }

    pub fn namespace(&self) -> Option<String> {
        match self {
            Address::Service { namespace, .. } | Address::Pod { namespace, .. } => Some(namespace.clone()),
            Address::Outside(_) => None,
        }
    }

    /// The object it leads to, as reads and changes name it.
    pub fn resource(&self) -> Option<String> {
        match self {
            Address::Service { namespace, name } => Some(Name::new(namespace, "service", name).to_string()),
            Address::Pod { namespace, name } => Some(Name::new(namespace, "pod", name).to_string()),
            Address::Outside(_) => None,
        }
    }
}

/// A stream to `port` of what `address` stands for.
pub async fn open(cluster: &Cluster, reach: Reach, address: &Address, port: u16) -> Result<Box<dyn Io>, DatabaseError> {
    match (address, reach) {
        (Address::Outside(host), _) => straight(host, port).await,
        (Address::Service { namespace, name }, Reach::Direct) => {
            if let Some(ip) = service_ip(cluster, namespace, name).await? {
                return straight(&ip, port).await;
            }
            let (pod, port) = cluster.backend(namespace, name, port).await?;
            straight(&pod_ip(cluster, &pod).await?, port).await
        }
        (Address::Service { namespace, name }, Reach::Forward) => {
            let (pod, port) = cluster.backend(namespace, name, port).await?;
            Ok(Box::new(cluster.forward(&pod, port).await?))
        }
        (Address::Pod { namespace, name }, reach) => {
            let pod = PodName { namespace: namespace.clone(), name: name.clone(), container: None };
            match reach {
                Reach::Direct => straight(&pod_ip(cluster, &pod).await?, port).await,
                Reach::Forward => Ok(Box::new(cluster.forward(&pod, port).await?)),
            }
        }
    }
}

async fn straight(host: &str, port: u16) -> Result<Box<dyn Io>, DatabaseError> {
    let unreachable = |reason: String| DatabaseError::unreachable(format!("{host}:{port}"), reason);
    match tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await {
        Err(_) => Err(unreachable("no answer within 5s".into())),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream))
        }
    }
}

/// A Service's own address; a headless one has none.
async fn service_ip(cluster: &Cluster, namespace: &str, service: &str) -> Result<Option<String>, DatabaseError> {
    let name = Name::new(namespace, "service", service);
    let object = cluster.get(&name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
    Ok(object["spec"]["clusterIP"].as_str().filter(|ip| !ip.is_empty() && *ip != "None").map(str::to_owned))
}

/// A pod's address inside the cluster.
pub async fn pod_ip(cluster: &Cluster, pod: &PodName) -> Result<String, DatabaseError> {
    let name = Name::new(&pod.namespace, "pod", &pod.name);
    let object = cluster.get(&name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
    let address = object["status"]["podIP"].as_str().map(str::to_owned);
    address.ok_or_else(|| DatabaseError::unreachable(pod.to_string(), "it has no address yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_says_what_it_leads_to() {
        let resource = |host: &str| Address::parse(host).resource();
        assert_eq!(resource("pgpool.platform.svc.cluster.local").as_deref(), Some("platform/service/pgpool"));
        assert_eq!(resource("pgpool.platform.svc").as_deref(), Some("platform/service/pgpool"));
        assert_eq!(resource("pg-0.pg-headless.platform.svc.cluster.local").as_deref(), Some("platform/pod/pg-0"));
    }

    #[test]
    fn anything_else_is_outside() {
        for host in ["10.0.0.1", "db.example.org", "localhost", "svc", "a.b.c.d.svc", ""] {
            assert_eq!(Address::parse(host), Address::Outside(host.into()), "{host}");
        }
    }
}
