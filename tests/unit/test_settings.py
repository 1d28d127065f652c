from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegenservice.errors import ConfigurationError
from imagegenservice.settings import Settings, load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's own settings."""
    names = {name.upper() for name in Settings.model_fields} | {"GOOGLE_CLOUD_PROJECT"}
    for name in list(os.environ):
        if name.upper() in names:
            monkeypatch.delenv(name)


def test_without_any_setting_the_documented_defaults_hold() -> None:
    settings = load()
    assert (settings.port, settings.http_port) == (8080, 8081)
    assert settings.cart_service_addr == "cartservice:7070"
    assert settings.product_catalog_service_addr == "productcatalogservice:3550"
    assert settings.pictures_url == "http://frontend:80"
    assert settings.image_model_urls == ("compositor://",)
    assert settings.object_storage_url == f"file://{Path('data').absolute()}/pictures"
    assert settings.state_store_url == f"sqlite:///{Path('data').absolute()}/state.sqlite3"
    assert settings.enable_reflection
    assert (settings.draw_timeout, settings.drain_timeout, settings.drain_delay) == (120, 25, 0)
    assert (settings.picture_days, settings.background_days, settings.picture_size) == (30, 7, 1024)
    assert settings.background_url_allowlist == ()


def test_the_variables_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "PORT": "9999",
        "GCS_BUCKET": "pictures",
        "PROJECT_ID": "p",
        "GEMINI_API_KEY": "the-key",
        "IMAGE_MODELS": " gemini://x?retries=1 , compositor://, ",
        "BACKGROUND_URL_ALLOWLIST": "https://a.example/,https://b.example/x",
        "DATA_DIR": "/var/lib/imagegen",
        "ENABLE_REFLECTION": "off",
        "log_level": "debug",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.port == 9999
    assert settings.object_storage_url == "gs://pictures"
    assert settings.state_store_url == "sqlite:////var/lib/imagegen/state.sqlite3"
    assert settings.project_id == "p"
    assert settings.image_model_urls == ("gemini://x?retries=1", "compositor://")
    assert settings.background_url_allowlist == ("https://a.example/", "https://b.example/x")
    assert not settings.enable_reflection
    assert settings.log_level == "debug"


def test_with_a_key_gemini_draws_and_the_compositor_stands_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY_SECRET", "/run/secrets/key")
    assert load().image_model_urls == ("gemini://", "compositor://")
    assert load().has_gemini_key


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "GCS_BUCKET", "GEMINI_API_KEY", "IMAGE_MODELS", "LOG_LEVEL", "DATA_DIR"):
        monkeypatch.setenv(name, "")
    settings = load()
    assert settings.port == 8080
    assert not settings.has_gemini_key
    assert settings.image_model_urls == ("compositor://",)


def test_the_vendors_own_name_of_the_project_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "vendor")
    assert load().project_id == "vendor"
    monkeypatch.setenv("PROJECT_ID", "ours")
    assert load().project_id == "ours"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("DRAW_TIMEOUT", "0"),
        ("QUEUE_SIZE", "0"),
        ("PICTURE_FORMAT", "gif"),
        ("PICTURE_SIZE", "100000"),
        ("ENABLE_REFLECTION", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("UNKNOWN_OUTCOME_RETRIES", "99"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("QUEUE_SIZE", "x")
    with pytest.raises(ConfigurationError, match=r"PORT.*QUEUE_SIZE"):
        load()


def test_secrets_do_not_show_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "hunter2")
    monkeypatch.setenv("OWNER_HASH_KEY", "hunter2")
    settings = load()
    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump()}"
    assert settings.gemini_api_key.get_secret_value() == "hunter2"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
