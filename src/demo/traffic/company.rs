//! Who works at the made-up company: models, applications, people, and what goes wrong when.
//!
//! Plain tables. The figures are chosen to look like a mid-sized company's gateway; nothing here is measured.

use super::talk::Talks;
use crate::record::{CountingFamily, Micros};

/// A model behind the gateway, with how fast it answers.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// The name that the provider answers with.
    pub(super) name: &'static str,
    /// Last part of the upstream cluster, which is how the log names the provider.
    pub(super) provider: &'static str,
    pub(super) upstream_host: &'static str,
    pub(super) family: CountingFamily,
    /// The prefix of the ids of its answers.
    pub(super) chat_prefix: &'static str,
    /// Median time to the first token, in milliseconds.
    pub(super) first_token_ms: f64,
    /// Median output speed in tokens a second.
    pub(super) tokens_per_second: f64,
    /// Standard deviation of the logarithm of both: how long the tail is.
    pub(super) sigma: f64,
    /// Share of requests with reasoning, which it counts on its own.
    pub(super) reasoning: f64,
    /// Whether it caches prompts.
    pub(super) caches: bool,
    /// Share of requests that the provider refuses for going too fast.
    pub(super) rate_limited: f64,
    /// Share of requests that it fails or does not answer in time.
    pub(super) failed: f64,
}

/// When an application is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hours {
    /// People at work: 9 to 18 on working days, little else.
    Office,
    /// Customers: all day, more in the evening, weekends too.
    Customers,
    /// A batch job between 1:00 and 4:00.
    Night,
    /// The same at any time.
    Even,
}

/// A tool that an application offers to the model, with the arguments of one call as JSON text.
pub(super) type Tool = (&'static str, &'static str);

/// An application with its own key at the gateway.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) name: String,
    pub(super) route: &'static str,
    pub(super) path: &'static str,
    pub(super) user_agent: &'static str,
    /// Its share of the traffic in its busiest hour.
    pub(super) weight: f64,
    pub(super) hours: Hours,
    /// Models with the share of each, as indices into [`Company::models`].
    pub(super) models: Vec<(usize, f64)>,
    /// Share of requests that stream.
    pub(super) streams: f64,
    /// Mean number of turns of a session; 0 where it sends no session id.
    pub(super) turns: f64,
    /// Start of its session ids.
    pub(super) session_prefix: &'static str,
    /// Median pause between an answer and the next question, in seconds.
    pub(super) think_seconds: f64,
    /// Median tokens of the first question with its system prompt, and of each further one.
    pub(super) question_tokens: (f64, f64),
    /// Median tokens of an answer.
    pub(super) answer_tokens: f64,
    pub(super) tools: &'static [Tool],
    /// Share of answers that call a tool.
    pub(super) tool_share: f64,
    /// Whether people stand behind it; jobs have no user.
    pub(super) has_users: bool,
    /// Share of requests that carry a trace id.
    pub(super) traced: f64,
    /// What of its conversations is in the log.
    pub(super) talks: Talks,
    /// Sessions that never end, and how many; `None` where they do end.
    pub(super) endless_sessions: Option<usize>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// An upstream fails, times out or answers slowly; the index of nobody is affected by name, the provider is.
    Outage(&'static str),
    /// An application runs wild and is limited; its position in [`Company::consumers`].
    Storm(usize),
}

/// A trouble with its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incident {
    pub(super) from: Micros,
    pub(super) to: Micros,
    pub(super) trouble: Trouble,
}

/// Everything that the generator needs to know about who sends what where.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) models: Vec<Model>,
    pub(super) consumers: Vec<Consumer>,
    /// Number of people.
    pub(super) users: usize,
    pub(super) authority: &'static str,
    /// Whether the access log keeps to the gateway's default template; else it leaves out the keys that say least.
    pub(super) full_template: bool,
    /// Share of lines that are no model requests.
    pub(super) without_ai: f64,
    /// Share of lines whose user agent breaks the outer JSON.
    pub(super) broken: f64,
}

const MODEL: Model = Model {
    name: "",
    provider: "",
    upstream_host: "",
    family: CountingFamily::OpenAi,
    chat_prefix: "chatcmpl-",
    first_token_ms: 400.0,
    tokens_per_second: 60.0,
    sigma: 0.45,
    reasoning: 0.0,
    caches: true,
    rate_limited: 0.004,
    failed: 0.003,
};

fn models() -> Vec<Model> {
    vec![
        Model {
            name: "qwen-plus",
            provider: "aliyun",
            upstream_host: "39.96.213.166:443",
            first_token_ms: 380.0,
            tokens_per_second: 62.0,
            ..MODEL
        },
        Model {
            name: "qwen-turbo",
            provider: "aliyun",
            upstream_host: "39.96.213.166:443",
            first_token_ms: 210.0,
            tokens_per_second: 110.0,
            ..MODEL
        },
        Model {
            name: "qwen3-max",
            provider: "aliyun",
            upstream_host: "39.96.213.167:443",
            first_token_ms: 690.0,
            tokens_per_second: 41.0,
            sigma: 0.55,
            ..MODEL
        },
        Model {
            name: "deepseek-v4-flash",
            provider: "deepseek",
            upstream_host: "116.205.40.120:443",
            first_token_ms: 520.0,
            tokens_per_second: 70.0,
            sigma: 0.6,
            reasoning: 0.3,
            failed: 0.006,
            ..MODEL
        },
        Model {
            name: "gpt-5-mini",
            provider: "openai",
            upstream_host: "162.159.140.245:443",
            first_token_ms: 1_150.0,
            tokens_per_second: 95.0,
            sigma: 0.5,
            reasoning: 1.0,
            rate_limited: 0.009,
            ..MODEL
        },
        Model {
            name: "gpt-4o",
            provider: "openai",
            upstream_host: "162.159.140.245:443",
            first_token_ms: 560.0,
            tokens_per_second: 72.0,
            rate_limited: 0.008,
            ..MODEL
        },
        Model {
            name: "claude-sonnet-4-5-20250929",
            provider: "anthropic",
            upstream_host: "160.79.104.10:443",
            family: CountingFamily::Anthropic,
            chat_prefix: "msg_",
            first_token_ms: 930.0,
            tokens_per_second: 66.0,
            rate_limited: 0.012,
            ..MODEL
        },
        Model {
            name: "gemini-2.5-flash",
            provider: "google",
            upstream_host: "142.250.74.74:443",
            family: CountingFamily::Gemini,
            chat_prefix: "",
            first_token_ms: 610.0,
            tokens_per_second: 160.0,
            reasoning: 0.6,
            ..MODEL
        },
        Model {
            name: "GLM-5.2",
            provider: "zhipuai",
            upstream_host: "119.23.85.51:443",
            first_token_ms: 640.0,
            tokens_per_second: 48.0,
            sigma: 0.6,
            reasoning: 0.4,
            ..MODEL
        },
        // Nobody prices the company's own model: that is how unpriced requests look.
        Model {
            name: "acme-chat-32b",
            provider: "vllm",
            upstream_host: "10.20.4.11:8000",
            first_token_ms: 160.0,
            tokens_per_second: 38.0,
            caches: false,
            rate_limited: 0.0,
            failed: 0.004,
            ..MODEL
        },
    ]
}

const QWEN_PLUS: usize = 0;
const QWEN_TURBO: usize = 1;
const QWEN_MAX: usize = 2;
const DEEPSEEK: usize = 3;
const GPT_MINI: usize = 4;
const GPT_4O: usize = 5;
const CLAUDE: usize = 6;
const GEMINI: usize = 7;
const GLM: usize = 8;
const IN_HOUSE: usize = 9;

/// The position of the application that runs wild on the bad day.
pub(super) const WILD_CONSUMER: usize = 3;
/// The upstream that fails on the bad day.
pub(super) const FAILING_PROVIDER: &str = "aliyun";

fn consumer(name: &str, weight: f64, models: &[(usize, f64)]) -> Consumer {
    Consumer {
        name: name.to_owned(),
        route: "ai-route-chat.internal",
        path: "/v1/chat/completions",
        user_agent: "openai-python/1.61.0",
        weight,
        hours: Hours::Office,
        models: models.to_vec(),
        streams: 0.9,
        turns: 5.0,
        session_prefix: "sess_",
        think_seconds: 45.0,
        question_tokens: (420.0, 90.0),
        answer_tokens: 260.0,
        tools: &[],
        tool_share: 0.0,
        has_users: true,
        traced: 0.0,
        talks: Talks::Nothing,
        endless_sessions: None,
    }
}

fn consumers() -> Vec<Consumer> {
    vec![
        Consumer {
            talks: Talks::Chat,
            user_agent: "Mozilla/5.0 (X11; Linux x86_64) LobeChat/1.143.0",
            ..consumer(
                "chat-web",
                30.0,
                &[(QWEN_PLUS, 0.45), (GPT_4O, 0.2), (DEEPSEEK, 0.2), (QWEN_MAX, 0.1), (IN_HOUSE, 0.05)],
            )
        },
        Consumer {
            route: "ai-route-support.internal",
            user_agent: "okhttp/4.12.0",
            hours: Hours::Customers,
            turns: 3.5,
            session_prefix: "support-",
            question_tokens: (900.0, 60.0),
            answer_tokens: 140.0,
            tools: &[
                ("search_knowledge", r#"{"query":"refund after 14 days"}"#),
                ("get_order", r#"{"order_id":"A-20711"}"#),
                ("create_ticket", r#"{"priority":"normal","topic":"delivery"}"#),
            ],
            tool_share: 0.25,
            talks: Talks::Support,
            ..consumer("support-bot", 22.0, &[(QWEN_TURBO, 0.8), (QWEN_PLUS, 0.2)])
        },
        Consumer {
            route: "ai-route-code.internal",
            path: "/v1/messages",
            user_agent: "claude-cli/2.0.14 (external, cli)",
            streams: 1.0,
            turns: 14.0,
            session_prefix: "agent:main:code:",
            think_seconds: 6.0,
            question_tokens: (9_500.0, 850.0),
            answer_tokens: 310.0,
            tools: &[
                ("Read", r#"{"file_path":"/src/app.ts"}"#),
                ("Edit", r#"{"file_path":"/src/app.ts"}"#),
                ("Bash", r#"{"command":"npm test 2>&1 | tail -40"}"#),
                ("Grep", r#"{"pattern":"fn .*<T>"}"#),
            ],
            tool_share: 0.7,
            traced: 0.5,
            talks: Talks::Code,
            ..consumer("code-assistant", 14.0, &[(CLAUDE, 1.0)])
        },
        Consumer {
            route: "ai-route-sales.internal",
            user_agent: "sales-copilot/3.8 node/20",
            turns: 4.0,
            question_tokens: (1_600.0, 220.0),
            answer_tokens: 420.0,
            tools: &[("crm_lookup", r#"{"account":"Blue & Sons"}"#), ("draft_mail", r#"{"tone":"friendly"}"#)],
            tool_share: 0.3,
            traced: 0.2,
            ..consumer("sales-copilot", 9.0, &[(GPT_4O, 0.6), (GLM, 0.4)])
        },
        Consumer {
            route: "ai-route-search.internal",
            user_agent: "search-rag/0.9 python-httpx/0.28.1",
            streams: 0.15,
            turns: 0.0,
            question_tokens: (3_200.0, 0.0),
            answer_tokens: 180.0,
            traced: 1.0,
            ..consumer("search-rag", 9.0, &[(GPT_MINI, 1.0)])
        },
        Consumer {
            route: "ai-route-translate.internal",
            streams: 0.3,
            turns: 0.0,
            question_tokens: (520.0, 0.0),
            answer_tokens: 480.0,
            talks: Talks::Translate,
            ..consumer("translate", 7.0, &[(GEMINI, 1.0)])
        },
        Consumer {
            turns: 4.0,
            question_tokens: (1_100.0, 80.0),
            ..consumer("hr-helper", 4.0, &[(GLM, 0.7), (IN_HOUSE, 0.3)])
        },
        Consumer {
            route: "ai-route-legal.internal",
            streams: 0.2,
            turns: 2.5,
            think_seconds: 180.0,
            question_tokens: (21_000.0, 300.0),
            answer_tokens: 1_300.0,
            ..consumer("legal-review", 1.5, &[(QWEN_MAX, 0.6), (CLAUDE, 0.4)])
        },
        Consumer {
            route: "ai-route-batch.internal",
            user_agent: "nightly-report/2.1 Go-http-client/2.0",
            hours: Hours::Night,
            streams: 0.0,
            turns: 0.0,
            question_tokens: (6_800.0, 0.0),
            answer_tokens: 900.0,
            has_users: false,
            ..consumer("nightly-report", 14.0, &[(DEEPSEEK, 0.7), (QWEN_PLUS, 0.3)])
        },
        Consumer {
            route: "ai-route-monitor.internal",
            user_agent: "log-triage/0.4",
            hours: Hours::Even,
            streams: 0.0,
            turns: 0.0,
            question_tokens: (1_400.0, 0.0),
            answer_tokens: 60.0,
            has_users: false,
            ..consumer("log-triage", 1.2, &[(IN_HOUSE, 1.0)])
        },
    ]
}

impl Company {
    /// The company of the demo.
    pub(super) fn demo() -> Company {
        Company {
            models: models(),
            consumers: consumers(),
            users: 60,
            authority: "ai.acme.example",
            full_template: true,
            without_ai: 0.01,
            broken: 0.000_5,
        }
    }

    /// The benchmark's company, whose log has all messages of every conversation.
    pub(super) fn talking() -> Company {
        let mut company = Company::benchmark();
        company.consumers.iter_mut().for_each(|consumer| consumer.talks = Talks::Chat);
        company
    }

    /// The company of the benchmark: 5 models, 200 applications with 10 sessions each that go on all day, and an access
    /// log without the keys that say least, which brings a line to 0.9 kB.
    pub(super) fn benchmark() -> Company {
        let all = models();
        let models: Vec<Model> = [QWEN_PLUS, QWEN_TURBO, DEEPSEEK, GPT_4O, CLAUDE]
            .iter()
            .filter_map(|&index| all.get(index).cloned())
            .collect();
        let consumers = (0..200)
            .map(|number| Consumer {
                hours: Hours::Even,
                streams: 0.6,
                session_prefix: "s-",
                think_seconds: 20.0,
                user_agent: "openai-python/1.61.0",
                route: "ai-route-chat",
                endless_sessions: Some(10),
                has_users: false,
                ..consumer(&format!("app-{number:03}"), 1.0, &[(number % models.len(), 0.8), (0, 0.2)])
            })
            .collect();
        Company {
            models,
            consumers,
            users: 0,
            authority: "ai.acme.example",
            full_template: false,
            without_ai: 0.002,
            broken: 0.0,
        }
    }
}
