//! One commit on top of one version of a table.
//!
//! ```text
//! metadata/v<N>.metadata.json    all of the table at version N
//! metadata/version-hint.text     the newest N that somebody has finished with, for readers
//! ```
//! Whoever writes version N + 1 first has it: a second file of that name is refused, by a folder as by S3. So the
//! version that was looked at before a commit is the one it stands on, or the commit is refused.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use iceberg::{
    Catalog, Error, ErrorKind, Namespace, NamespaceIdent, Result, TableCommit, TableCreation,
    TableIdent,
    spec::{TableMetadata, TableMetadataBuilder},
    table::Table,
};

use super::lake::Lake;

/// A version of the table.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) metadata: Arc<TableMetadata>,
}

impl Version {
    /// The newest version, looked for from `known` on.
    pub(super) async fn newest(lake: &Lake, known: Option<&Self>) -> Result<Option<Self>> {
        let start = match known {
            Some(known) => Some(known.clone()),
            None => Self::hinted(lake).await?,
        };
        let Some(mut newest) = start else {
            return Ok(None);
        };
        while let Some(next) = Self::read(lake, newest.number + 1).await? {
            newest = next;
        }
        Ok(Some(newest))
    }

    /// The version that the hint names or, if there is no such, the newest that is listed.
    async fn hinted(lake: &Lake) -> Result<Option<Self>> {
        let hint = lake.find(&lake.location(HINT)).await?;
        let number = hint.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok());
        if let Some(number) = number
            && let Some(found) = Self::read(lake, number).await?
        {
            return Ok(Some(found));
        }
        let names = lake.names("metadata").await?;
        let numbers = names.iter().filter_map(|name| {
            let number = name.strip_prefix('v')?.strip_suffix(".metadata.json")?;
            number.parse::<u64>().ok()
        });
        match numbers.max() {
            Some(number) => Self::read(lake, number).await,
            None => Ok(None),
        }
    }

    async fn read(lake: &Lake, number: u64) -> Result<Option<Self>> {
        let location = location(lake, number);
        let Some(bytes) = lake.find(&location).await? else {
            return Ok(None);
        };
        let metadata = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("`{location}` is no metadata of a table");
            Error::new(ErrorKind::DataInvalid, message).with_source(error)
        })?;
        let metadata = Arc::new(metadata);
        Ok(Some(Self { number, metadata }))
    }

    /// Makes a table's first version, unless somebody has made it meanwhile.
    pub(super) async fn create(lake: &Lake, creation: TableCreation) -> Result<()> {
        let made = TableMetadataBuilder::from_table_creation(creation)?.build()?;
        write(lake, 1, &made.metadata).await.map(drop)
    }

    /// Where its metadata are.
    pub(super) fn location(&self, lake: &Lake) -> String {
        location(lake, self.number)
    }

    /// Tells readers that it is there. Whoever writes looks further anyway.
    pub(super) async fn hint(&self, lake: &Lake) -> Result<()> {
        use iceberg::io::Storage as _;
        let text = self.number.to_string();
        lake.write(&lake.location(HINT), text.into()).await
    }
}

const HINT: &str = "metadata/version-hint.text";

fn location(lake: &Lake, number: u64) -> String {
    lake.location(&format!("metadata/v{number}.metadata.json"))
}

async fn write(lake: &Lake, number: u64, metadata: &TableMetadata) -> Result<bool> {
    let json = serde_json::to_vec(metadata).map_err(|error| {
        let message = format!("cannot encode version {number} of the table");
        Error::new(ErrorKind::Unexpected, message).with_source(error)
    })?;
    lake.create(&location(lake, number), json.into()).await
}

/// What a transaction takes for its catalog: it shows the one version and takes the one that follows.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    pub(super) lake: &'a Lake,
    pub(super) number: u64,
    pub(super) base: Table,
}

/// A transaction asks for none of these.
fn elsewhere<T>(what: &str) -> Result<T> {
    let message = format!("a commit to one table cannot {what}");
    Err(Error::new(ErrorKind::FeatureUnsupported, message))
}

#[async_trait]
impl Catalog for Commit<'_> {
    async fn load_table(&self, _: &TableIdent) -> Result<Table> {
        Ok(self.base.clone())
    }

    async fn table_exists(&self, table: &TableIdent) -> Result<bool> {
        Ok(table == self.base.identifier())
    }

    async fn update_table(&self, mut commit: TableCommit) -> Result<Table> {
        for requirement in commit.take_requirements() {
            requirement.check(Some(self.base.metadata()))?;
        }
        let before = location(self.lake, self.number);
        let mut builder = self.base.metadata().clone().into_builder(Some(before));
        for update in commit.take_updates() {
            builder = update.apply(builder)?;
        }
        let metadata = builder.build()?.metadata;
        let next = self.number + 1;
        if !write(self.lake, next, &metadata).await? {
            let message = format!("somebody else has written version {next} of the table");
            return Err(Error::new(ErrorKind::CatalogCommitConflicts, message));
        }
        Table::builder()
            .identifier(self.base.identifier().clone())
            .file_io(self.base.file_io().clone())
            .metadata_location(location(self.lake, next))
            .metadata(metadata)
            .runtime(iceberg::Runtime::current())
            .build()
    }

    async fn list_namespaces(&self, _: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        elsewhere("list namespaces")
    }

    async fn create_namespace(
        &self,
        _: &NamespaceIdent,
        _: HashMap<String, String>,
    ) -> Result<Namespace> {
        elsewhere("create a namespace")
    }

    async fn get_namespace(&self, _: &NamespaceIdent) -> Result<Namespace> {
        elsewhere("show a namespace")
    }

    async fn namespace_exists(&self, _: &NamespaceIdent) -> Result<bool> {
        elsewhere("look for a namespace")
    }

    async fn update_namespace(&self, _: &NamespaceIdent, _: HashMap<String, String>) -> Result<()> {
        elsewhere("change a namespace")
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> Result<()> {
        elsewhere("drop a namespace")
    }

    async fn list_tables(&self, _: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        elsewhere("list tables")
    }

    async fn create_table(&self, _: &NamespaceIdent, _: TableCreation) -> Result<Table> {
        elsewhere("create a table")
    }

    async fn drop_table(&self, _: &TableIdent) -> Result<()> {
        elsewhere("drop a table")
    }

    async fn purge_table(&self, _: &TableIdent) -> Result<()> {
        elsewhere("purge a table")
    }

    async fn rename_table(&self, _: &TableIdent, _: &TableIdent) -> Result<()> {
        elsewhere("rename a table")
    }

    async fn register_table(&self, _: &TableIdent, _: String) -> Result<Table> {
        elsewhere("register a table")
    }
}
