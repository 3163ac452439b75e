"""The faults of a picture that a person can act on, and what to do about each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a picture, as a person who takes it again sees it.

    Attributes:
        name: In files, columns and tables.
        title: For people; follows "This picture is".
        advice: One plain sentence for the person who takes the picture again.
    """

    name: str
    title: str
    advice: str


FAULTS = (
    Fault("blurred", "out of focus", "Move back a little and tap the lesion to focus."),
    Fault("shaken", "shaken", "Hold the camera still with both hands, or rest it on something."),
    Fault("dark", "too dark", "Turn on more light or go to a window."),
    Fault("bright", "too bright", "Switch off the flash or step out of the direct light."),
    Fault("glare", "full of reflections", "Tilt the camera or the lamp until nothing shines."),
    Fault("uneven_light", "unevenly lit", "Let no shadow fall on the skin and use daylight."),
    Fault("veiled", "veiled", "Wipe the lens and keep lamps out of the picture."),
    Fault("off_colour", "off in its colours", "Use daylight and no coloured lamp or filter."),
    Fault("noisy", "noisy", "Use more light so that the camera need not amplify it."),
    Fault("few_pixels", "too small", "Go closer and send the original instead of a thumbnail."),
    Fault("over_compressed", "compressed too far", "Send the original file, not by messenger."),
    Fault("covered", "partly covered", "Take fingers, hair, straps and bubbles off the lesion."),
)
"""In the order of a model's outputs."""

FAULT_NAMES = tuple(fault.name for fault in FAULTS)

MAX_SEVERITY = 5
"""The worst severity; 0 is a good picture, 1 the least that is poor beyond doubt."""

SEVERITY_DIGITS = 3
"""After the point, where a severity is written: rounding of other batches does not reach them."""
