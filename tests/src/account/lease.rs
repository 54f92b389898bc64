//! Who writes checkpoints: the owner of the lease alone, and never an earlier one.

use serde_json::Value;

use super::dynamo::Dynamo;

/// What is wrong with a change of a lease that was just made: by whom, and the lease as it was before.
pub fn broken(name: &str, request: &Value, before: &Value) -> Option<String> {
    let to = request["ExpressionAttributeValues"][":checkpoint"]["S"].as_str()?;
    let lease = request["Key"]["leaseKey"]["S"].as_str()?;
    let field = |field: &str, kind: &str| before[field][kind].as_str();
    let owns = [field("leaseOwner", "S"), field("checkpointOwner", "S")].contains(&Some(name));
    if !owns {
        let owner = field("leaseOwner", "S").unwrap_or("nobody");
        return Some(format!("{name} wrote a checkpoint of {lease}, which is {owner}'s"));
    }
    let sub = |value: Option<&str>| value.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let from = field("checkpoint", "S").and_then(|text| text.parse::<u128>().ok())?;
    let from = (from, sub(field("checkpointSubSequenceNumber", "N")));
    let values = &request["ExpressionAttributeValues"];
    let to = (to.parse().ok()?, sub(values[":checkpointSubSequenceNumber"]["N"].as_str()));
    (to < from).then(|| format!("{name} took the checkpoint of {lease} back from {from:?} to {to:?}"))
}

/// The lease that a request is about, as it is now.
pub fn before(dynamo: &Dynamo, operation: &str, request: &Value) -> Option<Value> {
    let name = request["TableName"].as_str().filter(|name| name.ends_with("leases"))?;
    (operation == "UpdateItem").then(|| dynamo.item(name, &request["Key"])).flatten()
}
