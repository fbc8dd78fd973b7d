-- A ledger of version 2 with looks at three targets, one of them completions, as the program that wrote that version left it,
-- without its price rows.
PRAGMA application_id = 1953459060;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE adjustments (
    id        INTEGER PRIMARY KEY,
    made      INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    gateway   TEXT NOT NULL,
    provider  TEXT NOT NULL,
    model     TEXT NOT NULL,
    currency  INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors_rate_limited INTEGER NOT NULL, errors_client INTEGER NOT NULL, errors_upstream INTEGER NOT NULL, errors_timeout INTEGER NOT NULL, errors_disconnect INTEGER NOT NULL, errors_gateway INTEGER NOT NULL, usage_missing INTEGER NOT NULL, unpriced_requests INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL, uncached_input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, visible_output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, savings INTEGER NOT NULL, assumed_requests INTEGER NOT NULL, assumed_cost INTEGER NOT NULL, duration_count INTEGER NOT NULL, duration_sum INTEGER NOT NULL, first_token_count INTEGER NOT NULL, first_token_sum INTEGER NOT NULL
) STRICT;
CREATE TABLE answers (
    bucket INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    within INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    PRIMARY KEY (bucket, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "answers" VALUES(1795248000,1,'chat',7,7);
INSERT INTO "answers" VALUES(1795248000,1,'model',6,6);
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
CREATE TABLE blocks (
    block       INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    first_start INTEGER NOT NULL,
    last_start  INTEGER NOT NULL
) STRICT;
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
CREATE TABLE configurations (
    id       INTEGER PRIMARY KEY,
    accepted INTEGER NOT NULL,
    content  TEXT NOT NULL
) STRICT;
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
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('answer_level','{"within_micros":1500000,"whole":false}');
INSERT INTO "facts" VALUES('closures',0);
INSERT INTO "facts" VALUES('closures_counted',0);
INSERT INTO "facts" VALUES('folded',0);
INSERT INTO "facts" VALUES('rollup_seconds',3600);
CREATE TABLE files (
    file     INTEGER PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;
CREATE TABLE isolated_failures (
    target INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (target, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE maintenance (
    id        INTEGER PRIMARY KEY,
    target    TEXT,
    start     INTEGER NOT NULL,
    end       INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    announced INTEGER NOT NULL,
    withdrawn INTEGER
) STRICT;
CREATE TABLE names (
    id    INTEGER PRIMARY KEY,
    kind  INTEGER NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
) STRICT;
CREATE TABLE objectives (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    billionths INTEGER NOT NULL
) STRICT;
INSERT INTO "objectives" VALUES(1,1,1795249640181185,999000000);
INSERT INTO "objectives" VALUES(2,2,1795249640181185,999000000);
INSERT INTO "objectives" VALUES(3,3,1795249640181185,999000000);
CREATE TABLE outage_notes (
    id     INTEGER PRIMARY KEY,
    target INTEGER NOT NULL,
    outage INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    text   TEXT NOT NULL
) STRICT;
CREATE TABLE outages (
    target  INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    end     INTEGER,
    content TEXT NOT NULL,
    PRIMARY KEY (target, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "outages" VALUES(3,1,1795249640869914,NULL,'{"number":1,"start":1795249640869914,"confirmed":1795249642869616,"end":null,"end_unobserved":false,"first":"refused","failures":{"refused":3}}');
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
    mixed_users      INTEGER NOT NULL,
    is_full          INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    closed           INTEGER,
    counted          INTEGER NOT NULL
) STRICT;
CREATE TABLE price_rows (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    row        TEXT NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT;
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
    PRIMARY KEY (at, target)
) STRICT, WITHOUT ROWID;
INSERT INTO "probe_results" VALUES(1795249640423674,1,1000000,NULL,'',1055,1000,NULL,118,NULL,882,39,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249640869914,3,1000000,1,'connect to 127.0.0.1:1: connection refused',132,NULL,NULL,123,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249641173569,2,1000000,NULL,'',987,954,NULL,118,NULL,834,27,200,400,100);
INSERT INTO "probe_results" VALUES(1795249641424336,1,1000000,NULL,'',969,845,NULL,387,NULL,458,111,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249641870339,3,1000000,1,'connect to 127.0.0.1:1: connection refused',133,NULL,NULL,128,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249642174476,2,1000000,NULL,'',929,896,NULL,121,NULL,773,29,200,400,100);
INSERT INTO "probe_results" VALUES(1795249642423927,1,1000000,NULL,'',912,865,NULL,447,NULL,418,36,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249642869616,3,1000000,1,'connect to 127.0.0.1:1: connection refused',133,NULL,NULL,129,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249643174697,2,1000000,NULL,'',962,933,NULL,112,NULL,819,24,200,400,100);
INSERT INTO "probe_results" VALUES(1795249643423910,1,1000000,NULL,'',1824,1623,NULL,327,NULL,1296,190,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249643869936,3,1000000,1,'connect to 127.0.0.1:1: connection refused',135,NULL,NULL,132,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249644189120,2,1000000,NULL,'',3358,3332,NULL,135,NULL,3194,22,200,400,100);
INSERT INTO "probe_results" VALUES(1795249644424255,1,1000000,NULL,'',901,847,NULL,125,NULL,722,43,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249644870332,3,1000000,1,'connect to 127.0.0.1:1: connection refused',133,NULL,NULL,129,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249645174286,2,1000000,NULL,'',918,887,NULL,132,NULL,752,26,200,400,100);
INSERT INTO "probe_results" VALUES(1795249645423996,1,1000000,NULL,'',9739,9658,NULL,383,NULL,9275,66,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249645870396,3,1000000,1,'connect to 127.0.0.1:1: connection refused',134,NULL,NULL,129,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249646173600,2,1000000,NULL,'',1231,1200,NULL,132,NULL,1060,32,200,400,100);
INSERT INTO "probe_results" VALUES(1795249646424383,1,1000000,NULL,'',1291,1227,NULL,137,NULL,1090,51,200,NULL,NULL);
INSERT INTO "probe_results" VALUES(1795249646870409,3,1000000,1,'connect to 127.0.0.1:1: connection refused',145,NULL,NULL,140,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE requests (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors_rate_limited INTEGER NOT NULL, errors_client INTEGER NOT NULL, errors_upstream INTEGER NOT NULL, errors_timeout INTEGER NOT NULL, errors_disconnect INTEGER NOT NULL, errors_gateway INTEGER NOT NULL, usage_missing INTEGER NOT NULL, unpriced_requests INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL, uncached_input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, visible_output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, savings INTEGER NOT NULL, assumed_requests INTEGER NOT NULL, assumed_cost INTEGER NOT NULL, duration_count INTEGER NOT NULL, duration_sum INTEGER NOT NULL, first_token_count INTEGER NOT NULL, first_token_sum INTEGER NOT NULL,
    PRIMARY KEY (bucket, attributes, currency)
) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
    target INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    end    INTEGER NOT NULL,
    state  INTEGER NOT NULL,
    PRIMARY KEY (target, start)
) STRICT, WITHOUT ROWID;
INSERT INTO "segments" VALUES(1,1795249640423674,1795249646424383,0);
INSERT INTO "segments" VALUES(2,1795249641173569,1795249646173600,0);
INSERT INTO "segments" VALUES(3,1795249640869914,1795249646870409,1);
CREATE TABLE series (
    family TEXT NOT NULL,
    labels TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (family, labels)
) STRICT, WITHOUT ROWID;
INSERT INTO "series" VALUES('bounds','[]','{"duration":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"first_token":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"per_token":[0.001,0.0025,0.005,0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.25,2.5],"commits":[0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0],"session_duration":[30.0,60.0,120.0,300.0,600.0,1800.0,3600.0,7200.0,14400.0,28800.0,86400.0],"session_turns":[1.0,2.0,5.0,10.0,20.0,50.0,100.0,200.0,500.0,1000.0],"dimension_labels":[]}');
INSERT INTO "series" VALUES('own','[]','{"commits":{"b":[],"s":0},"commit_failures":0,"clock_steps":0,"folded":{}}');
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
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    counts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE target_definitions (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    definition TEXT
) STRICT;
INSERT INTO "target_definitions" VALUES(1,1,1795249640181185,'{"body":null,"expect_body":null,"expect_json":[],"expect_status":[[200,299]],"follow_redirects":false,"headers":[],"interval":"1s","ip_protocol":"any","kind":"http","method":"GET","name":"chat","timeout":"1s","tls":{"ca_file":null,"cert_file":null,"key_file":null,"server_name":null},"url":"http://127.0.0.1:33839/"}');
INSERT INTO "target_definitions" VALUES(2,2,1795249640181185,'{"api_key":null,"daily_tokens":100000,"enabled":true,"headers":[],"interval":"1s","ip_protocol":"any","kind":"chat","max_tokens":1024,"max_tokens_name":"max_tokens","model":"gpt-4o","name":"model","prompt":"Answer with the single word: ok","timeout":"1s","tls":{"ca_file":null,"cert_file":null,"key_file":null,"server_name":null},"url":"http://127.0.0.1:33839/v1/chat/completions"}');
INSERT INTO "target_definitions" VALUES(3,3,1795249640181185,'{"body":null,"expect_body":null,"expect_json":[],"expect_status":[[200,299]],"follow_redirects":false,"headers":[],"interval":"1s","ip_protocol":"any","kind":"http","method":"GET","name":"gone","timeout":"1s","tls":{"ca_file":null,"cert_file":null,"key_file":null,"server_name":null},"url":"http://127.0.0.1:1/"}');
CREATE TABLE targets (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    tracker TEXT NOT NULL,
    counts  TEXT NOT NULL
) STRICT;
INSERT INTO "targets" VALUES(1,'chat','{"last":{"at":1795249646424383,"interval":1000000},"frontier":1795249646424383,"failures":0,"successes":2,"undecided":null,"row":[],"outage":null,"after_unknown":false,"recovery_unobserved":false,"up":true,"outages":0,"down":0,"open":{"state":"up","from":1795249640423674,"to":1795249646424383}}','{"probes":7,"failures":{},"duration":{"b":[7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":16691000},"bounds":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0]}');
INSERT INTO "targets" VALUES(2,'model','{"last":{"at":1795249646173600,"interval":1000000},"frontier":1795249646173600,"failures":0,"successes":2,"undecided":null,"row":[],"outage":null,"after_unknown":false,"recovery_unobserved":false,"up":true,"outages":0,"down":0,"open":{"state":"up","from":1795249641173569,"to":1795249646173600}}','{"probes":6,"failures":{},"duration":{"b":[6,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":8385000},"bounds":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0]}');
INSERT INTO "targets" VALUES(3,'gone','{"last":{"at":1795249646870409,"interval":1000000},"frontier":1795249646870409,"failures":7,"successes":0,"undecided":null,"row":[],"outage":{"number":1,"start":1795249640869914,"confirmed":1795249642869616,"end":null,"end_unobserved":false,"first":"refused","failures":{"refused":7}},"after_unknown":false,"recovery_unobserved":false,"up":false,"outages":1,"down":6000495,"open":{"state":"down","from":1795249640869914,"to":1795249646870409}}','{"probes":7,"failures":{"refused":7},"duration":{"b":[7,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":945000},"bounds":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0]}');
CREATE INDEX parts_by_session ON parts (session, gateway, start);
CREATE INDEX open_parts ON parts (id) WHERE closed IS NULL;
COMMIT;
