//! Objects in a folder of this machine or in a service that speaks S3: each is written once, whole, or not at all.
//!
//! A folder shows a file under its name when all of it is there; S3 does the same with an upload, and refuses a
//! second one of the same name (`If-None-Match`). Neither needs to be renamed or copied.

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    BackoffConfig, Certificate, ClientOptions, Error, GetOptions, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutOptions, PutPayload, Result, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use tokio::runtime::Runtime;

use super::{Secret, tls};

/// How long a connection to S3 may take, and all of a request.
const TO_CONNECT: Duration = Duration::from_secs(3);
const TO_ANSWER: Duration = Duration::from_secs(30);

/// A request that did not arrive is made again this soon, once; whoever asks decides what comes then.
const AGAIN: Duration = Duration::from_millis(200);

/// Where objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// What all names begin with; empty for none.
        prefix: String,
        /// Where the bucket is.
        service: S3,
    },
}

/// A service that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3 {
    /// Its URL; Amazon's without one.
    pub endpoint: Option<String>,
    /// Its region; the environment's, or `us-east-1`, without one.
    pub region: Option<String>,
    /// Access key and its secret; the environment's without them.
    pub keys: Option<(Secret, Secret)>,
    /// Certificates to trust besides the system's.
    pub ca: Option<PathBuf>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3 { bucket, prefix, .. } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(feature = "iceberg")]
impl Place {
    /// The whole location of a place, which others can read: `file:///…` or `s3://…`, without a slash at the end. A
    /// folder has to be there.
    pub(crate) fn location(&self) -> Result<String> {
        match self {
            Self::Folder(folder) => {
                let folder = folder.canonicalize().map_err(unusable)?;
                Ok(format!("file://{}", folder.display()))
            }
            Self::S3 { .. } => Ok(self.to_string().trim_end_matches('/').to_owned()),
        }
    }
}

/// A store of objects, for threads that wait.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What drives the client of a service; a folder needs nobody.
    runtime: Option<Arc<Runtime>>,
}

impl Objects {
    /// Opens a place. A folder is made if it is not there; a service is not asked yet.
    pub(crate) fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Folder(folder) => Self::in_folder(folder),
            Place::S3 {
                bucket,
                prefix,
                service,
            } => {
                let store = service.bucket(bucket)?;
                Ok(Self {
                    store: Arc::new(PrefixStore::new(store, prefix.as_str())),
                    runtime: Some(runtime()?),
                })
            }
        }
    }

    /// Opens a place for whoever brings work of its own, which a runtime has to drive for a folder too.
    #[cfg(feature = "iceberg")]
    pub(crate) fn open_driven(place: &Place) -> Result<Self> {
        let mut objects = Self::open(place)?;
        if objects.runtime.is_none() {
            objects.runtime = Some(runtime()?);
        }
        Ok(objects)
    }

    /// What is behind it.
    #[cfg(feature = "iceberg")]
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    fn in_folder(folder: &FilePath) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(unusable)?;
        Ok(Self::of(Arc::new(LocalFileSystem::new_with_prefix(
            folder,
        )?)))
    }

    /// Objects in a store that needs nobody to drive it.
    pub(crate) fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            runtime: None,
        }
    }

    /// Asks a service whether it is there and lets us in. A folder is there.
    pub(crate) fn probe(&self) -> Result<()> {
        match self.runtime {
            Some(_) => self.list(&Path::from("is-anybody-there"), None).map(drop),
            None => Ok(()),
        }
    }

    /// Writes an object, which must not be there yet. When this returns it can be read whole.
    pub(crate) fn create(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<()> {
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(path, bytes.into(), options);
        self.wait(put).map(drop)
    }

    /// Reads an object.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let read = async {
            let found = self.store.get_opts(path, GetOptions::default()).await?;
            found.bytes().await
        };
        self.wait(read).map(|bytes| bytes.to_vec())
    }

    /// The objects of a folder whose names come after `after`, in no particular order.
    pub(crate) fn list(&self, folder: &Path, after: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        use futures_util::TryStreamExt as _;
        let listed = match after {
            Some(after) => self.store.list_with_offset(Some(folder), after),
            None => self.store.list(Some(folder)),
        };
        self.wait(listed.try_collect())
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, path: &Path) -> Result<()> {
        self.wait(self.store.delete(path))
    }

    /// Waits for some work with the store.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => pollster::block_on(work),
        }
    }
}

fn runtime() -> Result<Arc<Runtime>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("objects")
        .enable_all()
        .build();
    runtime.map(Arc::new).map_err(unusable)
}

/// True if the same may succeed later: nobody answered, or the service has trouble of its own.
pub(crate) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Generic { .. })
}

/// True if we are not let in, or not allowed to. Keys are read when a place is opened: newer ones may be there.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    )
}

impl S3 {
    fn bucket(&self, bucket: &str) -> Result<impl ObjectStore> {
        tls::settle_provider();
        let mut options = ClientOptions::new()
            .with_connect_timeout(TO_CONNECT)
            .with_timeout(TO_ANSWER);
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path).map_err(unusable)?;
            for certificate in Certificate::from_pem_bundle(&pem)? {
                options = options.with_root_certificate(certificate);
            }
        }
        let plain = self
            .endpoint
            .as_ref()
            .is_some_and(|url| url.starts_with("http://"));
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: AGAIN,
                ..BackoffConfig::default()
            },
            max_retries: 1,
            retry_timeout: TO_CONNECT,
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_client_options(options.with_allow_http(plain))
            .with_retry(retry)
            .with_bucket_name(bucket);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some((access, secret)) = &self.keys {
            builder = builder
                .with_access_key_id(access.read().map_err(unusable)?)
                .with_secret_access_key(secret.read().map_err(unusable)?);
        }
        builder.build()
    }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::NotSupported {
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().join("new/one"));
        let objects = Objects::open(&place).unwrap();
        (folder, objects)
    }

    #[test]
    fn an_object_is_written_once_and_comes_back_whole() {
        let (_folder, objects) = objects();
        let path = Path::from("a/b");
        objects.create(&path, b"first".to_vec()).unwrap();
        let error = objects.create(&path, b"second".to_vec()).unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert!(!may_pass(&error));
        assert_eq!(objects.read(&path).unwrap(), b"first");
        objects.delete(&path).unwrap();
        assert!(objects.read(&path).is_err());
    }

    #[test]
    fn a_list_begins_behind_a_name() {
        let (_folder, objects) = objects();
        for name in ["a/1", "a/2", "a/3", "b/9"] {
            objects.create(&Path::from(name), Vec::new()).unwrap();
        }
        let list = |after: Option<&str>| {
            let after = after.map(Path::from);
            let found = objects.list(&Path::from("a"), after.as_ref()).unwrap();
            let mut names: Vec<String> = found.iter().map(|o| o.location.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(list(None), ["a/1", "a/2", "a/3"]);
        assert_eq!(list(Some("a/2")), ["a/3"]);
        assert_eq!(list(Some("a/3")), Vec::<String>::new());
    }

    #[test]
    fn who_does_not_answer_may_answer_later_and_who_has_no_key_will_not() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let key = tempfile::NamedTempFile::new().unwrap();
        let with = |secret: PathBuf| {
            let place = Place::S3 {
                bucket: "lake".into(),
                prefix: "some/where".into(),
                service: S3 {
                    endpoint: Some(format!("http://127.0.0.1:{port}")),
                    keys: Some((Secret::File(key.path().to_owned()), Secret::File(secret))),
                    ..S3::default()
                },
            };
            Objects::open(&place)
        };
        let error = with(key.path().to_owned()).unwrap().probe().unwrap_err();
        assert!(may_pass(&error), "{error}");
        let error = with("/no/such/file".into()).unwrap_err();
        assert!(!may_pass(&error));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("/no/such/file"), "{cause}");
    }
}
