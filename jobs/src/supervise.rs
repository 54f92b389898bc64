//! The jobs of a node together: started as one, drained in the order of the streams, stopped as one.
//!
//! Draining goes downstream: vision ends first, then betting has everything that was seen, then notify has
//! everything that it told, then the sender has everything that is due. Whichever fails stops the others.

use std::sync::Arc;

use futures::future::{FutureExt, select_all};
use pipeline::engine::{self, LoopOptions, Ports, Stop};
use pipeline::job;
use pipeline::metrics::Metrics;
use pipeline::{Error, Result};
use tokio::task::JoinHandle;

/// A job's task and what stops it.
pub struct Job {
    stop: Stop,
    task: JoinHandle<Result<()>>,
}

impl Job {
    /// Starts one, which `stop` stops.
    pub fn start<F: Future<Output = Result<()>> + Send + 'static>(stop: Stop, run: impl FnOnce(Stop) -> F) -> Job {
        Job { task: tokio::spawn(run(stop.clone())), stop }
    }

    /// Starts a loop beside the main one, whose counters its own would be taken for.
    pub fn beside<J: job::Job>(stop: Stop, job: J, ports: Ports, options: LoopOptions) -> Job {
        let ports = Ports { metrics: Metrics::default(), ..ports };
        Job::start(stop, |stop| engine::run(Arc::new(job), ports, options, stop))
    }

    async fn ended(&mut self) -> Result<()> {
        (&mut self.task).await.map_err(|cause| Error::fatal("a job", cause))?
    }

    /// Ends it downstream of a job that has ended. While it drains, `stop` still stops it.
    async fn end(mut self, drain: bool, stop: &Stop) -> Result<()> {
        if !drain {
            self.stop.now();
            return self.ended().await;
        }
        self.stop.when_drained();
        let (mut stopped, told) = (stop.watch(), self.stop.clone());
        let stopping = async {
            while !stop.is_now() {
                stopped.changed().await;
            }
            told.now();
            std::future::pending::<()>().await
        };
        tokio::select! {
            ended = self.ended() => ended,
            () = stopping => Ok(()),
        }
    }
}

/// Waits for jobs, given in the order of the streams, until the first one's `stop` stops or drains them.
pub async fn run(mut jobs: Vec<Job>, stop: Stop) -> Result<()> {
    // A job that ends before it is told to has failed.
    let (ended, over, others) = select_all(jobs.iter_mut().map(|job| job.ended().boxed())).await;
    drop(others);
    let drain = ended.is_ok() && !stop.is_now();
    let mut outcome = ended;
    for (number, job) in jobs.into_iter().enumerate() {
        if number != over {
            outcome = match (outcome, job.end(drain, &stop).await) {
                // What fails after a crash fails because of it.
                (_, crash @ Err(Error::Crashed(_))) => crash,
                (earlier, later) => earlier.and(later),
            };
        }
    }
    outcome
}
