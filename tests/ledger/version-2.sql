-- A ledger of version 2 with 29 requests, as the program that wrote that version left it, but for price rows not in use.
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
INSERT INTO "answers" VALUES(1772697600,2,'higress',4,4);
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
INSERT INTO "attributes" VALUES(1,X'44ABD1B35A6EE9692EF8A95D0081FCCF','higress','ai-route-qwen.internal','dashscope','qwen-turbo','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(2,X'95682C02B1A14C17FFD3F716E03AA618','higress','ai-route-qwen.internal','dashscope','gpt-4o','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(3,X'E5552B362051F14A676C2B8219AC3F26','higress','ai-route-qwen.internal','dashscope','gpt-4','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(4,X'F9F18B761C9B60DD3151715F711945C4','higress','ai-route-qwen.internal','dashscope','claude-sonnet-4-20250514','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(5,X'7E1DACC7499BAC05C271B24163604E31','higress','ai-route-qwen.internal','dashscope','','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(6,X'4F615ACD052FBE3E9CA017503DD42E1F','higress','ai-route-qwen.internal','dashscope','','','llm-aliyun.internal.dns',0,0,'[]');
INSERT INTO "attributes" VALUES(7,X'0D8E9B82BF85D61411C6384C19A29581','higress','ai-route-qwen.internal','dashscope','','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(8,X'D052ED81E9A22BF55C293548897AD405','higress','ai-route-qwen.internal','dashscope','qwen-turbo','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(9,X'9267A1520CD911608AF86AB79FCD6EB0','higress','','','qwen-turbo','','',1,0,'[]');
INSERT INTO "attributes" VALUES(10,X'17A173E2C5AA32C80EE968483417F81A','higress','','openai','gpt-4o','','llm-openai.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(11,X'DC7E8DC24EC7BD4A0289D54633D3AF97','higress','ai-route-qwen.internal','qwen-models-svc-cluster-local','qwen-plus','','qwen.models.svc.cluster.local',1,0,'[]');
INSERT INTO "attributes" VALUES(12,X'CA580464EB0FF80B169DE1011A0D5782','higress','','','qwen-plus','team-a','',1,0,'[]');
INSERT INTO "attributes" VALUES(13,X'9A63699F02B14C8C4B7B478E213F51B5','higress','','','Qwen3-rerank','bot','',1,0,'[]');
INSERT INTO "attributes" VALUES(14,X'67544E5AA8E4B35FA383E000983C9BF5','higress','ai-route-qwen.internal','dashscope','gemini-2.5-pro','','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(15,X'922B3CF739A1E72EF953E591B7447581','higress','ai-route-qwen.internal','dashscope','o3','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(16,X'39145D02E14C2A89CAD5BE8BDC89C476','higress','ai-route-qwen.internal','dashscope','m','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(17,X'0C9558E201A32685A357B03B2E78E371','higress','','','','','',0,0,'[]');
INSERT INTO "attributes" VALUES(18,X'E36D0AD1D5AA9435BDD9D515529D2A8F','higress','ai-route-qwen.internal','dashscope','qwen-plus','','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(19,X'5B04D8B90AEB2D02D781A32180C77615','higress','ai-route-qwen.internal','dashscope','m','','llm-aliyun.internal.dns',0,0,'[]');
CREATE TABLE blocks (
    block       INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    first_start INTEGER NOT NULL,
    last_start  INTEGER NOT NULL
) STRICT;
INSERT INTO "blocks" VALUES(0,29,1769938201000000,1796083200000000);
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
INSERT INTO "closures" VALUES(1,1,1,2,1,0,8,1,1772697602250000,1772697667251000,5,65001000);
INSERT INTO "closures" VALUES(2,3,1,4,1,0,29,3,1772697602250000,1772697616670000,8,14420000);
INSERT INTO "closures" VALUES(3,4,1,5,1,0,4,4,1772697605250000,1772697613373000,1,8123000);
INSERT INTO "closures" VALUES(4,9,1,6,1,0,9,8,1772697610250000,1772697611670000,1,1420000);
INSERT INTO "closures" VALUES(5,10,1,7,1,0,10,9,1772697611250000,1772697611551000,1,301000);
INSERT INTO "closures" VALUES(6,11,1,8,1,0,11,10,1769938201000000,1769938201900000,1,900000);
INSERT INTO "closures" VALUES(7,12,1,9,1,0,12,10,1769938202000000,1769938202900000,1,900000);
INSERT INTO "closures" VALUES(8,14,1,10,1,0,14,10,1769938204000000,1769938204900000,1,900000);
INSERT INTO "closures" VALUES(9,16,1,12,1,0,16,11,1772697601250000,1772697602670000,1,1420000);
INSERT INTO "closures" VALUES(10,17,1,13,1,0,17,12,1772697600000000,1772697600012000,1,12000);
INSERT INTO "closures" VALUES(11,18,1,14,1,0,18,13,1772697615000000,1772697615000000,1,0);
INSERT INTO "closures" VALUES(12,26,1,17,1,0,26,18,1772697612250000,1772697613670000,1,1420000);
INSERT INTO "closures" VALUES(13,27,1,18,1,0,27,18,1772697613250000,1772697614670000,1,1420000);
CREATE TABLE configurations (
    id       INTEGER PRIMARY KEY,
    accepted INTEGER NOT NULL,
    content  TEXT NOT NULL
) STRICT;
INSERT INTO "configurations" VALUES(1,1795253128213228,'{"cost":{"aliases":{},"budgets":[],"litellm_map":null,"mode":"computed","prices":[],"rates":[],"total_currency":null},"data_dir":"/tmp/v2dump/d","dimensions":[],"listen":["127.0.0.1:13210"],"metrics":{"buckets":{},"consumer_label":true,"max_lines":50000,"new_series_hold":"0s"},"privacy":{"key_file":null,"session_ids":"raw"},"probes":{"roots_file":"/etc/ssl/certs/ca-certificates.crt","targets":[]},"relay":{"ca_file":null,"listen":"127.0.0.1:13211","receivers":[],"timezone":"UTC","token_file":null},"retention":{"max_size":null,"probe_results":"400d","requests":"90d"},"sessions":{"idle_timeout":"30m","max_open":50000},"sinks":[],"sla":{"answer_within_seconds":1.5,"judge_whole_answers":false,"maintenance":[],"objective":0.999,"objectives":{}},"sources":[{"fields":{},"format":"auto","from":"start","max_line":"16MiB","name":"higress","path":"/tmp/v2dump/a.log","timezone":"UTC"}],"timezone":"UTC","web":{"allowed_hosts":[],"config_file":null,"external_url":null,"roles":{},"trusted_user_header":null}}');
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
INSERT INTO "conversations" VALUES(X'185EAA14CE9C04E9BC08C3F9E15E8156',X'720101D7BF6295D4C284198E2CB2968E',1769938202000000,1769938202900000,12,0,3,6322560048674327177,1066384387418834615,6984661345680205634);
INSERT INTO "conversations" VALUES(X'2DF1F2DFB8BE01F138F440E2AAA5B7F1',X'720101D7BF6295D4C284198E2CB2968E',1772697611250000,1772697611551000,10,1,0,0,0,0);
INSERT INTO "conversations" VALUES(X'72706ECD5ADBDBFF0F5D0CA7F05E2CD8',X'643E30A1275BB908603EAFC1045700FB',1772697602250000,1772697616670000,29,1,1,-1707875237782335959,0,0);
INSERT INTO "conversations" VALUES(X'8448A91A5BF3740EE1392DAC95504A6B',X'6155AFFF54DDBACDF7AD6D533AC1E7B3',1772697610250000,1772697611670000,9,1,0,0,0,0);
INSERT INTO "conversations" VALUES(X'877ADBA327DBA8EA8F77152D817A42BC',X'AD057F8D1EB5AF7FF7704B273214961A',1772697600000000,1772697600012000,17,2,0,0,0,0);
INSERT INTO "conversations" VALUES(X'9CB14A9A7919DC732D3858C50F580070',X'720101D7BF6295D4C284198E2CB2968E',1769938201000000,1769938201900000,11,0,1,3987494000579493241,0,0);
INSERT INTO "conversations" VALUES(X'B274D14B62217ACB81FCFD7289E7E82D',X'9E1B0E73B12B84FA0C4F330BE5C1F46C',1772697612250000,1772697613670000,26,2,0,0,0,0);
INSERT INTO "conversations" VALUES(X'C77005087F2ABBCFF24248F6EFD1B3A4',X'0704EF23B48A0EEE987E4C7F6C950FE1',1772697613250000,1772697614670000,27,2,0,0,0,0);
INSERT INTO "conversations" VALUES(X'CEA4D14FBFD35AA18A0A2ECC58DA456E',X'345F881B55162409B8F535FAD81C2E99',1772697601250000,1772697602670000,16,2,0,0,0,0);
INSERT INTO "conversations" VALUES(X'EAECAF4A09CAE3AA3B0538E71F01E2FB',X'643E30A1275BB908603EAFC1045700FB',1796083200000000,1796083201420000,23,0,0,0,0,0);
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('closures',13);
INSERT INTO "facts" VALUES('closures_counted',13);
INSERT INTO "facts" VALUES('folded',29);
INSERT INTO "facts" VALUES('rollup_seconds',3600);
INSERT INTO "facts" VALUES('watermark:1',1795253428218483);
CREATE TABLE files (
    file     INTEGER PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;
INSERT INTO "files" VALUES(1,'{"file":1,"source":"higress","path":"/tmp/v2dump/a.log","base":"/tmp/v2dump/a.log","live":true,"device":65024,"inode":10332581,"head":{"len":1024,"hash":"4963638babd920e14af72687d5d30ee9"},"resume":28435,"done":28435,"anchor":{"len":1024,"hash":"c60b5f5ebd740497aa336f3e8177c7df"},"size":28435,"modified":1795253128061816950,"finished":true,"gone":false}');
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
INSERT INTO "names" VALUES(2,2,'sess-1');
INSERT INTO "names" VALUES(3,4,'USD');
INSERT INTO "names" VALUES(4,6,'72706ecd5adbdbff0f5d0ca7f05e2cd8');
INSERT INTO "names" VALUES(5,2,'agent:main:1');
INSERT INTO "names" VALUES(6,6,'8448a91a5bf3740ee1392dac95504a6b');
INSERT INTO "names" VALUES(7,6,'2df1f2dfb8be01f138f440e2aaa5b7f1');
INSERT INTO "names" VALUES(8,6,'9cb14a9a7919dc732d3858c50f580070');
INSERT INTO "names" VALUES(9,6,'185eaa14ce9c04e9bc08c3f9e15e8156');
INSERT INTO "names" VALUES(10,2,'s-1');
INSERT INTO "names" VALUES(11,1,'36c61bb89f94550e178231ea7066247c');
INSERT INTO "names" VALUES(12,6,'cea4d14fbfd35aa18a0a2ecc58da456e');
INSERT INTO "names" VALUES(13,6,'877adba327dba8ea8f77152d817a42bc');
INSERT INTO "names" VALUES(14,2,'agent:x:1');
INSERT INTO "names" VALUES(15,3,'["get_weather","search"]');
INSERT INTO "names" VALUES(16,6,'eaecaf4a09cae3aa3b0538e71f01e2fb');
INSERT INTO "names" VALUES(17,6,'b274d14b62217acb81fcfd7289e7e82d');
INSERT INTO "names" VALUES(18,6,'c77005087f2abbcff24248f6efd1b3a4');
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
INSERT INTO "parts" VALUES(1,1,2,X'B623A57C654886231030BDA997A9B9D5',1,1772697602250000,1772697609250000,1772697667251000,8,0,6,5,4,1,0,0,30,80,0,0,94,25,'USD 664300','[1,2,5,6,7]',0,0,0,0,1,0,65001000);
INSERT INTO "parts" VALUES(3,1,4,X'B4788855951FC634C887EB548287AAA3',3,1772697602250000,1772697615250000,1772697616670000,29,0,9,8,2,2,2,0,79,60,0,0,36,380,'USD 5117500','[3,6,14,15,16,17,19]',0,0,0,0,1,0,14420000);
INSERT INTO "parts" VALUES(4,1,5,X'69AA6829245986D6C1AAD6BB81F0B53F',4,1772697605250000,1772697605250000,1772697613373000,4,5,1,1,0,0,1,0,12,18218,475,0,1182,0,'','[4]',0,0,0,0,1,0,8123000);
INSERT INTO "parts" VALUES(9,1,6,X'8431C7F3B660CF8D087FB30C808707EE',8,1772697610250000,1772697610250000,1772697611670000,9,1,1,1,0,0,0,0,5,0,0,0,6,0,'USD 1450','[8]',0,0,0,0,1,0,1420000);
INSERT INTO "parts" VALUES(10,1,7,X'CDCFA1EE58280E5348D3EF4991A57C48',9,1772697611250000,1772697611250000,1772697611551000,10,1,1,1,0,0,0,0,10,0,0,0,69,0,'USD 14300','[9]',0,0,0,0,1,0,301000);
INSERT INTO "parts" VALUES(11,1,8,X'A47E9CBE347B1BEB294CB318975C0CEB',10,1769938201000000,1769938201000000,1769938201900000,11,0,1,1,0,0,0,0,10,0,0,0,5,0,'USD 75000','[10]',0,0,0,0,1,0,900000);
INSERT INTO "parts" VALUES(12,1,9,X'1B6F14E5BEDA904540CDDE6848654E84',10,1769938202000000,1769938202000000,1769938202900000,12,0,1,1,0,0,0,0,10,0,0,0,5,0,'USD 75000','[10]',0,0,0,0,1,0,900000);
INSERT INTO "parts" VALUES(14,1,10,X'9D2FF21D071D62369AAC43ECBD4EBD2B',10,1769938204000000,1769938204000000,1769938204900000,14,0,1,1,0,0,0,0,10,0,0,0,5,0,'USD 75000','[10]',0,0,0,0,1,0,900000);
INSERT INTO "parts" VALUES(16,1,12,X'2CC5B09B01E0BF788FA8D2EE7AE0EBCC',11,1772697601250000,1772697601250000,1772697602670000,16,2,1,1,0,0,0,0,7,0,0,0,3,0,'USD 6400','[11]',0,11,0,0,1,0,1420000);
INSERT INTO "parts" VALUES(17,1,13,X'E1FC24157BCE0724ADA7CF18D3D7BBDB',12,1772697600000000,1772697600000000,1772697600012000,17,2,1,1,0,0,0,0,7,0,0,0,3,0,'USD 6400','[12]',0,11,0,0,1,0,12000);
INSERT INTO "parts" VALUES(18,1,14,X'B2C049AEE328D2C88CCBA4355C740D93',13,1772697615000000,1772697615000000,1772697615000000,18,1,1,1,0,0,1,2,250,0,0,0,160,0,'','[13]',0,0,0,0,1,0,0);
INSERT INTO "parts" VALUES(23,1,16,X'512CE60575F0797646EDB6E5FC10121F',16,1796083200000000,1796083200000000,1796083201420000,23,0,1,1,0,0,1,0,0,0,0,0,0,0,'','[16]',0,0,0,0,0,NULL,0);
INSERT INTO "parts" VALUES(26,1,17,X'3887D5E9039EB6DC70EC3F878ABEF409',18,1772697612250000,1772697612250000,1772697613670000,26,2,1,1,0,0,0,0,7,0,0,0,3,0,'USD 6400','[18]',0,11,0,0,1,0,1420000);
INSERT INTO "parts" VALUES(27,1,18,X'B37D1E5753AD963A24C6C82F516701AC',18,1772697613250000,1772697613250000,1772697614670000,27,2,1,1,0,0,0,0,7,0,0,0,3,0,'USD 6400','[18]',0,11,0,0,1,0,1420000);
CREATE TABLE price_rows (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    row        TEXT NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT;
INSERT INTO "price_rows" VALUES(18,'ae691bb44310c3db4e585aa4feb00d7a','{"provider":"openai","model":"gpt-4o","match":{"equals":["gpt-4o","gpt-4o-2024-08-06","gpt-4o-2024-11-20"]},"currency":"USD","input":"2.5","cache_read":"1.25","output":"10","batch":{"input":"1.25","output":"5"},"priority":{"input":"4.25","output":"17"},"source":"builtin"}',1795253128206176);
INSERT INTO "price_rows" VALUES(24,'80c18556d4ed0eb2ab6d5c38917badc7','{"provider":"openai","model":"o3","match":{"equals":["o3","o3-2025-04-16"]},"currency":"USD","input":"2","cache_read":"0.5","output":"8","batch":{"input":"1","output":"4"},"flex":{"input":"1","output":"4"},"priority":{"input":"3.5","output":"14"},"valid_from":"2025-06-10","note":"earlier prices are in neither data set: requests before that day are unpriced","source":"builtin"}',1795253128206176);
INSERT INTO "price_rows" VALUES(46,'65141388d4042c435fa8334babf4b82e','{"provider":"openai","model":"gpt-4","match":{"equals":["gpt-4","gpt-4-0314","gpt-4-0613"],"prefix":["ft:gpt-4-0"]},"currency":"USD","input":"30","output":"60","batch":{"input":"15","output":"30"},"source":"builtin"}',1795253128206176);
INSERT INTO "price_rows" VALUES(52,'faed5ef53501009810a07c9d1c3cbcd9','{"provider":"google","model":"gemini-2.5-pro","match":{"prefix":["gemini-2.5-pro"]},"exclude":{"regex":["-tts(-|$)"]},"currency":"USD","input":"1.25","cache_read":"0.125","output":"10","tiers":[{"above":200000,"input":"2.5","cache_read":"0.25","output":"15"}],"batch":{"input":"0.625","output":"5"},"source":"builtin"}',1795253128206176);
INSERT INTO "price_rows" VALUES(68,'fda4bbbf87fea12a6c80bbd968d748e2','{"provider":"dashscope","model":"qwen-plus","match":{"equals":["qwen-plus"]},"currency":"USD","input":"0.4","output":"1.2","note":"the international (Singapore) list in USD; an account of mainland China is billed in CNY by another list: add rows of your own","source":"builtin"}',1795253128206176);
INSERT INTO "price_rows" VALUES(70,'6f3eba7fc1785e164c3f04587dfdd79d','{"provider":"dashscope","model":"qwen-turbo","match":{"equals":["qwen-turbo"]},"currency":"USD","input":"0.05","output":"0.2","reasoning":"0.5","note":"the international (Singapore) list in USD; an account of mainland China is billed in CNY by another list: add rows of your own","source":"builtin"}',1795253128206176);
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
CREATE TABLE requests (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
INSERT INTO "requests" VALUES(1,X'011055E052424C0600B623A57C654886231030BDA997A9B9D520C801C1ABAD0191DC25010002000101000A00000045000046B9DF01555344000100000000000040008000000000000002');
INSERT INTO "requests" VALUES(2,X'015097EF52424C0600BC0D0E85E7877613C266D38CCC6D8129A00AC801C1ABAD010002000200030201145000001919C09A0C12A1AC4F555344000100000000000040008000000000000003');
INSERT INTO "requests" VALUES(3,X'0190D9FE52424C0600B4788855951FC634C887EB548287AAA3A00AC801C1ABAD0181D30E03000400010100140000000A00002E81BE9201555344000100000000000040008000000000000004');
INSERT INTO "requests" VALUES(4,X'01D01B0E53424C060069AA6829245986D6C1AAD6BB81F0B53F60C801F1C9DF07E18A6F040005000501000CAA8E01DB03009E0900000000000100000000000040008000000000000005');
INSERT INTO "requests" VALUES(5,X'01105E1D53424C0600670F33A779C6AFF0BCE5A27E9104416101AD03E1BF0A0005000200010503000000000000000000000100000000000040008000000000000006');
INSERT INTO "requests" VALUES(6,X'0150A02C53424C0600D600743DB377953439677B21A8434CBE04F803D1AB9C390006000200010601000000000000000000000100000000000040008000000000000007');
INSERT INTO "requests" VALUES(7,X'0190E23B53424C060034B6912C6EA3CC2ADBC91A6B29A3B0E015C801A1E38D02A1893107000200020701000000000000000000000100000000000040008000000000000008');
INSERT INTO "requests" VALUES(8,X'01D0244B53424C0600F711A4E5BF75902FE20F8D60DA21E3B501AD03F12E0006000200000801000000000000000000000100000000000040008000000000000009');
INSERT INTO "requests" VALUES(9,X'0110675A53424C06008431C7F3B660CF8D087FB30C808707EEA010C801C1ABAD0100080006000101000500000006000046D516555344000100000000000040008000000000000010');
INSERT INTO "requests" VALUES(10,X'0150A96953424C0600CDCFA1EE58280E5348D3EF4991A57C48A002C80191DF2400090007000101000A00000045000046B9DF01555344000100000000000040008000000000000011');
INSERT INTO "requests" VALUES(11,X'0140B8BED9BF490600A47E9CBE347B1BEB294CB318975C0CEBA008C801C1EE6D000A0008000001000A00000005000012F1930955534400056D2D31');
INSERT INTO "requests" VALUES(12,X'0180FACDD9BF4906001B6F14E5BEDA904540CDDE6848654E84A008C801C1EE6D000A0009000001000A00000005000012F1930955534400056D2D32');
INSERT INTO "requests" VALUES(13,X'01C03CDDD9BF490600188E1BBFF8548AC2939A444A23800F89A008C801C1EE6D000A0000000000000A00000005000012F1930955534400056D2D33');
INSERT INTO "requests" VALUES(14,X'01007FECD9BF4906009D2FF21D071D62369AAC43ECBD4EBD2BA008C801C1EE6D000A000A000001000A00000005000012F1930955534400056D2D34');
INSERT INTO "requests" VALUES(15,X'0140C1FBD9BF49060017DA557F0476C7B5964E8C5606BDFA41A008C801C1EE6D000A0000000000000A00000005000012F1930955534400056D2D35');
INSERT INTO "requests" VALUES(16,X'01D012D152424C06002CC5B09B01E0BF788FA8D2EE7AE0EBCCA002C801C1ABAD01000B0B0C0002010007000000030000448164555344000100000000000040008000000000000001463AC35C9F6413AD48485A3953BB6124');
INSERT INTO "requests" VALUES(17,X'010000BE52424C0600E1FC24157BCE0724ADA7CF18D3D7BBDBA002C801C1BB01000C0B0D00020100070000000300004481645553440000');
INSERT INTO "requests" VALUES(18,X'01C0E1A253424C0600B2C049AEE328D2C88CCBA4355C740D93600000000D000E0F010100FA01000000A001000000000000');
INSERT INTO "requests" VALUES(19,X'011055E052424C06005405BCBAF04241A1C9AAC7E025DBF133A00AC801C1ABAD01F18A0C0E000400001110283C000014AC02D89E0834B9D28D03555344000100000000000040008000000000000002');
INSERT INTO "requests" VALUES(20,X'015097EF52424C060086CD2344E3AF919605CC3DBEDAE900B2A0AA04C801C1ABAD01000F0004000012010A00000000500018C1C850555344000100000000000040008000000000000003');
INSERT INTO "requests" VALUES(21,X'0190D9FE52424C060019DCCA3B28B633D237F384B4E0D1985E90C002C801000010000400001301000000000000000000000100000000000040008000000000000004');
INSERT INTO "requests" VALUES(22,X'01D01B0E53424C060081440B3E05922D7AB58AAF17EF28D4B1E040C801C1ABAD010010000400001401000000000500000000000100000000000040008000000000000005');
INSERT INTO "requests" VALUES(23,X'0100801F3587610600512CE60575F0797646EDB6E5FC10121FE08001C801C1ABAD010010001000000100000000000000000000000100000000000040008000000000000006');
INSERT INTO "requests" VALUES(24,X'0110675A53424C060090C3F40B102BFD7C326F6AC99CC9B2BE050081F1040006000400011602000000000000000000000100000000000040008000000000000010');
INSERT INTO "requests" VALUES(25,X'0150A96953424C0600A6B725E43814FA704C775A110DF83AC4069403C1ABAD010011000400011701000000000000000000000100000000000040008000000000000011');
INSERT INTO "requests" VALUES(26,X'0190EB7853424C06003887D5E9039EB6DC70EC3F878ABEF409A010C801C1ABAD0100120B110002010007000000030000448164555344000100000000000040008000000000000012');
INSERT INTO "requests" VALUES(27,X'01D02D8853424C0600B37D1E5753AD963A24C6C82F516701AC20C801C1ABAD0100120B120002010007000000030000448164555344000100000000000040008000000000000013');
INSERT INTO "requests" VALUES(28,X'0110709753424C060013D2235C81D0C60847B3F946E1327C3E9010C801C1ABAD010006000400001A03000000000000000000000100000000000040008000000000000014');
INSERT INTO "requests" VALUES(29,X'0150B2A653424C0600E3D6CBB1599426A4F8F19F5A32B2E44BE010C801C1ABAD010013000400001B01090000000100000000000100000000000040008000000000000015');
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors_rate_limited INTEGER NOT NULL, errors_client INTEGER NOT NULL, errors_upstream INTEGER NOT NULL, errors_timeout INTEGER NOT NULL, errors_disconnect INTEGER NOT NULL, errors_gateway INTEGER NOT NULL, usage_missing INTEGER NOT NULL, unpriced_requests INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL, uncached_input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, visible_output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, savings INTEGER NOT NULL, assumed_requests INTEGER NOT NULL, assumed_cost INTEGER NOT NULL, duration_count INTEGER NOT NULL, duration_sum INTEGER NOT NULL, first_token_count INTEGER NOT NULL, first_token_sum INTEGER NOT NULL,
    PRIMARY KEY (bucket, attributes, currency)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollups" VALUES(1769936400,10,3,5,0,0,0,0,0,0,0,0,0,50,0,0,0,25,0,375000,0,5,375000,5,4500000,0,0);
INSERT INTO "rollups" VALUES(1772697600,1,3,1,0,0,0,0,0,0,0,0,0,10,0,0,0,69,0,14300,0,0,0,1,1420000,1,309000);
INSERT INTO "rollups" VALUES(1772697600,2,3,1,0,0,0,0,0,0,0,0,0,20,80,0,0,25,25,650000,100000,1,650000,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,3,3,1,0,0,0,0,0,0,0,0,0,20,0,0,0,10,0,1200000,0,1,1200000,1,1420000,1,120000);
INSERT INTO "rollups" VALUES(1772697600,4,0,1,0,0,0,0,0,0,0,1,19887,12,18218,475,0,1182,0,0,0,0,0,1,8123000,1,910000);
INSERT INTO "rollups" VALUES(1772697600,5,0,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "rollups" VALUES(1772697600,6,0,4,1,0,0,1,1,0,1,0,0,0,0,0,0,0,0,0,0,0,0,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,7,0,1,0,0,0,0,1,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "rollups" VALUES(1772697600,8,3,1,0,0,0,0,0,0,0,0,0,5,0,0,0,6,0,1450,0,0,0,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,9,3,1,0,0,0,0,0,0,0,0,0,10,0,0,0,69,0,14300,0,1,14300,1,301000,0,0);
INSERT INTO "rollups" VALUES(1772697600,11,3,1,0,0,0,0,0,0,0,0,0,7,0,0,0,3,0,6400,0,1,6400,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,12,3,1,0,0,0,0,0,0,0,0,0,7,0,0,0,3,0,6400,0,1,6400,1,12000,0,0);
INSERT INTO "rollups" VALUES(1772697600,13,0,1,0,0,0,0,0,0,0,1,410,250,0,0,0,160,0,0,0,0,0,0,0,0,0);
INSERT INTO "rollups" VALUES(1772697600,14,3,1,0,0,0,0,0,0,0,0,0,40,60,0,0,20,300,3257500,67500,1,3257500,1,1420000,1,99000);
INSERT INTO "rollups" VALUES(1772697600,15,3,1,0,0,0,0,0,0,0,0,0,10,0,0,0,0,80,660000,0,1,660000,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,16,0,2,0,0,0,0,0,0,1,1,5,0,0,0,0,5,0,0,0,0,0,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1772697600,17,0,1,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "rollups" VALUES(1772697600,18,3,2,0,0,0,0,0,0,0,0,0,14,0,0,0,6,0,12800,0,0,0,2,2840000,0,0);
INSERT INTO "rollups" VALUES(1772697600,19,0,1,0,0,0,0,0,0,0,1,10,9,0,0,0,1,0,0,0,0,0,1,1420000,0,0);
INSERT INTO "rollups" VALUES(1796083200,16,0,1,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,1,1420000,0,0);
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
INSERT INTO "series" VALUES('anomaly','["higress","bad_number"]','2');
INSERT INTO "series" VALUES('anomaly','["higress","negative_duration"]','1');
INSERT INTO "series" VALUES('anomaly','["higress","salvaged"]','4');
INSERT INTO "series" VALUES('anomaly','["higress","subset_exceeds_total"]','1');
INSERT INTO "series" VALUES('anomaly','["higress","time_in_future"]','1');
INSERT INTO "series" VALUES('anomaly','["higress","total_mismatch"]','1');
INSERT INTO "series" VALUES('bounds','[]','{"duration":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"first_token":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"per_token":[0.001,0.0025,0.005,0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.25,2.5],"commits":[0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0],"session_duration":[30.0,60.0,120.0,300.0,600.0,1800.0,3600.0,7200.0,14400.0,28800.0,86400.0],"session_turns":[1.0,2.0,5.0,10.0,20.0,50.0,100.0,200.0,500.0,1000.0],"dimension_labels":[]}');
INSERT INTO "series" VALUES('model','["higress","","",""]','{"duration":{"b":[],"s":0},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","","","Qwen3-rerank"]','{"duration":{"b":[],"s":0},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","","","qwen-plus"]','{"duration":{"b":[0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":12000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","","","qwen-turbo"]','{"duration":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":301000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","","openai","gpt-4o"]','{"duration":{"b":[0,0,0,0,0,0,0,5,0,0,0,0,0,0,0,0,0,0,0],"s":4500000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope",""]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":2}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","claude-sonnet-4-20250514"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0],"s":8123000000},"first_token":{"b":[0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0],"s":910000000},"per_token":{"b":[0,0,0,1,0,0,0,0,0,0,0,0,0],"s":6107535},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","gemini-2.5-pro"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":99000000},"per_token":{"b":[0,0,1,0,0,0,0,0,0,0,0,0,0],"s":4141065},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","gpt-4"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":120000000},"per_token":{"b":[0,0,0,0,0,0,0,1,0,0,0,0,0],"s":144444444},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","gpt-4o"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","m"]','{"duration":{"b":[0,0,0,0,0,0,0,0,3,0,0,0,0,0,0,0,0,0,0],"s":4260000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":1}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","o3"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","qwen-plus"]','{"duration":{"b":[0,0,0,0,0,0,0,0,2,0,0,0,0,0,0,0,0,0,0],"s":2840000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","dashscope","qwen-turbo"]','{"duration":{"b":[0,0,0,0,0,0,0,0,2,0,0,0,0,0,0,0,0,0,0],"s":2840000000},"first_token":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":309000000},"per_token":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0],"s":16338235},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-qwen.internal","qwen-models-svc-cluster-local","qwen-plus"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"s":1420000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('own','[]','{"commits":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0,0],"s":6590481},"commit_failures":0,"clock_steps":0,"folded":{}}');
INSERT INTO "series" VALUES('price','["higress","",""]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","","Qwen3-rerank"]','{"unpriced_requests":1,"unpriced_tokens":410,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","","qwen-plus"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","","qwen-turbo"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope",""]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","claude-sonnet-4-20250514"]','{"unpriced_requests":1,"unpriced_tokens":19887,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","gemini-2.5-pro"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"67500"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","gpt-4"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","gpt-4o"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"100000"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","m"]','{"unpriced_requests":3,"unpriced_tokens":15,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","o3"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","qwen-plus"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","qwen-turbo"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","openai","gpt-4o"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","qwen-models-svc-cluster-local","qwen-plus"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('request','[["higress","","","",""],[]]','{"codes":{"404":1},"errors":{"5":1},"input":0,"output":0,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","","","Qwen3-rerank","bot"],[]]','{"codes":{"0":1},"errors":{},"input":250,"output":160,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","","","qwen-plus","team-a"],[]]','{"codes":{"200":1},"errors":{},"input":7,"output":3,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"6400"}}');
INSERT INTO "series" VALUES('request','[["higress","","","qwen-turbo",""],[]]','{"codes":{"200":1},"errors":{},"input":10,"output":69,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"14300"}}');
INSERT INTO "series" VALUES('request','[["higress","","openai","gpt-4o",""],[]]','{"codes":{"200":5},"errors":{},"input":50,"output":25,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"375000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","",""],[]]','{"codes":{"0":1,"200":2,"429":2,"504":1},"errors":{"0":2,"3":1,"4":2},"input":0,"output":0,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","claude-sonnet-4-20250514",""],[]]','{"codes":{"200":1},"errors":{},"input":18705,"output":1182,"cache_read":18218,"cache_write":475,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","gemini-2.5-pro",""],[]]','{"codes":{"200":1},"errors":{},"input":100,"output":320,"cache_read":60,"cache_write":0,"reasoning":300,"cost":{"USD":"3257500"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","gpt-4",""],[]]','{"codes":{"200":1},"errors":{},"input":20,"output":10,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"1200000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","gpt-4o",""],[]]','{"codes":{"200":1},"errors":{},"input":100,"output":50,"cache_read":80,"cache_write":0,"reasoning":25,"cost":{"USD":"650000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","m",""],[]]','{"codes":{"200":4},"errors":{},"input":9,"output":6,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","o3",""],[]]','{"codes":{"200":1},"errors":{},"input":10,"output":80,"cache_read":0,"cache_write":0,"reasoning":80,"cost":{"USD":"660000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","qwen-plus",""],[]]','{"codes":{"200":2},"errors":{},"input":14,"output":6,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"12800"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","dashscope","qwen-turbo",""],[]]','{"codes":{"200":2},"errors":{},"input":15,"output":75,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"15750"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-qwen.internal","qwen-models-svc-cluster-local","qwen-plus",""],[]]','{"codes":{"200":1},"errors":{},"input":7,"output":3,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"6400"}}');
INSERT INTO "series" VALUES('session','["higress"]','{"started":14,"reopened":0,"ended":{"idle":13},"duration":{"b":[12,0,1,0,0,0,0,0,0,0,0,0],"s":96237000000},"turns":{"b":[11,0,1,1,0,0,0,0,0,0,0],"s":24000000000}}');
INSERT INTO "series" VALUES('session_seconds','["higress",""]','96225000');
INSERT INTO "series" VALUES('session_seconds','["higress","bot"]','0');
INSERT INTO "series" VALUES('session_seconds','["higress","team-a"]','12000');
INSERT INTO "series" VALUES('tool','["higress","Qwen3-rerank","get_weather"]','1');
INSERT INTO "series" VALUES('tool','["higress","Qwen3-rerank","search"]','1');
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
INSERT INTO "sources" VALUES('higress','{"lines":43,"bytes":28435,"records":43,"requests":29,"skipped":[8,0,1],"rejected":[1,1,2,0,1,0],"duplicates":0,"rotations":{},"lost_bytes":0,"last_record":1796083200000000}');
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
