"""Explain a photo with the default ImageNet classifier: why does it predict "espresso"?

Usage: python examples/explain_photo.py [FOLDER]. Requires the extra ``demo``. The example uses occlusion with a small
budget. Omit ``method`` and ``budget`` for the evidence maps of pmi, which need 3,137 queries.
"""

import sys
from pathlib import Path

import seewhy

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"


def main(folder: str = "seewhy-out/photo") -> None:
    """Explain the photo, print the strongest evidence and write the results to a folder."""
    explanation = seewhy.explain(
        "efficientnet-lite0", PHOTO, method="occlusion", targets=["espresso", "cup"], budget=60
    )
    for target in explanation.record.targets:
        best = target.highest
        print(f"{target.label}: p = {target.probability:.3f}, at most {best.value:+.3f} in {explanation.unit}")
        print(f"  around row {best.row}, column {best.column} of {explanation.frame.size}")
    print(f"{explanation.queries.forward_images} queries; open {explanation.save(folder) / 'report.html'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
