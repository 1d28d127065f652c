"""Google's Gemini draws from the products' own pictures: by key on the Gemini API, or on Vertex AI."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Final, Literal, Self

from google.genai.types import AutomaticFunctionCallingConfig, Content, GenerateContentConfig, ImageConfig
from pydantic import Field

from ...errors import ConfigurationError, DrawingFailed, EngineAway, Unavailable
from ...model import Brief, Drawing, SourceType
from ...ports import Commission, Darkroom, ImageModel, Secret, Surroundings
from ...urls import AdapterUrl, Options
from .gemini_answers import Answered, Declined
from .gemini_models import DEFAULT_MODEL, KNOWN, ModelCard, card_of
from .gemini_pictures import compose, develop
from .gemini_wire import Vertex, Wire

log = logging.getLogger(__name__)

LEAST_TIME: Final = 1.0
"""Seconds. With less time left no call is made: its answer would be paid for and come too late."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_RANDOM: Final = SystemRandom()


class GeminiOptions(Options):
    """gemini://MODEL?…; the model may be left out."""

    vertex: bool = False
    """Vertex AI with Google's default credentials, instead of the Gemini API with a key."""
    project: str = ""
    """Vertex: the project; default: that of the service."""
    location: str = "global"
    """Vertex: the location."""
    concurrency: int = Field(8, ge=1, le=64)
    """Drawings at once."""
    timeout: float = Field(90, gt=0, le=600)
    """Seconds for one attempt."""
    retries: int = Field(2, ge=0, le=10)
    """Further attempts after an answer that says that nothing was done, and may be another time."""
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    """Default: the smallest that is as large as the picture."""


class Gemini(ImageModel):
    """gemini://MODEL."""

    paid = True

    def __init__(
        self, card: ModelCard, options: GeminiOptions, wire: Wire, key: Secret | None, darkroom: Darkroom
    ) -> None:
        self.name = f"{'gemini-vertex' if key is None else 'gemini'}/{card.id}"
        self.concurrency = options.concurrency
        self._card = card
        self._options = options
        self._wire = wire
        self._key = key
        self._darkroom = darkroom

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        options = url.options(GeminiOptions)
        card = _card(url, options)
        vertex = _vertex(url, options, surroundings)
        key = None if vertex else _key(url, surroundings)
        async with Wire.open(vertex, options.concurrency) as wire:
            yield cls(card, options, wire, key, surroundings.darkroom)

    async def draw(self, commission: Commission) -> Drawing:
        brief = commission.brief
        content = await compose(commission, self._card.references, self._darkroom)
        commission.progress(0.1)
        picture = await self._picture(commission, content)
        commission.progress(0.9)
        return Drawing(await develop(picture, brief, self._darkroom), SourceType.TRAINED)

    async def _picture(self, commission: Commission, content: Content) -> bytes:
        config = self._config(commission.brief)
        attempt = 0
        while isinstance(outcome := await self._ask(commission, content, config), Declined):
            log.warning("declined", extra={"engine": self.name, "outcome": outcome.detail})
            pause = self._pause(outcome, attempt, commission.time_left)
            if pause is None:
                raise outcome.fault
            await asyncio.sleep(pause)
            attempt += 1
        return outcome.take()

    async def _ask(
        self, commission: Commission, content: Content, config: GenerateContentConfig
    ) -> Answered | Declined:
        key = await self._read_key()
        if commission.time_left < LEAST_TIME:
            raise EngineAway("There is no time left to ask the image model.", reason="ENGINE_TIMED_OUT")
        async with commission.paid_call(self.name) as call:
            seconds = min(self._options.timeout, commission.time_left)
            outcome = await self._wire.exchange(key, self._card.id, content, config, seconds=seconds)
            if isinstance(outcome, Answered):
                call.answered(model_version=outcome.model_version, usage=outcome.usage, detail=outcome.detail)
            else:
                call.declined(outcome.detail)
        if isinstance(outcome, Declined) and outcome.key_rejected:
            self._distrust()
        return outcome

    def _config(self, brief: Brief) -> GenerateContentConfig:
        card = self._card
        size = self._options.image_size or card.size_for(max(brief.width, brief.height))
        ratio = card.ratio_for(brief.width, brief.height)
        return GenerateContentConfig(
            response_modalities=["IMAGE"],
            candidate_count=1,
            seed=brief.seed if card.seed else None,
            image_config=ImageConfig(aspect_ratio=ratio, image_size=size),
            # Both would make the SDK ask, and us pay, more than once.
            automatic_continuation=False,
            automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
        )

    def _pause(self, outcome: Declined, attempt: int, time_left: float) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        if not outcome.again or attempt >= self._options.retries:
            return None
        pause = outcome.wait
        if pause is None:
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
            pause = _RANDOM.uniform(longest / 2, longest)
        return pause if pause + LEAST_TIME <= time_left else None

    async def _read_key(self) -> str:
        if self._key is None:
            return ""
        try:
            key = (await self._key.read()).strip()
        except Unavailable:
            raise EngineAway("The image model's key is not to be had.", reason="KEY_UNAVAILABLE") from None
        # Anything else cannot stand in a header, and the library's complaint would quote it.
        if not re.fullmatch(r"[!-~]+", key):
            self._distrust()
            raise DrawingFailed("The image model's key is not a key.", reason="KEY_REJECTED")
        return key

    def _distrust(self) -> None:
        if self._key is None:
            self._wire.forget_credentials()
        else:
            self._key.distrust()


def _card(url: AdapterUrl, options: GeminiOptions) -> ModelCard:
    model = url.host or DEFAULT_MODEL
    if url.path or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model):
        raise ConfigurationError(f"{url.text}: write gemini://MODEL, for example gemini://{DEFAULT_MODEL}")
    card = card_of(model)
    if model in KNOWN and options.image_size not in {None, *card.sizes}:
        sizes = ", ".join(card.sizes) or "one size, which is not asked for"
        raise ConfigurationError(f"{url.text}: image_size: {model} has {sizes}")
    return card


def _vertex(url: AdapterUrl, options: GeminiOptions, surroundings: Surroundings) -> Vertex | None:
    if not options.vertex:
        if options.project or "location" in options.model_fields_set:
            raise ConfigurationError(f"{url.text}: project and location are for vertex=true")
        return None
    project = options.project or surroundings.project
    if not project or not options.location:
        raise ConfigurationError(f"{url.text}: vertex=true needs a project (or PROJECT_ID) and a location")
    return Vertex(project, options.location)


def _key(url: AdapterUrl, surroundings: Surroundings) -> Secret:
    if surroundings.gemini_key is None:
        raise ConfigurationError(
            f"{url.text}: set GEMINI_API_KEY or GEMINI_API_KEY_SECRET, or write vertex=true for Vertex AI"
        )
    return surroundings.gemini_key
