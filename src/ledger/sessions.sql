-- A fold over the rows: parts of sessions. A part's id is that of its first row; its rows are chained from last_row.
-- gateway and session are names. costs: amounts by currency in 10^-9 units. attributes: JSON array of ids.
-- closed: why, NULL while it is open.
CREATE TABLE parts (
    id               INTEGER PRIMARY KEY,
    gateway          INTEGER NOT NULL,
    session          INTEGER NOT NULL,
    first_key        BLOB NOT NULL,
    first_attributes INTEGER NOT NULL,
    start            INTEGER NOT NULL,
    last_start       INTEGER NOT NULL,
    end              INTEGER NOT NULL,
    last_row         INTEGER NOT NULL,
    last_round       INTEGER NOT NULL,
    requests         INTEGER NOT NULL,
    turns            INTEGER NOT NULL,
    errors           INTEGER NOT NULL,
    usage_missing    INTEGER NOT NULL,
    unpriced         INTEGER NOT NULL,
    tool_calls       INTEGER NOT NULL,
    uncached_input   INTEGER NOT NULL,
    cache_read       INTEGER NOT NULL,
    cache_write_5m   INTEGER NOT NULL,
    cache_write_1h   INTEGER NOT NULL,
    visible_output   INTEGER NOT NULL,
    reasoning        INTEGER NOT NULL,
    costs            TEXT NOT NULL,
    attributes       TEXT NOT NULL,
    more_attributes  INTEGER NOT NULL,
    user             INTEGER NOT NULL,
    mixed_users      INTEGER NOT NULL, -- 1: there were other users too, 2: a request may have named none
    is_full          INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    closed           INTEGER,
    counted          INTEGER NOT NULL
) STRICT;
CREATE INDEX parts_by_session ON parts (session, gateway, start);
CREATE INDEX open_parts ON parts (id) WHERE closed IS NULL;

-- Every closing of a part, in the order in which they were committed.
CREATE TABLE closures (
    id         INTEGER PRIMARY KEY,
    part       INTEGER NOT NULL,
    gateway    INTEGER NOT NULL,
    session    INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    reason     INTEGER NOT NULL,
    last_row   INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    start      INTEGER NOT NULL,
    end        INTEGER NOT NULL,
    turns      INTEGER NOT NULL,
    added      INTEGER NOT NULL
) STRICT;

-- Sessions of requests without a session id, as long as a request may join them. client: keyed hash of who asked.
CREATE TABLE conversations (
    id         BLOB PRIMARY KEY,
    client     BLOB NOT NULL,
    start      INTEGER NOT NULL,
    end        INTEGER NOT NULL,
    last_row   INTEGER NOT NULL,
    chat_round INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    list       INTEGER NOT NULL,
    pair_first INTEGER NOT NULL,
    pair_last  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each receiver of spans has come, and what became of the spans. row and closure: the last ones that it has; since: the row
-- behind which it began.
-- failed: JSON array of counts by reason.
CREATE TABLE sinks (
    name     TEXT PRIMARY KEY,
    row      INTEGER NOT NULL,
    closure  INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    exported INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    expired  INTEGER NOT NULL,
    failed   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
