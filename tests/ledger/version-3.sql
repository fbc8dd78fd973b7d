-- A ledger of version 3 with 10 requests, as the program that wrote that version left it, but for price rows not in use.
PRAGMA application_id = 1953459060;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE adjustments (
    id        INTEGER PRIMARY KEY,
    made      INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    gateway   TEXT NOT NULL,
    provider  TEXT NOT NULL,
    model     TEXT NOT NULL,
    currency  INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors_rate_limited INTEGER NOT NULL, errors_client INTEGER NOT NULL, errors_upstream INTEGER NOT NULL, errors_timeout INTEGER NOT NULL, errors_disconnect INTEGER NOT NULL, errors_gateway INTEGER NOT NULL, usage_missing INTEGER NOT NULL, unpriced_requests INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL, uncached_input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, visible_output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, savings INTEGER NOT NULL, assumed_requests INTEGER NOT NULL, assumed_cost INTEGER NOT NULL, duration_count INTEGER NOT NULL, duration_sum INTEGER NOT NULL, first_token_count INTEGER NOT NULL, first_token_sum INTEGER NOT NULL, cost_input INTEGER NOT NULL, cost_cache_read INTEGER NOT NULL, cost_cache_write INTEGER NOT NULL, cost_output INTEGER NOT NULL, cost_reasoning INTEGER NOT NULL, cost_other INTEGER NOT NULL
) STRICT;
CREATE TABLE answers (
    bucket INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    within INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    PRIMARY KEY (bucket, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "answers" VALUES(1769936400,2,'higress',3,3);
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
INSERT INTO "attributes" VALUES(1,X'FC7C0664E9FE65159664514D963CA1BF','higress','ai-route-aliyun.internal','dashscope','qwen-turbo','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(2,X'07149E61BEFA9310BCFFB624F3FA0C17','higress','ai-route-aliyun.internal','dashscope','gpt-4o','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(3,X'EEC360EC3B4280E7D18AF998A541D2A0','higress','ai-route-aliyun.internal','dashscope','gpt-4','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(4,X'435E7EDAF583CF904B1EC7DF92591E28','higress','ai-route-aliyun.internal','dashscope','claude-sonnet-4-20250514','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(5,X'DDB3E65F1110DC1E079E4338D98A629D','higress','ai-route-aliyun.internal','dashscope','','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(6,X'8BC311F23EFD299BB89E5A53D51E555E','higress','ai-route-aliyun.internal','dashscope','','','llm-aliyun.internal.dns',0,0,'[]');
INSERT INTO "attributes" VALUES(7,X'28157CC1657E800998BF40048B797894','higress','ai-route-aliyun.internal','dashscope','','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(8,X'01E2A1F213CF642C9EB8142082E2A854','higress','ai-route-aliyun.internal','dashscope','qwen-turbo','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(9,X'9267A1520CD911608AF86AB79FCD6EB0','higress','','','qwen-turbo','','',1,0,'[]');
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    made   INTEGER NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TABLE blocks (
    block       INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    first_start INTEGER NOT NULL,
    last_start  INTEGER NOT NULL
) STRICT;
INSERT INTO "blocks" VALUES(0,10,1769938256123000,1769938625123000);
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
INSERT INTO "closures" VALUES(1,1,1,2,1,0,8,1,1769938256123000,1769938543126000,5,287003000);
INSERT INTO "closures" VALUES(2,3,1,4,1,0,3,3,1769938338123000,1769938340078000,1,1955000);
INSERT INTO "closures" VALUES(3,4,1,5,1,0,4,4,1769938379123000,1769938387246000,1,8123000);
INSERT INTO "closures" VALUES(4,9,1,6,1,0,9,8,1769938584123000,1769938586078000,1,1955000);
INSERT INTO "closures" VALUES(5,10,1,7,1,0,10,9,1769938625123000,1769938625424000,1,301000);
CREATE TABLE columns (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE configurations (
    id       INTEGER PRIMARY KEY,
    accepted INTEGER NOT NULL,
    content  TEXT NOT NULL
) STRICT;
INSERT INTO "configurations" VALUES(1,1795262917649929,'{"cost":{"aliases":{},"budgets":[],"litellm_map":null,"mode":"computed","prices":[],"rates":[],"total_currency":null},"data_dir":"/var/lib/tokentail","dimensions":[],"listen":["127.0.0.1:13210"],"metrics":{"buckets":{},"consumer_label":true,"max_lines":50000,"new_series_hold":"0s"},"privacy":{"key_file":null,"session_ids":"raw"},"probes":{"roots_file":"/etc/ssl/certs/ca-certificates.crt","targets":[]},"relay":{"ca_file":null,"listen":"127.0.0.1:13211","receivers":[],"timezone":"UTC","token_file":null},"reports":{"by":["consumer","model"],"daily":[],"folder":null,"formats":["csv"],"monthly":[],"weekly":[]},"retention":{"max_size":null,"probe_results":"400d","requests":"90d"},"sessions":{"idle_timeout":"30m","max_open":50000},"sinks":[],"sla":{"answer_within_seconds":1.5,"judge_whole_answers":false,"maintenance":[],"objective":0.999,"objectives":{}},"sources":[{"fields":{},"format":"auto","from":"start","max_line":"16MiB","name":"higress","path":"/var/log/higress/default_format.log","timezone":"UTC"}],"timezone":"UTC","web":{"allowed_hosts":[],"config_file":null,"external_url":null,"roles":{},"trace_url":null,"trusted_user_header":null}}');
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
INSERT INTO "conversations" VALUES(X'7D9A7CECC4DAE4739B3F7B2936248701',X'3E7831676532842AE7A8E1FA0FA4DF9C',1769938625123000,1769938625424000,10,1,0,0,0,0);
INSERT INTO "conversations" VALUES(X'E08336986A0EADC8FFE82443D9F1BA28',X'5C8D8C6E3350399C1EE5307E7BE9E3C3',1769938584123000,1769938586078000,9,1,0,0,0,0);
INSERT INTO "conversations" VALUES(X'E9054AAF60F1A7DBF48C9A0C9C532A6B',X'946B28FEDC7E85DEA134DBF92B27A416',1769938338123000,1769938340078000,3,1,1,-3777394101009335825,0,0);
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('closures',5);
INSERT INTO "facts" VALUES('closures_counted',5);
INSERT INTO "facts" VALUES('folded',10);
INSERT INTO "facts" VALUES('rollup_seconds',3600);
INSERT INTO "facts" VALUES('rollup_zone','UTC');
INSERT INTO "facts" VALUES('watermark:1',1769938625424000);
CREATE TABLE files (
    file     INTEGER PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;
INSERT INTO "files" VALUES(1,'{"file":1,"source":"higress","path":"/var/log/higress/default_format.log","base":"/var/log/higress/default_format.log","live":true,"device":65024,"inode":6619169,"head":{"len":1024,"hash":"49d5c9a6959ba7c669c11ef9df000575"},"resume":10846,"done":10846,"anchor":{"len":1024,"hash":"ed4072d1d729fcb36ed464410a415e80"},"size":10846,"modified":1795259958265227785,"finished":true,"gone":false}');
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
INSERT INTO "names" VALUES(1,5,'higress');
INSERT INTO "names" VALUES(2,2,'sess_abc123');
INSERT INTO "names" VALUES(3,4,'USD');
INSERT INTO "names" VALUES(4,6,'e9054aaf60f1a7dbf48c9a0c9c532a6b');
INSERT INTO "names" VALUES(5,2,'agent:main:discord:1');
INSERT INTO "names" VALUES(6,6,'e08336986a0eadc8ffe82443d9f1ba28');
INSERT INTO "names" VALUES(7,6,'7d9a7cecc4dae4739b3f7b2936248701');
CREATE TABLE objectives (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    billionths INTEGER NOT NULL
) STRICT;
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
INSERT INTO "parts" VALUES(1,1,2,X'A81C4B0A220BBF5F00D8F9FF5E59B18E',1,1769938256123000,1769938543123000,1769938543126000,8,0,6,5,4,1,0,0,30,80,0,0,94,25,'USD 664300','[1,2,5,6,7]',0,0,0,0,1,0,287003000);
INSERT INTO "parts" VALUES(3,1,4,X'379134D218DEC26D88900A8658F19E2E',3,1769938338123000,1769938338123000,1769938340078000,3,1,1,1,0,0,0,0,20,0,0,0,10,0,'USD 1200000','[3]',0,0,0,0,1,0,1955000);
INSERT INTO "parts" VALUES(4,1,5,X'BA582C53104193803A25F45E46FC7A94',4,1769938379123000,1769938379123000,1769938387246000,4,5,1,1,0,0,1,0,12,18218,475,0,1182,0,'','[4]',0,0,0,0,1,0,8123000);
INSERT INTO "parts" VALUES(9,1,6,X'93D2D43CC075740021D40C5029FA2D79',8,1769938584123000,1769938584123000,1769938586078000,9,1,1,1,0,0,0,0,5,0,0,0,6,0,'USD 1450','[8]',0,0,0,0,1,0,1955000);
INSERT INTO "parts" VALUES(10,1,7,X'49B91DABB0A740840756502EC3228A3E',9,1769938625123000,1769938625123000,1769938625424000,10,1,1,1,0,0,0,0,10,0,0,0,69,0,'USD 14300','[9]',0,0,0,0,1,0,301000);
CREATE TABLE price_rows (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    row        TEXT NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT;
INSERT INTO "price_rows" VALUES(18,'ae691bb44310c3db4e585aa4feb00d7a','{"provider":"openai","model":"gpt-4o","match":{"equals":["gpt-4o","gpt-4o-2024-08-06","gpt-4o-2024-11-20"]},"currency":"USD","input":"2.5","cache_read":"1.25","output":"10","batch":{"input":"1.25","output":"5"},"priority":{"input":"4.25","output":"17"},"source":"builtin"}',1795262917647348);
INSERT INTO "price_rows" VALUES(46,'65141388d4042c435fa8334babf4b82e','{"provider":"openai","model":"gpt-4","match":{"equals":["gpt-4","gpt-4-0314","gpt-4-0613"],"prefix":["ft:gpt-4-0"]},"currency":"USD","input":"30","output":"60","batch":{"input":"15","output":"30"},"source":"builtin"}',1795262917647348);
INSERT INTO "price_rows" VALUES(70,'6f3eba7fc1785e164c3f04587dfdd79d','{"provider":"dashscope","model":"qwen-turbo","match":{"equals":["qwen-turbo"]},"currency":"USD","input":"0.05","output":"0.2","reasoning":"0.5","note":"the international (Singapore) list in USD; an account of mainland China is billed in CNY by another list: add rows of your own","source":"builtin"}',1795262917647348);
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
CREATE TABLE requests (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
INSERT INTO "requests" VALUES(1,X'02FB81AAC4C133A81C4B0A220BBF5F00D8F9FF5E59B18E2000C71EEB04010002000101000A00000045000046B9DF01010001D23F0824128B4F338C5C7FD0A6A3A450');
INSERT INTO "requests" VALUES(2,X'02A3C2ACC4C1338D36F4DCB753593D09C40069FE22E349A00A00C71E0002000200030201145000001919C09A0C12A1AC4F0100019531985D5D9D49F89818E811892F902B');
INSERT INTO "requests" VALUES(3,X'02CB82AFC4C133379134D218DEC26D88900A8658F19E2EA00A00C71EF10103000400010100140000000A00002E81BE920101000136F675CC81E74EF5A8E25D940ED90475');
INSERT INTO "requests" VALUES(4,X'02F3C2B1C4C133BA582C53104193803A25F45E46FC7A946000F77E9D0E040005000501000CAA8E01DB03009E090000000000016B0D549B6F03475A9600A35A099950D8');
INSERT INTO "requests" VALUES(5,X'029B83B4C4C1331754729CF670CD849B812F0CA138632901AD03AD01000500020001050300000000000000000000018D116ECE173847D9BD9C172411E20B8F');
INSERT INTO "requests" VALUES(6,X'02C3C3B6C4C13350BBD3B1C028516D40ADB2996091F07704F803C3A9070006000200010601000000000000000000000190C192CFD3AC44AF8F21DDB66CAD4A26');
INSERT INTO "requests" VALUES(7,X'02EB83B9C4C13379B90ADAE53E6EE8653B6167CB03E5481500C522A506070002000207010000000000000000000001A170B33839264059B28C105D1FB17C23');
INSERT INTO "requests" VALUES(8,X'0293C4BBC4C133C60E1FCC94B16255D471DEE71F10217701AD0307000600020000080100000000000000000000010FD630F1F29D4DA9953F48F1A09F76B5');
INSERT INTO "requests" VALUES(9,X'02BB84BEC4C13393D2D43CC075740021D40C5029FA2D79A01000C71E00080006000101000500000006000046D5160100010CB1E29C658C4A1495E60AF593BD04CF');
INSERT INTO "requests" VALUES(10,X'02E3C4C0C4C13349B91DABB0A740840756502EC3228A3EA00200DB0400090007000101000A00000045000046B9DF010100018E81973E0BEC47B0B898D190F9EBDACC');
CREATE TABLE rollup_days (
    day        INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (day, attributes, currency)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollup_days" VALUES(20485,1,3,X'8188C54F02148A01B8DF0102F0D2EE010290DC25E807D0D701');
INSERT INTO "rollup_days" VALUES(20485,2,3,X'8198FFD9010228A0013232A0AC4FC09A0C02A0AC4F02F0D2EE01A08D06C09A0CA0C21EA0C21E');
INSERT INTO "rollup_days" VALUES(20485,3,3,X'8188F54F02281480BE92010280BE920102F0D2EE010280D30E809F49809F49');
INSERT INTO "rollup_days" VALUES(20485,4,0,X'81BEC1070202DEB60218D49C02B607BC1202F0C9DF0702E08A6F');
INSERT INTO "rollup_days" VALUES(20485,5,0,X'030202');
INSERT INTO "rollup_days" VALUES(20485,6,0,X'13040202');
INSERT INTO "rollup_days" VALUES(20485,7,0,X'A101020202');
INSERT INTO "rollup_days" VALUES(20485,8,3,X'8188C549020A0CD41602F0D2EE01F403E012');
INSERT INTO "rollup_days" VALUES(20485,9,3,X'8188F54902148A01B8DF0102B8DF010290DF24E807D0D701');
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (bucket, attributes, currency)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollups" VALUES(1769936400,1,3,X'8188C54F02148A01B8DF0102F0D2EE010290DC25E807D0D701');
INSERT INTO "rollups" VALUES(1769936400,2,3,X'8198FFD9010228A0013232A0AC4FC09A0C02A0AC4F02F0D2EE01A08D06C09A0CA0C21EA0C21E');
INSERT INTO "rollups" VALUES(1769936400,3,3,X'8188F54F02281480BE92010280BE920102F0D2EE010280D30E809F49809F49');
INSERT INTO "rollups" VALUES(1769936400,4,0,X'81BEC1070202DEB60218D49C02B607BC1202F0C9DF0702E08A6F');
INSERT INTO "rollups" VALUES(1769936400,5,0,X'030202');
INSERT INTO "rollups" VALUES(1769936400,6,0,X'13040202');
INSERT INTO "rollups" VALUES(1769936400,7,0,X'A101020202');
INSERT INTO "rollups" VALUES(1769936400,8,3,X'8188C549020A0CD41602F0D2EE01F403E012');
INSERT INTO "rollups" VALUES(1769936400,9,3,X'8188F54902148A01B8DF0102B8DF010290DF24E807D0D701');
CREATE TABLE segments (
    target INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    end    INTEGER NOT NULL,
    state  INTEGER NOT NULL,
    PRIMARY KEY (target, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE series (
    family TEXT NOT NULL,
    labels TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (family, labels)
) STRICT, WITHOUT ROWID;
INSERT INTO "series" VALUES('anomaly','["higress","salvaged"]','1');
INSERT INTO "series" VALUES('bounds','[]','{"duration":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"first_token":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"per_token":[0.001,0.0025,0.005,0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.25,2.5],"commits":[0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0],"session_duration":[30.0,60.0,120.0,300.0,600.0,1800.0,3600.0,7200.0,14400.0,28800.0,86400.0],"session_turns":[1.0,2.0,5.0,10.0,20.0,50.0,100.0,200.0,500.0,1000.0],"dimension_labels":[]}');
INSERT INTO "series" VALUES('model','["higress","","","qwen-turbo"]','{"duration":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":301000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-aliyun.internal","dashscope",""]','{"duration":{"b":[],"s":0},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":1}');
INSERT INTO "series" VALUES('model','["higress","ai-route-aliyun.internal","dashscope","claude-sonnet-4-20250514"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0],"s":8123000000},"first_token":{"b":[0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0],"s":910000000},"per_token":{"b":[0,0,0,1,0,0,0,0,0,0,0,0,0],"s":6107535},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-aliyun.internal","dashscope","gpt-4"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0],"s":1955000000},"first_token":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":120000000},"per_token":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0],"s":203888888},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-aliyun.internal","dashscope","gpt-4o"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0],"s":1955000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-aliyun.internal","dashscope","qwen-turbo"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,2,0,0,0,0,0,0,0,0,0],"s":3910000000},"first_token":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":309000000},"per_token":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0],"s":24205882},"usage_missing":0}');
INSERT INTO "series" VALUES('own','[]','{"commits":{"b":[0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":3080405},"commit_failures":0,"clock_steps":0,"folded":{}}');
INSERT INTO "series" VALUES('price','["higress","","qwen-turbo"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope",""]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","claude-sonnet-4-20250514"]','{"unpriced_requests":1,"unpriced_tokens":19887,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","gpt-4"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","gpt-4o"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"100000"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","qwen-turbo"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('request','[["higress","","","qwen-turbo",""],[]]','{"codes":{"200":1},"errors":{},"input":10,"output":69,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"14300"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-aliyun.internal","dashscope","",""],[]]','{"codes":{"200":1,"429":2,"504":1},"errors":{"0":2,"3":1,"4":1},"input":0,"output":0,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-aliyun.internal","dashscope","claude-sonnet-4-20250514",""],[]]','{"codes":{"200":1},"errors":{},"input":18705,"output":1182,"cache_read":18218,"cache_write":475,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-aliyun.internal","dashscope","gpt-4",""],[]]','{"codes":{"200":1},"errors":{},"input":20,"output":10,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"1200000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-aliyun.internal","dashscope","gpt-4o",""],[]]','{"codes":{"200":1},"errors":{},"input":100,"output":50,"cache_read":80,"cache_write":0,"reasoning":25,"cost":{"USD":"650000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-aliyun.internal","dashscope","qwen-turbo",""],[]]','{"codes":{"200":2},"errors":{},"input":15,"output":75,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"15750"}}');
INSERT INTO "series" VALUES('session','["higress"]','{"started":5,"reopened":0,"ended":{"idle":5},"duration":{"b":[4,0,0,1,0,0,0,0,0,0,0,0],"s":299337000000},"turns":{"b":[4,0,1,0,0,0,0,0,0,0,0],"s":9000000000}}');
INSERT INTO "series" VALUES('session_seconds','["higress",""]','299337000');
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
INSERT INTO "sources" VALUES('higress','{"lines":11,"bytes":10846,"records":11,"requests":10,"skipped":[1,0,0],"rejected":[0,0,0,0,0,0],"duplicates":0,"rotations":{},"lost_bytes":0,"last_record":1769938625123000}');
CREATE TABLE target_definitions (
    id         INTEGER PRIMARY KEY,
    target     INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    definition TEXT
) STRICT;
CREATE TABLE targets (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    tracker TEXT NOT NULL,
    counts  TEXT NOT NULL
) STRICT;
CREATE INDEX parts_by_session ON parts (session, gateway, start);
CREATE INDEX open_parts ON parts (id) WHERE closed IS NULL;
COMMIT;
