//! Metrics as lines that CloudWatch reads out of a log: the embedded metric format.
//!
//! One JSON object a line, all metrics in it under the dimension `prefix`. Counters tell what was added
//! since the line before, as CloudWatch sums them up.
//!
//! Source: "Specification: Embedded metric format" of the Amazon CloudWatch User Guide.

use pipeline::Arrival;
use pipeline::metrics::{Kind, Metric, Metrics};
use serde_json::{Map, Value, json};

/// The metrics of one process, line after line.
pub struct Embedded {
    prefix: String,
    before: Vec<u64>,
}

impl Embedded {
    /// Of the pipeline whose names begin with `prefix`.
    pub fn new(prefix: &str) -> Embedded {
        Embedded { prefix: prefix.to_owned(), before: vec![0; Metric::ALL.len()] }
    }

    /// The next line.
    pub fn line(&mut self, metrics: &Metrics, now: Arrival) -> Value {
        let mut line = Map::new();
        let mut named = Vec::new();
        for (metric, before) in Metric::ALL.iter().zip(&mut self.before) {
            let value = metrics.get(*metric);
            let told = match metric.kind() {
                Kind::Counter => value.saturating_sub(std::mem::replace(before, value)),
                Kind::Gauge => value,
            };
            let unit = if metric.name().ends_with(".ms") { "Milliseconds" } else { "Count" };
            named.push(json!({ "Name": metric.name(), "Unit": unit }));
            line.insert(metric.name().into(), told.into());
        }
        let directive = json!({ "Namespace": "Oddsmill", "Dimensions": [["prefix"]], "Metrics": named });
        line.insert("prefix".into(), self.prefix.as_str().into());
        line.insert("_aws".into(), json!({ "Timestamp": now.0, "CloudWatchMetrics": [directive] }));
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_tell_what_was_added_and_gauges_what_is() {
        let (metrics, mut embedded) = (Metrics::default(), Embedded::new("p-"));
        let tell = |line: &Value| (line["job.accepted.records"].as_u64(), line["engine.lag.ms"].as_u64());
        metrics.add(Metric::JobAccepted, 5);
        metrics.set(Metric::EngineLagMs, 7);
        assert_eq!(tell(&embedded.line(&metrics, Arrival(1))), (Some(5), Some(7)));
        metrics.add(Metric::JobAccepted, 2);
        let line = embedded.line(&metrics, Arrival(2));
        assert_eq!((tell(&line), &line["prefix"]), ((Some(2), Some(7)), &json!("p-")));
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), Metric::ALL.len());
        assert!(metrics.iter().all(|metric| line.get(metric["Name"].as_str().unwrap()).is_some()));
    }
}
