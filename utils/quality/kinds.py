"""The table of what goes wrong with pictures in clinics: one entry per kind of degradation."""

from utils.quality import draws
from utils.quality.blur import defocus_blur, motion_blur
from utils.quality.colour import chromatic_aberration, colour_cast, haze
from utils.quality.compression import ENLARGEMENTS, jpeg_compression, low_resolution
from utils.quality.exposure import glare, over_exposure, under_exposure
from utils.quality.kind import Kind
from utils.quality.noise import sensor_noise
from utils.quality.occlusion import occlusion

IMAGEQX = "Jalaboi et al. 2022 (ImageQX), arXiv 2209.04699"
TRUEIMAGE = "Vodrahalli et al. 2020 (TrueImage), arXiv 2010.02086"
CORRUPTIONS = "Hendrycks and Dietterich 2019, arXiv 1903.12261"

# In the order in which light meets them: air, lens, sensor, file. Combinations keep to it.
_ENTRIES = (
    Kind(
        name="haze",
        title="Haze or low contrast",
        fault="Steam, a greasy lens or stray light lays a grey veil over everything",
        source=f"Koschmieder 1924; {CORRUPTIONS}",
        group="veil",
        strength="density",
        levels=(0.1, 0.25, 0.55, 1.1, 2.2),
        measure="contrast",
        rises=False,
        apply=haze,
        draw_others=draws.draw_haze,
    ),
    Kind(
        name="glare",
        title="Glare",
        fault="Flash or lamp is mirrored by wet skin, gel, glass or a glossy print",
        source=f"{TRUEIMAGE} (lighting); reflected light adds in linear light",
        group="veil",
        strength="reach",
        levels=(0.1, 0.16, 0.25, 0.4, 0.65),
        measure="psnr",
        rises=False,
        apply=glare,
        draw_others=draws.draw_glare,
    ),
    Kind(
        name="colour_cast",
        title="Colour cast",
        fault="The white balance is set for another lamp than the one in the room",
        source=f"von Kries 1902 (gain per channel); {IMAGEQX} (lighting)",
        group="colour",
        strength="stops",
        levels=(0.6, 1.2, 1.9, 2.9, 4.5),
        measure="colour_shift",
        rises=True,
        apply=colour_cast,
        draw_others=lambda rng: {"hue": draws.between(rng, 0, 360)},
    ),
    Kind(
        name="occlusion",
        title="Occlusion at the border",
        fault="A finger, strap or case reaches into the picture (framing)",
        source=f"{IMAGEQX} (framing)",
        group="occlusion",
        strength="covered",
        levels=(0.1, 0.2, 0.35, 0.55, 0.78),
        measure="psnr",
        rises=False,
        apply=occlusion,
        draw_others=draws.draw_occlusion,
    ),
    Kind(
        name="defocus_blur",
        title="Defocus blur",
        fault="The camera focuses on the background or is too close",
        source=f"{IMAGEQX} (blur, distance); {CORRUPTIONS}",
        group="blur",
        strength="radius",
        levels=(0.007, 0.013, 0.023, 0.04, 0.07),
        measure="sharpness",
        rises=False,
        apply=defocus_blur,
        draw_others=draws.draw_defocus_blur,
    ),
    Kind(
        name="motion_blur",
        title="Motion blur",
        fault="The hand shakes or the patient moves while the shutter is open",
        source=f"{TRUEIMAGE} (blur); {CORRUPTIONS}",
        group="blur",
        strength="length",
        levels=(0.022, 0.045, 0.085, 0.15, 0.26),
        measure="sharpness",
        rises=False,
        apply=motion_blur,
        draw_others=draws.draw_motion_blur,
    ),
    Kind(
        name="chromatic_aberration",
        title="Chromatic aberration",
        fault="A clip-on or tilted lens bends red and blue differently: colour fringes",
        source="Kang 2007, Automatic removal of chromatic aberration from a single image",
        group="fringe",
        strength="spread",
        levels=(0.02, 0.04, 0.075, 0.13, 0.22),
        measure="psnr",
        rises=False,
        apply=chromatic_aberration,
        draw_others=draws.draw_chromatic_aberration,
    ),
    Kind(
        name="under_exposure",
        title="Under-exposure",
        fault="Too little light, often a single warm lamp, and the noise that comes with it",
        source=f"{IMAGEQX} (lighting); Foi et al. 2008, doi 10.1109/TIP.2008.2001399 (noise)",
        group="exposure",
        strength="stops",
        levels=(0.5, 1.2, 2.1, 3.2, 4.6),
        measure="brightness",
        rises=False,
        apply=under_exposure,
        draw_others=draws.draw_under_exposure,
    ),
    Kind(
        name="over_exposure",
        title="Over-exposure",
        fault="The flash is too close, or the exposure was metered on something dark",
        source=f"{IMAGEQX} (lighting); clipping at the sensor's full well",
        group="exposure",
        strength="blown",
        levels=(0.04, 0.15, 0.35, 0.62, 0.92),
        measure="brightness",
        rises=True,
        apply=over_exposure,
        draw_others=lambda rng: {"veil": draws.between(rng, 0, 0.3)},
    ),
    Kind(
        name="sensor_noise",
        title="Sensor noise",
        fault="A small sensor at high gain in a dim room: photon and read noise",
        source="Foi et al. 2008, doi 10.1109/TIP.2008.2001399",
        group="noise",
        strength="photon",
        levels=(0.05, 0.1, 0.18, 0.3, 0.5),
        measure="noise_level",
        rises=True,
        apply=sensor_noise,
        draw_others=draws.draw_sensor_noise,
    ),
    Kind(
        name="low_resolution",
        title="Low resolution",
        fault="A thumbnail is sent, or the lesion is a tiny part of the picture",
        source=f"{IMAGEQX} (resolution, distance)",
        group="resolution",
        strength="detail",
        levels=(0.45, 0.31, 0.22, 0.155, 0.105),
        measure="psnr",
        rises=False,
        apply=low_resolution,
        draw_others=lambda rng: {"enlarged": draws.one_of(rng, ENLARGEMENTS)},
    ),
    Kind(
        name="jpeg_compression",
        title="JPEG over-compression",
        fault="A messenger or an old system compresses far too strongly",
        source=f"ITU-T T.81 (JPEG); {CORRUPTIONS}",
        group="compression",
        strength="quality",
        levels=(20, 13, 8.5, 5.5, 3),
        measure="psnr",
        rises=False,
        apply=jpeg_compression,
        draw_others=lambda rng: {"side": int(rng.integers(160, 257))},
    ),
)

KINDS = {kind.name: kind for kind in _ENTRIES}

ALWAYS_BITE = ("sensor_noise", "occlusion", "under_exposure", "over_exposure")
"""Kinds that change even a plain wall; tried in turn once drawing has failed too often."""
