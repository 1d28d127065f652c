"""What a line of the log looks like, whatever was logged."""

from __future__ import annotations

import contextvars
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from imagegenservice import logs, spans
from imagegenservice.logs import MAX_VALUE, JsonFormatter, short

KEY = "a-key-that-is-secret"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOSTILE = 'a\r\nb\x1b[31m\x00"}\u2028\u202e%s${jndi:ldap://x}\ud800'


def written(message: object = "it happened", *args: object, **extra: object) -> tuple[str, dict[str, Any]]:
    """The line as text, and as a reader of JSON sees it."""
    return written_by(JsonFormatter("", [KEY]), message, *args, **extra)


def written_by(
    formatter: JsonFormatter,
    message: object,
    *args: object,
    error: BaseException | None = None,
    **extra: object,
) -> tuple[str, dict[str, Any]]:
    trouble = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("some.logger", logging.WARNING, "file.py", 1, message, args, trouble)
    vars(record).update(extra)
    line = formatter.format(record)
    return line, json.loads(line)


def raised(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except BaseException as exc:  # noqa: BLE001 - any will do
        return exc
    raise AssertionError("nothing was raised")


def test_a_line_has_severity_time_logger_and_message() -> None:
    _, entry = written("hello %s", "world")
    assert (entry["severity"], entry["logger"], entry["message"]) == ("WARNING", "some.logger", "hello world")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    assert set(entry) == {"severity", "time", "logger", "message"}


def test_hostile_text_stays_on_one_line_and_inside_its_value() -> None:
    line, entry = written(HOSTILE, name_of_field=HOSTILE)
    assert line.isascii()
    assert line.isprintable()
    assert entry["name_of_field"] == HOSTILE
    assert entry["severity"] == "WARNING"


def test_hostile_arguments_are_not_read_as_formats() -> None:
    assert written("%s", "%s %d %(x)s")[1]["message"] == "%s %d %(x)s"
    assert written("%d", "no number")[1]["message"] == "%d"


def test_long_values_are_cut_wherever_they_stand() -> None:
    line, entry = written(
        "m" * 1_000_000, a="v" * 1_000_000, b=["w" * 1000] * 1000, c={"k" * 1000: "x" * 1000}
    )
    assert entry["message"] == "m" * MAX_VALUE + "…"
    assert entry["a"] == "v" * MAX_VALUE + "…"
    assert len(entry["b"]) == 32
    assert len(line) < 12_000


def test_values_of_every_kind_become_plain_json() -> None:
    _, entry = written(a=1, b=1.5, c=None, d=True, e=float("nan"), f=10**400, g=b"\xff\x00", h=(1, "x"))
    assert (entry["a"], entry["b"], entry["c"], entry["d"]) == (1, 1.5, None, True)
    assert entry["e"] == "nan"
    assert entry["f"].startswith("1000")
    assert entry["g"] == "2 bytes"
    assert entry["h"] == [1, "x"]


def test_what_cannot_be_written_does_not_cost_the_line() -> None:
    class Nameless:
        def __str__(self) -> str:
            raise RuntimeError

    endless: list[object] = []
    endless.append(endless)
    _, entry = written("kept", a=Nameless(), b=endless)
    assert (entry["message"], entry["a"]) == ("kept", "a Nameless")


def test_what_an_event_brings_along_cannot_pose_as_our_own_fields() -> None:
    _, entry = written("real", severity="DEBUG", time="never", logger="root")
    assert (entry["severity"], entry["logger"]) == ("WARNING", "some.logger")
    assert entry["time"] != "never"


def test_an_exception_is_told_with_its_causes_in_a_bounded_way() -> None:
    def deep(depth: int) -> None:
        if depth:
            deep(depth - 1)
        raise ValueError(HOSTILE * 10_000)

    def chained() -> None:
        try:
            deep(100)
        except ValueError as exc:
            raise RuntimeError("on top") from exc

    line, entry = written("failed", error=raised(chained))
    assert "builtins.RuntimeError: on top" in entry["exception"]
    assert "builtins.ValueError: a" in entry["exception"]
    assert entry["exception"].index("ValueError") < entry["exception"].index("RuntimeError")
    assert line.isascii()
    assert line.isprintable()
    assert len(entry["exception"]) <= 8193


def test_exceptions_that_go_round_in_a_circle_come_to_an_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert written("failed", error=one)[1]["exception"].count("ValueError") == 4


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "AIzaSyA-1234567890abcdefghijklmnopqrstu",
        "ya29.a0AfH6SMBx-y_z",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    ],
)
def test_secrets_are_hidden_wherever_they_stand(secret: str) -> None:
    error = raised(lambda: int(secret))
    line, entry = written(f"with {secret}", a=secret, b=[f"x {secret}"], c={secret: secret}, error=error)
    part = json.dumps(secret)[1:-1][4:20]
    assert part not in line
    assert "[hidden]" in entry["message"]
    assert entry["message"].startswith("with ")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://bucket/o.jpg?X-Goog-Signature=abcdef&x=1", "https://bucket/o.jpg?[hidden]&x=1"),
        ("postgresql://me:hunter2@host/db", "postgresql://[hidden]@host/db"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("a token of love, key=board", "a token of love, key=board"),
    ],
)
def test_credentials_in_urls_and_headers_are_hidden(text: str, left: str) -> None:
    assert written("m", value=text)[1]["value"] == left


def test_a_secret_across_the_cut_is_hidden_as_a_whole() -> None:
    line, _ = written("x" * (MAX_VALUE - 5) + KEY)
    assert KEY[:5] not in line


def test_a_very_short_secret_does_not_black_out_innocent_words() -> None:
    assert written_by(JsonFormatter("", ["", "ok"]), "broken")[1]["message"] == "broken"


def test_lines_carry_where_we_are_in_the_trace_and_for_whom() -> None:
    def inside() -> tuple[dict[str, Any], dict[str, Any]]:
        spans.go_to(spans.read_place(PARENT))
        logs.request_id.set("r-1")
        logs.owner.set("0123abcd")
        return written()[1], written_by(JsonFormatter("a-project"), "x")[1]

    plain, cloud = contextvars.copy_context().run(inside)
    assert (plain["trace_id"], plain["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (plain["trace_sampled"], plain["request_id"], plain["owner"]) == (True, "r-1", "0123abcd")
    trace = "projects/a-project/traces/0af7651916cd43dd8448eb211c80319c"
    assert cloud["logging.googleapis.com/trace"] == trace
    assert cloud["logging.googleapis.com/spanId"] == "b7ad6b7169203331"
    assert cloud["logging.googleapis.com/trace_sampled"] is True
    assert "trace_id" not in cloud


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        "ff" + PARENT[2:],
        "\u0660\u0660" + PARENT[2:],
    ],
)
def test_a_traceparent_that_is_none_is_passed_over(header: str) -> None:
    assert spans.read_place(header) is None


def test_a_traceparent_of_a_later_version_is_understood() -> None:
    place = spans.read_place("cc" + PARENT[2:] + "-what-the-future-holds", "a=b", "k=v")
    assert place is not None
    assert place.traceparent == PARENT
    assert (place.state, place.baggage) == ("a=b", "k=v")


def test_baggage_that_is_too_much_or_not_text_is_left_behind() -> None:
    place = spans.read_place(PARENT, "s" * 513, "b" * 8193)
    assert place is not None
    assert (place.state, place.baggage) == ("", "")
    assert spans.read_place(PARENT, "a\r\nb", "\x00") == place


def test_an_id_is_shown_by_its_beginning_only() -> None:
    assert short("0123456789abcdef" * 2) == "01234567"


def test_the_process_logs_its_own_events_by_the_setting_and_those_of_libraries_from_warnings_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, own = logging.getLogger(), logging.getLogger("imagegenservice")
    before = root.handlers[:], root.level, own.level
    try:
        logs.configure_logging("debug", secrets=[KEY])
        own.debug("ours")
        logging.getLogger("httpx2").info("theirs")
        logging.getLogger("google_genai.models").debug("theirs")
        logging.getLogger("httpx2").warning("told %s", KEY)
    finally:
        root.handlers[:], level, own_level = before
        root.setLevel(level)
        own.setLevel(own_level)
        logging.getLogger("opentelemetry").setLevel(logging.NOTSET)
        logging.getLogger("__main__").setLevel(logging.NOTSET)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == ["ours", "told [hidden]"]
