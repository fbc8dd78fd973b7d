//! Text becomes dictionary ids; users and secrets become pseudonyms on the way.
//!
//! Recent text is remembered in bounded maps, the rest is looked up in the ledger. New entries are written in the
//! transaction of the rows that need them.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::open::Error;
use crate::record::{Attributes, Currency, Mode, ServiceTier};
use crate::wording::hex;

/// Dictionary id of a currency.
pub(super) type CurrencyId = u32;

/// Bytes of text that one map remembers; beyond, it starts anew between two batches.
const MAX_REMEMBERED: usize = 2 << 20;
/// Bytes that an entry takes besides its text.
const ENTRY_OVERHEAD: usize = 64;

/// What a dictionary entry is; the codes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    User = 1,
    Session = 2,
    Tools = 3,
    Currency = 4,
    Gateway = 5,
    DerivedSession = 6,
}

/// How people and secrets are kept out of the ledger.
#[derive(Clone)]
pub struct Privacy {
    /// Key of the pseudonyms: the same key gives the same pseudonyms, in a whole fleet.
    pub key: Vec<u8>,
    /// Keep only hashes of session names.
    pub hash_sessions: bool,
}

impl std::fmt::Debug for Privacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Privacy").field("hash_sessions", &self.hash_sessions).finish_non_exhaustive()
    }
}

impl Privacy {
    /// HMAC-SHA-256 (RFC 2104) of a plain id, the first 128 bits in hexadecimal.
    #[must_use]
    pub fn pseudonym(&self, plain: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(plain.as_bytes());
        hex(mac.finalize().into_bytes().get(..16).unwrap_or_default())
    }

    /// The consumer as it is kept: a pseudonym where it looks like an API key or an e-mail address.
    #[must_use]
    pub fn consumer(&self, plain: &str) -> String {
        if looks_secret(plain) { format!("hashed-{}", self.pseudonym(plain)) } else { plain.to_owned() }
    }
}

/// Whether a consumer's name is better not written down: an e-mail address, a bearer token, or a long run of mixed
/// letters and digits such as an API key.
fn looks_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_mail = name.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    let has_prefix = ["sk-", "sk_", "pk-", "ak-", "bearer ", "aiza", "ghp_", "xoxb-", "eyj"]
        .iter()
        .any(|prefix| lower.starts_with(prefix) && name.len() >= 16);
    let longest_run = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|run| run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic()))
        .map(str::len)
        .max()
        .unwrap_or(0);
    is_mail || has_prefix || longest_run >= 24
}

/// A dictionary entry that is not written yet.
#[derive(Debug)]
pub(super) enum NewEntry {
    Name { id: u32, kind: NameKind, value: String },
    Attributes { id: u32, digest: [u8; 16], attributes: Arc<Attributes> },
}

#[derive(Debug, Default)]
struct Remembered {
    ids: HashMap<Box<[u8]>, u32, RandomState>,
    bytes: usize,
}

impl Remembered {
    fn get(&self, text: &[u8]) -> Option<u32> {
        self.ids.get(text).copied()
    }

    fn insert(&mut self, text: &[u8], id: u32) {
        self.bytes += text.len() + ENTRY_OVERHEAD;
        self.ids.insert(text.into(), id);
    }

    fn trim(&mut self) {
        if self.bytes > MAX_REMEMBERED {
            *self = Remembered::default();
        }
    }
}

/// Attributes with their dictionary id.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) id: u32,
    /// Name of the gateway.
    pub(super) gateway: u32,
    pub(super) attributes: Arc<Attributes>,
}

/// The dictionaries of the writer.
#[derive(Debug)]
pub(super) struct Interner {
    privacy: Privacy,
    /// Packed attributes to their place in `sets`.
    attributes: Remembered,
    sets: Vec<Set>,
    by_id: HashMap<u32, Arc<Attributes>, RandomState>,
    names: [Remembered; 6],
    tools: HashMap<u32, Arc<[String]>, RandomState>,
    currencies: Vec<(Currency, CurrencyId)>,
    gateways: Vec<(u32, String)>,
    next_attributes: u32,
    next_name: u32,
    pub(super) pending: Vec<NewEntry>,
    pending_digests: HashMap<[u8; 16], u32, RandomState>,
}

impl Interner {
    pub(super) fn load(connection: &Connection, privacy: Privacy) -> Result<Interner, Error> {
        let next = |table: &str| -> Result<u32, Error> {
            let sql = format!("SELECT coalesce(max(id), 0) + 1 FROM {table}");
            Ok(connection.query_row(&sql, [], |row| row.get(0))?)
        };
        Ok(Interner {
            privacy,
            attributes: Remembered::default(),
            sets: Vec::new(),
            by_id: HashMap::default(),
            names: Default::default(),
            tools: HashMap::default(),
            currencies: Vec::new(),
            gateways: read_gateways(connection)?,
            next_attributes: next("attributes")?,
            next_name: next("names")?,
            pending: Vec::new(),
            pending_digests: HashMap::default(),
        })
    }

    /// Forgets what has grown too large. Only between batches: a batch's new entries must stay known until written.
    fn trim(&mut self) {
        if self.attributes.bytes > MAX_REMEMBERED {
            self.attributes = Remembered::default();
            self.sets = Vec::new();
        }
        self.names.iter_mut().for_each(Remembered::trim);
        if self.by_id.len() * 400 > MAX_REMEMBERED * 2 {
            self.by_id = HashMap::default();
        }
        if self.tools.len() * 200 > MAX_REMEMBERED {
            self.tools = HashMap::default();
        }
    }

    /// Forgets the ids of users' and sessions' names: some of them are no longer called so. Only between batches.
    pub(super) fn forget_names(&mut self) {
        for kind in [NameKind::User, NameKind::Session, NameKind::DerivedSession] {
            if let Some(names) = self.names.get_mut(kind as usize - 1) {
                *names = Remembered::default();
            }
        }
    }

    /// How people and secrets are kept out.
    pub(super) fn privacy(&self) -> Privacy {
        self.privacy.clone()
    }

    /// To be called when the pending entries are on disk.
    pub(super) fn written(&mut self) {
        self.pending.clear();
        self.pending_digests.clear();
        self.trim();
    }

    /// The place of packed attributes for [`Interner::set`]; it holds until the batch is written.
    pub(super) fn place(&mut self, connection: &Connection, packed: &[u8]) -> Result<u32, Error> {
        if let Some(place) = self.attributes.get(packed) {
            return Ok(place);
        }
        let mut attributes = Attributes::unpack(packed);
        attributes.consumer = self.privacy.consumer(&attributes.consumer);
        let mut digest = [0; 16];
        digest.iter_mut().zip(Sha256::digest(attributes.packed())).for_each(|(to, from)| *to = from);
        // Two plain consumers never share a digest, but one that was hashed may be pending under another plain form.
        let stored = match self.pending_digests.get(&digest).copied() {
            Some(id) => Some(id),
            None => connection
                .prepare_cached("SELECT id FROM attributes WHERE digest = ?1")?
                .query_row([digest.as_slice()], |row| row.get(0))
                .optional()?,
        };
        let attributes = Arc::new(attributes);
        let id = stored.unwrap_or_else(|| {
            let id = self.next_attributes;
            self.next_attributes += 1;
            self.pending.push(NewEntry::Attributes { id, digest, attributes: Arc::clone(&attributes) });
            self.pending_digests.insert(digest, id);
            id
        });
        let gateway = self.name_id(connection, NameKind::Gateway, attributes.gateway.as_bytes())?;
        let place = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.by_id.insert(id, Arc::clone(&attributes));
        self.sets.push(Set { id, gateway, attributes });
        self.attributes.insert(packed, place);
        Ok(place)
    }

    /// What stands at a place.
    pub(super) fn set(&self, place: u32) -> Option<&Set> {
        self.sets.get(place as usize)
    }

    /// The attributes of an id.
    pub(super) fn attributes(&mut self, connection: &Connection, id: u32) -> Result<Arc<Attributes>, Error> {
        if let Some(attributes) = self.by_id.get(&id) {
            return Ok(Arc::clone(attributes));
        }
        let attributes = Arc::new(read_attributes(connection, id)?);
        self.by_id.insert(id, Arc::clone(&attributes));
        Ok(attributes)
    }

    /// The id of a text; 0 for none.
    pub(super) fn name_id(&mut self, connection: &Connection, kind: NameKind, text: &[u8]) -> Result<u32, Error> {
        if text.is_empty() {
            return Ok(0);
        }
        let index = kind as usize - 1;
        if let Some(id) = self.names.get(index).and_then(|names| names.get(text)) {
            return Ok(id);
        }
        let plain = String::from_utf8_lossy(text);
        let value = match kind {
            NameKind::User => self.privacy.pseudonym(&plain),
            NameKind::Session => self.session_text(text).into_owned(),
            _ => plain.into_owned(),
        };
        let stored = connection
            .prepare_cached("SELECT id FROM names WHERE kind = ?1 AND value = ?2")?
            .query_row((kind as i64, &value), |row| row.get(0))
            .optional()?;
        let id = stored.unwrap_or_else(|| {
            let id = self.next_name;
            self.next_name += 1;
            self.pending.push(NewEntry::Name { id, kind, value });
            id
        });
        if let Some(names) = self.names.get_mut(index) {
            names.insert(text, id);
        }
        if kind == NameKind::Gateway && self.gateway(id).is_none() {
            self.gateways.push((id, String::from_utf8_lossy(text).into_owned()));
        }
        Ok(id)
    }

    /// The gateway of an id.
    pub(super) fn gateway(&self, id: u32) -> Option<&str> {
        self.gateways.iter().find(|(known, _)| *known == id).map(|(_, name)| name.as_str())
    }

    /// A session's name as it is kept.
    pub(super) fn session_text<'a>(&self, name: &'a [u8]) -> Cow<'a, str> {
        let plain = String::from_utf8_lossy(name);
        if self.privacy.hash_sessions { format!("hashed-{}", self.privacy.pseudonym(&plain)).into() } else { plain }
    }

    /// The id that the next new name gets.
    pub(super) fn next_name(&self) -> u32 {
        self.next_name
    }

    /// Who asked, as a hash under the key of the pseudonyms: HMAC-SHA-256, the first 128 bits.
    pub(super) fn client(&self, gateway: &str, client: &[u8]) -> [u8; 16] {
        let mut group = [0; 16];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.privacy.key) {
            for part in [gateway.as_bytes(), &[0xff], client] {
                mac.update(part);
            }
            group.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        group
    }

    /// The id of a currency.
    pub(super) fn currency_id(
        &mut self,
        connection: &Connection,
        currency: Option<Currency>,
    ) -> Result<CurrencyId, Error> {
        let Some(currency) = currency else { return Ok(0) };
        if let Some((_, id)) = self.currencies.iter().find(|(known, _)| *known == currency) {
            return Ok(*id);
        }
        let id = self.name_id(connection, NameKind::Currency, currency.as_str().as_bytes())?;
        self.currencies.push((currency, id));
        Ok(id)
    }

    /// The tools of an id, in order of their calls.
    pub(super) fn tools(&mut self, connection: &Connection, id: u32) -> Result<Arc<[String]>, Error> {
        if id == 0 {
            return Ok(Arc::default());
        }
        if let Some(tools) = self.tools.get(&id) {
            return Ok(Arc::clone(tools));
        }
        let pending = self.pending.iter().find_map(|entry| match entry {
            NewEntry::Name { id: known, value, .. } if *known == id => Some(value.clone()),
            _ => None,
        });
        let value = match pending {
            Some(value) => value,
            None => connection
                .prepare_cached("SELECT value FROM names WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?
                .unwrap_or_default(),
        };
        let tools: Arc<[String]> = serde_json::from_str::<Vec<String>>(&value).unwrap_or_default().into();
        self.tools.insert(id, Arc::clone(&tools));
        Ok(tools)
    }

    /// The tools of an id that was looked up for this batch; none of any other.
    pub(super) fn known_tools(&self, id: u32) -> &[String] {
        if id == 0 { &[] } else { self.tools.get(&id).map_or(&[], AsRef::as_ref) }
    }
}

/// Writes entries that the rows of this transaction need.
pub(super) fn write(connection: &Connection, entries: &[NewEntry]) -> Result<(), Error> {
    let mut name = connection.prepare_cached("INSERT INTO names (id, kind, value) VALUES (?1, ?2, ?3)")?;
    let mut attribute = connection.prepare_cached(
        "INSERT INTO attributes (id, digest, gateway, route, provider, model, consumer, upstream, mode, service_tier, dimensions)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for entry in entries {
        match entry {
            NewEntry::Name { id, kind, value } => {
                name.execute((id, *kind as i64, value))?;
            }
            NewEntry::Attributes { id, digest, attributes } => {
                let dimensions = serde_json::to_string(&attributes.dimensions).unwrap_or_default();
                attribute.execute((
                    id,
                    digest.as_slice(),
                    &attributes.gateway,
                    &attributes.route,
                    &attributes.provider,
                    &attributes.model,
                    &attributes.consumer,
                    &attributes.upstream,
                    attributes.mode as i64,
                    attributes.service_tier as i64,
                    dimensions,
                ))?;
            }
        }
    }
    Ok(())
}

fn read_gateways(connection: &Connection) -> Result<Vec<(u32, String)>, Error> {
    let mut statement = connection.prepare("SELECT id, value FROM names WHERE kind = 5")?;
    let gateways = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(gateways.collect::<Result<_, _>>()?)
}

/// The codes of currencies by their dictionary id.
pub(super) fn read_currencies(connection: &Connection) -> Result<Vec<(CurrencyId, Currency)>, Error> {
    let mut statement = connection.prepare_cached("SELECT id, value FROM names WHERE kind = 4")?;
    let mut rows = statement.query([])?;
    let mut currencies = Vec::new();
    while let Some(row) = rows.next()? {
        let code: String = row.get(1)?;
        let currency = Currency::parse(&code).ok_or_else(|| Error::Stored(format!("currency {code:?}")))?;
        currencies.push((row.get(0)?, currency));
    }
    Ok(currencies)
}

/// Columns of a set of attributes, for [`stored_attributes`].
pub(super) const ATTRIBUTES: &str =
    "gateway, route, provider, model, consumer, upstream, mode, service_tier, dimensions";

/// Reads a set of attributes from the columns of [`ATTRIBUTES`].
pub(super) fn stored_attributes(row: &rusqlite::Row<'_>) -> rusqlite::Result<Attributes> {
    let dimensions = row.get_ref(8)?.as_str().unwrap_or_default();
    Ok(Attributes {
        gateway: row.get(0)?,
        route: row.get(1)?,
        provider: row.get(2)?,
        model: row.get(3)?,
        consumer: row.get(4)?,
        upstream: row.get(5)?,
        mode: Mode::ALL.get(row.get::<_, usize>(6)?).copied().unwrap_or_default(),
        service_tier: ServiceTier::ALL.get(row.get::<_, usize>(7)?).copied().unwrap_or_default(),
        dimensions: serde_json::from_str(dimensions).unwrap_or_default(),
    })
}

pub(super) fn read_attributes(connection: &Connection, id: u32) -> Result<Attributes, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {ATTRIBUTES} FROM attributes WHERE id = ?1"))?;
    let found = statement.query_row([id], stored_attributes).optional()?;
    found.ok_or_else(|| Error::Stored(format!("attributes {id}: the row is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_that_look_like_secrets_are_hashed() {
        let privacy = Privacy { key: b"k".to_vec(), hash_sessions: false };
        for secret in ["jane@example.com", "sk-proj-4f9a8b7c6d5e", "a1b2c3d4e5f6a7b8c9d0e1f2", "Bearer abcdefghijklm"] {
            let kept = privacy.consumer(secret);
            assert!(kept.starts_with("hashed-") && !kept.contains(secret), "{secret} → {kept}");
            assert_eq!(kept, privacy.consumer(secret));
        }
        for plain in ["chat-web", "key-7", "sales-copilot-2026", "support@night", "", "团队-一", "consumer-099999"] {
            assert_eq!(privacy.consumer(plain), plain);
        }
    }

    #[test]
    fn another_key_gives_another_pseudonym() {
        let with = |key: &[u8]| Privacy { key: key.to_vec(), hash_sessions: false }.pseudonym("u-1");
        assert_eq!(with(b"a"), with(b"a"));
        assert_ne!(with(b"a"), with(b"b"));
        assert_eq!(with(b"a").len(), 32);
    }
}
