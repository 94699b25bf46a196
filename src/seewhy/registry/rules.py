"""The table of rules, in the order of listing."""

from seewhy.registry.rows import Rule
from seewhy.rules.geometry import centre_crop, flip, rotation, still_crop, translation
from seewhy.rules.light import blur, brightness, hue, jpeg, noise
from seewhy.rules.regions import needs_background, needs_region

RULES: dict[str, Rule] = {
    "flip": Rule(flip, "the prediction stays the same when the image is mirrored", "stays", (1.0,), (1.0, 1.0)),
    "rotation": Rule(
        rotation,
        "the prediction stays the same when the image is rotated, corners cropped",
        "stays",
        (5.0, 15.0, 45.0, 90.0, 180.0),
        (0.0, 180.0),
        "largest angle, degrees",
        before=centre_crop,
    ),
    "translation": Rule(
        translation,
        "the prediction stays the same when the crop of the image moves",
        "stays",
        (0.02, 0.05, 0.1),
        (0.0, 0.4),
        "shift, share of each side",
        before=still_crop,
    ),
    "blur": Rule(
        blur,
        "the prediction stays the same when the image is blurred",
        "stays",
        (1.0, 2.0, 5.0, 10.0, 20.0),
        (0.01, 1000.0),
        "sigma, pixels",
    ),
    "noise": Rule(
        noise,
        "the prediction stays the same under Gaussian noise",
        "stays",
        (0.02, 0.05, 0.1, 0.2),
        (0.0, 10.0),
        "standard deviation, white is 1",
    ),
    "brightness": Rule(
        brightness,
        "the prediction stays the same when the image is brighter or darker",
        "stays",
        (0.1, 0.3, 0.5),
        (0.0, 1.0),
        "share of each value",
    ),
    "hue": Rule(
        hue,
        "the prediction stays the same when the hues are rotated",
        "stays",
        (15.0, 45.0, 90.0, 180.0),
        (0.0, 180.0),
        "degrees",
    ),
    "jpeg": Rule(
        jpeg,
        "the prediction stays the same after JPEG compression",
        "stays",
        (75.0, 30.0, 10.0),
        (1.0, 95.0),
        "quality",
    ),
    "needs-region": Rule(
        needs_region,
        "the prediction changes when the object's boxes are filled in",
        "changes",
        (0.0,),
        (0.0, 1.0),
        "margin, share of the side",
        region=True,
    ),
    "needs-background": Rule(
        needs_background,
        "the prediction changes when everything but the object's boxes is filled in",
        "changes",
        (0.0,),
        (0.0, 1.0),
        "margin, share of the side",
        region=True,
    ),
}
