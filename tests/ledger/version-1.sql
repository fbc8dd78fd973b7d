-- A ledger of version 1 with 14 requests, as the program that wrote that version left it.
PRAGMA application_id = 1953459060;
PRAGMA user_version = 1;
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
INSERT INTO "attributes" VALUES(1,X'84FC98679A83E243CFF20768A2711444','higress','ai-route-chat','openai','','app-193','llm-openai.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(2,X'0B22AEB2BCFE01A9C80B46E6E4DB026C','higress','ai-route-chat','deepseek','deepseek-v4-flash','app-132','llm-deepseek.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(3,X'C21B4708C95108D8F530E984F6081100','higress','ai-route-chat','deepseek','deepseek-v4-flash','app-197','llm-deepseek.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(4,X'706C4BEFC8B8AAF1AF3C383337D7D001','higress','ai-route-chat','anthropic','claude-sonnet-4-5-20250929','app-149','llm-anthropic.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(5,X'1B336A78DC9ED3FB4CA90241FB32E259','higress','ai-route-chat','dashscope','qwen-turbo','app-146','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(6,X'9CBFC3399981EB9C55DD7540FAB10379','higress','ai-route-chat','deepseek','deepseek-v4-flash','app-012','llm-deepseek.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(7,X'B62B96FB243820732E726A1B38551B46','higress','ai-route-chat','dashscope','qwen-turbo','app-101','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(8,X'1CEA330CD3981B3BAA2D30DF39612AAF','higress','ai-route-chat','dashscope','qwen-plus','app-179','llm-aliyun.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(9,X'DE7A44C6DFE56FB4ED2A833B1571A206','higress','ai-route-chat','anthropic','claude-sonnet-4-5-20250929','app-029','llm-anthropic.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(10,X'C90D5605344CC4CF3C2D668DBBD1AF86','higress','ai-route-chat','openai','gpt-4o','app-038','llm-openai.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(11,X'9D837159DBD4D466BDD9E199BAE677B2','higress','ai-route-chat','dashscope','qwen-turbo','app-041','llm-aliyun.internal.dns',2,0,'[]');
INSERT INTO "attributes" VALUES(12,X'2AC89A9BE091FAFDEBDB0B7D9C4C5C89','higress','ai-route-chat','anthropic','claude-sonnet-4-5-20250929','app-179','llm-anthropic.internal.dns',1,0,'[]');
INSERT INTO "attributes" VALUES(13,X'BD7CB3701A0A6D61EAB0EA73A5DEDD0F','higress','','openai','gpt-4o','app','llm-openai.internal.dns',0,0,'[]');
INSERT INTO "attributes" VALUES(14,X'391703EAD7621F14F050BA2563DBB0F7','higress','','','nobody-prices-this','','',0,0,'[]');
CREATE TABLE blocks (
    block       INTEGER PRIMARY KEY,
    rows        INTEGER NOT NULL,
    first_start INTEGER NOT NULL,
    last_start  INTEGER NOT NULL
) STRICT;
INSERT INTO "blocks" VALUES(0,14,1794873600053000,1794873610000000);
CREATE TABLE configurations (
    id       INTEGER PRIMARY KEY,
    accepted INTEGER NOT NULL,
    content  TEXT NOT NULL
) STRICT;
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('folded',14);
INSERT INTO "facts" VALUES('rollup_seconds',3600);
CREATE TABLE files (
    file     INTEGER PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;
CREATE TABLE names (
    id    INTEGER PRIMARY KEY,
    kind  INTEGER NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
) STRICT;
INSERT INTO "names" VALUES(1,2,'s-687a177e7341');
INSERT INTO "names" VALUES(2,2,'s-82a581c9449f');
INSERT INTO "names" VALUES(3,4,'USD');
INSERT INTO "names" VALUES(4,2,'s-65d2fe27b947');
INSERT INTO "names" VALUES(5,2,'s-5abcdf663a6e');
INSERT INTO "names" VALUES(6,2,'s-afd2b42d6af7');
INSERT INTO "names" VALUES(7,2,'s-d9f9abdec9be');
INSERT INTO "names" VALUES(8,2,'s-88669a02f94e');
INSERT INTO "names" VALUES(9,2,'s-eeff4898749e');
INSERT INTO "names" VALUES(10,2,'s-10f0871082ec');
INSERT INTO "names" VALUES(11,2,'s-521fbbaaee4b');
INSERT INTO "names" VALUES(12,2,'s-164c1556c371');
INSERT INTO "names" VALUES(13,2,'s-e52701e28473');
INSERT INTO "names" VALUES(14,1,'164e262fdbea726a02758d6318bd0dd5');
INSERT INTO "names" VALUES(15,2,'s');
INSERT INTO "names" VALUES(16,3,'["search"]');
CREATE TABLE price_rows (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    row        TEXT NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT;
INSERT INTO "price_rows" VALUES(3,'9f85a1ec69b7fc9abb97a95886055637','{"provider":"anthropic","model":"claude-sonnet-4-5","match":{"prefix":["claude-sonnet-4-5","claude-sonnet-4.5"]},"currency":"USD","input":"3","cache_read":"0.3","cache_write_5m":"3.75","cache_write_1h":"6","output":"15","tiers":[{"above":200000,"input":"6","cache_read":"0.6","cache_write_5m":"7.5","cache_write_1h":"12","output":"22.5"}],"batch":{"input":"1.5","output":"7.5"},"note":"1-hour writes above the threshold are not in the data sets: twice the input price, as below it and as the provider states for all its models","source":"builtin"}',1795239169623677);
INSERT INTO "price_rows" VALUES(18,'ae691bb44310c3db4e585aa4feb00d7a','{"provider":"openai","model":"gpt-4o","match":{"equals":["gpt-4o","gpt-4o-2024-08-06","gpt-4o-2024-11-20"]},"currency":"USD","input":"2.5","cache_read":"1.25","output":"10","batch":{"input":"1.25","output":"5"},"priority":{"input":"4.25","output":"17"},"source":"builtin"}',1795239169623677);
INSERT INTO "price_rows" VALUES(65,'40e2d161f9997396587f43ffdcf63912','{"provider":"deepseek","model":"deepseek-v4-flash","match":{"prefix":["deepseek-v4-flash"]},"currency":"USD","input":"0.15","cache_read":"0.003","output":"0.6","windows":[{"hours":["Mon-Fri 01:00-04:00","Mon-Fri 06:00-10:00"],"input":"0.3","cache_read":"0.006","output":"1.2"}],"valid_from":"2026-09-10","note":"the two data sets agree on the prices; genai-prices has the peak on every day, LiteLLM from Monday to Friday, which is the finer account of the providers list; earlier prices are in neither data set: requests before that day are unpriced","source":"builtin"}',1795239169623677);
INSERT INTO "price_rows" VALUES(68,'fda4bbbf87fea12a6c80bbd968d748e2','{"provider":"dashscope","model":"qwen-plus","match":{"equals":["qwen-plus"]},"currency":"USD","input":"0.4","output":"1.2","note":"the international (Singapore) list in USD; an account of mainland China is billed in CNY by another list: add rows of your own","source":"builtin"}',1795239169623677);
INSERT INTO "price_rows" VALUES(70,'6f3eba7fc1785e164c3f04587dfdd79d','{"provider":"dashscope","model":"qwen-turbo","match":{"equals":["qwen-turbo"]},"currency":"USD","input":"0.05","output":"0.2","reasoning":"0.5","note":"the international (Singapore) list in USD; an account of mainland China is billed in CNY by another list: add rows of your own","source":"builtin"}',1795239169623677);
CREATE TABLE requests (
    id              INTEGER PRIMARY KEY,
    start           INTEGER NOT NULL,
    duration        INTEGER,
    first_token     INTEGER,
    attributes      INTEGER NOT NULL,
    user            INTEGER NOT NULL,
    session         INTEGER NOT NULL,
    tools           INTEGER NOT NULL,
    chat_round      INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    flags           INTEGER NOT NULL,
    uncached_input  INTEGER NOT NULL,
    cache_read      INTEGER NOT NULL,
    cache_write_5m  INTEGER NOT NULL,
    cache_write_1h  INTEGER NOT NULL,
    visible_output  INTEGER NOT NULL,
    reasoning       INTEGER NOT NULL,
    currency        INTEGER NOT NULL,
    cost            INTEGER,
    savings         INTEGER NOT NULL,
    logged_currency INTEGER NOT NULL,
    logged_cost     INTEGER,
    price_row       INTEGER NOT NULL,
    key             BLOB NOT NULL,
    request_id      ANY,
    trace_id        BLOB
) STRICT;
INSERT INTO "requests" VALUES(1,1794873601403000,188000,NULL,1,0,1,0,1,0,5,0,0,0,0,0,0,0,NULL,0,0,NULL,0,X'5BE3C01F8E2C2FD531828415EA39AD83',X'44D1E272A2D34D02B0EF49AD5906956A',NULL);
INSERT INTO "requests" VALUES(2,1794873600195000,1460000,NULL,2,0,2,0,1,200,32,665,0,0,0,69,0,3,141150,0,0,NULL,65,X'D7E7011145F82617BA454F0735086B9E',X'E9E861BFABE3456F84BFE4FCD3E5E74A',NULL);
INSERT INTO "requests" VALUES(3,1794873600480000,1338000,NULL,3,0,4,0,1,200,32,319,0,0,0,84,0,3,98250,0,0,NULL,65,X'2E7394C34AA5C28ED49DA8B3F1645885',X'310BA17B55964E59A97AD76413B9DC7C',NULL);
INSERT INTO "requests" VALUES(4,1794873600053000,1965000,606000,4,0,5,0,1,200,1056,360,0,0,0,127,0,3,2985000,0,0,NULL,3,X'B75295227D342C77185C4CD104CD9B06',X'546F5B811BDC4450A1312C4A0180BCD6',NULL);
INSERT INTO "requests" VALUES(5,1794873600884000,1442000,NULL,5,0,6,0,1,200,32,224,0,0,0,216,0,3,54400,0,0,NULL,70,X'A885D458DC6C8BD7A66A79BFA467C54E',X'8444DE473DEE4E599E004AD3634FDE17',NULL);
INSERT INTO "requests" VALUES(6,1794873602364000,1881000,586000,6,0,7,0,1,200,32,676,0,0,0,62,0,3,138600,0,0,NULL,65,X'7AE81404B94B3AFBC8D7C6157D3F3578',X'C9AE4E23429544DDB77A8B9AC3932AF4',NULL);
INSERT INTO "requests" VALUES(7,1794873602479000,2078000,188000,7,0,8,0,1,200,32,713,0,0,0,198,0,3,75250,0,0,NULL,70,X'9E4DB47B66D36032EB9C4E327618D330',X'338943FD043940EB83A1857F04DB722D',NULL);
INSERT INTO "requests" VALUES(8,1794873601035000,3526000,NULL,8,0,9,0,1,200,32,296,0,0,0,160,0,3,310400,0,0,NULL,68,X'2729C70A4E68BCE525E90D36C2E6D133',X'5879E6F836314BC6914366C31D16F314',NULL);
INSERT INTO "requests" VALUES(9,1794873601769000,2805000,734000,9,0,10,0,1,200,1056,735,0,0,0,227,0,3,5610000,0,0,NULL,3,X'F5F099E945FAB919A667DD4EC13274BC',X'20EE85A23526439DB0C290B35B39650F',NULL);
INSERT INTO "requests" VALUES(10,1794873601560000,3541000,318000,10,0,11,0,1,200,1056,163,0,0,0,197,0,3,2377500,0,0,NULL,18,X'CEC2EEEA0EA41CE641A1B57881F96359',X'D799FA1D7F2745C0BE2E109C39BBFAA3',NULL);
INSERT INTO "requests" VALUES(11,1794873601670000,3816000,127000,11,0,12,0,1,200,32,677,0,0,0,439,0,3,121650,0,0,NULL,70,X'36254312AD706179A03029E90419CE1E',X'731B69BB59BC4BAC9F55DDD17EA616C6',NULL);
INSERT INTO "requests" VALUES(12,1794873602765000,2911000,NULL,12,0,13,0,1,200,1056,384,0,0,0,199,0,3,4137000,0,0,NULL,3,X'DCE91BFA6FB2E595E01D5307C600350A',X'636A17C40D2D46779F40C7D3F11B6244',NULL);
INSERT INTO "requests" VALUES(13,1794873609000000,10000,NULL,13,14,15,16,0,200,1056,5,0,0,0,6,0,3,72500,0,0,NULL,18,X'EB5D826D6CF9966EC658AB24D5D3B708','not-a-uuid',X'0000000000000000463AC35C9F6413AD');
INSERT INTO "requests" VALUES(14,1794873610000000,10000,NULL,14,0,0,0,0,200,96,5,0,0,0,6,0,0,NULL,0,0,NULL,0,X'CF9EC5305ACD8696701EFA8584840D8D',NULL,NULL);
CREATE TABLE rollups (
    bucket     INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors_rate_limited INTEGER NOT NULL, errors_client INTEGER NOT NULL, errors_upstream INTEGER NOT NULL, errors_timeout INTEGER NOT NULL, errors_disconnect INTEGER NOT NULL, errors_gateway INTEGER NOT NULL, usage_missing INTEGER NOT NULL, unpriced_requests INTEGER NOT NULL, unpriced_tokens INTEGER NOT NULL, uncached_input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, visible_output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, savings INTEGER NOT NULL, assumed_requests INTEGER NOT NULL, assumed_cost INTEGER NOT NULL, duration_count INTEGER NOT NULL, duration_sum INTEGER NOT NULL, first_token_count INTEGER NOT NULL, first_token_sum INTEGER NOT NULL,
    PRIMARY KEY (bucket, attributes, currency)
) STRICT, WITHOUT ROWID;
INSERT INTO "rollups" VALUES(1794873600,1,0,1,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "rollups" VALUES(1794873600,2,3,1,0,0,0,0,0,0,0,0,0,665,0,0,0,69,0,141150,0,0,0,1,1460000,0,0);
INSERT INTO "rollups" VALUES(1794873600,3,3,1,0,0,0,0,0,0,0,0,0,319,0,0,0,84,0,98250,0,0,0,1,1338000,0,0);
INSERT INTO "rollups" VALUES(1794873600,4,3,1,0,0,0,0,0,0,0,0,0,360,0,0,0,127,0,2985000,0,1,2985000,1,1965000,1,606000);
INSERT INTO "rollups" VALUES(1794873600,5,3,1,0,0,0,0,0,0,0,0,0,224,0,0,0,216,0,54400,0,0,0,1,1442000,0,0);
INSERT INTO "rollups" VALUES(1794873600,6,3,1,0,0,0,0,0,0,0,0,0,676,0,0,0,62,0,138600,0,0,0,1,1881000,1,586000);
INSERT INTO "rollups" VALUES(1794873600,7,3,1,0,0,0,0,0,0,0,0,0,713,0,0,0,198,0,75250,0,0,0,1,2078000,1,188000);
INSERT INTO "rollups" VALUES(1794873600,8,3,1,0,0,0,0,0,0,0,0,0,296,0,0,0,160,0,310400,0,0,0,1,3526000,0,0);
INSERT INTO "rollups" VALUES(1794873600,9,3,1,0,0,0,0,0,0,0,0,0,735,0,0,0,227,0,5610000,0,1,5610000,1,2805000,1,734000);
INSERT INTO "rollups" VALUES(1794873600,10,3,1,0,0,0,0,0,0,0,0,0,163,0,0,0,197,0,2377500,0,1,2377500,1,3541000,1,318000);
INSERT INTO "rollups" VALUES(1794873600,11,3,1,0,0,0,0,0,0,0,0,0,677,0,0,0,439,0,121650,0,0,0,1,3816000,1,127000);
INSERT INTO "rollups" VALUES(1794873600,12,3,1,0,0,0,0,0,0,0,0,0,384,0,0,0,199,0,4137000,0,1,4137000,1,2911000,0,0);
INSERT INTO "rollups" VALUES(1794873600,13,3,1,0,0,0,0,0,0,0,0,0,5,0,0,0,6,0,72500,0,1,72500,1,10000,0,0);
INSERT INTO "rollups" VALUES(1794873600,14,0,1,0,0,0,0,0,0,0,1,11,5,0,0,0,6,0,0,0,0,0,1,10000,0,0);
CREATE TABLE series (
    family TEXT NOT NULL,
    labels TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (family, labels)
) STRICT, WITHOUT ROWID;
INSERT INTO "series" VALUES('bounds','[]','{"duration":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"first_token":[0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.0,1.5,2.5,5.0,10.0,20.0,40.0,80.0,160.0,320.0,600.0],"per_token":[0.001,0.0025,0.005,0.01,0.02,0.04,0.08,0.16,0.32,0.64,1.25,2.5],"commits":[0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1.0,2.5,5.0],"dimension_labels":[]}');
INSERT INTO "series" VALUES('model','["higress","","","nobody-prices-this"]','{"duration":{"b":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":10000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","","openai","gpt-4o"]','{"duration":{"b":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":10000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","anthropic","claude-sonnet-4-5-20250929"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,1,2,0,0,0,0,0,0,0,0],"s":7681000000},"first_token":{"b":[0,0,0,0,0,0,1,1,0,0,0,0,0,0,0,0,0,0,0],"s":1340000000},"per_token":{"b":[0,0,0,1,1,0,0,0,0,0,0,0,0],"s":19949430},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","dashscope","qwen-plus"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0],"s":3526000000},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","dashscope","qwen-turbo"]','{"duration":{"b":[0,0,0,0,0,0,0,0,1,1,1,0,0,0,0,0,0,0,0],"s":7336000000},"first_token":{"b":[0,0,0,0,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":315000000},"per_token":{"b":[0,0,0,2,0,0,0,0,0,0,0,0,0],"s":18016282},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","deepseek","deepseek-v4-flash"]','{"duration":{"b":[0,0,0,0,0,0,0,0,2,1,0,0,0,0,0,0,0,0,0],"s":4679000000},"first_token":{"b":[0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0],"s":586000000},"per_token":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0],"s":21229508},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","openai",""]','{"duration":{"b":[],"s":0},"first_token":{"b":[],"s":0},"per_token":{"b":[],"s":0},"usage_missing":0}');
INSERT INTO "series" VALUES('model','["higress","ai-route-chat","openai","gpt-4o"]','{"duration":{"b":[0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0],"s":3541000000},"first_token":{"b":[0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0],"s":318000000},"per_token":{"b":[0,0,0,0,1,0,0,0,0,0,0,0,0],"s":16443877},"usage_missing":0}');
INSERT INTO "series" VALUES('own','[]','{"commits":{"b":[1,1,0,0,0,0,0,0,0,0,0,0,0,0],"s":908421},"commit_failures":0,"clock_steps":0,"folded":{}}');
INSERT INTO "series" VALUES('price','["higress","","nobody-prices-this"]','{"unpriced_requests":1,"unpriced_tokens":11,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","anthropic","claude-sonnet-4-5-20250929"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","qwen-plus"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","dashscope","qwen-turbo"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","deepseek","deepseek-v4-flash"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('price','["higress","openai",""]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{}}');
INSERT INTO "series" VALUES('price','["higress","openai","gpt-4o"]','{"unpriced_requests":0,"unpriced_tokens":0,"savings":{"USD":"0"}}');
INSERT INTO "series" VALUES('request','[["higress","","","nobody-prices-this",""],[]]','{"codes":{"200":1},"errors":{},"input":5,"output":6,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","","openai","gpt-4o","app"],[]]','{"codes":{"200":1},"errors":{},"input":5,"output":6,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"72500"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","anthropic","claude-sonnet-4-5-20250929","app-029"],[]]','{"codes":{"200":1},"errors":{},"input":735,"output":227,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"5610000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","anthropic","claude-sonnet-4-5-20250929","app-149"],[]]','{"codes":{"200":1},"errors":{},"input":360,"output":127,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"2985000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","anthropic","claude-sonnet-4-5-20250929","app-179"],[]]','{"codes":{"200":1},"errors":{},"input":384,"output":199,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"4137000"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","dashscope","qwen-plus","app-179"],[]]','{"codes":{"200":1},"errors":{},"input":296,"output":160,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"310400"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","dashscope","qwen-turbo","app-041"],[]]','{"codes":{"200":1},"errors":{},"input":677,"output":439,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"121650"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","dashscope","qwen-turbo","app-101"],[]]','{"codes":{"200":1},"errors":{},"input":713,"output":198,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"75250"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","dashscope","qwen-turbo","app-146"],[]]','{"codes":{"200":1},"errors":{},"input":224,"output":216,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"54400"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","deepseek","deepseek-v4-flash","app-012"],[]]','{"codes":{"200":1},"errors":{},"input":676,"output":62,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"138600"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","deepseek","deepseek-v4-flash","app-132"],[]]','{"codes":{"200":1},"errors":{},"input":665,"output":69,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"141150"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","deepseek","deepseek-v4-flash","app-197"],[]]','{"codes":{"200":1},"errors":{},"input":319,"output":84,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"98250"}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","openai","","app-193"],[]]','{"codes":{"0":1},"errors":{"4":1},"input":0,"output":0,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{}}');
INSERT INTO "series" VALUES('request','[["higress","ai-route-chat","openai","gpt-4o","app-038"],[]]','{"codes":{"200":1},"errors":{},"input":163,"output":197,"cache_read":0,"cache_write":0,"reasoning":0,"cost":{"USD":"2377500"}}');
INSERT INTO "series" VALUES('tool','["higress","gpt-4o","search"]','1');
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    counts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "sources" VALUES('higress','{"lines":14,"bytes":11481,"records":14,"requests":14,"skipped":[0,0,0],"rejected":[0,0,0,0,0,0],"duplicates":0,"rotations":{},"lost_bytes":0,"last_record":1794873610000000}');
COMMIT;
