"""Write down, as plain text, all steps from a picture file to a stored model's answer.

With them, anybody who has the model without this program gets the same pixels and the same answers,
using Pillow, numpy and something that runs the network.
"""

from typing import Any

from models.ensemble import MEMBERS, RULE
from models.novelty import NUM_NEIGHBOURS
from models.preprocessing import MAX_SHRINK
from models.reading import MAX_DIRECT_SIDE, OWN_SIZE, SHORTER_SIDE
from models.stem import FLOOR
from utils.common.pictures import JPEG_QUALITY
from utils.common.reading.target_size import REDUCING_GAP

RESIZING = (
    "To resize to a shorter side S: scale = S / (shorter side), width and height = "
    "max(1, round(side * scale)), then Image.resize((width, height), Image.Resampling.BICUBIC, "
    f"reducing_gap={REDUCING_GAP}). Before a JPEG is decoded, and so before it is turned upright, "
    f"call Image.draft(None, ({REDUCING_GAP:g} * width, {REDUCING_GAP:g} * height)) of the width "
    "and height that it gets, not turned: it is decoded at 1/1, 1/2, 1/4 or 1/8 of its size."
)
OPENING = (
    "Open the first frame with Pillow, turn it upright (ImageOps.exif_transpose), convert it to "
    "8-bit RGB (transparency goes on white; grey of 16 bit is scaled by the range of the bits that "
    "are used) and, where the file names other colours than sRGB (an ICC profile; PNG's cICP, gAMA "
    "and cHRM; Adobe RGB in EXIF), to sRGB by ImageCms, relative colorimetric with black point "
    "compensation. A profile that moves no 8-bit value by more than 2 is left alone."
)


def how_to_use(fields: dict[str, Any]) -> str:
    """Return all steps, with the numbers of one model.

    Args:
        fields: Fields of the card, from `Card.to_dict`.
    """
    reading, preprocessing = fields["reading"], fields["preprocessing"]
    steps = [
        OPENING,
        *_sizes(reading["shorter_side"], reading["is_written"]),
        *_crop(preprocessing),
        "Input: such pictures as RGB, uint8 of 0-255, N x 3 x height x width. Scaling with mean "
        "and std, (value / 255 - mean) / std for each channel, is part of an exported model; for "
        "the weights alone do it first.",
        *_averaged(fields.get(MEMBERS, 1)),
        *_answer(fields["calibration"]),
        *_assessed(fields.get("assessment", {})),
    ]
    return " ".join(f"({number}) {step}" for number, step in enumerate(steps, start=1))


def _sizes(shorter_side: int, is_written: bool) -> list[str]:
    steps = []
    if shorter_side != OWN_SIZE:
        steps.append(f"Resize it to a shorter side of {shorter_side}. {RESIZING}")
    if not is_written:
        return steps
    own = (
        "an upright sRGB JPEG, which is"
        if shorter_side == OWN_SIZE
        else f"a JPEG with a shorter side of {shorter_side} and the quantisation tables of "
        f"Pillow's quality {JPEG_QUALITY}, upright and sRGB: one of the data set, which is"
    )
    steps.append(
        f"Save it as JPEG (Image.save, quality={JPEG_QUALITY}) and read that, unless the file was "
        f"{own} taken as it is."
    )
    if shorter_side == OWN_SIZE or shorter_side > MAX_DIRECT_SIDE:
        steps.append(
            f"If its shorter side is above {MAX_DIRECT_SIDE}, resize that JPEG to one of "
            f"{SHORTER_SIDE}. {RESIZING if shorter_side == OWN_SIZE else 'As above.'}"
        )
    return steps


def _crop(wanted: dict[str, Any]) -> list[str]:
    height, width = wanted["height"], wanted["width"]
    kernel = {"bicubic": "INTER_CUBIC", "bilinear": "INTER_LINEAR"}[wanted["interpolation"]]
    return [
        f"Cut out the centre: scale = min(picture height / {height}, picture width / {width}), "
        f"window height = round({height} * scale * {wanted['crop_pct']}), window width = "
        f"round({width} * scale * {wanted['crop_pct']}), its top = (picture height - window "
        "height) // 2, its left = (picture width - window width) // 2.",
        f"Resize the window to {height} x {width} as OpenCV does: cv2.resize with INTER_AREA where "
        f"the window is higher than {MAX_SHRINK} * {height}, else {kernel} (a = -0.75 if cubic, no "
        "antialiasing); a window of that size already stays as it is.",
    ]


def _averaged(members: int) -> list[str]:
    if members == 1:
        return []
    return [
        f"The weights are those of {members} networks, the names of each behind {MEMBERS}.0., "
        f"{MEMBERS}.1. and so on; all see the same input. {RULE} An exported model does this "
        "itself."
    ]


def _answer(calibration: dict[str, Any] | None) -> list[str]:
    if calibration is None:
        return [
            "Output: logits, N x classes, in the order of classes. Probabilities are their "
            "softmax, the label is the likeliest class; nothing was calibrated, so every "
            "class stays possible and every answer is ambiguous."
        ]
    return [
        f"Output: logits, N x classes, in the order of classes. Probabilities are softmax(logits / "
        f"{calibration['temperature']!r} + biases), biases {_by_class(calibration['biases'])}; the "
        "label is the likeliest class. They are those among equally common classes: where classes "
        "come in other shares, multiply by these and divide by the sum; they came in training as "
        f"{_by_class(calibration['class_shares'])}.",
        "A class is possible where 1 - its probability among equally common classes is at most its "
        "quantile, and always where its quantile is null or the class is the likeliest: "
        f"{_by_class(calibration['quantiles'])}. A picture is ambiguous where several are.",
        _unlike(calibration["unlike"]),
    ]


def _unlike(unlike: dict[str, Any]) -> str:
    """Return how out-of-distribution pictures are told."""
    if unlike["threshold"] is None:
        return "Nothing is called unlike the pictures of training: there were too few to tell."
    rule = (
        "A picture is unlike those of training, and its label UNSURE, where its distance is above "
        f"{unlike['threshold']!r}: "
    )
    features = "those of texture"
    if unlike["stem"]:
        features += (
            f", and {unlike['stem']} of the network's first feature map, which timm's "
            f"forward_intermediates(x, indices=[0]) gives: log(|mean| + {FLOOR}) of each channel "
            f"over the picture, then log(standard deviation + {FLOOR}) of each (over all "
            "pixels, divided by their number)"
        )
    texture = (
        "the least Euclidean distance of (features @ novelty.projection) to the rows of "
        f"novelty.centres, arrays of best.safetensors; the features are {features}"
    )
    if "scales" not in unlike:
        return f"{rule}{texture}; an exported file gives it as its output distance."
    scales = {
        name: f"max(0, (d - {scale['mean']!r}) / {scale['spread']!r})"
        for name, scale in unlike["scales"].items()
    }
    return (
        f"{rule}the square root of the sum of the squares of two numbers. The first is "
        f"{scales['texture']} of these features, where d is {texture}. The second is "
        f"{scales['embedding']} of the embedding, the pooled features before the logits, where d "
        f"is 1 - the cosine of it and its number {NUM_NEIGHBOURS} by nearness among the rows of "
        "novelty.bank, which have length 1. An exported file gives both results as outputs: "
        "distance, to be compared, and embedding."
    )


def _assessed(assessment: dict[str, Any]) -> list[str]:
    """Return how what assesses a picture is told; nothing of a model that does not."""
    if "subject" not in assessment:
        return []
    subject, faults, severity = (assessment[name] for name in ("subject", "faults", "severity"))
    return [
        "An exported file also gives subject_logits, fault_logits and severity_logits; the network "
        "itself gives them as further columns behind those of the classes.",
        f"subject_logits, N x {len(subject['outputs'])}, are of {', '.join(subject['outputs'])}. "
        f"{subject['rule']} Temperature {subject['temperature']!r}, threshold "
        f"{subject['threshold']!r}.",
        f"fault_logits, N x {len(faults['outputs'])}, are of "
        f"{', '.join(faults['outputs'])}. {faults['rule']} Slope, bias and threshold of each stand "
        "in assessment.faults.outputs, and beside them what the person who takes the picture "
        "should do.",
        f"severity_logits, N x {len(severity['outputs'])}. {severity['rule']}",
    ]


def _by_class(numbers: dict[str, float | None]) -> str:
    return ", ".join(
        f"{name} {'null' if number is None else repr(number)}" for name, number in numbers.items()
    )
