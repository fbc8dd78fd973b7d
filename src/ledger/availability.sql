-- Targets that were ever looked at. tracker: what is known of it, as JSON; counts: what its counters say, as JSON. Both are
-- written in the transaction of each result.
CREATE TABLE targets (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    tracker TEXT NOT NULL,
    counts  TEXT NOT NULL
) STRICT;

-- Every definition of a target with the time from which it was in force; NULL where it was taken out.
CREATE TABLE target_definitions (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    definition TEXT
) STRICT;

-- Every objective of a target in billionths with the time from which it was in force.
CREATE TABLE objectives (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    billionths INTEGER NOT NULL
) STRICT;

-- Single looks, by time. failure: position in the list of reasons, NULL for a success. Lengths are microseconds. What
-- follows on the status is of completions: cache reads are part of the input, reasoning of the output; cost in nano-units of
-- the currency, a code, by a price row; NULL where unpriced.
CREATE TABLE probe_results (
    at            INTEGER NOT NULL,
    target        INTEGER NOT NULL,
    interval      INTEGER NOT NULL,
    failure       INTEGER,
    message       TEXT NOT NULL,
    duration      INTEGER NOT NULL,
    answer        INTEGER,
    resolve       INTEGER,
    connect       INTEGER,
    tls           INTEGER,
    processing    INTEGER,
    transfer      INTEGER,
    status        INTEGER,
    input_tokens  INTEGER,
    output_tokens INTEGER,
    cache_read    INTEGER,
    reasoning     INTEGER,
    price_row     INTEGER,
    currency      INTEGER,
    cost          INTEGER,
    PRIMARY KEY (at, target)
) STRICT, WITHOUT ROWID;

-- What a target's time is made of, kept for good. state: position in the list of states.
CREATE TABLE segments (
    target INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    end    INTEGER NOT NULL,
    state  INTEGER NOT NULL,
    PRIMARY KEY (target, start)
) STRICT, WITHOUT ROWID;

-- Outages, kept for good. content: all of one, as JSON.
CREATE TABLE outages (
    target  INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER,
    content TEXT NOT NULL,
    PRIMARY KEY (target, number)
) STRICT, WITHOUT ROWID;

-- Failures that were no outage, kept for good.
CREATE TABLE isolated_failures (
    target INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (target, at)
) STRICT, WITHOUT ROWID;

-- What people wrote about outages.
CREATE TABLE outage_notes (
    id     INTEGER PRIMARY KEY,
    target INTEGER NOT NULL,
    outage INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    text   TEXT NOT NULL
) STRICT;

-- Every planned window ever loaded. target: a name, NULL for all.
CREATE TABLE maintenance (
    id        INTEGER PRIMARY KEY,
    target    TEXT,
    start     INTEGER NOT NULL,
    end       INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    announced INTEGER NOT NULL,
    withdrawn INTEGER
) STRICT;

-- Answers that started within the level, and all that are judged, kept for good. kind: 1 looks at the target of this name,
-- 2 requests of the gateway of this name. bucket: as in rollups.
CREATE TABLE answers (
    bucket INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    within INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    PRIMARY KEY (bucket, kind, name)
) STRICT, WITHOUT ROWID;
