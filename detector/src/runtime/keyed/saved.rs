//! Keyed state in snapshots: the same bytes, whether states are in memory or on disk, and read one after the other, so
//! that more of them than there is room for can come back.

use std::{fmt, hash::Hash, marker::PhantomData};

use floodmark_contracts::clock::EventTime;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
    ser::{Error as _, SerializeSeq},
};

use super::{Held, KeyedState, Slot, State, cold::Away};
use crate::runtime::{
    chunks::Chunks,
    saved::{Frozen, Reader, Saved, SavedError, Writer},
    spill::SpillError,
};

/// All that is saved of a [`KeyedState`], as it was at one moment: all but the way to find a key in it.
#[derive(Debug)]
pub struct Entries<K, S> {
    ttl_ms: i64,
    keys: Chunks<K>,
    states: Chunks<Held<S>>,
    free: Vec<Slot>,
    next_sweep: EventTime,
    away: Option<Away>,
}

/// What is saved of a key: its slot is its place, and which slots are free is told apart.
#[derive(Serialize, Deserialize)]
struct SavedEntry<K, S>(K, EventTime, EventTime, S);

impl<K: AsRef<str>, S: State> Serialize for Entries<K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        (self.ttl_ms, Listed(self), &self.free, self.next_sweep).serialize(serializer)
    }
}

/// The entries as a list that is never made.
struct Listed<'a, K, S>(&'a Entries<K, S>);

impl<K: AsRef<str>, S: State> Serialize for Listed<'_, K, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Entries {
            keys, states, away, ..
        } = self.0;
        let mut seq = serializer.serialize_seq(Some(keys.len()))?;
        for (slot, (key, held)) in (0..).zip(keys.iter().zip(states.iter())) {
            let mut entry = |state: &S| {
                let entry = SavedEntry(key.as_ref(), held.reserved, held.used, state);
                seq.serialize_element(&entry)
            };
            match (&held.state, away) {
                (Some(state), _) => entry(state)?,
                (None, Some(away)) => {
                    let state: Option<S> = away.state(slot).map_err(Z::Error::custom)?;
                    entry(&state.unwrap_or_default())?;
                }
                (None, None) => entry(&S::default())?,
            }
        }
        seq.end()
    }
}

impl<K, S> KeyedState<K, S>
where
    K: AsRef<str> + Send + Sync + 'static,
    S: State + Send + Sync + 'static,
{
    /// All state as it is now, to be saved later and elsewhere. Takes no longer for a million keys than for a few
    /// thousand events.
    ///
    /// # Errors
    /// If what is on disk cannot be read.
    pub fn share(&mut self) -> Result<Entries<K, S>, SavedError> {
        let away = self.cold.as_mut().map(|cold| cold.share()).transpose();
        Ok(Entries {
            ttl_ms: self.ttl_ms,
            keys: self.keys.share(),
            states: self.states.share(),
            free: self.free.clone(),
            next_sweep: self.next_sweep,
            away: away.map_err(unsaved)?.flatten(),
        })
    }
}

impl<K, S> Saved for KeyedState<K, S>
where
    K: AsRef<str> + Eq + Hash + Clone + for<'a> From<&'a str> + Send + Sync + 'static,
    S: State + Send + Sync + 'static,
{
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let entries = self.share()?;
        Ok(Box::new(move |to: &mut Writer| to.put(&entries)))
    }

    /// Takes the state over. How long keys live is a matter of the settings, and of those that the state was saved under.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.index.clear();
        (self.keys, self.states) = (Chunks::default(), Chunks::default());
        self.free.clear();
        if let Some(cold) = &mut self.cold {
            cold.clear();
        }
        from.get_into(Filling(self))?;
        match &self.cold {
            Some(cold) => cold.check().map_err(unsaved),
            None => Ok(()),
        }
    }
}

fn unsaved(error: SpillError) -> SavedError {
    SavedError::Write {
        reason: error.to_string(),
    }
}

/// Fills what is empty.
struct Filling<'a, K, S>(&'a mut KeyedState<K, S>);

impl<'de, K, S> DeserializeSeed<'de> for Filling<'_, K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: State,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_tuple(4, self)
    }
}

impl<'de, K, S> Visitor<'de> for Filling<'_, K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: State,
{
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("state per key")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
        let short = |n: usize| <A::Error as de::Error>::invalid_length(n, &"four parts");
        let this = self.0;
        this.ttl_ms = parts.next_element()?.ok_or_else(|| short(0))?;
        parts
            .next_element_seed(Listing(this, PhantomData))?
            .ok_or_else(|| short(1))?;
        this.free = parts.next_element()?.ok_or_else(|| short(2))?;
        this.next_sweep = parts.next_element()?.ok_or_else(|| short(3))?;
        this.list_all();
        Ok(())
    }
}

/// Takes one key after the other.
struct Listing<'a, K, S>(&'a mut KeyedState<K, S>, PhantomData<S>);

impl<'de, K, S> DeserializeSeed<'de> for Listing<'_, K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: State,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, K, S> Visitor<'de> for Listing<'_, K, S>
where
    K: Eq + Hash + Clone + for<'a> From<&'a str>,
    S: State,
{
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let this = self.0;
        while let Some(entry) = entries.next_element::<SavedEntry<&str, S>>()? {
            let SavedEntry(key, reserved, used, state) = entry;
            this.keys.push(K::from(key));
            this.states.push(Held {
                reserved,
                used,
                state: Some(state),
            });
            this.came_back();
        }
        Ok(())
    }
}
