"""
Every way in which a request can fail, and what each door says about it.

* ImageGenError                something went wrong on our side
  - Refusal                    the answer's status is `failed`
    + InvalidInput             a field is wrong: INVALID_<FIELD>
      . PictureRefused         IMAGE_TOO_LARGE, IMAGE_UNREADABLE, UNSUPPORTED_FORMAT, BASE64_INVALID
      . UrlNotAllowed          URL_NOT_ALLOWED, whatever the cause
    + FetchFailed              FETCH_REFUSED or FETCH_FAILED: an allowed URL gave no picture
    + CartEmpty                CART_EMPTY
    + ProductsUnknown          PRODUCTS_UNKNOWN
    + IdempotencyKeyReused     IDEMPOTENCY_KEY_REUSED
    + Cancelled                CANCELLED
    + DrawingFailed            no engine drew; the reason is the last engine's
      . ContentBlocked         CONTENT_BLOCKED: a model refused, with its category
      . OutcomeUnknown         OUTCOME_UNKNOWN: a paid call may have been made, and its answer is lost
      . EngineAway             ENGINE_UNAVAILABLE: down, slow or over its quota; later it may draw
  - GenerationNotFound         the answer's status is `not_found`
  - ServiceError               a gRPC code: the service could not answer
    + Malformed                INVALID_ARGUMENT
    + Overloaded               RESOURCE_EXHAUSTED, with a time to come back
    + Unavailable              UNAVAILABLE, with a time to come back
      . LeftAlone              the same, at once: it failed again and again
      . Unwell                 the same, when it did answer
      . StoreAway              the same, when it is a record that could not be written
    + TookTooLong              DEADLINE_EXCEEDED
  - StorageError               between the core and its stores; never shown to a caller
    + AlreadyExists, VersionConflict, KeyNotFound
  - ConfigurationError         a setting is wrong; at start only
"""

from __future__ import annotations

from grpc import StatusCode


class ImageGenError(Exception):
    """Something went wrong on our side."""

    code: StatusCode | None = StatusCode.INTERNAL
    reason = "INTERNAL"
    retry_after: float | None = None

    def __init__(self, message: str = "", *, reason: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        if reason:
            self.reason = reason

    @property
    def public(self) -> str:
        """Words that are fit for the caller."""
        return str(self) if self.code is not StatusCode.INTERNAL else "The service failed."


class Refusal(ImageGenError):
    """The request was understood and refused."""

    code = None
    reason = "REFUSED"


class InvalidInput(Refusal):
    """A field of the request is wrong."""

    def __init__(self, field: str, message: str, *, reason: str = "") -> None:
        super().__init__(f"{field}: {message}", reason=reason or f"INVALID_{field.upper()}")
        self.field = field


class PictureRefused(InvalidInput):
    """A picture that was handed in cannot be used."""

    def __init__(self, message: str, *, reason: str, field: str = "image_data") -> None:
        super().__init__(field, message, reason=reason)
        self.detail = message


class UrlNotAllowed(InvalidInput):
    """A URL that this service does not fetch. One message for every cause, so that nothing can be probed."""

    def __init__(self, field: str = "background_image_url") -> None:
        super().__init__(
            field,
            "this URL is not allowed. Use the image_url that UploadBackground returned.",
            reason="URL_NOT_ALLOWED",
        )


class FetchFailed(Refusal):
    """A picture could not be fetched from its allowed address."""

    reason = "FETCH_FAILED"


class CartEmpty(Refusal):
    """The cart is empty, so there is nothing to draw. Put a product into it, or send cart_items."""

    reason = "CART_EMPTY"


class ProductsUnknown(Refusal):
    """The catalog knows none of the products."""

    reason = "PRODUCTS_UNKNOWN"


class IdempotencyKeyReused(Refusal):
    """This idempotency_key was used for another request. Send a new key, or the same request."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class Cancelled(Refusal):
    """The generation was cancelled."""

    reason = "CANCELLED"


class DrawingFailed(Refusal):
    """No engine could draw the picture."""

    reason = "DRAWING_FAILED"


class ContentBlocked(DrawingFailed):
    """The model refused to draw this."""

    reason = "CONTENT_BLOCKED"

    def __init__(self, category: str, message: str = "") -> None:
        super().__init__(message or f"The image model refused this picture (category {category}).")
        self.category = category


class OutcomeUnknown(DrawingFailed):
    """A call to the image model was made and its answer was lost. Order again with a new idempotency_key."""

    reason = "OUTCOME_UNKNOWN"


class EngineAway(DrawingFailed):
    """The image model is not to be had at the moment."""

    reason = "ENGINE_UNAVAILABLE"


class GenerationNotFound(ImageGenError):
    """There is no such generation, or it has expired."""

    code = None
    reason = "NOT_FOUND"


class ServiceError(ImageGenError):
    """The service could not answer."""


class Malformed(ServiceError):
    """The message cannot be decoded."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "MALFORMED_MESSAGE"


class Overloaded(ServiceError):
    """Too much is going on at the moment. Please try again later."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"
    retry_after = 5.0


class Unavailable(ServiceError):
    """A service that this one needs did not answer. Please try again."""

    code = StatusCode.UNAVAILABLE
    reason = "UNAVAILABLE"
    retry_after = 2.0


class LeftAlone(Unavailable):
    """A service that this one needs is away, and is not asked for the moment."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"The {name} is away at the moment. Please try again.")
        self.retry_after = max(0.1, seconds)


class Unwell(Unavailable):
    """A service that this one needs answered, and could not do it. Please try again."""


class StoreAway(Unavailable):
    """The state store did not answer. Please try again."""


class TookTooLong(ServiceError):
    """The answer took too long. Please try again."""

    code = StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"
    retry_after = 2.0


class StorageError(ImageGenError):
    """A store says no."""


class AlreadyExists(StorageError):
    """Something is stored under this name."""


class VersionConflict(StorageError):
    """Somebody else changed or deleted it in between."""


class KeyNotFound(StorageError):
    """Nothing is stored under this name."""


class ConfigurationError(ImageGenError, ValueError):
    """A setting is wrong."""
