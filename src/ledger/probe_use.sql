-- What completions that were looks used, kept for good. bucket: as in rollups. currency: a code, 0 where unpriced or where the
-- usage is not known.
CREATE TABLE probe_use (
    bucket        INTEGER NOT NULL,
    target        INTEGER NOT NULL,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    currency      INTEGER NOT NULL,
    looks         INTEGER NOT NULL,
    usage_missing INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost          INTEGER NOT NULL,
    PRIMARY KEY (bucket, target, provider, model, currency)
) STRICT, WITHOUT ROWID;
