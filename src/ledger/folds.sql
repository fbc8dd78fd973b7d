-- A fold over the rows: each full block column by column. id: 32 times the block, and the column; what `data` holds is written
-- down in columns.rs.
CREATE TABLE columns (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- A fold over the rows, kept for good. bucket: start of the hour (of the quarter where the time zone needs it), in
-- seconds. What `data` holds is written down in measure.rs.
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (bucket, attributes, currency)
) STRICT, WITHOUT ROWID;

-- The same by day of the time zone that the fact rollup_zone names: days since 1970-01-01.
CREATE TABLE rollup_days (
    day        INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (day, attributes, currency)
) STRICT, WITHOUT ROWID;
