"""Check that a result read from the journal is one that this suite can have written."""

import dataclasses

from utils.common.values import MAX_TEXT
from utils.dataset.images.prepare import Prepared
from utils.dataset.leakage.thumbnails import SIDE
from utils.dataset.output.cells import is_json_object
from utils.quality.kind import SEVERITIES

UNSIGNED = range(2**64)
COUNTS = range(2**48)
SHA256_BYTES = 32


def is_sound(result: Prepared) -> bool:
    """Tell whether every field has its type and range, and none contradicts another."""
    if not all(_is_typed(getattr(result, field.name), field) for field in FIELDS):
        return False
    if result.reason:
        return not (result.sha256 or result.num_bytes or result.width or result.height)
    if len(result.sha256) != SHA256_BYTES or not _is_size(result.width, result.height):
        return False
    return bool(result.num_bytes) and (
        _is_degraded(result) if result.degradation else _is_of_original(result)
    )


FIELDS = dataclasses.fields(Prepared)


def _is_typed(value: object, field: dataclasses.Field[object]) -> bool:
    if field.name in ("key", "stamp"):
        return type(value) is int and value in UNSIGNED
    if field.name == "severity":
        return value is None or (type(value) is int and value in SEVERITIES)
    if field.type is int:
        return type(value) is int and value in COUNTS
    if field.type is bytes:
        return isinstance(value, bytes) and len(value) in (0, SHA256_BYTES, SIDE**2)
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value


def _is_degraded(result: Prepared) -> bool:
    of_original = (result.original_sha256, result.original_format, result.thumbnail)
    is_told = result.severity is not None and is_json_object(result.parameters)
    return is_told and not any(of_original)


def _is_of_original(result: Prepared) -> bool:
    return (
        len(result.original_sha256) == SHA256_BYTES
        and len(result.thumbnail) == SIDE**2
        and _is_size(result.original_width, result.original_height)
        and result.original_frames > 0
        and bool(result.original_format)
        and result.severity is None
        and not result.parameters
    )


def _is_size(width: int, height: int) -> bool:
    return width > 0 and height > 0
