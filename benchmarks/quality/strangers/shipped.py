"""Strangers that Python packages ship: radiology, microscopy, photographs of things, drawings."""

import gzip
import logging
import struct
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.quality.strangers.drawn import FAR, NEAR, OTHER, Place
from utils.common.seeds import generator

FRAMES = 6
"""Pictures taken of a series of many, at equal distances."""

NUM_DIGITS, DIGIT_SIDE = 24, 256
LEAST_SIDE = 64
NIFTI_TYPES = {2: np.uint8, 4: np.int16, 16: np.float32, 64: np.float64}
"""Types of numbers, by the code in the header of a NIfTI file."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """Pictures of one kind in one package.

    Attributes:
        place: How far a stranger is, and its kind.
        package: Name by which pip installs the package.
        folder: Folder within site-packages.
        files: Names of files.
        cuttings: Number of squares that are cut out of each picture, besides the whole.
        side: Their side in pixels.
    """

    place: Place
    package: str
    folder: str
    files: tuple[str, ...]
    cuttings: int = 0
    side: int = 0


def _names(text: str, ending: str) -> tuple[str, ...]:
    return tuple(f"{name}{ending}" for name in text.split())


SKIMAGE, DICOM, MORE_DICOM = "skimage/data", "pydicom/data/test_files", "data_store/data"
MICROSCOPY, RADIOLOGY, ULTRASOUND = ((NEAR, kind) for kind in (
    "microscopy", "MRI and CT", "ultrasound",
))  # fmt: skip
PHOTOGRAPHS: Place = (OTHER, "photographs")

SHIPPED = (
    Shipped((NEAR, "X-rays"), "pydicom-data", MORE_DICOM, _names("RG1_UNCR RG3_UNCR", ".dcm"),
            9, 900),
    Shipped(RADIOLOGY, "pydicom", DICOM, _names("CT_small MR_small", ".dcm")),
    Shipped(RADIOLOGY, "pydicom-data", MORE_DICOM, _names(
        "MR2_UNCR MR-SIEMENS-DICOM-WithOverlays 693_UNCR emri_small mlut_18 vlut_04 "
        "eCT_Supplemental", ".dcm")),
    Shipped(RADIOLOGY, "nilearn", "nilearn/datasets/data",
            ("mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",)),
    Shipped(ULTRASOUND, "pydicom", DICOM, _names(
        "examples_rgb_color examples_palette examples_ybr_color", ".dcm")),
    Shipped(ULTRASOUND, "pydicom-data", MORE_DICOM, _names("gdcm-US-ALOKA-16 color-px", ".dcm")),
    Shipped(MICROSCOPY, "scikit-image", SKIMAGE, ("ihc.png",), 8, 256),
    Shipped(MICROSCOPY, "scikit-image", SKIMAGE, ("cell.png",), 3, 256),
    Shipped(MICROSCOPY, "mahotas", "mahotas/demos/data", ("nuclear.png",), 3, 256),
    Shipped(MICROSCOPY, "stardist", "stardist/data/images", ("histo.jpg", "img2d.tif"), 3, 160),
    Shipped((NEAR, "blood smear"), "cbc", "share/cbc/images", ("test.jpg",), 9, 300),
    Shipped((NEAR, "fundus"), "scikit-image", SKIMAGE, ("retina.jpg",), 5, 700),
    Shipped(PHOTOGRAPHS, "scikit-image", SKIMAGE, (*_names(
        "astronaut camera chelsea coffee motorcycle_left coins clock_motion moon", ".png"),
        *_names("rocket hubble_deep_field", ".jpg"))),
    Shipped(PHOTOGRAPHS, "scikit-learn", "sklearn/datasets/images", ("china.jpg", "flower.jpg")),
    Shipped(PHOTOGRAPHS, "matplotlib", "matplotlib/mpl-data/sample_data", ("grace_hopper.jpg",)),
    Shipped(PHOTOGRAPHS, "mahotas", "mahotas/demos/data", ("DepartmentStore.jpg",)),
    Shipped((OTHER, "surfaces"), "scikit-image", SKIMAGE, _names("brick grass gravel", ".png"),
            3, 256),
    Shipped((FAR, "scans"), "scikit-image", SKIMAGE, _names("page text", ".png")),
    Shipped((FAR, "drawings"), "scikit-image", SKIMAGE,
            _names("phantom horse logo color chessboard_GRAY chessboard_RGB", ".png")),
    Shipped((FAR, "drawings"), "matplotlib", "matplotlib/mpl-data/sample_data",
            ("Minduka_Present_Blue_Pack.png", "logo2.png")),
)  # fmt: skip
"""None of these pictures was made to be a stranger; each package's licence holds for its own."""


def find_shipped(folder: Path | None) -> tuple[dict[Place, list[Image.Image]], list[str]]:
    """Read what installed packages ship.

    Args:
        folder: A folder of `pip install --target`, which is looked into first.

    Returns:
        Pictures by kind, and the names of packages that are not there.
    """
    places = [*([folder] if folder else []), Path(sysconfig.get_path("purelib"))]
    found: dict[Place, list[Image.Image]] = {(FAR, "digits"): list(_digits())}
    missing = set()
    for entry in SHIPPED:
        for name in entry.files:
            paths = [place / entry.folder / name for place in places]
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                missing.add(entry.package)
                continue
            pictures = found.setdefault(entry.place, [])
            for whole in read_any(path):
                pictures += [whole, *_cuttings(whole, entry, name)]
    return found, sorted(missing)


def read_any(path: Path) -> list[Image.Image]:
    """Return the picture of a file, or some of a series, as RGB."""
    if path.suffix == ".dcm":
        return [_shown(pixels) for pixels in _frames_of_dicom(path)]
    if path.name.endswith(".nii.gz"):
        return [_shown(pixels) for pixels in _slices_of_nifti(path)]
    with Image.open(path) as picture:
        if picture.mode in ("RGB", "RGBA", "L", "P"):
            return [picture.convert("RGB")]
        return [_shown(np.asarray(picture))]


def _cuttings(whole: Image.Image, entry: Shipped, name: str) -> Iterator[Image.Image]:
    rng, side = generator("cutting", entry.package, name), min(entry.side, *whole.size)
    for _ in range(entry.cuttings):
        left, top = (int(rng.integers(0, length - side + 1)) for length in whole.size)
        yield whole.crop((left, top, left + side, top + side))


def _digits() -> Iterator[Image.Image]:
    """Yield handwritten digits of 8 x 8 pixels, dark on light, enlarged."""
    from sklearn.datasets import load_digits

    images = load_digits().images
    for image in images[:: len(images) // NUM_DIGITS][:NUM_DIGITS]:
        small = Image.fromarray((255 - image * 255 / 16).astype(np.uint8))
        yield small.resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BICUBIC).convert("RGB")


def _frames_of_dicom(path: Path) -> list[NDArray[Any]]:
    import pydicom
    from pydicom.pixels import apply_color_lut

    logging.getLogger("pydicom").setLevel(logging.ERROR)
    described = pydicom.dcmread(path, force=True)
    pixels, kind = described.pixel_array, str(described.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, described)
    in_colour = described.SamplesPerPixel == 3 or kind == "PALETTE COLOR"
    frames = pixels if pixels.ndim == 3 + in_colour else pixels[None]
    if kind == "MONOCHROME1":
        frames = frames.max() - frames
    return list(frames[:: max(1, len(frames) // FRAMES)][:FRAMES])


def _slices_of_nifti(path: Path) -> list[NDArray[Any]]:
    """Return slices of a volume along its three axes."""
    with gzip.open(path) as stream:
        content = stream.read()
    number, *shape = struct.unpack("<8h", content[40:56])
    kind, start = (
        struct.unpack("<h", content[70:72])[0],
        int(struct.unpack("<f", content[108:112])[0]),
    )
    shape = shape[:number]
    volume = np.frombuffer(content, NIFTI_TYPES[kind], int(np.prod(shape)), int(start))
    volume = volume.reshape(shape, order="F")
    return [
        np.rot90(np.take(volume, int(share * volume.shape[axis]), axis=axis))
        for axis in range(3)
        for share in np.linspace(0.25, 0.75, FRAMES)
    ]


def _shown(pixels: NDArray[Any]) -> Image.Image:
    """Return values as a picture: those of one channel stretched between their percentiles."""
    values = pixels.astype(np.float64)
    if values.ndim == 3 and values.shape[-1] >= 3:
        values = values[..., :3] * (255 / max(255.0, float(values.max())))
    else:
        low, high = np.percentile(values, (1, 99.5))
        values = (values - low) / max(high - low, 1e-9) * 255
    picture = Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if min(picture.size) >= LEAST_SIDE:
        return picture
    return picture.resize((8 * picture.width, 8 * picture.height), Image.Resampling.NEAREST)
