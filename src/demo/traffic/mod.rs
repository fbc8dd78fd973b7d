//! Access-log lines of a made-up company, the same for the same seed.
//!
//! Turns a seed and a span of time into Higress lines in the order in which a gateway would write them: each when its
//! request ends. [`Traffic`] is a finished history, [`Live`] goes on from now. Writes no file and reads no clock.
//!
//! Reading order: `company` (who), `calendar` (when), `request` (what happened), `talk` (what was said), `line` (how the log
//! says it).

mod calendar;
mod company;
mod line;
mod request;
mod talk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::random::{Random, whole};
use crate::record::Micros;
use calendar::{DAY, MINUTE, SECOND, bad_day, weights};
use company::{Company, Incident, Trouble};
use request::Generator;

/// One line of an access log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// When it is written: the end of its request.
    pub at: Micros,
    /// The line, without a newline.
    pub text: String,
}

/// Length of the slots in which the traffic is even.
const SLOT: Micros = 5 * MINUTE;
/// The purposes that a seed is used for.
const REQUESTS: u64 = 1;
const ARRIVALS: u64 = 2;
const LIVE_REQUESTS: u64 = 3;
const LIVE_ARRIVALS: u64 = 4;
const TALK: u64 = 5;
const LIVE_TALK: u64 = 6;
/// Days before the end of a history from which on the log has what was said: the gateway was told to only then.
const TALKING_DAYS: i64 = 3;

/// How long before the end of a history there is no less traffic than on average, so that sessions end soon after it even on a
/// quiet night.
const LIVELY: Micros = 60 * MINUTE;

/// 2026-11-18T00:00:00Z, a Wednesday.
const BENCHMARK_END: Micros = 1_794_960_000 * SECOND;

/// Chooses an index by weight; `draw` is in `[0, 1)`.
fn choose(weights: &[f64], total: f64, draw: f64) -> usize {
    let mut left = draw * total;
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    0
}

/// A finished history: as many lines as were asked for, in the order of writing, the last at or before the end.
pub struct Traffic {
    generator: Generator,
    random: Random,
    from: Micros,
    /// Weight of all slots before each, and the whole at the end.
    cumulated: Vec<f64>,
    /// The slot of the next arrival, and the weights of the applications in it.
    slot: usize,
    weights: Vec<f64>,
    weight: f64,
    lines: u32,
    arrived: u32,
    next: Option<Micros>,
    pending: BinaryHeap<Reverse<Line>>,
}

impl Traffic {
    /// The company's last `days` days before `end`, in `lines` lines (at most 2^32 - 1). About 9 days before the end is
    /// a bad day: an upstream is out for 40 minutes, and an application runs into its limit for 25. A few lines of ten
    /// thousand are broken by their user agent, as Envoy breaks them.
    #[must_use]
    pub fn new(seed: u64, end: Micros, days: u32, lines: usize) -> Traffic {
        let mut traffic = Traffic::of(Company::demo(), seed, (end, LIVELY), days, lines, bad_day(end, days));
        traffic.generator.talks_from = end - TALKING_DAYS * DAY;
        traffic
    }

    /// The benchmark's day: 5 models, 200 consumers with 10 sessions each, 0.9 kB a line on average. Its access log leaves
    /// out the keys of the default template that say least.
    #[must_use]
    pub fn benchmark(seed: u64, lines: usize) -> Traffic {
        Traffic::of(Company::benchmark(), seed, (BENCHMARK_END, 0), 1, lines, Vec::new())
    }

    /// The benchmark's day with all that was said: each request brings the messages of its conversation so far, up to 16.
    #[must_use]
    pub fn benchmark_with_content(seed: u64, lines: usize) -> Traffic {
        Traffic::of(Company::talking(), seed, (BENCHMARK_END, 0), 1, lines, Vec::new())
    }

    fn of(
        company: Company,
        seed: u64,
        (end, lively): (Micros, Micros),
        days: u32,
        lines: usize,
        incidents: Vec<Incident>,
    ) -> Traffic {
        let from = end - i64::from(days.max(1)) * DAY;
        let mut slot_weights = Vec::new();
        let mut total = 0.0;
        let mut cumulated = vec![total];
        let mut at = from;
        while at < end {
            let mean = total / f64::from(u32::try_from(cumulated.len()).unwrap_or(u32::MAX));
            let least = if end - at <= lively { mean } else { 0.0 };
            // The company is growing: the first day has 85 % of the last day's traffic.
            let age = f64::from(i32::try_from((end - at) / MINUTE).unwrap_or(0));
            let growth = 1.0 - 0.15 * age / f64::from(days.max(1) * 1_440);
            total += (weights(&company.consumers, &incidents, at, &mut slot_weights) * growth).max(least);
            cumulated.push(total);
            at += SLOT;
        }
        let mut traffic = Traffic {
            generator: Generator::new(
                company,
                incidents,
                [REQUESTS, TALK].map(|purpose| Random::new(seed, purpose)),
                end,
            ),
            random: Random::new(seed, ARRIVALS),
            from,
            cumulated,
            slot: usize::MAX,
            weights: Vec::new(),
            weight: 0.0,
            lines: u32::try_from(lines).unwrap_or(u32::MAX),
            arrived: 0,
            next: None,
            pending: BinaryHeap::new(),
        };
        traffic.next = traffic.arrival();
        traffic
    }

    /// The start of the next request: one arrival in each of `lines` equal parts of the whole weight.
    fn arrival(&mut self) -> Option<Micros> {
        if self.arrived >= self.lines {
            return None;
        }
        let total = self.cumulated.last().copied().unwrap_or(0.0);
        let target = (f64::from(self.arrived) + self.random.unit()) / f64::from(self.lines) * total;
        self.arrived += 1;
        let slot = self.cumulated.partition_point(|&before| before <= target).saturating_sub(1);
        let before = self.cumulated.get(slot).copied().unwrap_or(0.0);
        let after = self.cumulated.get(slot + 1).copied().unwrap_or(total);
        let start = self.from + i64::try_from(slot).unwrap_or(0) * SLOT;
        if slot != self.slot {
            self.slot = slot;
            self.weight =
                weights(&self.generator.company.consumers, &self.generator.incidents, start, &mut self.weights);
        }
        let within = if after > before { (target - before) / (after - before) } else { 0.0 };
        Some(start + micros(within * 300.0))
    }

    /// Makes the request that starts at `start` and decides on the next.
    fn admit(&mut self, start: Micros) {
        let consumer = choose(&self.weights, self.weight, self.random.unit());
        self.pending.extend(self.generator.request(start, consumer).map(Reverse));
        self.next = self.arrival();
    }
}

impl Iterator for Traffic {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        // A line is due once no request that is yet to start can end before it.
        while let Some(start) = self.next {
            if self.pending.peek().is_some_and(|Reverse(line)| line.at <= start) {
                break;
            }
            self.admit(start);
        }
        self.pending.pop().map(|Reverse(line)| line)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let to_come = self.lines - self.arrived + u32::from(self.next.is_some());
        let left = usize::try_from(to_come).unwrap_or(usize::MAX) + self.pending.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Traffic {}

/// Traffic that goes on from the first time it is asked: about 2 lines a second, fewer at night, with one upstream in
/// trouble for a minute or two every half an hour.
pub struct Live {
    generator: Generator,
    random: Random,
    weights: Vec<f64>,
    /// Weight of the busiest hour.
    peak: f64,
    /// The start of the next request; `None` before the first call.
    next: Option<Micros>,
    next_trouble: Micros,
    pending: BinaryHeap<Reverse<Line>>,
}

/// Requests a second in the busiest hour.
const LIVE_RATE: f64 = 2.6;
/// Share of that rate that is there at any hour, so that something always happens.
const LIVE_FLOOR: f64 = 0.6;
/// The least share of the live requests that each application has, so that none is missing for minutes at its quiet hours.
const LEAST_SHARE: f64 = 0.04;
/// How long before the first call the traffic begins, so that slow answers are under way at once.
const WARM_UP: Micros = 2 * MINUTE;
/// The longest pause that is made up for; after a longer one (a laptop that slept) the traffic starts anew.
const LONGEST_GAP: Micros = 10 * MINUTE;
/// Mean minutes between two troubles.
const TROUBLE_EVERY: f64 = 30.0;

impl Live {
    /// Traffic that has nothing in common with a [`Traffic`] of the same seed but the company.
    #[must_use]
    pub fn new(seed: u64) -> Live {
        let company = Company::demo();
        let mut scratch = Vec::new();
        let hours = (0..168).map(|hour| weights(&company.consumers, &[], hour * 60 * MINUTE, &mut scratch));
        let peak = hours.fold(f64::MIN_POSITIVE, f64::max);
        Live {
            generator: Generator::new(
                company,
                Vec::new(),
                [LIVE_REQUESTS, LIVE_TALK].map(|purpose| Random::new(seed, purpose)),
                Micros::MAX,
            ),
            random: Random::new(seed, LIVE_ARRIVALS),
            weights: Vec::new(),
            peak,
            next: None,
            next_trouble: 0,
            pending: BinaryHeap::new(),
        }
    }

    /// The lines that were written after the last call and until `now`, in order. The first call gives none, and so
    /// does one after a pause of more than 10 minutes; a time that goes back gives none either.
    pub fn due(&mut self, now: Micros) -> Vec<Line> {
        let fresh = self.next.is_none_or(|next| now - next > LONGEST_GAP);
        if fresh {
            self.pending.clear();
            self.next = Some(now - WARM_UP);
            self.next_trouble = now + 3 * MINUTE;
        }
        while let Some(start) = self.next.filter(|&start| start <= now) {
            self.admit(start);
        }
        let mut due = Vec::new();
        while self.pending.peek().is_some_and(|Reverse(line)| line.at <= now) {
            due.extend(self.pending.pop().map(|Reverse(line)| line));
        }
        if fresh {
            due.clear();
        }
        due
    }

    fn admit(&mut self, start: Micros) {
        self.generator.incidents.retain(|incident| incident.to > start);
        if start >= self.next_trouble {
            self.begin_trouble(start);
        }
        let weight = weights(&self.generator.company.consumers, &[], start, &mut self.weights);
        for share in &mut self.weights {
            *share = share.max(weight * LEAST_SHARE);
        }
        let consumer = choose(&self.weights, self.weights.iter().sum(), self.random.unit());
        self.pending.extend(self.generator.request(start, consumer).map(Reverse));
        let rate = LIVE_RATE * (LIVE_FLOOR + (1.0 - LIVE_FLOOR) * weight / self.peak);
        // At least a microsecond: the traffic always gets on.
        self.next = Some(start + micros(self.random.exponential(1.0 / rate)).max(1));
    }

    fn begin_trouble(&mut self, start: Micros) {
        if let Some(model) = self.random.pick(&self.generator.company.models) {
            let to = start + micros(45.0 + 90.0 * self.random.unit());
            self.generator.incidents.push(Incident { from: start, to, trouble: Trouble::Outage(model.provider) });
        }
        self.next_trouble = start + micros(60.0 * self.random.exponential(TROUBLE_EVERY)) + MINUTE;
    }
}

/// Seconds to microseconds.
fn micros(seconds: f64) -> Micros {
    i64::try_from(whole(seconds * 1e6)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Map, Value};

    use super::*;

    /// 2026-11-20T00:00:00Z.
    const END: Micros = 1_795_132_800 * SECOND;

    fn outer(line: &Line) -> Option<Map<String, Value>> {
        serde_json::from_str(&line.text).ok()
    }

    fn inner(outer: &Map<String, Value>) -> Option<Map<String, Value>> {
        match outer["ai_log"].as_str().unwrap() {
            "-" => None,
            text => Some(serde_json::from_str(text).unwrap()),
        }
    }

    fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
        map[key].as_str().unwrap()
    }

    #[test]
    fn every_application_asks_within_minutes_of_live_traffic_at_any_hour() {
        for hour in (0..168).step_by(5) {
            let (mut live, now) = (Live::new(7), END + hour * 60 * MINUTE);
            live.due(now);
            let lines = live.due(now + 5 * MINUTE);
            let who: BTreeSet<_> =
                lines.iter().filter_map(|line| Some(text(&inner(&outer(line)?)?, "consumer").to_owned())).collect();
            assert_eq!(who.len(), 10, "{hour} hours on: {who:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_lines_and_another_seed_others() {
        let lines = |seed| Traffic::new(seed, END, 30, 2_000).collect::<Vec<_>>();
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
    }

    #[test]
    fn a_history_has_the_lines_asked_for_in_the_order_of_writing_and_ends_at_its_end() {
        for (days, count) in [(30, 5_000), (1, 500), (0, 10), (30, 0), (3, 1)] {
            let mut traffic = Traffic::new(3, END, days, count);
            assert_eq!(traffic.len(), count);
            let first: Vec<_> = traffic.by_ref().take(2).collect();
            assert_eq!(traffic.len(), count - first.len());
            let lines: Vec<_> = first.into_iter().chain(traffic).collect();
            assert_eq!(lines.len(), count);
            assert!(lines.is_sorted_by_key(|line| line.at));
            assert!(lines.iter().all(|line| line.at <= END && line.at > END - 31 * DAY));
        }
        for quiet in [END, END + 3 * DAY + 16 * 60 * MINUTE] {
            let late = Traffic::new(3, quiet, 30, 60_000).filter(|line| quiet - line.at < 60 * MINUTE).count();
            assert!(late > 60_000 / 30 / 24 * 3 / 4, "{late} lines of the last hour");
        }
    }

    #[test]
    fn every_line_is_json_except_the_few_that_are_broken_on_purpose() {
        let lines: Vec<_> = Traffic::new(5, END, 30, 20_000).collect();
        let (mut broken, mut without_ai) = (0, 0);
        for line in &lines {
            assert!(!line.text.contains('\n'));
            let Some(outer) = outer(line) else {
                broken += 1;
                assert!(line.text.contains(r#"weird"agent"#) || line.text.contains(r"C:\Tools"), "{}", line.text);
                continue;
            };
            assert_eq!(outer.len(), 26);
            let start: jiff::Timestamp = text(&outer, "start_time").parse().unwrap();
            let duration: i64 = text(&outer, "duration").parse().unwrap();
            assert_eq!(start.as_microsecond() + duration * 1_000, line.at);
            match inner(&outer) {
                Some(ai_log) => assert!(text(&ai_log, "consumer").len() > 3),
                None => without_ai += 1,
            }
        }
        assert!((2..40).contains(&broken), "{broken}");
        assert!((100..320).contains(&without_ai), "{without_ai}");
    }

    #[test]
    fn a_month_looks_like_a_company_s() {
        let mut models = BTreeSet::new();
        let mut users = BTreeSet::new();
        let mut consumers = BTreeSet::new();
        let mut answers = BTreeMap::new();
        let mut rounds = 0;
        let (mut weekend, mut tools, mut traced) = (0, 0, 0);
        let total = 20_000;
        for line in Traffic::new(11, END, 30, total) {
            let Some(outer) = outer(&line) else { continue };
            let Some(ai_log) = inner(&outer) else { continue };
            let key = format!("{} {}", text(&outer, "response_code"), text(&outer, "response_flags"));
            *answers.entry(key).or_insert(0) += 1;
            consumers.insert(text(&ai_log, "consumer").to_owned());
            models.extend(ai_log.get("model").map(|model| model.as_str().unwrap().to_owned()));
            users.extend(ai_log.get("user_id").map(|user| user.as_str().unwrap().to_owned()));
            rounds = rounds.max(ai_log.get("chat_round").and_then(Value::as_u64).unwrap_or(0));
            tools += u32::from(ai_log.contains_key("tool_calls"));
            traced += u32::from(text(&outer, "trace_id").len() == 32);
            let local_day = (line.at + 8 * 60 * MINUTE).div_euclid(DAY);
            weekend += u32::from((local_day + 3).rem_euclid(7) >= 5);
        }
        assert_eq!((models.len(), consumers.len()), (10, 10));
        assert!((40..=60).contains(&users.len()), "{}", users.len());
        assert!(rounds > 20 && tools > 500 && traced > 500, "{rounds} {tools} {traced}");
        assert!((1_000..4_000).contains(&weekend), "{weekend}");
        let share = |key: &str| f64::from(*answers.get(key).unwrap_or(&0)) / 20_000.0;
        for (key, low, high) in [
            ("200 -", 0.93, 0.985),
            ("429 -", 0.005, 0.03),
            ("400 -", 0.002, 0.006),
            ("503 UF", 0.001, 0.006),
            ("503 UH", 0.000_4, 0.004),
            ("504 UT", 0.000_7, 0.004),
            ("0 DC", 0.001, 0.004),
            ("200 DC", 0.002, 0.01),
            ("404 NR", 0.000_1, 0.001_5),
        ] {
            assert!((low..high).contains(&share(key)), "{key}: {}", share(key));
        }
    }

    #[test]
    fn conversations_grow_and_the_cache_with_them() {
        let mut longest: BTreeMap<String, Vec<(u64, u64, u64)>> = BTreeMap::new();
        for line in Traffic::new(2, END, 5, 8_000) {
            let Some(ai_log) = outer(&line).as_ref().and_then(inner) else { continue };
            let number = |value: Option<&Value>| value.and_then(Value::as_u64);
            let (Some(session), Some(read)) = (
                ai_log.get("session_id").and_then(Value::as_str),
                number(ai_log.get("input_token_details").and_then(|details| details.get("cache_read_input_tokens"))),
            ) else {
                continue;
            };
            let wrote = number(ai_log["input_token_details"].get("cache_creation_input_tokens")).unwrap();
            let input = number(ai_log.get("input_token")).unwrap() + read + wrote;
            let round = number(ai_log.get("chat_round")).unwrap();
            longest.entry(session.to_owned()).or_default().push((round, input, read));
        }
        let turns = longest.values().max_by_key(|turns| turns.len()).unwrap();
        assert!(turns.len() > 10);
        assert!(turns.is_sorted_by(|before, after| before.0 < after.0));
        let (first, last) = (turns.first().unwrap(), turns.last().unwrap());
        assert!(last.1 > first.1 && first.2 == 0);
        assert!(turns.iter().filter(|(_, input, read)| read * 2 > *input).count() * 3 > turns.len());
    }

    #[test]
    fn the_bad_day_shows_an_outage_and_a_storm() {
        let mut by_day: BTreeMap<Micros, (u32, u32)> = BTreeMap::new();
        for line in Traffic::new(4, END, 30, 30_000) {
            let day = by_day.entry(line.at.div_euclid(DAY)).or_default();
            day.0 += u32::from(line.text.contains(r#""response_code":"503""#));
            day.1 += u32::from(line.text.contains("via_wasm::ai-token-ratelimit"));
        }
        let worst = by_day.iter().max_by_key(|(_, (failed, _))| *failed).unwrap();
        let back = END.div_euclid(DAY) - worst.0;
        assert!((7..=11).contains(&back), "{back}");
        let others = |pick: fn(&(u32, u32)) -> u32| {
            by_day.iter().filter(|(day, _)| *day != worst.0).map(|(_, counts)| pick(counts)).max().unwrap()
        };
        assert!(worst.1.0 > 2 * others(|c| c.0) && worst.1.1 > 2 * others(|c| c.1), "{by_day:?}");
    }

    #[test]
    fn a_benchmark_line_is_nine_tenths_of_a_kilobyte_on_average() {
        let count = 20_000;
        let mut bytes = 0;
        let (mut models, mut sessions, mut consumers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for line in Traffic::benchmark(1, count) {
            bytes += line.text.len() + 1;
            let Some(ai_log) = inner(&outer(&line).unwrap()) else { continue };
            models.extend(ai_log.get("model").map(Value::to_string));
            sessions.extend(ai_log.get("session_id").map(Value::to_string));
            consumers.extend(ai_log.get("consumer").map(Value::to_string));
        }
        let average = bytes / count;
        assert!((850..=950).contains(&average), "{average}");
        assert_eq!((models.len(), sessions.len(), consumers.len()), (5, 2_000, 200));
    }

    #[test]
    fn live_traffic_gives_each_line_once_and_depends_on_no_step() {
        let run = |step: Micros| {
            let mut live = Live::new(9);
            assert_eq!(live.due(END), []);
            let mut lines = Vec::new();
            for call in 1..=(20 * MINUTE / step) {
                let now = END + call * step;
                let due = live.due(now);
                assert!(due.iter().all(|line| line.at <= now && line.at > now - step));
                lines.extend(due);
            }
            lines
        };
        let lines = run(SECOND);
        assert_eq!(lines, run(5 * SECOND));
        assert!(lines.is_sorted_by_key(|line| line.at));
        assert!((20 * 60..20 * 60 * 4).contains(&lines.len()), "{}", lines.len());
    }

    #[test]
    fn live_traffic_starts_anew_after_a_long_sleep_and_stands_still_while_time_goes_back() {
        let mut live = Live::new(9);
        live.due(END);
        assert!(!live.due(END + MINUTE).is_empty());
        assert_eq!(live.due(END - MINUTE), []);
        assert_eq!(live.due(END + DAY), []);
        assert!(live.due(END + DAY + MINUTE).len() < 400);
    }
}
