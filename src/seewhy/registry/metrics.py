"""The table of metrics, in the order of listing; a row states only what differs from the defaults of `Metric`."""

from seewhy.metrics import degradation, sensitivity
from seewhy.metrics.confidence import average_drop, average_increase
from seewhy.metrics.cout import cout
from seewhy.metrics.localisation import box_ratio, energy_in_box, iou, iou_percentiles, ncc, pointing
from seewhy.metrics.removal import deletion, insertion
from seewhy.metrics.robustness import parameter_randomisation, seed_reproducibility
from seewhy.registry.cost import Cost
from seewhy.registry.rows import Metric

METRICS: dict[str, Metric] = {
    "deletion": Metric(
        run=deletion,
        summary="mean probability of the class while the most salient pixels are removed first",
        paper="Petsiuk, Das, Saenko, BMVC 2018",
        higher_is_better=False,
        queries=lambda run: Cost(1 + run["steps"]),
    ),
    "insertion": Metric(
        run=insertion,
        summary="mean probability of the class while the most salient pixels are inserted first",
        paper="Petsiuk, Das, Saenko, BMVC 2018",
        infill="rise-blur",
        queries=lambda run: Cost(1 + run["steps"]),
    ),
    "degradation": Metric(
        run=degradation.degradation,
        summary="area between the curves for removing the least and the most relevant tiles first",
        paper="Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        infill="mean",
        queries=lambda run: Cost(2 * run["steps"]),
        small="tile=4,steps=6",
        pool=degradation.pooled,
    ),
    "sensitivity-n": Metric(
        run=sensitivity.sensitivity_n,
        summary="correlation of the map's sums over random sets of tiles with the effect of removing them",
        paper="Ancona, Ceolini, Öztireli, Gross, ICLR 2018",
        queries=lambda run: Cost(1 + run["sizes"] * run["sets"]),
        small="tile=4,sizes=4,sets=8",
        pool=sensitivity.pooled,
    ),
    "average-drop": Metric(
        run=average_drop,
        summary="share of the confidence lost when the image is multiplied by the map",
        paper="Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018",
        higher_is_better=False,
        infill="constant:value=0",
        queries=Cost(2),
    ),
    "average-increase": Metric(
        run=average_increase,
        summary="whether the confidence rises when the image is multiplied by the map",
        paper="Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018",
        infill="constant:value=0",
        queries=Cost(2),
    ),
    "pointing": Metric(
        run=pointing,
        summary="whether the maximum of the map lies on the object, or at most 15 pixels from it",
        paper="Zhang, Lin, Brandt, Shen, Sclaroff, ECCV 2016",
        region=True,
        small="tolerance=0",
    ),
    "energy-in-box": Metric(
        run=energy_in_box,
        summary="share of the positive values that lies on the object",
        paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, CVPR workshops 2020",
        region=True,
    ),
    "box-ratio": Metric(
        run=box_ratio,
        summary="share on the object of the highest pixels, as many as the object has",
        paper="Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        region=True,
    ),
    "iou": Metric(
        run=iou,
        summary="intersection over union of the object and as many of the highest pixels",
        paper="after Everingham, Van Gool, Williams, Winn, Zisserman, IJCV 2010",
        region=True,
    ),
    "iou-percentiles": Metric(
        run=iou_percentiles,
        summary="intersection over union of the object and the highest pixels, mean over the percentiles 70 to 99",
        paper="after Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022",
        region=True,
    ),
    "ncc": Metric(
        run=ncc,
        summary="correlation of the map with the indicator image of the object",
        paper="after Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022",
        region=True,
    ),
    "cout": Metric(
        run=cout,
        summary="how soon the class changes while the counterfactual image is inserted, largest changes first",
        paper="Khorram, Fuxin, CVPR 2022",
        queries=lambda run: Cost(1 + run["steps"]),
        small="steps=20,order=map",
    ),
    "parameter-randomisation": Metric(
        run=parameter_randomisation,
        summary="rank correlation with the map of a classifier with random weights",
        paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018",
        higher_is_better=False,
        queries=Cost(explanations=1),
    ),
    "seed-reproducibility": Metric(
        run=seed_reproducibility,
        summary="rank correlation between the maps of several seeds",
        paper="after Ghorbani, Abid, Zou, AAAI 2019",
        queries=lambda run: Cost(explanations=run["seeds"]),
    ),
}
