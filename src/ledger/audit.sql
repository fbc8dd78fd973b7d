-- What people did to the ledger by hand. detail: JSON.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    made   INTEGER NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
