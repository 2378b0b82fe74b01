//! A Valkey server in a backup: a snapshot (RDB) that its primary makes and streams out.

use crate::cluster::{Cluster, PodName};
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::Content;
use crate::primitives::backup::output::Checked;
use crate::primitives::backup::producer::{Produced, Producer};
use crate::secret::Secret;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;

/// A server as scripts describe it; what else they say about it is not needed here.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// How the backup calls it: `platform/valkey`.
    pub name: String,
    /// Where its primary runs.
    pub pod: String,
    pub password: Secret,
}

/// Its snapshot.
pub struct Rdb<'h> {
    pub cluster: &'h Cluster,
    pub server: &'h Server,
}

/// The password is the first line of the input: a command's words are in the audit log.
const DUMP: &str = "IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec valkey-cli --rdb -";

impl Producer for Rdb<'_> {
    fn title(&self) -> String {
        format!("Valkey {}", self.server.name)
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        async {
            let pod = PodName::parse(&self.server.pod)?;
            let words = ["sh", "-c", DUMP].map(str::to_owned);
            let stream = self.cluster.exec_stream(&pod, &words, format!("{}\n", self.server.password.reveal()?).as_bytes()).await?;
            let output = Checked::new(stream, self.title(), "valkey-cli".into());
            Ok(Produced { content: Content::Valkey { name: self.server.name.clone() }, output: Box::new(output), tool: None })
        }
        .boxed()
    }
}
