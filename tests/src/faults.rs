//! Faults between a client and a server: a proxy that refuses, breaks off or loses answers as it is told.

use std::fmt;

use pipeline::adapters::aws::Aws;
use serde_json::{Value, json};

use crate::http;
use crate::servers::{Server, microburst};

/// A proxy in front of a server. It lets everything through until it is told otherwise.
#[derive(Debug)]
pub struct Proxy(Server);

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is refused: too many.
    Throttle,
    /// It is refused: the server has trouble.
    Fault,
    /// The connection is broken before it gets through.
    Reset,
    /// It is done, and the answer never comes.
    LostAnswer,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Trouble; 4] = [Trouble::Throttle, Trouble::Fault, Trouble::Reset, Trouble::LostAnswer];

    fn effect(self) -> (&'static str, Value) {
        match self {
            Trouble::Throttle => ("error", json!({"code": "ProvisionedThroughputExceededException", "status": 400})),
            Trouble::Fault => ("error", json!({"code": "InternalFailure", "status": 500})),
            Trouble::Reset => ("reset", json!(true)),
            Trouble::LostAnswer => ("response", json!({"abort_bytes": 1})),
        }
    }

    /// The rule by which the next so many requests meet it: those of one operation, or all.
    pub fn rule(self, operation: Option<&str>, requests: u32) -> Value {
        let (effect, how) = self.effect();
        let mut rule = json!({"times": requests, effect: how});
        if let Some(operation) = operation {
            rule["operation"] = operation.into();
        }
        rule
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Throttle => "are refused as too many",
            Trouble::Fault => "meet trouble of the server's own",
            Trouble::Reset => "meet a broken connection",
            Trouble::LostAnswer => "are done and never answered",
        })
    }
}

impl Proxy {
    /// A proxy in front of a server.
    pub fn before(server: &Server) -> Proxy {
        Proxy(microburst(server))
    }

    /// An account of the server behind, reached through here; see [`Server::account`].
    pub fn account(&self, seed: u64) -> Aws {
        self.0.account(seed)
    }

    /// From now on these rules hold, the first that fits for each request.
    pub async fn rules(&self, rules: &[Value]) {
        http::post(&self.0.endpoint(), "/_microburst/rules", &json!(rules)).await;
    }

    /// Requests that met a rule, of late: the operation of each.
    pub async fn fired(&self) -> Vec<String> {
        let fired = http::get(&self.0.endpoint(), "/_microburst/fired?limit=10000").await;
        let operation = |fired: &Value| fired["operation"].as_str().unwrap_or_default().to_owned();
        fired.as_array().unwrap().iter().map(operation).collect()
    }
}
