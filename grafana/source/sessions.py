"""Sessions and use: how many, how long, whose, and at what hours."""

from board import Board
from panels import GREEN, GROUND, NEUTRAL, PLAIN, bars, heatmap, link, override, query, stat, steps, table, timeseries
from queries import gauge, increase, indent, or_zero, quantile, rest, selector, top

STARTED, ENDED, REOPENED = (f"tokentail_sessions_{what}_total" for what in ("started", "ended", "reopened"))
DURATION, TURNS, SECONDS = "tokentail_session_duration_seconds", "tokentail_session_turns", "tokentail_session_seconds_total"
REQUESTS = "tokentail_requests_total"
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def by_hour():
    """Requests by weekday and hour of the day: each hour's requests with both as labels, summed over the time range."""
    # The hour that ended at each moment began 30 min before its middle.
    at = "vector(time() - 1800 + 3600 * $utc_offset)"
    labels = f'count_values("hour", hour({at})) * on () group_left (day) count_values("day", day_of_week({at}))'
    return f"sum_over_time((\n  {labels}\n  * on () group_left ()\n  {increase(REQUESTS, window='1h')}\n)[$__range:1h])"


def shades():
    """From nothing to full orange by the share of the busiest hour, in steps that double: quiet hours are to be told apart too."""
    shares = (0.5, 1, 2, 5, 10, 20, 50, 80)
    parts = [(None, "transparent"), *((share, f"rgba(255, 120, 10, {(index + 1) / len(shares)})") for index, share in enumerate(shares))]
    return {**steps(*parts), "mode": "percentage"}


def heat_of_hours():
    """A table whose columns are the hours and whose rows are the days."""
    corner = "day\\hour"
    names = {str(number): {"index": number, "text": day} for number, day in enumerate(DAYS)}
    made = table("Requests by hour of the day", "When people and jobs use the models, over the last seven days and in UTC; Hours from "
                 "UTC moves it into your time zone.", {}, [("Requests", by_hour(), {})], height=10, time_from="7d", decimals=0,
                 thresholds=shades(), overrides=[
                     override(corner, mappings=[{"type": "value", "options": names}], **{"custom__displayMode": "auto"}, displayName="Day"),
                 ])
    defaults = made["fieldConfig"]["defaults"]
    defaults["custom"]["displayMode"] = "color-background"
    defaults["custom"]["align"] = "center"
    made["fieldConfig"]["overrides"] = [entry for entry in made["fieldConfig"]["overrides"] if entry["matcher"]["options"] != "Requests"]
    columns = [corner, *(str(hour) for hour in range(24))]
    made["transformations"] = [
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"desc": False, "field": "day"}]}},
        {"id": "groupingToMatrix", "options": {"columnField": "hour", "rowField": "day", "valueField": "Value"}},
        {"id": "organize", "options": {"excludeByName": {}, "indexByName": {name: index for index, name in enumerate(columns)},
                                       "renameByName": {}}},
    ]
    return made


def build():
    board = Board("tokentail-sessions", "tokentail / Sessions and use", "Sessions as the ledger joins them, and who uses the models "
                  "when. A single session is a click away, on tokentail's own page and as a trace.", page="/sessions", traces=True)
    to_page = [link("Sessions", "/sessions")]
    board.row("", [
        stat("Open now", "Sessions that are open now.", query(or_zero(gauge("tokentail_sessions_open"))), unit="locale", decimals=0, width=4,
             spark=True, thresholds=NEUTRAL, links=[link("Open sessions", "/sessions?open=true")]),
        stat("Started", "Parts of sessions that began in the time range.", query(or_zero(increase(STARTED))), unit="locale", decimals=0,
             width=4, thresholds=NEUTRAL, links=to_page),
        stat("Median duration", "First start to last end of the parts that closed in the time range.",
             query(quantile(0.5, DURATION, function="increase", window="$__range") + " >= 0"), unit="s", decimals=1, width=4,
             thresholds=NEUTRAL, empty="none closed", links=[link("Longest sessions", "/sessions?sort=duration")]),
        stat("Mean turns", "Requests of the parts that closed in the time range.",
             query(f"{increase(TURNS + '_sum')}\n/\n({increase(TURNS + '_count')} > 0)"), unit="short", decimals=1, width=4,
             thresholds=NEUTRAL, empty="none closed", links=[link("Sessions with the most turns", "/sessions?sort=turns")]),
        stat("Time of use", "Duration of the parts of sessions that closed in the time range, all together.",
             query(or_zero(increase(SECONDS))), unit="s", decimals=1, width=4, thresholds=NEUTRAL, links=[link("Use", "/usage")]),
        stat("Reopened", "Closed parts that a late request opened again in the time range. Many of them mean that the idle timeout is "
             "short.", query(or_zero(increase(REOPENED))), unit="locale", decimals=0, width=4, thresholds=PLAIN),
    ])
    board.row("Sessions", [
        timeseries("Open", "Sessions that are open, by gateway.", query(gauge("tokentail_sessions_open", by=("gateway",)), "{{gateway}}"),
                   unit="short", width=8, links=[link("Open sessions", "/sessions?open=true")]),
        timeseries("Started and ended", "Parts of sessions per hour, over the hour before each moment.",
                   [query(or_zero(increase(STARTED, window="1h")), "started"),
                    query(or_zero(increase(ENDED, by=("reason",), window="1h"), without=increase(ENDED), reason="none"), "ended, {{reason}}")],
                   unit="short", width=8),
        timeseries("Duration and turns, P50 and P95", "Quantiles of the parts that closed in the hour before each moment; turns on the "
                   "right.",
                   [query(quantile(q, DURATION, function="increase", window="1h"), f"duration P{int(q * 100)}") for q in (0.5, 0.95)]
                   + [query(quantile(q, TURNS, function="increase", window="1h"), f"turns P{int(q * 100)}") for q in (0.5, 0.95)],
                   unit="s", width=8, overrides=[override("/^turns/", unit="short", custom__axisPlacement="right",
                                                          custom__lineStyle={"fill": "dash", "dash": [6, 4]}, decimals=0)]),
        heatmap("Duration of sessions", "How long the parts were that closed at each moment.",
                f"sum by (le) (increase({selector(DURATION + '_bucket')}[$__rate_interval]))", unit="s"),
        heatmap("Turns of sessions", "How many turns the parts had that closed at each moment.",
                f"sum by (le) (increase({selector(TURNS + '_bucket')}[$__rate_interval]))", unit="short"),
    ])
    used, ranked = increase(SECONDS, by=("consumer",), window="1h"), increase(SECONDS, by=("consumer",))
    requests, ranked_requests = increase(REQUESTS, by=("consumer",), window="1h"), increase(REQUESTS, by=("consumer",))
    to_consumer = [link("Sessions of ${__field.labels.consumer}", "/sessions?consumer=${__field.labels.consumer:percentencode}")]
    board.row("Use", [
        timeseries("Time of use by consumer", "Duration of the sessions that closed in the hour before each moment, for the consumers "
                   "with the most of the time range and the sum of the others.",
                   [query(top(used, ranked, "consumer"), "{{consumer}}"), query(rest(used, ranked, "consumer"), "other")],
                   unit="s", stacked=True, calcs=("mean", "max"), place="right", height=9, links=to_consumer),
        timeseries("Requests by consumer", "Requests of the hour before each moment, for the consumers with the most of the time range and "
                   "the sum of the others.",
                   [query(top(requests, ranked_requests, "consumer"), "{{consumer}}"),
                    query(rest(requests, ranked_requests, "consumer"), "other")],
                   unit="short", stacked=True, calcs=("mean", "max"), place="right", height=9, links=to_consumer),
        heat_of_hours(),
        table("Consumers", "Each consumer over the time range. A name leads to its sessions.", {"consumer": "Consumer"},
              [("Time of use", ranked + " > 0", {"unit": "s", "decimals": 1}),
               ("Requests", ranked_requests + " > 0", {"decimals": 0}),
               ("Input tokens", increase("tokentail_input_tokens_total", by=("consumer",)) + " > 0", {"decimals": 0}),
               ("Output tokens", increase("tokentail_output_tokens_total", by=("consumer",)) + " > 0", {"decimals": 0}),
               ("Errors", increase("tokentail_request_errors_total", by=("consumer",)), {"decimals": 0})],
              sort="Requests", height=9, empty="no request",
              more_links={"consumer": link("Sessions", "/sessions?consumer=${__value.raw:percentencode}")}),
    ])
    return board
