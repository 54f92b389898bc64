//! What stands where the SDK would open a socket: a request taken apart, sent to the account through its process'
//! link, and answered.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format as DateTimeFormat;
use pipeline::adapters::aws::{Aws, REQUEST_TIMEOUT};
use pipeline::{Arrival, Clock};
use serde_json::{Value, json};
use tokio::time::sleep;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::link::Link;
use super::mutation::Mutation;
use super::weather::Fate;
use super::{Account, Answer, Service};

/// Requests of a worker, at most; one has a few thousand.
const MOST_REQUESTS: u64 = 30_000;

/// A request, taken apart.
#[derive(Clone)]
pub(super) struct Request {
    pub service: Service,
    pub operation: String,
    pub body: Value,
    /// Of the body, but for what the SDK makes up by chance.
    pub hash: u64,
}

/// What the SDK's clients of a process send their requests to.
pub(super) struct Client {
    pub account: Account,
    pub name: Arc<str>,
    pub link: Link,
    pub weather: bool,
    pub bug: Option<Mutation>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.name).finish()
    }
}

impl Clone for Client {
    fn clone(&self) -> Client {
        let Client { account, name, link, weather, bug } = self;
        Client { account: account.clone(), name: name.clone(), link: link.clone(), weather: *weather, bug: *bug }
    }
}

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move {
            let request = Request::read(request).await.map_err(|what| broken(&what))?;
            client.send(request).await
        })
    }
}

/// What the SDK takes for the time.
#[derive(Debug)]
struct Time(Clock);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.now().0.unsigned_abs())
    }
}

impl Client {
    /// The SDK's clients above this. Nothing of theirs follows from the machine's time or from chance, and a request
    /// is tried once. Requests to streams and tables are not signed, which would be a tenth of a simulation.
    pub fn clients(self) -> Aws {
        let time = Time(self.account.clock().clone());
        let unsigned = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url("http://in-this-process")
            .region(Region::new("us-east-1"))
            .http_client(SharedHttpClient::new(self))
            .time_source(SharedTimeSource::new(time))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(REQUEST_TIMEOUT).build())
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let kinesis = aws_sdk_kinesis::config::Builder::from(&unsigned).allow_no_auth().build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&unsigned).allow_no_auth().build();
        let credentials = Credentials::new("111111111111", "secret", None, None, "given");
        let signed = unsigned.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        Aws {
            config: Arc::new(signed),
            kinesis: aws_sdk_kinesis::Client::from_conf(kinesis),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        }
    }

    async fn send(self, mut request: Request) -> Result<HttpResponse, ConnectorError> {
        let Client { account, name, link, weather, bug } = &self;
        let _under_way = link.under_way();
        let (death, count) = link.begin().await;
        if *weather && count > MOST_REQUESTS {
            // It does not come to rest: time must pass, so that somebody notices.
            std::future::pending::<()>().await;
        }
        link.pass().await;
        if let Some(answer) = bug.and_then(|bug| bug.request(&mut request, count)) {
            return answer.response(None);
        }
        let mut waited = 0;
        while account.waits(&request) && waited < request.body["WaitTimeSeconds"].as_u64().unwrap_or(0) {
            sleep(Duration::from_secs(1)).await;
            waited += 1;
        }
        let fate = account.fate(&request, *weather);
        let latency = match fate {
            Fate::Done(latency) => latency,
            _ => Duration::from_millis(2),
        };
        sleep(latency / 2).await;
        link.pass().await;
        let death = death.inspect(|death| account.note(format_args!("{name} dies at {} {death:?}", request.operation)));
        if death.is_some_and(|death| !death.done) {
            link.cut();
        }
        link.pass().await;
        let mut answer = match fate {
            Fate::Dropped => {
                account.note(format_args!("{name} {} is dropped", request.operation));
                return Err(broken("the connection broke"));
            }
            Fate::Late(after) => {
                account.note(format_args!("{name} {} will be late by {after:?}", request.operation));
                self.later(request, fate, after);
                return std::future::pending().await;
            }
            Fate::Twice(after) => {
                self.later(request.clone(), fate, after);
                account.answer(name, &request, fate, false)
            }
            _ => account.answer(name, &request, fate, !weather),
        };
        let dated = request.operation == "GetRecords" && *bug != Some(Mutation::ClockTrusted);
        let date = dated.then(|| account.clock().now());
        if death.is_some() {
            link.cut();
        }
        sleep(latency / 2).await;
        link.pass().await;
        if fate == Fate::Lost {
            return Err(broken("the connection broke"));
        }
        if let Some(bug) = bug {
            bug.answer(&request, &mut answer, count);
        }
        answer.response(date)
    }

    /// A request that is on its way, whatever becomes of who sent it.
    fn later(&self, request: Request, fate: Fate, after: Duration) {
        let client = self.clone();
        tokio::spawn(async move {
            sleep(after).await;
            client.account.answer(&client.name, &request, fate, false)
        });
    }
}

impl Answer {
    /// As HTTP has it, with its date, in whole seconds, where somebody looks at it.
    fn response(&self, date: Option<Arrival>) -> Result<HttpResponse, ConnectorError> {
        let status = self.status.try_into().map_err(|_| broken("no status"))?;
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.to_string()));
        if let Some(Arrival(ms)) = date {
            let date = DateTime::from_secs(ms.div_euclid(1_000))
                .fmt(DateTimeFormat::HttpDate)
                .map_err(|_| broken("no date"))?;
            response.headers_mut().insert("date", date);
        }
        Ok(response)
    }
}

fn broken(what: &str) -> ConnectorError {
    ConnectorError::io(what.to_owned().into())
}

/// A hash of a body, but for what the SDK makes up by chance: the order of names, and tokens.
pub(super) fn digest(body: &Value, seed: u64) -> u64 {
    match body {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "ClientRequestToken")
            .fold(seed ^ 1, |hash, (name, value)| digest(value, xxh3_64_with_seed(name.as_bytes(), hash))),
        Value::Array(values) => values.iter().fold(seed ^ 2, |hash, value| digest(value, hash)),
        Value::String(text) => xxh3_64_with_seed(text.as_bytes(), seed),
        other => xxh3_64_with_seed(other.to_string().as_bytes(), seed),
    }
}

impl Request {
    async fn read(mut request: HttpRequest) -> Result<Request, String> {
        let (service, operation) = Request::target(&request)?;
        let bytes =
            ByteStream::new(request.take_body()).collect().await.map_err(|cause| cause.to_string())?.into_bytes();
        let body: Value = if bytes.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&bytes).map_err(|cause| cause.to_string())?
        };
        let hash = digest(&body, 0);
        Ok(Request { service, operation, body, hash })
    }

    fn target(request: &HttpRequest) -> Result<(Service, String), String> {
        let Some(target) = request.headers().get("x-amz-target") else {
            // SES names what it does by a path.
            let path = request.uri().split('?').next().unwrap_or_default();
            let operation = path.split_once("/v2/email/").ok_or("a request without a target")?.1;
            return Ok((Service::Mail, operation.to_owned()));
        };
        let (service, operation) = target.split_once('.').ok_or("a target without an operation")?;
        let service = match service {
            "DynamoDB_20120810" => Service::Dynamo,
            "Kinesis_20131202" => Service::Kinesis,
            "AmazonSQS" => Service::Queues,
            other => return Err(format!("{other} is not modelled")),
        };
        Ok((service, operation.to_owned()))
    }
}
