"""Every environment variable, typed and described, on one page. README's table is made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import ConfigurationError
from .processors import usable

Positive = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """
    The settings of one process. Names are those of the environment, in upper case.

    An empty variable counts as not set. Booleans are 1/0, true/false, on/off.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, case_sensitive=False
    )

    # The shop
    port: int = Field(8080, ge=0, le=65535, description="The gRPC port. 0: a free one, which the log names.")
    http_port: int = Field(
        8081, ge=0, le=65535, description="The HTTP port: health, metrics and the pictures. 0: a free one."
    )
    host: str = Field("0.0.0.0", description="The address that both ports are bound to.")  # noqa: S104 - a pod's
    cart_service_addr: str = Field(
        "cartservice:7070", description="The cart service, host:port. `demo://`: the sample shop."
    )
    product_catalog_service_addr: str = Field(
        "productcatalogservice:3550", description="The catalog, host:port. `demo://`: the sample shop."
    )
    pictures_url: str = Field(
        "http://frontend:80",
        description="Where a product's relative picture path is found. Trusted, below its path.",
    )
    picture_url_allowlist: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="URL prefixes from which a product's absolute picture URL may be fetched, by commas."
    )
    background_url_allowlist: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="URL prefixes that background_image_url may have, by commas. Empty: own uploads only."
    )

    # Adapters
    image_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="The engines, in the order in which they are asked, by commas. "
        "Default: `gemini://` when there is a key, then `compositor://`.",
    )
    object_storage: str = Field(
        "",
        description="Where pictures are kept: `file:///path`, `memory://`, `gs://bucket/prefix`. "
        "Default: `gs://$GCS_BUCKET` when set, else `$DATA_DIR/pictures`.",
    )
    state_store: str = Field(
        "",
        description="Where records are kept: `sqlite:///path`, `memory://`, `firestore://project/database`. "
        "Default: `$DATA_DIR/state.sqlite3`.",
    )
    gcs_bucket: str = Field("", description="A bucket of Google Cloud Storage for the pictures.")
    project_id: str = Field(
        "",
        validation_alias=AliasChoices("project_id", "google_cloud_project"),
        description="The Google Cloud project. `GOOGLE_CLOUD_PROJECT` is read as well.",
    )
    gemini_api_key: SecretStr = Field(SecretStr(""), description="The key of the Gemini API.")
    gemini_api_key_secret: str = Field(
        "",
        description="Where the key is read from instead: a mounted file's path, or `projects/P/secrets/S` "
        "of Secret Manager.",
    )
    data_dir: Path = Field(
        Path("data"), description="The folder of the SQLite file and of `file://` pictures."
    )
    public_url: str = Field(
        "",
        description="How a browser reaches the HTTP port. Default: `http://127.0.0.1:$HTTP_PORT`.",
    )
    owner_hash_key: SecretStr = Field(
        SecretStr(""),
        description="The key under which shoppers are hashed. Default: made once, kept in the state store.",
    )

    # Pictures
    picture_size: int = Field(1024, ge=256, le=2048, description="The longer side of a picture, in pixels.")
    picture_format: Literal["jpeg", "png", "webp"] = Field("jpeg", description="jpeg, png or webp.")
    max_upload_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="The largest picture that is taken in."
    )
    max_pixels: int = Field(25_000_000, ge=1, description="The most pixels of a picture that is taken in.")
    max_side: int = Field(
        16384, ge=1, le=65500, description="The longest side of a picture that is taken in."
    )
    picture_days: Positive = Field(30, description="Days for which pictures and records are kept.")
    background_days: Positive = Field(7, description="Days for which uploaded backgrounds are kept.")

    # Drawing
    queue_size: int = Field(500, ge=1, description="Generations that may wait or be drawn here at once.")
    owner_queue_size: int = Field(
        20, ge=1, description="The same for one shopper; anonymous orders share `QUEUE_SIZE`."
    )
    draw_timeout: Positive = Field(120, description="Seconds for one drawing, all engines together.")
    fall_through_on_refusal: bool = Field(
        False, description="Let the next engine draw when a model's safety filter refuses."
    )
    unknown_outcome_retries: int = Field(
        0,
        ge=0,
        le=3,
        description="How often a paid call may be made again after one whose answer was lost.",
    )
    lease_seconds: Positive = Field(
        15, description="A process that is silent for so long is dead, and others take over its drawings."
    )
    cpu_workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Child processes that draw, and as many, at least two, that read uploads. 0: as many as "
        "there are processors to use, within the container's quota; at most 4.",
    )
    large_picture_slots: int = Field(
        1,
        ge=1,
        le=64,
        description="How many pictures of `MAX_PIXELS` may be worked on at once, or more smaller ones. Each "
        "slot takes 16 bytes a pixel: see docs/memory.md.",
    )

    # Running
    drain_timeout: float = Field(
        25, ge=0, description="Seconds for running drawings after SIGTERM; the rest is handed back."
    )
    drain_delay: float = Field(0, ge=0, description="Seconds between NOT_SERVING and refusing new calls.")
    enable_reflection: bool = Field(True, description="Serve gRPC reflection, for grpcurl.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    enable_tracing: bool = Field(False, description="1: send traces to the collector.")
    collector_service_addr: str = Field(
        "opentelemetrycollector:4317", description="The OpenTelemetry collector, host:port."
    )
    otel_service_name: str = Field("imagegenerationservice", description="The name in traces.")
    disable_profiler: str = Field("", description="Accepted for the shop's sake; there is no profiler.")
    imagegen_crash_at: str = Field(
        "", description="For tests of crashes: where the process kills itself. See `failpoints.py`."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: object) -> object:
        if isinstance(values, dict):
            for name in ("image_models", "picture_url_allowlist", "background_url_allowlist"):
                if isinstance(text := values.get(name), str):
                    values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        return values

    @model_validator(mode="after")
    def _known_level(self) -> Self:
        if self.log_level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR")
        return self

    @property
    def has_gemini_key(self) -> bool:
        """True when some way to the Gemini API's key is configured."""
        return bool(self.gemini_api_key.get_secret_value() or self.gemini_api_key_secret)

    @property
    def image_model_urls(self) -> tuple[str, ...]:
        """The chain of engines, defaults filled in."""
        if self.image_models:
            return self.image_models
        return ("gemini://", "compositor://") if self.has_gemini_key else ("compositor://",)

    @property
    def object_storage_url(self) -> str:
        """The object storage, defaults filled in."""
        if self.object_storage:
            return self.object_storage
        return f"gs://{self.gcs_bucket}" if self.gcs_bucket else f"file://{self.data_dir.absolute()}/pictures"

    @property
    def state_store_url(self) -> str:
        """The state store, defaults filled in."""
        return self.state_store or f"sqlite:///{self.data_dir.absolute()}/state.sqlite3"

    @property
    def processors(self) -> int:
        """CPU_WORKERS, or the processors that this process may use, at most 4: each child takes memory."""
        return self.cpu_workers or min(4, usable())


def load(**overrides: object) -> Settings:
    """Read the environment. Raises ConfigurationError, one line that names every wrong variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        faults = (
            f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}".removeprefix(": Value error, ")
            for fault in exc.errors(include_input=False)
        )
        raise ConfigurationError("; ".join(faults)) from None
