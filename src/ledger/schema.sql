-- The ledger, version 4. Times are microseconds since the Unix epoch, money is 10^-9 units of its currency,
-- text lives in dictionaries, 0 in an id column means none.

CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

-- Text that many rows share. kind: 1 user pseudonym, 2 session name, 3 list of tools called (JSON array), 4 currency,
-- 5 gateway, 6 derived session (hexadecimal digits).
CREATE TABLE names (
    id    INTEGER PRIMARY KEY,
    kind  INTEGER NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
) STRICT;

-- What is the same for many requests. digest: SHA-256 of all values, first 16 bytes. dimensions: JSON array of pairs.
CREATE TABLE attributes (
    id           INTEGER PRIMARY KEY,
    digest       BLOB NOT NULL UNIQUE,
    gateway      TEXT NOT NULL,
    route        TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    consumer     TEXT NOT NULL,
    upstream     TEXT NOT NULL,
    mode         INTEGER NOT NULL,
    service_tier INTEGER NOT NULL,
    dimensions   TEXT NOT NULL
) STRICT;

-- Every price row that was ever in force, with the time it was first seen.
CREATE TABLE price_rows (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    row        TEXT NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT;

-- Every accepted configuration, without secrets.
CREATE TABLE configurations (
    id       INTEGER PRIMARY KEY,
    accepted INTEGER NOT NULL,
    content  TEXT NOT NULL
) STRICT;

-- The truth: one row a request, in log order. What `data` holds is written down in row.rs.
CREATE TABLE requests (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- A fold over the rows: 8,192 rows each, to find rows by time.
CREATE TABLE blocks (
    block       INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    first_start INTEGER NOT NULL,
    last_start  INTEGER NOT NULL
) STRICT;

{folds}
-- A fold over the rows: what the metrics show.
CREATE TABLE series (
    family TEXT NOT NULL,
    labels TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (family, labels)
) STRICT, WITHOUT ROWID;

-- Totals per source, lines that cannot be used included.
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    counts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each file stands.
CREATE TABLE files (
    file     INTEGER PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;

-- What counters still count and rows no longer say: kind is retention, deletion or reprice. counters = rows + adjustments.
CREATE TABLE adjustments (
    id        INTEGER PRIMARY KEY,
    made      INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    gateway   TEXT NOT NULL,
    provider  TEXT NOT NULL,
    model     TEXT NOT NULL,
    currency  INTEGER NOT NULL,
    {measures}
) STRICT;
