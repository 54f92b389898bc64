//! Bugs of a worker, made on its way to the account: what it would send, or understand, if it had them.
//!
//! A condition that is left out of a request is a condition that the code forgot. So a bug needs no switch in the
//! product, and what finds it are the invariants alone. Those that leave no trace in requests are switches of
//! `pipeline`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pipeline::fault::Bug;
use schemas::outbox::OutboxRow;
use schemas::row::Row as _;
use serde_json::{Value, json};

use super::client::Request;
use super::expression::decoded;
use super::{Answer, Service, refused};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Leases are written without a condition: the fence is ignored.
    FenceIgnored,
    /// Stored decisions are ignored: a repeat is decided again. (Without the condition alone nothing happens: the
    /// versions of rows in the same group stand for it.)
    ClaimIgnored,
    /// A decision does not say which record asked for it.
    ClaimWithoutPosition,
    /// Rows are written over whatever others wrote.
    RowsUnversioned,
    /// A shard's sums are written over whatever is there.
    SumsUnversioned,
    /// A group is not atomic: it happens that half of it is done.
    GroupTorn,
    /// Rows are read as they were a while ago.
    ReadsStale,
    /// What a batch leaves undone is forgotten.
    UnprocessedForgotten,
    /// Records that were refused count as appended.
    RefusalsIgnored,
    /// It happens that what a run emits is not sent.
    EmitsLost,
    /// The ids of what is told follow from how records were read.
    EmitIdsByBatch,
    /// A checkpoint says more than was applied.
    CheckpointAhead,
    /// Window states are not saved, but checkpoints say so.
    CheckpointPastSnapshot,
    /// Timers are kept in memory alone.
    TimersUnwritten,
    /// Timers that a run had stored before it was tried again are not kept in memory: seeds of this simulation found it.
    TimersForgotten,
    /// A worker that waits for another stream does not hear that it is to stop.
    StopUnheard,
    /// A worker's clock is never held against the account's time.
    ClockTrusted,
    /// What is due to be sent is stored, the row that says what is not.
    OutboxSentBeforeStored,
    /// What is known of a mail is written over whatever others know: seeds of this simulation found it.
    OutboxUnranked,
    /// What could not be applied is not kept.
    DeadLettersDropped,
    /// A window's rows are not written where it is final.
    WindowsUnwritten,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Mutation; 21] = [
        Mutation::FenceIgnored,
        Mutation::ClaimIgnored,
        Mutation::ClaimWithoutPosition,
        Mutation::RowsUnversioned,
        Mutation::SumsUnversioned,
        Mutation::GroupTorn,
        Mutation::ReadsStale,
        Mutation::UnprocessedForgotten,
        Mutation::RefusalsIgnored,
        Mutation::EmitsLost,
        Mutation::EmitIdsByBatch,
        Mutation::CheckpointAhead,
        Mutation::CheckpointPastSnapshot,
        Mutation::TimersUnwritten,
        Mutation::TimersForgotten,
        Mutation::StopUnheard,
        Mutation::ClockTrusted,
        Mutation::OutboxSentBeforeStored,
        Mutation::OutboxUnranked,
        Mutation::DeadLettersDropped,
        Mutation::WindowsUnwritten,
    ];

    /// The switch that it is, where requests do not show it.
    pub fn switch(self) -> Option<Bug> {
        match self {
            Mutation::TimersForgotten => Some(Bug::TimersForgotten),
            Mutation::StopUnheard => Some(Bug::StopUnheard),
            _ => None,
        }
    }

    /// Changes a worker's request, its `count`th; or answers it at once.
    pub(super) fn request(self, request: &mut Request, count: u64) -> Option<Answer> {
        let Request { service, operation, body, .. } = request;
        let name = body["TableName"].as_str().unwrap_or_default().to_owned();
        match (self, *service, operation.as_str()) {
            (Mutation::FenceIgnored, Service::Dynamo, "UpdateItem") if name.ends_with("leases") => unconditional(body),
            (Mutation::OutboxUnranked, Service::Dynamo, "PutItem") if name.ends_with("outbox") => unconditional(body),
            (Mutation::SumsUnversioned, Service::Dynamo, "PutItem") if name.ends_with("sums") => unconditional(body),
            (Mutation::WindowsUnwritten, Service::Dynamo, "PutItem")
                if name.ends_with("odds_windows") && body["Item"]["final"]["BOOL"] == true =>
            {
                return Some(Answer::ok(json!({})));
            }
            (Mutation::CheckpointAhead, Service::Dynamo, "UpdateItem") => {
                let checkpoint = &mut body["ExpressionAttributeValues"][":checkpoint"]["S"];
                if let Some(at) = checkpoint.as_str().and_then(|text| text.parse::<u128>().ok()) {
                    *checkpoint = (at + 5).to_string().into();
                }
            }
            (Mutation::ReadsStale, Service::Dynamo, "BatchGetItem") => {
                each(&mut body["RequestItems"], |of| of["ConsistentRead"] = false.into());
            }
            (Mutation::TimersUnwritten, _, "TransactWriteItems") => leave_out(body, "sys.timers"),
            (Mutation::OutboxSentBeforeStored, _, "TransactWriteItems") => leave_out(body, OutboxRow::TABLE),
            (Mutation::DeadLettersDropped, _, "BatchWriteItem") => {
                let dead = |write: &Value| write["PutRequest"]["Item"]["t"]["S"] == "sys.dead_letters";
                each(&mut body["RequestItems"], |writes| {
                    if let Some(writes) = writes.as_array_mut() {
                        writes.retain(|write| !dead(write));
                    }
                });
            }
            (Mutation::GroupTorn, _, "TransactWriteItems") if count.is_multiple_of(7) => {
                if let Some(writes) = body["TransactItems"].as_array_mut() {
                    writes.truncate(writes.len().div_ceil(2));
                }
            }
            (_, _, "TransactWriteItems") => {
                for write in body["TransactItems"].as_array_mut().into_iter().flatten() {
                    self.put(&mut write["Put"]);
                }
            }
            (Mutation::EmitsLost, Service::Kinesis, "PutRecords") if count.is_multiple_of(5) => {
                let done = |_: &Value| json!({"ShardId": "shardId-000000000000", "SequenceNumber": "1"});
                let records: Vec<Value> = body["Records"].as_array().into_iter().flatten().map(done).collect();
                return Some(Answer::ok(json!({"FailedRecordCount": 0, "Records": records})));
            }
            (Mutation::EmitIdsByBatch, Service::Kinesis, "PutRecords") => {
                for record in body["Records"].as_array_mut().into_iter().flatten() {
                    renamed(record, count);
                }
            }
            _ => {}
        }
        None
    }

    /// Changes a write of a group.
    fn put(self, put: &mut Value) {
        let decision = !put["Item"]["from"].is_null();
        match self {
            Mutation::ClaimIgnored if decision => unconditional(put),
            Mutation::RowsUnversioned if !decision && !put.is_null() => unconditional(put),
            Mutation::ClaimWithoutPosition if decision => put["Item"]["from"]["S"] = "somewhere".into(),
            _ => {}
        }
    }

    /// Changes what the worker understands.
    pub(super) fn answer(self, request: &Request, answer: &mut Answer, count: u64) {
        match (self, request.operation.as_str()) {
            (Mutation::GroupTorn, "TransactWriteItems") if count.is_multiple_of(7) => {
                *answer = Answer { status: 500, ..refused("InternalServerError", "Internal server error") };
            }
            (Mutation::ClaimIgnored, "BatchGetItem") => each(&mut answer.body["Responses"], |items| {
                if let Some(items) = items.as_array_mut() {
                    items.retain(|item| item["from"].is_null());
                }
            }),
            (Mutation::UnprocessedForgotten, "BatchWriteItem") => answer.body["UnprocessedItems"] = json!({}),
            (Mutation::UnprocessedForgotten, "BatchGetItem") => answer.body["UnprocessedKeys"] = json!({}),
            (Mutation::RefusalsIgnored, "PutRecords") => {
                for result in answer.body["Records"].as_array_mut().into_iter().flatten() {
                    if !result["ErrorCode"].is_null() {
                        *result = json!({"ShardId": "shardId-000000000000", "SequenceNumber": "1"});
                    }
                }
            }
            _ => {}
        }
    }
}

fn each(of: &mut Value, change: impl FnMut(&mut Value)) {
    of.as_object_mut().into_iter().flat_map(|of| of.values_mut()).for_each(change);
}

/// Without its condition.
fn unconditional(write: &mut Value) {
    if let Some(write) = write.as_object_mut() {
        write.remove("ConditionExpression");
    }
}

/// Leaves writes to a row table out of a group.
fn leave_out(body: &mut Value, table: &str) {
    if let Some(writes) = body["TransactItems"].as_array_mut() {
        let of = |write: &Value| {
            let put = &write["Put"];
            put["Item"]["t"]["S"] == table || put["TableName"].as_str().is_some_and(|name| name.ends_with(table))
        };
        writes.retain(|write| !of(write));
    }
}

/// A notification under an id that depends on the request.
fn renamed(record: &mut Value, count: u64) {
    let data = decoded(record["Data"].as_str().unwrap_or_default());
    let Ok(text) = String::from_utf8(data) else { return };
    let Some((before, after)) = text.split_once("\"notification_id\":\"") else { return };
    let text = format!("{before}\"notification_id\":\"{:08x}{}", count as u32, after.get(8..).unwrap_or_default());
    record["Data"] = BASE64_STANDARD.encode(text).into();
}
