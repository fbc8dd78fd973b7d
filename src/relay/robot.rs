//! A message becomes a request to a robot, and the robot's answer a verdict.
//!
//! Robots answer 200 whatever they think of a message: the error is a number in the body. Deliberately does no IO.

use serde_json::{Value, json};

use super::config::Kind;
use super::message::Message;
use super::sign;
use crate::record::Micros;
use crate::wording::shortened;

/// What gets into a robot.
#[derive(Clone)]
pub(super) struct Access {
    /// Its address with its key.
    pub(super) url: String,
    /// What requests are signed with.
    pub(super) secret: Option<String>,
}

/// What a robot made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the group.
    Accepted,
    /// It is not, for too many came: `code: text` of the robot.
    Throttled(String),
    /// It is not: `code: text` of the robot.
    Refused(String),
}

/// Shortest part of an address that is taken for a secret.
const MIN_SECRET: usize = 8;

impl Access {
    /// The address and body of a request, signed at `now`.
    pub(super) fn request(&self, kind: Kind, message: &Message, now: Micros) -> (String, Vec<u8>) {
        let (millis, seconds) = (now.div_euclid(1_000), now.div_euclid(1_000_000));
        let mut url = self.url.clone();
        let Message { title, text, gravity, mobiles } = message;
        let mut body = match kind {
            Kind::DingTalk => json!({
                "msgtype": "markdown",
                "markdown": {"title": title, "text": text},
                "at": {"atMobiles": mobiles, "isAtAll": false},
            }),
            Kind::WeCom => json!({"msgtype": "markdown", "markdown": {"content": text}}),
            Kind::Feishu => json!({
                "msg_type": "interactive",
                "card": {
                    "config": {"wide_screen_mode": true},
                    "header": {"title": {"tag": "plain_text", "content": title}, "template": colour(*gravity)},
                    "elements": [{"tag": "markdown", "content": text}],
                },
            }),
        };
        match (kind, &self.secret) {
            (Kind::DingTalk, Some(secret)) => {
                let joint = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{joint}timestamp={millis}&sign={}", sign::dingtalk(secret, millis));
            }
            (Kind::Feishu, Some(secret)) => {
                if let Some(body) = body.as_object_mut() {
                    body.insert("timestamp".to_owned(), seconds.to_string().into());
                    body.insert("sign".to_owned(), sign::feishu(secret, seconds).into());
                }
            }
            _ => {}
        }
        (url, body.to_string().into_bytes())
    }

    /// The text without anything that gets into the robot: some repeat the request in what they answer.
    pub(super) fn scrub(&self, text: &str) -> String {
        let parts = self.url.split(['/', '?', '&', '=', '#']).skip(3).chain(self.secret.as_deref());
        let mut scrubbed = text.to_owned();
        for part in parts.filter(|part| part.len() >= MIN_SECRET) {
            scrubbed = scrubbed.replace(part, "…");
        }
        scrubbed
    }
}

/// The names of Feishu's header colours.
fn colour(gravity: Option<u8>) -> &'static str {
    match gravity {
        None => "green",
        Some(3..) => "red",
        Some(2) => "orange",
        Some(_) => "blue",
    }
}

/// Codes of a robot that got too many messages: DingTalk's 130101 and 660026, WeCom's 45009, Feishu's 9499 and 11232.
fn is_throttle(kind: Kind, code: i64) -> bool {
    match kind {
        Kind::DingTalk => matches!(code, 130_101 | 660_026),
        Kind::WeCom => code == 45_009,
        Kind::Feishu => matches!(code, 9_499 | 11_232),
    }
}

/// Reads a robot's answer.
pub(super) fn verdict(kind: Kind, status: u16, body: &[u8]) -> Verdict {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let field = |names: [&str; 2]| names.iter().find_map(|name| answer.as_ref()?.get(name));
    let (code, text) = match kind {
        Kind::DingTalk | Kind::WeCom => (field(["errcode", "errcode"]), field(["errmsg", "errmsg"])),
        // The second ones are of the first version of its interface, which still answers.
        Kind::Feishu => (field(["code", "StatusCode"]), field(["msg", "StatusMessage"])),
    };
    let code = code.and_then(Value::as_i64);
    let text = shortened_more(text.and_then(Value::as_str).unwrap_or_default());
    let is_success = (200..300).contains(&status);
    match code {
        Some(code) if is_throttle(kind, code) => Verdict::Throttled(format!("{code}: {text}")),
        _ if status == 429 => Verdict::Throttled("HTTP status 429".to_owned()),
        Some(0) if is_success => Verdict::Accepted,
        Some(code) if code != 0 => Verdict::Refused(format!("{code}: {text}")),
        _ if is_success => Verdict::Refused("an answer without a code, as another service would give it".to_owned()),
        _ => Verdict::Refused(format!("HTTP status {status}")),
    }
}

/// Up to four times what a message repeats of a stranger's text: remedies stand at the end of a robot's texts.
fn shortened_more(text: &str) -> String {
    let chars: Vec<char> = text.chars().take(240).collect();
    chars.chunks(60).map(|chunk| shortened(&chunk.iter().collect::<String>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message { title: "t".to_owned(), text: "x\"警".to_owned(), gravity: Some(3), mobiles: vec!["138".to_owned()] }
    }

    #[test]
    fn each_robot_gets_its_own_body_and_signature() {
        let access =
            |url: &str, secret: Option<&str>| Access { url: url.to_owned(), secret: secret.map(str::to_owned) };
        let now = 1_793_491_200_004_000;
        let secret = Some("SEC3a5f0c7e9b1d");
        let request = |kind, access: Access| {
            let (url, body) = access.request(kind, &message(), now);
            (url, String::from_utf8(body).expect("UTF-8"))
        };
        let (url, body) = request(Kind::DingTalk, access("https://o/robot/send?access_token=t", secret));
        assert_eq!(
            url,
            "https://o/robot/send?access_token=t&timestamp=1793491200004&sign=6wp226Jn2nh435D0%2B79yV7tUv9CiAH%2B70x%2FNptgpi3k%3D"
        );
        assert_eq!(
            body,
            r#"{"at":{"atMobiles":["138"],"isAtAll":false},"markdown":{"text":"x\"警","title":"t"},"msgtype":"markdown"}"#
        );
        let (url, body) = request(Kind::WeCom, access("https://q/send?key=k", secret));
        assert_eq!(
            (url.as_str(), body.as_str()),
            ("https://q/send?key=k", r#"{"markdown":{"content":"x\"警"},"msgtype":"markdown"}"#)
        );
        let (url, body) = request(Kind::Feishu, access("https://f/hook/k", secret));
        assert_eq!(url, "https://f/hook/k");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["timestamp"], "1793491200");
        assert_eq!(body["sign"], "Fv08vqDHsWxMakfUF5MFz0/RxQOw7ctXyTgpV+df4+k=");
        assert_eq!(body["card"]["header"], json!({"title": {"tag": "plain_text", "content": "t"}, "template": "red"}));
        assert_eq!(body["card"]["elements"], json!([{"tag": "markdown", "content": "x\"警"}]));
        let (url, body) = request(Kind::DingTalk, access("https://o/x", None));
        assert!(url == "https://o/x" && !body.contains("sign"));
    }

    #[test]
    fn the_code_in_the_body_decides() {
        use Verdict::{Accepted, Refused, Throttled};
        let refused = |text: &str| Refused(text.to_owned());
        let throttled = |text: &str| Throttled(text.to_owned());
        for (kind, status, body, want) in [
            (Kind::DingTalk, 200, r#"{"errcode":0,"errmsg":"ok"}"#, Accepted),
            (Kind::DingTalk, 200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, refused("310000: sign not match")),
            (Kind::DingTalk, 200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, throttled("130101: send too fast")),
            (Kind::DingTalk, 200, r#"{"errcode":660026,"errmsg":"x"}"#, throttled("660026: x")),
            (
                Kind::DingTalk,
                200,
                r#"{"code":0}"#,
                refused("an answer without a code, as another service would give it"),
            ),
            (Kind::DingTalk, 200, "<html>", refused("an answer without a code, as another service would give it")),
            (Kind::DingTalk, 500, r#"{"errcode":0}"#, refused("HTTP status 500")),
            (Kind::DingTalk, 302, "", refused("HTTP status 302")),
            (Kind::WeCom, 200, r#"{"errcode":0,"errmsg":"ok"}"#, Accepted),
            (Kind::WeCom, 200, r#"{"errcode":93000,"errmsg":"invalid\nurl"}"#, refused("93000: invalid\\nurl")),
            (
                Kind::WeCom,
                200,
                r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
                throttled("45009: api freq out of limit"),
            ),
            (Kind::Feishu, 200, r#"{"code":0,"msg":"success"}"#, Accepted),
            (Kind::Feishu, 200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, Accepted),
            (Kind::Feishu, 200, r#"{"code":19021,"msg":"sign match fail"}"#, refused("19021: sign match fail")),
            (Kind::Feishu, 400, r#"{"code":9499,"msg":"too many request"}"#, throttled("9499: too many request")),
            (Kind::Feishu, 200, r#"{"code":11232,"msg":"limited"}"#, throttled("11232: limited")),
            (Kind::Feishu, 429, "", throttled("HTTP status 429")),
        ] {
            assert_eq!(verdict(kind, status, body.as_bytes()), want, "{kind:?} {status} {body}");
        }
    }

    #[test]
    fn what_gets_into_a_robot_is_scrubbed() {
        let access = Access {
            url: "https://open.feishu.cn/open-apis/bot/v2/hook/0123-4567?access_token=abcdefgh".to_owned(),
            secret: Some("SECabcdef".to_owned()),
        };
        let text = "no hook 0123-4567 at open.feishu.cn with abcdefgh, SECabcdef";
        assert_eq!(access.scrub(text), "no hook … at open.feishu.cn with …, …");
    }
}
