"""The table of metrics: one row a metric, in the order in which they are listed."""

from seewhy.metrics import degradation, sensitivity
from seewhy.metrics.confidence import average_drop, average_increase
from seewhy.metrics.correlation import ncc
from seewhy.metrics.cout import cout
from seewhy.metrics.energy import energy_in_box
from seewhy.metrics.overlap import box_ratio, iou
from seewhy.metrics.percentiles import iou_percentiles
from seewhy.metrics.pointing import pointing
from seewhy.metrics.removal import deletion, insertion
from seewhy.metrics.sanity import sanity
from seewhy.metrics.stability import stability
from seewhy.registry.rows import Metric

METRICS: dict[str, Metric] = {
    "deletion": Metric(
        deletion,
        "mean probability of the class while the most salient pixels are removed first",
        "Petsiuk, Das, Saenko, BMVC 2018",
        higher_is_better=False,
        infill="gray",
        cost="29",
    ),
    "insertion": Metric(
        insertion,
        "mean probability of the class while the most salient pixels are put in first",
        "Petsiuk, Das, Saenko, BMVC 2018",
        higher_is_better=True,
        infill="rise-blur",
        cost="29",
    ),
    "degradation": Metric(
        degradation.degradation,
        "area between removing the least and the most relevant tiles first",
        "Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        higher_is_better=True,
        infill="mean",
        cost="200",
        pool=degradation.pooled,
    ),
    "sensitivity-n": Metric(
        sensitivity.sensitivity_n,
        "correlation of the map's sums over random sets of tiles with what their removal costs",
        "Ancona, Ceolini, Öztireli, Gross, ICLR 2018",
        higher_is_better=True,
        infill="gray",
        cost="1,601",
        pool=sensitivity.pooled,
    ),
    "average-drop": Metric(
        average_drop,
        "share of the confidence that is lost when only what the map marks is shown",
        "Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018",
        higher_is_better=False,
        infill="constant:value=0",
        cost="2",
    ),
    "average-increase": Metric(
        average_increase,
        "whether the confidence rises when only what the map marks is shown",
        "Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018",
        higher_is_better=True,
        infill="constant:value=0",
        cost="2",
    ),
    "pointing": Metric(
        pointing,
        "whether the highest point lies on the object, or at most 15 pixels off",
        "Zhang, Lin, Brandt, Shen, Sclaroff, ECCV 2016",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "energy-in-box": Metric(
        energy_in_box,
        "share of the positive values that lies on the object",
        "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, CVPR workshops 2020",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "box-ratio": Metric(
        box_ratio,
        "share of the highest pixels on the object, as many as it has",
        "Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "iou": Metric(
        iou,
        "intersection over union of the object and as many highest pixels",
        "after Everingham, Van Gool, Williams, Winn, Zisserman, IJCV 2010",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "iou-percentiles": Metric(
        iou_percentiles,
        "intersection over union of the object and the highest pixels, mean over the percentiles 70 to 99",
        "after Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "ncc": Metric(
        ncc,
        "correlation of the map with the object as a picture of ones and zeros",
        "after Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022",
        higher_is_better=True,
        infill="gray",
        cost="0",
        region=True,
    ),
    "cout": Metric(
        cout,
        "how soon the class changes while the counterfactual picture is put in, what changes most first",
        "Khorram, Fuxin, CVPR 2022",
        higher_is_better=True,
        infill="gray",
        cost="51",
    ),
    "sanity": Metric(
        sanity,
        "rank correlation with the map of a classifier with random weights",
        "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018",
        higher_is_better=False,
        infill="gray",
        cost="one explanation",
        again=True,
    ),
    "stability": Metric(
        stability,
        "rank correlation of the maps of several seeds",
        "after Ghorbani, Abid, Zou, AAAI 2019",
        higher_is_better=True,
        infill="gray",
        cost="two explanations",
        again=True,
    ),
}
