//! The jobs of a node together: started as one, drained in the order of the streams, stopped as one.
//!
//! Draining goes downstream: betting ends first, then notify has everything that it told, then the
//! sender has everything that is due. Whichever fails stops the others.

use std::sync::Arc;

use pipeline::engine::{self, LoopOptions, Ports, Stop};
use pipeline::metrics::Metrics;
use pipeline::{Error, Result};
use tokio::task::JoinHandle;

use crate::betting::Betting;
use crate::node::Node;
use crate::notify::fold::{self, Notify};
use crate::notify::sender::Sender;

/// A job's task and what stops it.
struct Job {
    stop: Stop,
    task: JoinHandle<Result<()>>,
}

impl Job {
    async fn ended(&mut self) -> Result<()> {
        (&mut self.task).await.map_err(|cause| Error::fatal("a job", cause))?
    }

    /// Ends it downstream of a job that has ended.
    async fn end(mut self, drain: bool) -> Result<()> {
        if drain {
            self.stop.when_drained()
        } else {
            self.stop.now()
        }
        self.ended().await
    }
}

/// Runs the betting loop and, with a sender, the mails, until `stop` or until all is drained.
pub async fn run(node: Node, betting: Betting, options: LoopOptions, sender: Option<Sender>, stop: Stop) -> Result<()> {
    let ports = node.ports();
    let betting = engine::run(Arc::new(betting), ports.clone(), options, stop.clone());
    let Some(sender) = sender else { return betting.await };
    let mut betting = Job { stop: stop.clone(), task: tokio::spawn(betting) };
    let told = Stop::default();
    // Its counters would be taken for the main job's.
    let ports = Ports { metrics: Metrics::default(), ..ports };
    let fold = engine::run(Arc::new(Notify::default()), ports, LoopOptions::new(fold::LOOP), told.clone());
    let mut fold = Job { stop: told, task: tokio::spawn(fold) };
    let sent = Stop::default();
    let mut sender = Job { stop: sent.clone(), task: tokio::spawn(sender.run(sent)) };

    // A job that ends before it is told to has failed.
    let (first, over) = tokio::select! {
        ended = betting.ended() => (ended, 0),
        ended = fold.ended() => (ended, 1),
        ended = sender.ended() => (ended, 2),
    };
    let drain = first.is_ok() && !stop.is_now();
    let mut outcome = first;
    for (number, job) in [betting, fold, sender].into_iter().enumerate() {
        if number != over {
            outcome = match (outcome, job.end(drain).await) {
                // What fails after a crash fails because of it.
                (_, crash @ Err(Error::Crashed(_))) => crash,
                (earlier, later) => earlier.and(later),
            };
        }
    }
    outcome
}
