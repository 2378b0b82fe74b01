//! A question in SQL that is asked at a steady pace on one connection, which is opened anew after every failure.

use super::sample::{Clock, Series};
use crate::database::{Line, Way};
use std::time::Duration;

/// A row of an answer: column and value.
pub type Row = Vec<(String, String)>;

/// What is asked, and what is read from the answer.
#[derive(Clone, Copy)]
pub struct Question<T> {
    pub sql: &'static str,
    pub read: fn(&[Row]) -> Result<T, String>,
}

impl<T: Clone> Question<T> {
    /// Asks until it is aborted.
    pub async fn sample(self, way: Way, every: Duration, clock: Clock, series: Series<T>) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut line: Option<Line> = None;
        loop {
            tick.tick().await;
            let sample = clock.sample(self.ask(&way, &mut line)).await;
            if !sample.is_good() {
                line = None;
            }
            series.add(sample);
        }
    }

    async fn ask(&self, way: &Way, line: &mut Option<Line>) -> Result<T, String> {
        if line.is_none() {
            *line = Some(way.open().await?);
        }
        let rows = line.as_ref().ok_or("connection broken")?.ask(self.sql).await?;
        (self.read)(&rows)
    }
}
