//! Samples whether an application can write: inserts ids through the application's own way in, and remembers which of
//! them the database acknowledged. Reading back which are still there is the driver's business.

use super::sample::{Clock, Series};
use crate::database::{Lasting, Line, Way};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The table that ids are written to, in the database that is named.
pub const TABLE: &str = "railrun_probe";

/// How many connections write side by side: one that waits for a disk must not slow the sampling down.
const LANES: u32 = 4;

/// How long a lane waits before it connects anew: what is down must not be hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

pub struct Writer {
    pub way: Way,
    pub right: Lasting,
    /// From one insert to the next, all lanes taken together.
    pub every: Duration,
}

impl Writer {
    /// Makes the table anew: what an earlier probe left in it is of no use.
    pub async fn prepare(&self) -> Result<(), String> {
        let line = self.way.open().await?;
        line.write(self.right, &format!("drop table if exists {TABLE}")).await?;
        line.write(self.right, &format!("create table {TABLE} (id bigint primary key, at timestamptz not null default now())")).await
    }

    /// One future for each lane; each writes until it is aborted.
    pub fn lanes(self, clock: Clock, series: &Series<u64>) -> Vec<impl Future<Output = ()> + use<>> {
        let (writer, next) = (Arc::new(self), Arc::new(AtomicU64::new(1)));
        (0..LANES).map(|lane| write(writer.clone(), next.clone(), lane, clock, series.clone())).collect()
    }
}

async fn write(writer: Arc<Writer>, next: Arc<AtomicU64>, lane: u32, clock: Clock, series: Series<u64>) {
    tokio::time::sleep(writer.every * lane).await;
    let mut tick = tokio::time::interval(writer.every * LANES);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut line: Option<Line> = None;
    loop {
        tick.tick().await;
        let id = next.fetch_add(1, Ordering::Relaxed);
        let sample = clock.sample(insert(&writer, &mut line, id)).await;
        let failed = !sample.is_good();
        series.add(sample);
        if failed {
            line = None;
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

/// The id, once it is acknowledged.
async fn insert(writer: &Writer, line: &mut Option<Line>, id: u64) -> Result<u64, String> {
    if line.is_none() {
        *line = Some(writer.way.open().await?);
    }
    let open = line.as_ref().ok_or("connection broken")?;
    open.write(writer.right, &format!("insert into {TABLE} (id) values ({id})")).await?;
    Ok(id)
}
