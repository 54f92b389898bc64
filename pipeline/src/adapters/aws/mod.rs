//! AWS: streams in Kinesis, rows and leases in DynamoDB, mails through SNS and SES.
//!
//! The environment says which account: the standard variables, profiles, endpoints and roles of AWS'
//! own tools, and nothing of ours.

mod account_time;
pub mod bounces;
pub mod buffered;
pub mod check;
pub mod decisions;
pub mod envelope;
pub mod error;
pub mod fanout;
pub mod group;
pub mod item;
pub mod kpl;
pub mod leases;
pub mod log;
pub mod mail_check;
pub mod poll;
pub mod producer;
pub mod ses;
mod ses_answer;
mod ses_quota;
pub mod setup;
pub mod shard_reader;
pub mod sns;
mod sns_calls;
mod sns_message;
mod sns_people;
pub mod sns_topics;
pub mod storage;
pub mod streams;
pub mod sums;
pub mod tables;
pub mod unpack;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod mail_tests;

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::error::{Error, Result};

/// Longest a request may take; a full answer of 10 MiB takes a second or two.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Attempts of one request, pauses of the SDK between them; what then fails is the caller's to repeat.
const ATTEMPTS: u32 = 3;

/// The clients of one account and region. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    /// What the environment says.
    pub config: Arc<SdkConfig>,
    /// Streams.
    pub kinesis: aws_sdk_kinesis::Client,
    /// Tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Aws {
    /// The account that the environment names.
    ///
    /// # Errors
    /// `Reject` when no region is named.
    pub async fn from_env() -> Result<Aws> {
        let client =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(REQUEST_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .load()
            .await;
        if config.region().is_none() {
            return Err(Error::Reject(
                "no AWS region is set; set AWS_REGION, or `region` in the profile that AWS_PROFILE names".into(),
            ));
        }
        Ok(Aws::new(config))
    }

    /// Another server that speaks AWS' protocols, such as one on this machine; `account` is the access
    /// key, which such servers take for the account's number.
    pub fn at(endpoint: &str, account: &str) -> Aws {
        let credentials = Credentials::new(account, "secret", None, None, "given");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(REQUEST_TIMEOUT).build())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Aws::new(config)
    }

    /// Clients of this configuration.
    pub fn new(config: SdkConfig) -> Aws {
        let kinesis = aws_sdk_kinesis::Client::new(&config);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        Aws { config: Arc::new(config), kinesis, dynamodb }
    }
}
