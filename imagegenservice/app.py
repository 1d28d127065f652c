"""The composition root: the only file that knows both what the core needs and who provides it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from .adapters.object_storage.measured import MeasuredStorage
from .adapters.secrets.choose import from_setting
from .adapters.secrets.environment import FixedSecret
from .adapters.shop.grpc_shop import GrpcCarts, GrpcCatalog
from .adapters.shop.pictures import PAUSE as PICTURES_PAUSE
from .adapters.shop.pictures import HttpPictures
from .adapters.state_store.watched import WatchedStore
from .adapters.tables import IMAGE_MODELS
from .adapters.web import Fetcher, GuardedWeb
from .backgrounds import Backgrounds
from .bulletin import Bulletin
from .chain import Chain
from .darkroom import open_darkroom
from .demo.shop import DemoCarts, DemoCatalog, DemoPictures
from .drawing import Tools
from .errors import ServiceError
from .fingerprints import Fingerprints
from .gallery import Gallery
from .gather import Gatherer
from .generation import Generator
from .holder import Holder
from .idempotency import IdempotencyKeys
from .imaging.headers import Limits
from .keyring import Keyring
from .neighbours import Neighbours
from .ports import Carts, Catalog, Darkroom, ObjectStorage, ProductPictures, StateStore, Surroundings
from .records import Records
from .servers.grpc_server import Core
from .settings import Settings
from .studio import Studio
from .sweep import Sweep
from .telemetry import Metrics
from .turns import FairTurns
from .url_guard import UrlGuard
from .urls import AdapterUrl

log = logging.getLogger(__name__)

DEMO = "demo://"
_FIRST_WORDS = 5.0
"""Seconds that the start waits for the state store."""


@dataclass(frozen=True, slots=True)
class App:
    """The running service without its doors."""

    core: Core
    studio: Studio
    sweep: Sweep
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class _Neighbours:
    all: Neighbours
    storage: ObjectStorage
    store: WatchedStore
    carts: Carts
    catalog: Catalog
    pictures: ProductPictures
    web: GuardedWeb
    chain: Chain
    darkroom: Darkroom


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open every neighbour, in order, and close them in reverse. Raises ConfigurationError, Unavailable."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        neighbours = await _open_neighbours(settings, metrics, stack)
        keyring = Keyring(settings.owner_hash_key.get_secret_value().encode())
        app, holder = _wire(settings, neighbours, keyring, metrics)
        await _first_words(neighbours.store, keyring, holder)
        stack.push_async_callback(holder.stop)
        running = [
            asyncio.create_task(work) for work in (app.sweep.run(), keyring.fetch_in_time(neighbours.store))
        ]
        try:
            yield app
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await app.core.generator.settle()
            await app.studio.drain(0)


async def _first_words(store: StateStore, keyring: Keyring, holder: Holder) -> None:
    """Ask the state store for all that is needed before the first order; later, if it is away."""
    try:
        async with asyncio.timeout(_FIRST_WORDS):
            if not keyring.known:
                await keyring.fetch(store)
    except (ServiceError, TimeoutError):
        log.warning("the state store is away: calls are answered UNAVAILABLE until it is back")
    await holder.start()


async def _open_neighbours(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> _Neighbours:
    limits = Limits(settings.max_pixels, settings.max_side, settings.max_upload_bytes)
    darkroom = stack.enter_context(
        open_darkroom(
            settings.processors, limits, settings.picture_format, large_slots=settings.large_picture_slots
        )
    )
    key = settings.gemini_api_key.get_secret_value()
    secret = None
    if key or settings.gemini_api_key_secret:
        secret = (
            FixedSecret(key)
            if key
            else await stack.enter_async_context(from_setting(settings.gemini_api_key_secret))
        )
    known = Neighbours()
    around = Surroundings(darkroom, settings.data_dir.absolute(), settings.project_id, secret, known)
    use = stack.enter_async_context
    store = await use(WatchedStore.open(AdapterUrl.parse(settings.state_store_url), around))
    storage = await use(MeasuredStorage.open(AdapterUrl.parse(settings.object_storage_url), around))
    models = [
        await use(IMAGE_MODELS.open(AdapterUrl.parse(url), around)) for url in settings.image_model_urls
    ]
    fetcher = await use(Fetcher.open(settings.max_upload_bytes))
    carts, catalog, pictures = await _open_shop(settings, fetcher, known, stack)
    chain = Chain(models, metrics, fall_through=settings.fall_through_on_refusal)
    for name, breaker in chain.breakers.items():
        known.show(name, breaker)
    metrics.watch_neighbours(known.breakers)
    log.info(
        "neighbours chosen",
        extra={
            "image_models": [model.name for model in models],
            "object_storage": settings.object_storage_url,
            "state_store": settings.state_store_url,
        },
    )
    return _Neighbours(
        all=known,
        storage=storage,
        store=store,
        carts=carts,
        catalog=catalog,
        pictures=pictures,
        web=GuardedWeb(fetcher, UrlGuard(settings.background_url_allowlist)),
        chain=chain,
        darkroom=darkroom,
    )


async def _open_shop(
    settings: Settings, fetcher: Fetcher, known: Neighbours, stack: AsyncExitStack
) -> tuple[Carts, Catalog, ProductPictures]:
    use = stack.enter_async_context
    at_cart, at_catalog = settings.cart_service_addr, settings.product_catalog_service_addr
    carts = DemoCarts() if at_cart == DEMO else await use(GrpcCarts.open(at_cart, known))
    if at_catalog == DEMO:
        return carts, DemoCatalog(), DemoPictures()
    web = GuardedWeb(fetcher, UrlGuard(settings.picture_url_allowlist))
    catalog = await use(GrpcCatalog.open(at_catalog, known))
    frontend = known.add("pictures", PICTURES_PAUSE)
    return carts, catalog, HttpPictures(settings.pictures_url, fetcher, web, frontend)


def _wire(settings: Settings, near: _Neighbours, keyring: Keyring, metrics: Metrics) -> tuple[App, Holder]:
    bulletin = Bulletin()
    records = Records(near.store, bulletin)
    fingerprints = Fingerprints(near.store)
    gallery = Gallery(near.storage, near.store, keyring, settings.public_url)
    tools = Tools(
        records=records,
        fingerprints=fingerprints,
        bulletin=bulletin,
        gallery=gallery,
        chain=near.chain,
        pictures=near.pictures,
        turns=FairTurns(near.chain.places),
        metrics=metrics,
        timeout=settings.draw_timeout,
        unknown_outcome_retries=settings.unknown_outcome_retries,
        alive=lambda: holder.alive,
    )
    studio = Studio(tools, settings.queue_size, settings.owner_queue_size)
    # Not behind the breaker: a heartbeat that is left out could cost the lease.
    holder = Holder(near.store.unguarded, settings.lease_seconds, studio.abandon, studio.pause)
    backgrounds = Backgrounds(
        near.store,
        gallery,
        near.darkroom,
        near.web,
        max_bytes=settings.max_upload_bytes,
        days=settings.background_days,
    )
    generator = Generator(
        gatherer=Gatherer(near.carts, near.catalog, backgrounds, settings.picture_size),
        records=records,
        fingerprints=fingerprints,
        idempotency=IdempotencyKeys(near.store),
        gallery=gallery,
        keyring=keyring,
        bulletin=bulletin,
        studio=studio,
        holder=holder,
        engines=near.chain.names,
        metrics=metrics,
        kept=timedelta(days=settings.picture_days),
    )
    sweep = Sweep(near.store, records, studio, gallery, holder, settings.lease_seconds)
    return App(Core(generator, backgrounds, gallery, keyring, metrics), studio, sweep, near.all), holder
