from __future__ import annotations

import pytest
from pydantic import Field

from imagegenservice.errors import ConfigurationError
from imagegenservice.urls import AdapterUrl, Options


class Sample(Options):
    timeout: float = Field(5, gt=0)
    on: bool = False


def test_a_url_falls_into_its_parts() -> None:
    url = AdapterUrl.parse("gs://bucket/some%20prefix?timeout=7.5&on=true")
    assert (url.scheme, url.host, url.path) == ("gs", "bucket", "/some prefix")
    assert url.options(Sample) == Sample(timeout=7.5, on=True)
    assert AdapterUrl.parse("memory://").options(Sample) == Sample()


@pytest.mark.parametrize("text", ["", "memory", "memory:", "://x", "/a/path", "mailto:x"])
def test_what_has_no_scheme_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"scheme://"):
        AdapterUrl.parse(text)


def test_a_secret_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AdapterUrl.parse("redis://user:hunter2@host/0")
    assert "hunter2" not in str(caught.value)
    assert "secrets do not belong in URLs" in str(caught.value)


@pytest.mark.parametrize(
    "query", ["time_out=5", "timeout=0", "timeout=x", "on=perhaps", "timeout=1&timeout=2"]
)
def test_a_wrong_option_is_refused_with_those_that_there_are(query: str) -> None:
    with pytest.raises(ConfigurationError, match="known options: timeout, on"):
        AdapterUrl.parse(f"x://?{query}").options(Sample)


@pytest.mark.parametrize("text", ["memory://x", "memory:///x", "memory://?a=1"])
def test_what_takes_nothing_gets_nothing(text: str) -> None:
    AdapterUrl.parse("memory://").bare()
    with pytest.raises(ConfigurationError, match="nothing more"):
        AdapterUrl.parse(text).bare()
