"""DICOM files show what their viewers show: interpretation, window, bits, the first frame."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from utils.common.pictures import PictureError, read_picture
from utils.common.reading.colours.icc import DISPLAY_P3, rgb_profile, srgb_curve

pydicom = pytest.importorskip("pydicom")

Encode = Callable[..., bytes]
RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


def dicom(values: np.ndarray, kind: str, stored: int, **elements: Any) -> bytes:
    """Return a file with these values; kind is its photometric interpretation."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2",
    )
    meta.ImplementationClassUID = "1.2.3"
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    frame = values if values.ndim < 4 else values[0]
    dataset.Rows, dataset.Columns = frame.shape[:2]
    dataset.SamplesPerPixel = 3 if frame.ndim == 3 else 1
    if frame.ndim == 3:
        dataset.PlanarConfiguration = 0
    if values.ndim == 4:
        dataset.NumberOfFrames = len(values)
    dataset.BitsAllocated, dataset.BitsStored = 8 * values.dtype.itemsize, stored
    dataset.HighBit, dataset.PixelRepresentation = stored - 1, int(values.dtype.kind == "i")
    dataset.PhotometricInterpretation = kind
    for name, value in elements.items():
        setattr(dataset, name, value)
    if "PixelData" not in elements:
        dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def shown(content: bytes) -> np.ndarray:
    return np.asarray(read_picture(content)[0])


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("stored", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_grey_is_shown_over_the_bits_that_are_stored(kind: str, stored: int, dtype: type) -> None:
    values = np.rint(RAMP * (2**stored - 1)).astype(dtype)
    found = shown(dicom(values, kind, stored))
    wanted = 255 * (1 - RAMP if kind == "MONOCHROME1" else RAMP)
    assert np.abs(found - wanted[:, :, None]).max() <= 1


def test_a_window_is_used_after_the_values_are_rescaled() -> None:
    values = np.rint(RAMP * 4095).astype(np.uint16)
    content = dicom(
        values, "MONOCHROME2", 12, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40,
        WindowWidth=400, RescaleType="HU",
    )  # fmt: skip
    heights = values - 1024.0
    wanted = np.clip((heights - 39.5) / 399 + 0.5, 0, 1) * 255  # PS3.3, C.11.2.1.2.1
    assert np.abs(shown(content)[:, :, 0] - wanted).max() <= 1


def test_signed_values_are_shown_over_their_own_range() -> None:
    values = np.rint(RAMP * 3000 - 1000).astype(np.int16)
    assert np.abs(shown(dicom(values, "MONOCHROME2", 16))[:, :, 0] - RAMP * 255).max() <= 1


def test_colours_and_frames() -> None:
    pixels = np.zeros((2, 48, 64, 3), dtype=np.uint8)
    pixels[0] = (200, 120, 100)
    picture, original = read_picture(dicom(pixels, "RGB", 8))
    assert picture.getpixel((9, 9)) == (200, 120, 100)
    assert (original.format, original.num_frames, original.width) == ("DICOM", 2, 64)


def test_a_profile_is_heeded() -> None:
    pixels = np.full((48, 64, 3), (200, 120, 100), dtype=np.uint8)
    profile = rgb_profile(DISPLAY_P3, srgb_curve)
    found = shown(dicom(pixels, "RGB", 8, ICCProfile=profile))
    assert np.abs(found[9, 9] - np.array([213, 115, 95])).max() <= 1


def test_luminance_and_chroma_become_rgb() -> None:
    ycc = np.asarray(Image.new("RGB", (64, 48), (200, 120, 100)).convert("YCbCr"))
    found = shown(dicom(np.ascontiguousarray(ycc), "YBR_FULL", 8))
    assert np.abs(found[9, 9].astype(int) - (200, 120, 100)).max() <= 2


def test_jpeg_inside_as_in_skin_archives(encode: Encode) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    image = Image.new("RGB", (64, 48), (200, 120, 100))
    packed = encapsulate([encode(image, "JPEG", quality=95)])
    content = dicom(np.asarray(image), "YBR_FULL_422", 8, syntax=JPEGBaseline8Bit, PixelData=packed)
    assert np.abs(shown(content)[9, 9].astype(int) - (200, 120, 100)).max() <= 2


def test_palettes() -> None:
    tables = {
        f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16]
        for name in ("Red", "Green", "Blue")
    }
    data = {
        f"{name}PaletteColorLookupTableData": (np.arange(256, dtype=np.uint16) * step).tobytes()
        for name, step in (("Red", 257), ("Green", 128), ("Blue", 0))
    }
    values = np.full((48, 64), 200, dtype=np.uint8)
    found = shown(dicom(values, "PALETTE COLOR", 8, **tables, **data))
    assert np.abs(found[9, 9].astype(int) - (200, 100, 0)).max() <= 1


def test_what_cannot_be_shown_has_a_reason() -> None:
    values = np.zeros((48, 64), dtype=np.uint8)
    whole = dicom(values, "MONOCHROME2", 8)
    for content, reason in (
        (dicom(values, "XYZ", 8), "DICOM of a kind that is not read"),
        (whole[:132] + bytes(300), "damaged"),
        (whole[:-900], "damaged"),
    ):
        with pytest.raises(PictureError) as caught:
            read_picture(content)
        assert caught.value.reason == reason
    with pytest.raises(PictureError) as caught:
        read_picture(whole, max_pixels=64 * 48 - 1)
    assert (caught.value.reason, caught.value.detail) == (
        "too large",
        "64 x 48 pixels, limit 3,071",
    )
