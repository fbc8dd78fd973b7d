-- Captured conversations, version 1. Times are microseconds since the Unix epoch. Attributes, sessions and users are ids of the
-- ledger, rows are numbers of its rows.

CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

-- What metrics count, through the last row: what left by age or erasure is in it.
CREATE TABLE counts (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One a request, without its text. previous: row of the conversation that holds the last of the earlier messages, 0 for none.
-- list: keyed hash of all messages with the answer; it stays when the text is erased, so that a later request that repeats
-- them is known to add nothing of them. flags: 1 cut, 2 erased, 4 goes on without the answer of previous. redactions: JSON object, empty for none.
CREATE TABLE conversations (
    row        INTEGER PRIMARY KEY,
    start      INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    session    INTEGER NOT NULL,
    user       INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    earlier    INTEGER NOT NULL,
    previous   INTEGER NOT NULL,
    logged     INTEGER NOT NULL,
    stored     INTEGER NOT NULL,
    flags      INTEGER NOT NULL,
    redactions TEXT NOT NULL,
    list       BLOB NOT NULL
) STRICT;
CREATE INDEX conversations_by_list ON conversations (list);
CREATE INDEX conversations_by_session ON conversations (session);
CREATE INDEX conversations_by_start ON conversations (start);

-- Conversations in log order, some thousands each, whose text lies in tables of their own: bodies_N, and words_N that is searched.
-- To erase some of them the rest is copied to new tables and the old ones are dropped: nothing but that leaves no byte behind in
-- pages that SQLite has moved rows between. Rows until the first of the next one belong to it.
CREATE TABLE partitions (
    id              INTEGER PRIMARY KEY,
    first_row       INTEGER NOT NULL,
    first_start     INTEGER NOT NULL,
    last_start      INTEGER NOT NULL,
    conversations   INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    indexed_through INTEGER NOT NULL
) STRICT;
