//! A bucket of S3 as the account's other clients would reach it: the same region, endpoint and
//! credentials, profiles and roles included.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kinesis::config::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{CredentialProvider, ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;

use super::Aws;
use super::check::Finding;
use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};

/// Credentials are asked for again so long before they expire, in milliseconds.
const EARLY_MS: i64 = 5 * 60_000;

/// A bucket.
///
/// # Errors
/// `Reject` for an account without credentials, or a name that is none.
pub fn bucket(aws: &Aws, name: &str) -> Result<AmazonS3> {
    let provider = aws.config.credentials_provider();
    let provider = provider.ok_or_else(|| Error::Reject("there are no AWS credentials".into()))?;
    let region = aws.config.region().map(ToString::to_string).unwrap_or_default();
    let credentials = SdkCredentials { provider, kept: Mutex::new(None) };
    let builder = AmazonS3Builder::new().with_bucket_name(name).with_region(region);
    let builder = match aws.config.endpoint_url() {
        // A server that is not AWS' own may do without TLS.
        Some(endpoint) => builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://")),
        None => builder,
    };
    let built = builder.with_credentials(Arc::new(credentials)).build();
    built.map_err(|cause| Error::Reject(format!("bucket {name:?}: {cause}")))
}

/// Whether objects can be written, read and removed in a folder.
pub async fn finding(store: &dyn ObjectStore, folder: &Path, place: &str) -> Finding {
    let path = folder.clone().join("check");
    let tried = async {
        store.put(&path, "oddsmill aws check".into()).await?;
        store.get(&path).await?.bytes().await?;
        store.delete(&path).await
    };
    match tried.await {
        Ok(()) => Finding::Good(format!("states {place}: can be written, read and removed")),
        Err(cause) => Finding::Problem {
            what: format!("states {place}: {cause}"),
            fix: format!("create the bucket, or allow s3:PutObject, s3:GetObject and s3:DeleteObject on {place}/*"),
        },
    }
}

/// Asks the SDK's chain, and keeps what it says until it expires.
#[derive(Debug)]
struct SdkCredentials {
    provider: SharedCredentialsProvider,
    /// With the moment at which to ask again.
    kept: Mutex<Option<(Arc<AwsCredential>, Arrival)>>,
}

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        if let Some((credentials, until)) = &*kept
            && Clock::System.now() < *until
        {
            return Ok(credentials.clone());
        }
        let failed = |source| object_store::Error::Generic { store: "S3", source: Box::new(source) };
        let given = self.provider.provide_credentials().await.map_err(failed)?;
        let credentials = Arc::new(AwsCredential {
            key_id: given.access_key_id().to_owned(),
            secret_key: given.secret_access_key().to_owned(),
            token: given.session_token().map(ToOwned::to_owned),
        });
        let expiry = given.expiry().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let until = expiry
            .map_or(Arrival::MAX, |at| Arrival(i64::try_from(at.as_millis()).unwrap_or(i64::MAX)).plus_ms(-EARLY_MS));
        *kept = Some((credentials.clone(), until));
        Ok(credentials)
    }
}
