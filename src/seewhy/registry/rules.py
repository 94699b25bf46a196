"""The table of rules: one row a rule, in the order in which they are listed."""

from seewhy.registry.rows import Rule
from seewhy.rules.geometry import centre_crop, flip, rotation, still_crop, translation
from seewhy.rules.light import blur, brightness, hue, jpeg, noise
from seewhy.rules.regions import needs_background, needs_region

RULES: dict[str, Rule] = {
    "flip": Rule(flip, "the answer stays when the picture is mirrored", "stays", (1.0,), (1.0, 1.0)),
    "rotation": Rule(
        rotation,
        "the answer stays when the picture is rotated, corners cropped away",
        "stays",
        (5.0, 15.0, 45.0, 90.0, 180.0),
        (0.0, 180.0),
        "largest angle, degrees",
        before=centre_crop,
    ),
    "translation": Rule(
        translation,
        "the answer stays when the crop of the picture moves",
        "stays",
        (0.02, 0.05, 0.1),
        (0.0, 0.4),
        "shift, share of each side",
        before=still_crop,
    ),
    "blur": Rule(
        blur,
        "the answer stays when the picture is blurred",
        "stays",
        (1.0, 2.0, 5.0, 10.0, 20.0),
        (0.01, 1000.0),
        "sigma, pixels",
    ),
    "noise": Rule(
        noise,
        "the answer stays with Gaussian noise",
        "stays",
        (0.02, 0.05, 0.1, 0.2),
        (0.0, 10.0),
        "standard deviation, white is 1",
    ),
    "brightness": Rule(
        brightness,
        "the answer stays in brighter or darker light",
        "stays",
        (0.1, 0.3, 0.5),
        (0.0, 1.0),
        "share of each value",
    ),
    "hue": Rule(
        hue, "the answer stays when the hues turn", "stays", (15.0, 45.0, 90.0, 180.0), (0.0, 180.0), "degrees"
    ),
    "jpeg": Rule(jpeg, "the answer stays after JPEG compression", "stays", (75.0, 30.0, 10.0), (1.0, 95.0), "quality"),
    "needs-region": Rule(
        needs_region,
        "the answer changes when the object's boxes are filled in",
        "changes",
        (0.0,),
        (0.0, 1.0),
        "margin, share of the side",
        region=True,
    ),
    "needs-background": Rule(
        needs_background,
        "the answer changes when all but the object's boxes is filled in",
        "changes",
        (0.0,),
        (0.0, 1.0),
        "margin, share of the side",
        region=True,
    ),
}
