//! Our places for objects, as Iceberg wants to see them: files by their full locations.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use iceberg::{
    Error, ErrorKind, Result,
    io::{
        FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
        StorageFactory,
    },
};
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A place for a table.
#[derive(Debug, Clone)]
pub(super) struct Lake {
    /// What the location of everything in it begins with, without a slash at the end.
    root: String,
    objects: Arc<dyn ObjectStore>,
}

impl Lake {
    pub(super) fn new(root: String, objects: Arc<dyn ObjectStore>) -> Self {
        Self { root, objects }
    }

    /// The location of a file.
    pub(super) fn location(&self, file: &str) -> String {
        format!("{}/{file}", self.root)
    }

    /// The place's own location.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Reads a file; nothing if it is not there.
    pub(super) async fn find(&self, location: &str) -> Result<Option<Bytes>> {
        let path = self.path(location)?;
        match self.objects.get(&path).await {
            Ok(found) => {
                let bytes = found.bytes().await;
                bytes
                    .map(Some)
                    .map_err(|error| failed("read", &path, error))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    /// Writes a file, unless there is one of this name. Says whether it did.
    pub(super) async fn create(&self, location: &str, bytes: Bytes) -> Result<bool> {
        let path = self.path(location)?;
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .objects
            .put_opts(&path, PutPayload::from(bytes), options);
        match put.await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(failed("write", &path, error)),
        }
    }

    /// The names of the files in a folder.
    pub(super) async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let folder = Path::from(folder);
        let listed = self.objects.list(Some(&folder)).try_collect::<Vec<_>>();
        let listed = listed
            .await
            .map_err(|error| failed("list", &folder, error))?;
        let names = listed.iter().filter_map(|file| file.location.filename());
        Ok(names.map(str::to_owned).collect())
    }

    fn path(&self, location: &str) -> Result<Path> {
        let inside = location
            .strip_prefix(&self.root)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| Path::parse(rest).ok());
        inside.ok_or_else(|| {
            let message = format!("`{location}` does not lie in `{}`", self.root);
            Error::new(ErrorKind::DataInvalid, message)
        })
    }
}

fn failed(verb: &str, path: &Path, error: object_store::Error) -> Error {
    let message = format!("cannot {verb} `{path}`");
    Error::new(ErrorKind::Unexpected, message).with_source(error)
}

/// Iceberg may ask for a storage to be sent to another process. This one has keys and connections, and stays.
impl Serialize for Lake {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(STAYS))
    }
}

impl<'de> Deserialize<'de> for Lake {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(serde::de::Error::custom(STAYS))
    }
}

const STAYS: &str = "an open place for a table cannot be sent to another process";

#[typetag::serde(name = "floodmark")]
impl StorageFactory for Lake {
    fn build(&self, _: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde(name = "floodmark")]
impl Storage for Lake {
    async fn exists(&self, location: &str) -> Result<bool> {
        let path = self.path(location)?;
        match self.objects.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("look at", &path, error)),
        }
    }

    async fn metadata(&self, location: &str) -> Result<FileMetadata> {
        let path = self.path(location)?;
        let found = self.objects.head(&path).await;
        let found = found.map_err(|error| failed("look at", &path, error))?;
        Ok(FileMetadata { size: found.size })
    }

    async fn read(&self, location: &str) -> Result<Bytes> {
        let found = self.find(location).await?;
        found.ok_or_else(|| {
            let message = format!("`{location}` is not there, though the table names it");
            Error::new(ErrorKind::DataInvalid, message)
        })
    }

    async fn reader(&self, location: &str) -> Result<Box<dyn FileRead>> {
        let (lake, path) = (self.clone(), self.path(location)?);
        Ok(Box::new(Open { lake, path }))
    }

    async fn write(&self, location: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(location)?;
        let put = self.objects.put(&path, PutPayload::from(bytes)).await;
        put.map(drop).map_err(|error| failed("write", &path, error))
    }

    async fn writer(&self, location: &str) -> Result<Box<dyn FileWrite>> {
        Ok(Box::new(Unwritten {
            lake: self.clone(),
            location: location.to_owned(),
            content: BytesMut::new(),
        }))
    }

    async fn delete(&self, location: &str) -> Result<()> {
        let path = self.path(location)?;
        match self.objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", &path, error)),
        }
    }

    async fn delete_prefix(&self, location: &str) -> Result<()> {
        let folder = self.path(location)?;
        let mut listed = self.objects.list(Some(&folder));
        while let Some(file) = listed.next().await {
            let file = file.map_err(|error| failed("list", &folder, error))?;
            self.delete(&self.location(file.location.as_ref())).await?;
        }
        Ok(())
    }

    async fn delete_stream(&self, mut locations: BoxStream<'static, String>) -> Result<()> {
        while let Some(location) = locations.next().await {
            self.delete(&location).await?;
        }
        Ok(())
    }

    fn new_input(&self, location: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), location.to_owned()))
    }

    fn new_output(&self, location: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), location.to_owned()))
    }
}

/// A file that is read in pieces.
struct Open {
    lake: Lake,
    path: Path,
}

#[async_trait]
impl FileRead for Open {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let read = self.lake.objects.get_range(&self.path, range).await;
        read.map_err(|error| failed("read", &self.path, error))
    }
}

/// A file that appears whole when it is closed.
struct Unwritten {
    lake: Lake,
    location: String,
    content: BytesMut,
}

#[async_trait]
impl FileWrite for Unwritten {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.content.extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let content = self.content.split().freeze();
        self.lake.write(&self.location, content).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::local::LocalFileSystem;

    use super::*;

    fn lake(folder: &std::path::Path) -> Lake {
        let objects = LocalFileSystem::new_with_prefix(folder).unwrap();
        Lake::new("file:///lake".into(), Arc::new(objects))
    }

    #[test]
    fn a_file_appears_when_it_is_closed_and_goes_when_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path());
        let file = lake.location("a/b");
        pollster::block_on(async {
            let mut writer = lake.writer(&file).await.unwrap();
            writer.write(Bytes::from("first ")).await.unwrap();
            writer.write(Bytes::from("second")).await.unwrap();
            assert!(!lake.exists(&file).await.unwrap());
            writer.close().await.unwrap();
            assert_eq!(lake.read(&file).await.unwrap(), "first second");
            assert_eq!(lake.metadata(&file).await.unwrap().size, 12);
            let reader = lake.reader(&file).await.unwrap();
            assert_eq!(reader.read(6..9).await.unwrap(), "sec");
            assert!(!lake.create(&file, Bytes::from("other")).await.unwrap());
            lake.write(&lake.location("a/c"), Bytes::new())
                .await
                .unwrap();
            let paths = futures_util::stream::iter([lake.location("a/c")]);
            lake.delete_stream(Box::pin(paths)).await.unwrap();
            assert_eq!(lake.names("a").await.unwrap(), ["b"]);
            lake.delete_prefix(&lake.location("a")).await.unwrap();
            lake.delete(&file).await.unwrap();
            assert_eq!(lake.find(&file).await.unwrap(), None);
            let error = lake.read(&file).await.unwrap_err().to_string();
            assert!(error.contains("is not there"), "{error}");
        });
    }

    #[test]
    fn what_lies_elsewhere_is_refused_and_nothing_leaves_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path());
        for location in ["file:///lakes/a", "s3://lake/a", "file:///lake/../a", "a"] {
            let error = pollster::block_on(lake.read(location)).unwrap_err();
            assert!(error.to_string().contains("does not lie in"), "{error}");
        }
        let error = serde_json::to_string(&lake).unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        assert!(serde_json::from_str::<Lake>("{}").is_err());
    }
}
