//! The registry as plain data: subjects, their versions, and the schemas behind them.

use std::collections::BTreeMap;

use apache_avro::Schema;

use super::compatibility;
use super::error::RegistryError;
use super::level::{Level, Mode};

/// Everything that is registered.
#[derive(Debug)]
pub(super) struct Store {
    schemas: BTreeMap<i32, StoredSchema>,
    /// The id of a schema by its normal form: one schema has one id, whatever subject it is under.
    ids: BTreeMap<String, i32>,
    subjects: BTreeMap<String, BTreeMap<i32, Version>>,
    levels: BTreeMap<String, Level>,
    modes: BTreeMap<String, Mode>,
    global_level: Level,
    global_mode: Mode,
    next_id: i32,
}

#[derive(Debug)]
struct StoredSchema {
    text: String,
    normal: String,
    parsed: Schema,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    id: i32,
    deleted: bool,
}

/// One version of a subject, with its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) subject: String,
    pub(super) version: i32,
    pub(super) id: i32,
    pub(super) schema: String,
}

/// Which version of a subject is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The highest that is not deleted.
    Latest,
    /// This one.
    Number(i32),
}

/// Whether deleted versions are looked at as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Only what is not deleted.
    Live,
    /// Deleted versions too, as long as they are not removed for good.
    WithDeleted,
}

impl Scope {
    fn covers(self, version: &Version) -> bool {
        self == Self::WithDeleted || !version.deleted
    }
}

impl Which {
    /// Reads `latest`, `-1` (the same) or a number from 1 on.
    pub(super) fn parse(text: &str) -> Result<Self, RegistryError> {
        match text.parse() {
            _ if text == "latest" => Ok(Self::Latest),
            Ok(-1) => Ok(Self::Latest),
            Ok(number) if number >= 1 => Ok(Self::Number(number)),
            _ => Err(RegistryError::InvalidVersion {
                version: text.to_owned(),
            }),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Latest => "latest".to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Store {
    /// An empty registry, at the compatibility level that registries start with.
    pub(super) fn new() -> Self {
        Self {
            schemas: BTreeMap::new(),
            ids: BTreeMap::new(),
            subjects: BTreeMap::new(),
            levels: BTreeMap::new(),
            modes: BTreeMap::new(),
            global_level: Level::DEFAULT,
            global_mode: Mode::ReadWrite,
            next_id: 1,
        }
    }

    /// Puts a schema under a subject and gives its id. Doing so again changes nothing.
    pub(super) fn register(&mut self, subject: &str, text: &str) -> Result<i32, RegistryError> {
        let (parsed, normal) = parse(text)?;
        if let Some(found) = self.find(subject, &normal, Scope::Live) {
            return Ok(found.id);
        }
        self.writable(subject)?;
        let reasons = self.obstacles(subject, &parsed, None);
        if !reasons.is_empty() {
            return Err(RegistryError::Incompatible {
                subject: subject.to_owned(),
                reasons,
            });
        }
        let id = match self.ids.get(&normal) {
            Some(id) => *id,
            None => self.store(text, normal, parsed),
        };
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let number = versions.last_key_value().map_or(1, |(last, _)| last + 1);
        versions.insert(number, Version { id, deleted: false });
        Ok(id)
    }

    /// The version of a subject that holds this schema.
    pub(super) fn look_up(
        &self,
        subject: &str,
        text: &str,
        scope: Scope,
    ) -> Result<Found, RegistryError> {
        self.versions(subject, scope)?;
        let (_, normal) = parse(text)?;
        self.find(subject, &normal, scope)
            .ok_or_else(|| RegistryError::SchemaNotFound {
                subject: subject.to_owned(),
            })
    }

    /// What stands in the way of registering a schema: against the versions that the subject's level names, or
    /// against one version. A subject that is not there yet has nothing to be incompatible with.
    pub(super) fn compatibility(
        &self,
        subject: &str,
        text: &str,
        against: Option<Which>,
    ) -> Result<Vec<String>, RegistryError> {
        let (parsed, _) = parse(text)?;
        if let Some(which @ Which::Number(_)) = against {
            self.version(subject, which, Scope::Live)?;
        }
        Ok(self.obstacles(subject, &parsed, against))
    }

    /// The text of a schema by its id. Deleted versions keep theirs, so that old data can be read.
    pub(super) fn schema(&self, id: i32) -> Result<&str, RegistryError> {
        let found = self.schemas.get(&id).map(|schema| schema.text.as_str());
        found.ok_or_else(|| RegistryError::SchemaIdNotFound { id: id.to_string() })
    }

    /// The subjects and versions that hold the schema of an id.
    pub(super) fn holders(
        &self,
        id: i32,
        scope: Scope,
    ) -> Result<Vec<(String, i32)>, RegistryError> {
        self.schema(id)?;
        let mut holders = Vec::new();
        for (subject, versions) in &self.subjects {
            for (number, version) in versions {
                if version.id == id && scope.covers(version) {
                    holders.push((subject.clone(), *number));
                }
            }
        }
        Ok(holders)
    }

    /// The names of the subjects.
    pub(super) fn subjects(&self, scope: Scope) -> Vec<String> {
        let live = self
            .subjects
            .iter()
            .filter(|(_, v)| v.values().any(|v| scope.covers(v)));
        live.map(|(subject, _)| subject.clone()).collect()
    }

    /// The numbers of a subject's versions; at least one.
    pub(super) fn versions(&self, subject: &str, scope: Scope) -> Result<Vec<i32>, RegistryError> {
        let versions = self.subjects.get(subject).into_iter().flatten();
        let numbers: Vec<i32> = versions
            .filter(|(_, v)| scope.covers(v))
            .map(|(number, _)| *number)
            .collect();
        if numbers.is_empty() {
            return Err(RegistryError::SubjectNotFound {
                subject: subject.to_owned(),
            });
        }
        Ok(numbers)
    }

    /// One version of a subject.
    pub(super) fn version(
        &self,
        subject: &str,
        which: Which,
        scope: Scope,
    ) -> Result<Found, RegistryError> {
        let numbers = self.versions(subject, scope)?;
        let number = match which {
            Which::Latest => numbers.last().copied(),
            Which::Number(number) => numbers.contains(&number).then_some(number),
        };
        number
            .and_then(|number| self.found(subject, number))
            .ok_or_else(|| RegistryError::VersionNotFound {
                subject: subject.to_owned(),
                version: which.name(),
            })
    }

    /// Deletes a subject and gives the numbers of its versions. They stay readable by id.
    pub(super) fn delete_subject(&mut self, subject: &str) -> Result<Vec<i32>, RegistryError> {
        self.writable(subject)?;
        let all = self.versions(subject, Scope::WithDeleted)?;
        let Ok(live) = self.versions(subject, Scope::Live) else {
            return Err(RegistryError::SubjectSoftDeleted {
                subject: subject.to_owned(),
            });
        };
        for number in all {
            self.mark_deleted(subject, number);
        }
        self.levels.remove(subject);
        self.modes.remove(subject);
        Ok(live)
    }

    /// Removes a deleted subject for good.
    pub(super) fn purge_subject(&mut self, subject: &str) -> Result<Vec<i32>, RegistryError> {
        self.writable(subject)?;
        let numbers = self.versions(subject, Scope::WithDeleted)?;
        if self.versions(subject, Scope::Live).is_ok() {
            return Err(RegistryError::SubjectNotSoftDeleted {
                subject: subject.to_owned(),
            });
        }
        self.subjects.remove(subject);
        self.drop_unused_schemas();
        Ok(numbers)
    }

    /// Deletes one version and gives its number.
    pub(super) fn delete_version(
        &mut self,
        subject: &str,
        which: Which,
    ) -> Result<i32, RegistryError> {
        self.writable(subject)?;
        let found = match self.version(subject, which, Scope::Live) {
            Ok(found) => found,
            Err(error) => {
                // Which of the two mistakes it was: never there, or deleted before.
                let Ok(found) = self.version(subject, which, Scope::WithDeleted) else {
                    return Err(error);
                };
                let (subject, version) = (found.subject, found.version);
                return Err(RegistryError::VersionSoftDeleted { subject, version });
            }
        };
        self.mark_deleted(subject, found.version);
        Ok(found.version)
    }

    /// Removes a deleted version for good.
    pub(super) fn purge_version(
        &mut self,
        subject: &str,
        which: Which,
    ) -> Result<i32, RegistryError> {
        self.writable(subject)?;
        let found = self.version(subject, which, Scope::WithDeleted)?;
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if versions
            .get(&found.version)
            .is_some_and(|version| !version.deleted)
        {
            let (subject, version) = (found.subject, found.version);
            return Err(RegistryError::VersionNotSoftDeleted { subject, version });
        }
        versions.remove(&found.version);
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        self.drop_unused_schemas();
        Ok(found.version)
    }

    /// The level that holds for every subject without one of its own.
    pub(super) fn global_level(&self) -> Level {
        self.global_level
    }

    /// Sets the level for every subject without one of its own.
    pub(super) fn set_global_level(&mut self, level: Level) {
        self.global_level = level;
    }

    /// A subject's own level.
    pub(super) fn level(&self, subject: &str) -> Result<Level, RegistryError> {
        let level = self.levels.get(subject).copied();
        level.ok_or_else(|| RegistryError::LevelNotSet {
            subject: subject.to_owned(),
        })
    }

    /// Sets a subject's own level; the subject need not exist yet.
    pub(super) fn set_level(&mut self, subject: &str, level: Level) {
        self.levels.insert(subject.to_owned(), level);
    }

    /// Takes a subject's own level away and gives it.
    pub(super) fn delete_level(&mut self, subject: &str) -> Result<Level, RegistryError> {
        let level = self.levels.remove(subject);
        level.ok_or_else(|| RegistryError::SubjectNotFound {
            subject: subject.to_owned(),
        })
    }

    /// The mode that holds for every subject without one of its own.
    pub(super) fn global_mode(&self) -> Mode {
        self.global_mode
    }

    /// Sets the mode for every subject without one of its own.
    pub(super) fn set_global_mode(&mut self, mode: Mode) {
        self.global_mode = mode;
    }

    /// A subject's own mode.
    pub(super) fn mode(&self, subject: &str) -> Result<Mode, RegistryError> {
        let mode = self.modes.get(subject).copied();
        mode.ok_or_else(|| RegistryError::ModeNotSet {
            subject: subject.to_owned(),
        })
    }

    /// Sets a subject's own mode; the subject need not exist yet.
    pub(super) fn set_mode(&mut self, subject: &str, mode: Mode) {
        self.modes.insert(subject.to_owned(), mode);
    }

    /// Takes a subject's own mode away and gives it.
    pub(super) fn delete_mode(&mut self, subject: &str) -> Result<Mode, RegistryError> {
        let mode = self.modes.remove(subject);
        mode.ok_or_else(|| RegistryError::SubjectNotFound {
            subject: subject.to_owned(),
        })
    }

    fn writable(&self, subject: &str) -> Result<(), RegistryError> {
        match self.mode(subject).unwrap_or(self.global_mode) {
            Mode::ReadWrite => Ok(()),
            Mode::ReadOnly => Err(RegistryError::ReadOnly {
                subject: subject.to_owned(),
            }),
        }
    }

    fn obstacles(&self, subject: &str, new: &Schema, against: Option<Which>) -> Vec<String> {
        let versions = self.subjects.get(subject).into_iter().flatten();
        let mut earlier: Vec<(i32, &Schema)> = versions
            .filter(|(_, version)| !version.deleted)
            .filter_map(|(number, version)| {
                self.schemas
                    .get(&version.id)
                    .map(|schema| (*number, &schema.parsed))
            })
            .collect();
        match against {
            None => {}
            Some(Which::Latest) => {
                earlier.drain(..earlier.len().saturating_sub(1));
            }
            Some(Which::Number(wanted)) => earlier.retain(|(number, _)| *number == wanted),
        }
        let level = self.level(subject).unwrap_or(self.global_level);
        compatibility::check(level, new, &earlier)
    }

    /// The latest version of a subject that holds the schema of this normal form.
    fn find(&self, subject: &str, normal: &str, scope: Scope) -> Option<Found> {
        let id = *self.ids.get(normal)?;
        let versions = self.subjects.get(subject)?;
        let (number, _) = versions
            .iter()
            .rev()
            .find(|(_, v)| v.id == id && scope.covers(v))?;
        self.found(subject, *number)
    }

    fn found(&self, subject: &str, number: i32) -> Option<Found> {
        let id = self.subjects.get(subject)?.get(&number)?.id;
        let schema = self.schemas.get(&id)?.text.clone();
        Some(Found {
            subject: subject.to_owned(),
            version: number,
            id,
            schema,
        })
    }

    fn store(&mut self, text: &str, normal: String, parsed: Schema) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        self.ids.insert(normal.clone(), id);
        self.schemas.insert(
            id,
            StoredSchema {
                text: text.to_owned(),
                normal,
                parsed,
            },
        );
        id
    }

    fn mark_deleted(&mut self, subject: &str, number: i32) {
        let versions = self.subjects.get_mut(subject);
        if let Some(version) = versions.and_then(|versions| versions.get_mut(&number)) {
            version.deleted = true;
        }
    }

    /// Schemas that no version holds any more. Their ids are never given out again: a cache of some client may
    /// still hold them.
    fn drop_unused_schemas(&mut self) {
        let subjects = &self.subjects;
        let used = |id: &i32| {
            subjects
                .values()
                .flat_map(BTreeMap::values)
                .any(|v| v.id == *id)
        };
        self.schemas.retain(|id, _| used(id));
        let schemas = &self.schemas;
        self.ids
            .retain(|normal, id| schemas.get(id).is_some_and(|s| s.normal == *normal));
    }
}

/// The schema and its normal form: the same for texts that differ in white space or in the way of writing a
/// simple type, and different where names, order, documentation or defaults differ.
fn parse(text: &str) -> Result<(Schema, String), RegistryError> {
    let invalid = |problem: String| RegistryError::InvalidSchema { problem };
    let parsed = Schema::parse_str(text).map_err(|error| invalid(error.to_string()))?;
    let normal = serde_json::to_string(&parsed).map_err(|error| invalid(error.to_string()))?;
    Ok((parsed, normal))
}

#[cfg(test)]
mod tests;
