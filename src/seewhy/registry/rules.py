"""The table of rules, in the order of listing."""

from seewhy.registry.rows import Rule
from seewhy.rules.geometry import centre_crop, flip, rotation, still_crop, translation
from seewhy.rules.light import blur, brightness, hue, jpeg, noise
from seewhy.rules.regions import needs_background, needs_region

_MARGIN = "margin, share of the side"

RULES: dict[str, Rule] = {
    "flip": Rule(flip, "when the image is mirrored", (1.0,), (1.0, 1.0)),
    "rotation": Rule(
        rotation,
        "when the image is rotated, corners cropped",
        (5.0, 15.0, 45.0, 90.0, 180.0),
        (0.0, 180.0),
        "largest angle, degrees",
        before=centre_crop,
    ),
    "translation": Rule(
        translation,
        "when the crop of the image moves",
        (0.02, 0.05, 0.1),
        (0.0, 0.4),
        "shift, share of each side",
        before=still_crop,
    ),
    "blur": Rule(blur, "when the image is blurred", (1.0, 2.0, 5.0, 10.0, 20.0), (0.01, 1000.0), "sigma, pixels"),
    "noise": Rule(noise, "under Gaussian noise", (0.02, 0.05, 0.1, 0.2), (0.0, 10.0), "standard deviation, white is 1"),
    "brightness": Rule(
        brightness, "when the image is brighter or darker", (0.1, 0.3, 0.5), (0.0, 1.0), "share of each value"
    ),
    "hue": Rule(hue, "when the hues are rotated", (15.0, 45.0, 90.0, 180.0), (0.0, 180.0), "degrees"),
    "jpeg": Rule(jpeg, "after JPEG compression", (75.0, 30.0, 10.0), (1.0, 95.0), "quality"),
    "needs-region": Rule(
        needs_region,
        "when the object's boxes are filled in",
        (0.0,),
        (0.0, 1.0),
        _MARGIN,
        claim="changes",
        region=True,
    ),
    "needs-background": Rule(
        needs_background,
        "when everything but the object's boxes is filled in",
        (0.0,),
        (0.0, 1.0),
        _MARGIN,
        claim="changes",
        region=True,
    ),
}
