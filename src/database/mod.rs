//! PostgreSQL, and the only place that names `tokio_postgres`: connections through the cluster, queries, identities. What a script may say about databases is `primitives::sql`.
