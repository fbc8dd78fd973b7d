-- A fold over parts: those of a full block, by the block of their first rows, column by column, with their first start, last end
-- and number of requests; and a fold over their rows by hour of UTC. What `data` holds is written down in part_columns.rs, what
-- `hours` holds in part_hours.rs.
CREATE TABLE part_columns (
    block       INTEGER PRIMARY KEY,
    first_start INTEGER NOT NULL,
    last_end    INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    data        BLOB NOT NULL,
    hours       BLOB NOT NULL
) STRICT;

-- Parts of such blocks of which only the table of parts tells: they have changed since, or do not fit into columns.
CREATE TABLE late_parts (
    id INTEGER PRIMARY KEY
) STRICT;

-- A fold over the rows that are kept: sums of days that are over, by user, of the time zone that the fact rollup_zone names.
-- day: days since 1970-01-01. What `data` holds is written down in user_days.rs.
CREATE TABLE user_days (
    day  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- A fold over rollups: those of a day that is over, column by column. day: days of UTC since 1970-01-01. What `data` holds is
-- written down in rollup_columns.rs.
CREATE TABLE rollup_columns (
    day  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
