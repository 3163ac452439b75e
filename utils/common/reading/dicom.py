"""Read the first frame of a DICOM file as 8-bit grey or RGB."""

import importlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.reading.bounds import check_size
from utils.common.reading.picture_error import PictureError

DEFLATED = b"1.2.840.10008.1.2.1.99"
META_BYTES = 2048
"""In which the transfer syntax stands."""

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")
PALETTE = "PALETTE COLOR"

NOT_DECODED = "DICOM of a kind that is not read"
FAULTS = (AttributeError, NotImplementedError, RuntimeError, ValueError, TypeError, LookupError)
"""What pydicom raises where an element is missing or says what cannot be."""


def open_dicom(content: bytes, max_pixels: int) -> Image.Image:
    """Decode the first frame of a DICOM file, which needs pydicom.

    Grey values are shown through the window that the file gives, else over the range of the bits
    that it says are stored.

    Args:
        content: The file's bytes.
        max_pixels: A larger picture is refused before it is decoded.

    Raises:
        PictureError: If there are no pixels in it, or none that can be shown.
    """
    pydicom = importlib.import_module("pydicom")
    if DEFLATED in content[:META_BYTES]:
        raise PictureError(NOT_DECODED, "deflated as a whole")
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        size = int(dataset.Columns), int(dataset.Rows)
        kind = str(dataset.PhotometricInterpretation)
        num_frames = int(dataset.get("NumberOfFrames") or 1)
    except FAULTS as error:
        raise PictureError("damaged", f"DICOM without pixels: {error}"[:200]) from None
    check_size(size, max_pixels)
    _check_kind(dataset, kind)
    try:
        image = Image.fromarray(_pixels(dataset, kind))
    except FAULTS as error:
        raise PictureError("damaged", str(error)[:200] or type(error).__name__) from None
    image.format = "DICOM"
    image.n_frames = num_frames  # type: ignore[attr-defined]
    if profile := dataset.get("ICCProfile"):
        image.info["icc_profile"] = bytes(profile)
    return image


def _check_kind(dataset: Any, kind: str) -> None:
    decoders = importlib.import_module("pydicom.pixels")
    if kind not in (*GREY, *COLOUR, PALETTE):
        raise PictureError(NOT_DECODED, f"photometric interpretation {kind}"[:80])
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        is_known = decoders.get_decoder(syntax).is_available
    except NotImplementedError:
        is_known = False
    if not is_known:
        raise PictureError(NOT_DECODED, f"compressed as {syntax.name}; pip install pylibjpeg[all]")


def _pixels(dataset: Any, kind: str) -> NDArray[np.uint8]:
    """Return the first frame, height x width or height x width x 3."""
    decoders = importlib.import_module("pydicom.pixels")
    values = decoders.pixel_array(dataset, index=0)
    stored = int(dataset.BitsStored)
    if kind in GREY:
        values = decoders.apply_modality_lut(values, dataset)
        shown = _to_8_bit(values, *_range(dataset, values))
        return 255 - shown if kind == "MONOCHROME1" else shown
    if kind == PALETTE:
        values = decoders.apply_color_lut(values, dataset)
        stored = 16 if values.dtype.itemsize == 2 else 8
    return _to_8_bit(np.ascontiguousarray(values[..., :3]), 0, 2.0**stored - 1)


def _range(dataset: Any, values: NDArray[Any]) -> tuple[float, float]:
    """Return what comes out black and white (DICOM PS3.3, C.11.2.1.2)."""
    centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width > 1:
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    top = 2.0 ** int(dataset.BitsStored) - 1
    low, high = float(values.min()), float(values.max())
    return (0.0, top) if low >= 0 and high <= top else (low, max(high, low + 1))


def _first(value: Any) -> float | None:
    """Return a number, the first of several; a file may give more than one window."""
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _to_8_bit(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if values.dtype == np.uint8 and (low, high) == (0, 255):
        return values
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    shown: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return shown
