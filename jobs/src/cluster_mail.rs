//! Mails of a cluster: sent by one worker, the one that has the first unfinished lease of
//! `notifications`.
//!
//! For a moment when that changes hands two may send: the same mails, under the same Message-IDs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pipeline::Result;
use pipeline::engine::Stop;
use pipeline::engine::fleet::Fleet;
use pipeline::lease::WorkerId;
use pipeline::tables::Tables;

use crate::notify::MailOptions;
use crate::notify::fold::Notify;
use crate::notify::sender::Sender;

/// How often a worker looks whether sending is its part.
const LOOK: Duration = Duration::from_secs(1);

/// Sends while this worker is the one to do it, until told to stop. The local inbox, where that is asked
/// for, is the folder `inbox` of this machine.
pub async fn run(
    fleet: Arc<Fleet<Notify>>,
    mail: MailOptions,
    inbox: Box<Path>,
    me: WorkerId,
    stop: Stop,
) -> Result<()> {
    let stream = fleet.log.name(fleet.stream());
    let mailer = Arc::new(mail.server.open_in(fleet.log.aws(), &inbox)?);
    let mut stopped = stop.watch();
    while !stop.is_now() {
        if fleet.frontiers.leads(&stream, &me).await.unwrap_or(false) {
            let sender = Sender {
                tables: Tables::Dynamo(fleet.tables.clone()),
                clock: fleet.clock.clone(),
                metrics: fleet.metrics.clone(),
                faults: fleet.faults.clone(),
                mailer: mailer.clone(),
                options: mail.clone(),
            };
            let ended = Stop::default();
            let mut sending = tokio::spawn(sender.run(ended.clone()));
            loop {
                tokio::select! {
                    biased;
                    over = &mut sending => {
                        // What fails is tried again; bets do not wait for mails.
                        match over {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::error!("mails: {error}"),
                            Err(cause) => tracing::error!("mails: {cause}"),
                        }
                        break;
                    }
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stopped.changed() => {}
                }
                if stop.is_now() || !fleet.frontiers.leads(&stream, &me).await.unwrap_or(true) {
                    ended.now();
                }
            }
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.changed() => {}
        }
    }
    Ok(())
}
