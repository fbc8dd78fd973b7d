//! What the made-up people say to the made-up models, in English and Chinese.
//!
//! Turns a seed into questions and answers out of a few tables. A conversation keeps its messages as the JSON that a client
//! sends again with every question. Nobody said any of this.

use super::line::{Call, push_json};
use crate::demo::random::Random;

/// What of its conversations an application logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talks {
    Nothing,
    /// The last question and its answer.
    Support,
    /// All messages, in OpenAI's form.
    Chat,
    /// All messages with calls of tools and their results, in Anthropic's form.
    Code,
    /// The one text that is to be translated.
    Translate,
}

/// Messages after which a conversation begins anew, as a client's window is full.
const MAX_MESSAGES: usize = 16;

struct Topic {
    questions: &'static [&'static str],
    sentences: &'static [&'static str],
    /// Put between the sentences of some answers.
    code: &'static str,
    reasoning: &'static str,
}

const SUPPORT: [(&str, &str); 6] = [
    ("Where is my order A-20711?", "It left our warehouse this morning and arrives tomorrow."),
    ("我的订单什么时候到？", "您的订单已发货，预计明天送达。"),
    ("Can I return shoes after 14 days & keep the receipt?", "Yes, within 30 days, with the receipt."),
    ("The page shows <error 502>, what now?", "Please reload the page; the payment was not charged."),
    ("怎么修改收货地址？手机号是13800138000", "请在订单详情里点击“修改地址”。"),
    ("Do you ship to Norway? Write to kari@example.org", "We do. Delivery takes 3 to 5 working days."),
];

/// `{n}` is a number, `{p}` a product, `{c}` a city.
const CHAT: [Topic; 6] = [
    Topic {
        questions: &[
            "Write a short announcement for {p}, which opens in {c} next month.",
            "Make it friendlier, and mention that the first {n} visitors get a discount.",
            "Now as a post of at most {n} words.",
            "Which questions will customers in {c} ask about {p}?",
        ],
        sentences: &[
            "Here is a draft that you can adapt to your own voice.",
            "**{p} comes to {c}.** From next month on you find us in the old market hall.",
            "We have kept the prices simple: one plan, {n} a month, and no small print.",
            "The first {n} visitors get a discount and a cup of coffee.",
            "If you like, I can add a version for the newsletter with a different opening.",
            "- who it is for\n- what it costs\n- how to reach the team",
            "Customers will want to know about delivery, returns and the warranty.",
        ],
        code: "",
        reasoning: "The user wants a short text. Keep the tone warm, name the place and the date, avoid superlatives.",
    },
    Topic {
        questions: &[
            "帮我写一封邮件，通知{c}的客户{p}将在下周升级。",
            "语气再正式一点，并说明停机时间大约{n}分钟。",
            "把它翻译成英文。",
            "如果客户询问数据会不会丢失，应该怎么回答？",
        ],
        sentences: &[
            "好的，下面是一份可以直接使用的草稿。",
            "尊敬的客户：为了给您提供更稳定的服务，我们计划于下周对{p}进行升级。",
            "升级期间系统将暂停约{n}分钟，已保存的数据不会受到影响。",
            "如有疑问，请联系您在{c}的客户经理，我们会尽快答复。",
            "建议提前三天发送，并在升级完成后再发一封确认邮件。",
            "1. 说明升级的原因\n2. 说明影响的范围\n3. 给出联系方式",
            "关于数据安全，可以说明每次升级之前都会做完整备份，并且可以随时回退。",
        ],
        code: "",
        reasoning: "用户需要一封正式的通知邮件，先说明目的，再说明时间和影响，最后给出联系方式。",
    },
    Topic {
        questions: &[
            "Why does my SQL query on the orders of {p} take {n} seconds?",
            "The table has {n} thousand rows and an index on `customer_id`. What else can I try?",
            "Show me the query with a window function instead.",
            "How do I explain this to a colleague in {c}?",
        ],
        sentences: &[
            "The filter on a function of the column keeps the database from using its index.",
            "Look at the plan first: `EXPLAIN` shows whether the rows are read one by one.",
            "An index on `(customer_id, created_at)` answers both the filter and the order.",
            "With {n} thousand rows the sort no longer fits into memory and goes to disk.",
            "A window function reads the table once where the correlated subquery reads it {n} times.",
            "Measure before and after, on a copy with as many rows as in production.",
        ],
        code: "\n```sql\nSELECT customer_id, total,\n       rank() OVER (PARTITION BY customer_id ORDER BY total DESC) AS place\nFROM orders\nWHERE created_at >= '2026-11-01' AND total > {n};\n```\n",
        reasoning: "Likely causes: a missing composite index, a function on the column, a sort that spills. Ask for the plan, then propose.",
    },
    Topic {
        questions: &[
            "用 Python 写一个函数，统计{c}门店每天的销售额。",
            "如果文件有{n}万行，怎样才能更快？",
            "请加上类型注解和单元测试。",
            "为什么结果比{p}的报表少{n}元？",
        ],
        sentences: &[
            "可以先按日期分组，再对金额求和，下面是一个简单的实现。",
            "金额建议使用 `Decimal`，避免浮点数的误差。",
            "文件比较大时可以逐块读取，内存占用会稳定在{n}兆左右。",
            "差额通常来自退款或者时区：报表按北京时间统计，而日志使用协调世界时。",
            "单元测试至少应该覆盖空文件、重复订单和跨天的情况。",
        ],
        code: "\n```python\nfrom collections import defaultdict\nfrom decimal import Decimal\n\ndef daily_sales(rows: list[dict]) -> dict[str, Decimal]:\n    sums: dict[str, Decimal] = defaultdict(Decimal)\n    for row in rows:\n        if row[\"store\"] == \"{c}\":\n            sums[row[\"day\"]] += Decimal(row[\"amount\"])\n    return dict(sums)\n```\n",
        reasoning: "先确认输入格式，再考虑精度和内存，最后补充测试。",
    },
    Topic {
        questions: &[
            "Plan a two day workshop in {c} for {n} people about {p}.",
            "What if half of them join remotely?",
            "Write the invitation. Answers go to events@example.com or +1 415 555 2671.",
            "Estimate the costs.",
        ],
        sentences: &[
            "Day one is for the basics: a short talk, then exercises in groups of four.",
            "Day two belongs to the participants' own cases; leave an hour for questions.",
            "For {n} people you need two rooms, and a third as a quiet corner.",
            "Remote participants need a host of their own and a shared document.",
            "| item | cost |\n|---|---|\n| rooms | {n}00 |\n| catering | {n}50 |\n| travel | {n}20 |",
            "In {c} the trains are reliable, so plan no more than fifteen minutes of reserve.",
        ],
        code: "",
        reasoning: "Group size, remote share and budget decide the format. Start with the agenda, costs last.",
    },
    Topic {
        questions: &[
            "请总结一下这份关于{p}的会议纪要，重点是{c}团队的任务。",
            "哪些任务在{n}号之前必须完成？",
            "给每个任务写一句话的说明。",
            "还有哪些风险没有讨论到？",
        ],
        sentences: &[
            "会议的结论是先在{c}试点，效果好再推广到其他城市。",
            "{p}的预算已经确认，剩余{n}万元用于培训。",
            "必须按时完成的任务有两项：接口联调和安全评估。",
            "风险主要在供应商：合同没有写明延期的责任。",
            "建议下周再开一次短会，由产品、研发和法务一起确认。",
        ],
        code: "",
        reasoning: "先列出结论，再列出任务和负责人，最后提示风险。",
    },
];

const CODE_QUESTIONS: [&str; 5] = [
    "The test `keeps order {n}` fails since the last merge. Find out why and fix it.",
    "Add a flag --limit with a default of {n} to the export command, with a test.",
    "把 {p} 模块里的错误信息改成中文，并保持测试通过。",
    "Rename `{p}` to `catalogue` everywhere, and update the documentation.",
    "Why does the build take {n} minutes? Make a profile and suggest two changes.",
];

const CODE_ANSWERS: [&str; 6] = [
    "I will look at the file first.",
    "The comparison is wrong: it sorts by text, so 10 comes before 9. I will parse the number and run the tests again.",
    "All {n} tests pass now. The change touches one function:\n```ts\nexport const byNumber = (a: Row, b: Row) => Number(a.n) - Number(b.n);\n```",
    "The flag is read in `app.ts`; I will add it there and pass it on.",
    "先看一下现有的实现，然后再修改并运行测试。",
    "Done. I left the old name as an alias for one release, since {p} is used by two other packages.",
];

const CODE_RESULTS: [&str; 3] = [
    "1\timport { rows } from './rows';\n2\t// keep the order of the file\n3\texport const sorted = rows.toSorted();\n4\tconst limit = {n};",
    " FAIL  src/app.test.ts > keeps order\n AssertionError: expected [ 1, 10, 9 ] to deeply equal [ 1, 9, 10 ]\n Tests  1 failed | {n} passed",
    "src/app.ts:{n}: export function sorted<T>(rows: T[])\nsrc/rows.ts:3: token = \"ghp_{n}abcdefghijklmnopqrst0123\"",
];

const CHAT_SYSTEM: &str = "You are the assistant of Acme's employees. Answer in the language of the question, briefly, and say so when you do not know.";
const CODE_SYSTEM: &str =
    "You are a careful engineer. Read before you change anything, keep changes small, and run the tests.";
const TRANSLATE_SYSTEM: &str =
    "Translate the text into Chinese, or into English where it is Chinese. Answer with the translation alone.";

const PRODUCTS: [&str; 6] = ["Aurora", "the tea house", "Bluebird CRM", "星图", "Harbour Pay", "云仓"];
const CITIES: [&str; 6] = ["Oslo", "杭州", "Lyon", "成都", "Porto", "深圳"];

/// A conversation so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    topic: usize,
    /// Messages as JSON.
    messages: Vec<String>,
}

/// One turn of it, as the log has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) system: &'static str,
    pub(super) question: String,
    pub(super) answer: String,
    pub(super) reasoning: String,
    /// Messages as JSON, where the log has them.
    pub(super) messages: Vec<String>,
}

impl Talk {
    /// What is said in the next turn, and whether the model thinks before it answers.
    pub(super) fn turn(&mut self, random: &mut Random, talks: Talks, thinks: bool) -> Option<Turn> {
        match talks {
            Talks::Nothing => None,
            Talks::Support => {
                let (question, answer) = random.pick(&SUPPORT).copied()?;
                Some(Turn { question: question.to_owned(), answer: answer.to_owned(), ..Turn::default() })
            }
            Talks::Chat => self.chat(random, thinks),
            Talks::Code => self.code(random),
            Talks::Translate => {
                let topic = random.pick(&CHAT)?;
                let (text, answer) = (sentences(random, topic, 4), sentences(random, topic, 4));
                let messages = vec![message("system", TRANSLATE_SYSTEM), message("user", &text)];
                Some(Turn { answer, messages, ..Turn::default() })
            }
        }
    }

    fn chat(&mut self, random: &mut Random, thinks: bool) -> Option<Turn> {
        if self.messages.len() >= MAX_MESSAGES || self.messages.is_empty() {
            self.topic = random.below(CHAT.len());
            self.messages = vec![message("system", CHAT_SYSTEM)];
        }
        let topic = CHAT.get(self.topic)?;
        let question = fill(random, topic.questions.get(self.messages.len() / 2 % topic.questions.len())?);
        self.messages.push(message("user", &question));
        let length = 2 + random.below(5);
        let mut answer = sentences(random, topic, length);
        if random.chance(0.5) {
            answer.push_str(&fill(random, topic.code));
        }
        let reasoning = if thinks { topic.reasoning.to_owned() } else { String::new() };
        Some(Turn { question, answer, reasoning, messages: self.messages.clone(), ..Turn::default() })
    }

    fn code(&mut self, random: &mut Random) -> Option<Turn> {
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.clear();
        }
        // A call before it is answered by its result.
        let question = if self.messages.is_empty() {
            let question = fill(random, random.clone().pick(&CODE_QUESTIONS)?);
            self.messages.push(message("user", &question));
            question
        } else {
            String::new()
        };
        let answer = fill(random, random.clone().pick(&CODE_ANSWERS)?);
        Some(Turn { system: CODE_SYSTEM, question, answer, messages: self.messages.clone(), ..Turn::default() })
    }

    /// Goes on with what was answered; a question that got no answer is asked again.
    pub(super) fn answered(&mut self, random: &mut Random, talks: Talks, answer: Option<&str>, calls: &[Call<'_>]) {
        match (talks, answer) {
            (Talks::Chat, Some(answer)) => self.messages.push(message("assistant", answer)),
            (Talks::Chat, None) => drop(self.messages.pop()),
            (Talks::Code, Some(answer)) => {
                let mut said = String::from(r#"{"content":["#);
                push_part(&mut said, "text", answer);
                for (name, arguments, id) in calls {
                    said.push_str(&format!(
                        r#",{{"id":"call_{id:012x}","input":{arguments},"name":"{name}","type":"tool_use"}}"#
                    ));
                }
                said.push_str(r#"],"role":"assistant"}"#);
                self.messages.push(said);
                let mut next = String::from(r#"{"content":["#);
                for (_, _, id) in calls {
                    let result = fill(random, random.clone().pick(&CODE_RESULTS).copied().unwrap_or_default());
                    next.push_str(r#"{"content":""#);
                    push_json(&mut next, &result);
                    next.push_str(&format!(r#"","tool_use_id":"call_{id:012x}","type":"tool_result"}},"#));
                }
                if calls.is_empty() {
                    push_part(
                        &mut next,
                        "text",
                        &fill(random, random.clone().pick(&CODE_QUESTIONS).copied().unwrap_or_default()),
                    );
                } else {
                    next.pop();
                }
                next.push_str(r#"],"role":"user"}"#);
                self.messages.push(next);
            }
            _ => {}
        }
    }
}

/// One part of a content.
fn push_part(out: &mut String, kind: &str, text: &str) {
    out.push_str(r#"{"text":""#);
    push_json(out, text);
    out.push_str(&format!(r#"","type":"{kind}"}}"#));
}

fn message(role: &str, text: &str) -> String {
    let mut out = String::from(r#"{"content":""#);
    push_json(&mut out, text);
    out.push_str(&format!(r#"","role":"{role}"}}"#));
    out
}

/// Some sentences of a topic, in their order from a random one on.
fn sentences(random: &mut Random, topic: &Topic, count: usize) -> String {
    let first = random.below(topic.sentences.len());
    let chosen = topic.sentences.iter().cycle().skip(first).take(count.min(topic.sentences.len()));
    let filled: Vec<String> = chosen.map(|sentence| fill(random, sentence)).collect();
    filled.join("\n")
}

/// A text with numbers, names and places in it.
fn fill(random: &mut Random, text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len() + 16), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let slot = from.get(..3).unwrap_or("");
        match slot {
            "{n}" => out.push_str(&random.between(3, 97).to_string()),
            "{p}" => out.push_str(random.pick(&PRODUCTS).copied().unwrap_or_default()),
            "{c}" => out.push_str(random.pick(&CITIES).copied().unwrap_or_default()),
            _ => out.push('{'),
        }
        rest = from.get(if matches!(slot, "{n}" | "{p}" | "{c}") { 3 } else { 1 }..).unwrap_or("");
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_conversation_sends_its_history_again_as_json() {
        let mut random = Random::new(1, 0);
        for talks in [Talks::Chat, Talks::Code] {
            let mut talk = Talk::default();
            let mut before = Vec::new();
            for _ in 0..40 {
                let turn = talk.turn(&mut random, talks, true).unwrap();
                assert!(!turn.answer.is_empty() && !turn.answer.contains("{n}"));
                for message in &turn.messages {
                    let message: Value = serde_json::from_str(message).unwrap();
                    assert!(message["role"].is_string() && !message["content"].is_null());
                }
                assert!(turn.messages.starts_with(&before) || turn.messages.len() < before.len());
                before.clone_from(&turn.messages);
                talk.answered(&mut random, talks, Some(&turn.answer), &[("Read", r#"{"file_path":"/a"}"#, 7)]);
            }
        }
        let mut talk = Talk::default();
        let first = talk.turn(&mut random, Talks::Chat, false).unwrap();
        talk.answered(&mut random, Talks::Chat, None, &[]);
        assert_eq!(talk.messages.len(), first.messages.len() - 1);
        assert!(Talk::default().turn(&mut random, Talks::Nothing, false).is_none());
    }
}
