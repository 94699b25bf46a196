"""The table of methods, in the order of listing.

A row states only what differs from the defaults of `Method`, or from what its family shares.
"""

from functools import partial

from seewhy.core.access import Access
from seewhy.methods.controls import center, edges, random
from seewhy.methods.counterfactual.generated import counterfactual, trained_classes
from seewhy.methods.counterfactual.nearest import nearest_counterfactual
from seewhy.methods.counterfactual.path import counterfactual_path
from seewhy.methods.gradients.captum import integrated_gradients, smoothgrad
from seewhy.methods.layers.grad_cam import grad_cam, grad_cam_plus_plus
from seewhy.methods.layers.iba import iba
from seewhy.methods.layers.iba_readout import iba_readout
from seewhy.methods.optimisation.extremal import extremal_perturbation
from seewhy.methods.optimisation.ibisa import ibisa
from seewhy.methods.optimisation.meaningful import meaningful_perturbation
from seewhy.methods.optimisation.meaningful_black_box import meaningful_black_box
from seewhy.methods.sampling.additive import additive
from seewhy.methods.sampling.aise import aise
from seewhy.methods.sampling.faded_rise import faded_rise
from seewhy.methods.sampling.hsic import hsic
from seewhy.methods.sampling.kernel_shap import kernel_shap
from seewhy.methods.sampling.leave_one_out import leave_one_out
from seewhy.methods.sampling.lime import lime
from seewhy.methods.sampling.partition_shap import partition_shap
from seewhy.methods.sampling.rise import rise
from seewhy.methods.sampling.sobol import sobol
from seewhy.methods.search.evidence import evidence
from seewhy.methods.search.minimal_region import minimal_region
from seewhy.methods.search.search import search
from seewhy.methods.windows.occlusion import occlusion
from seewhy.methods.windows.pmi import pmi
from seewhy.registry import cost
from seewhy.registry.cost import Cost
from seewhy.registry.nested import calling
from seewhy.registry.rows import Method

_window = partial(Method, queries=cost.windows, signed=True, linear=True, anytime=True)
_cam = partial(
    Method,
    access=Access.INTERNALS,
    queries=lambda run: cost.per_target(1, run, once=2, backward=1),
    random=False,
)
_superpixel = partial(Method, signed=True, linear=True, small="segments=9,shape=grid,samples=60", extra="segments")

METHODS: dict[str, Method] = {
    "evidence": Method(
        run=evidence,
        summary="the regions that carry the predicted class, in order and in nats, and a signed map of every other target",
        paper="after Chen et al., ICLR 2024, and Slack et al., NeurIPS 2021",
        infill="blur",
        queries=cost.evidence,
        information=True,
        signed=True,
        first_leads=True,
        small="queries=300,grids=100,regions=9,shape=grid,window=3",
    ),
    "pmi": _window(
        run=pmi,
        summary="evidence for each class, and information, from the probabilities with and without each patch",
        paper="Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020",
        access=Access.PROBABILITIES,
        infill="patch-sampler",
        large=(16, "inpaint"),
        information=True,
        small="size=4,samples=2",
    ),
    "occlusion": _window(
        run=occlusion,
        summary="drop in the probability when a window is covered",
        paper="Zeiler, Fergus, ECCV 2014",
        small="size=5,samples=2",
    ),
    "rise": Method(
        run=rise,
        summary="expected probability given that the pixel is kept, over random grids",
        paper="Petsiuk, Das, Saenko, BMVC 2018",
        queries=lambda run: Cost(1 + run["masks"]),
        linear=True,
        anytime=True,
        small="masks=400,cells=3",
    ),
    "additive": Method(
        run=additive,
        summary="each pixel's share in the score of randomly covered pictures, for and against, with a smooth prior",
        paper="after Slack, Hilgard, Singh, Lakkaraju, NeurIPS 2021, and Covert, Lee, AISTATS 2021",
        infill="blur",
        queries=lambda run: Cost(1 + run["samples"]),
        information=True,
        signed=True,
        anytime=True,
        small="samples=200",
    ),
    "ibisa": Method(
        run=ibisa,
        summary="share of each pixel kept when little is kept and that is sufficient; IBISA-style",
        paper="after Coelho, Cardoso, Neurocomputing 638, 2025",
        access=Access.GRADIENTS,
        infill="noise",
        queries=cost.optimised_images("draws", once=1),
        small="cells=4,beta=1",
    ),
    "iba": Method(
        run=iba,
        summary="information that the decision uses from each place of a layer",
        paper="Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        access=Access.INTERNALS,
        queries=cost.optimised_images("samples", once=2),
        small="steps=4,samples=4",
    ),
    "iba-readout": Method(
        run=iba_readout,
        summary="the map of iba, predicted in one pass by a network trained for the classifier",
        paper="Schulz, Sixt, Tombari, Landgraf, ICLR 2020",
        access=Access.INTERNALS,
        queries=Cost(2),
        predicted_only=True,
        random=False,
        needs="a network trained for it",
    ),
    "grad-cam": _cam(
        run=grad_cam,
        summary="feature maps of a layer, weighted by the mean gradient of the class score",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017",
        random=False,
    ),
    "grad-cam++": _cam(
        run=grad_cam_plus_plus,
        summary="as grad-cam, weighted by positive gradients so that each of several objects counts",
        paper="Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018",
        random=False,
    ),
    "integrated-gradients": Method(
        run=integrated_gradients,
        summary="share of each pixel in the change of the class score from the in-fill to the image",
        paper="Sundararajan, Taly, Yan, ICML 2017",
        access=Access.GRADIENTS,
        queries=cost.steps("steps", once=3),
        signed=True,
        linear=True,
        small="steps=12",
        extra="captum",
    ),
    "smoothgrad": Method(
        run=smoothgrad,
        summary="magnitude of the mean gradient of the class score over noisy copies",
        paper="Smilkov, Thorat, Kim, Viégas, Wattenberg, arXiv 1706.03825, 2017",
        access=Access.GRADIENTS,
        queries=cost.steps("samples", once=1),
        small="samples=12",
    ),
    "faded-rise": _superpixel(
        run=faded_rise,
        summary="effect on the probability of keeping each superpixel, with soft edges",
        paper="after Pihlgren, Främling, IJCNN 2025",
        queries=lambda run: Cost(1 + run["samples"]),
        extra="segments",
    ),
    "kernel-shap": _superpixel(
        run=kernel_shap,
        summary="Shapley value of each superpixel: its fair share of the probability",
        paper="Lundberg, Lee, NeurIPS 2017",
        queries=cost.kernel_shap,
        extra="segments",
    ),
    "partition-shap": Method(
        run=partition_shap,
        summary="Owen values: fair shares of the probability over a tree of parts of the image",
        paper="Lundberg, Lee, NeurIPS 2017, and Owen, 1977",
        infill="blur",
        queries=lambda run: Cost(2 + run["samples"]),
        signed=True,
        linear=True,
    ),
    "lime": _superpixel(
        run=lime,
        summary="coefficients of a local linear model of the probability on superpixels",
        paper="Ribeiro, Singh, Guestrin, KDD 2016",
        queries=lambda run: Cost(1 + run["samples"]),
        extra="segments",
    ),
    "leave-one-out": _superpixel(
        run=leave_one_out,
        summary="drop in the probability when one superpixel is removed",
        paper="after Robnik-Šikonja, Kononenko, IEEE TKDE 2008",
        queries=lambda run: Cost(1 + run["segments"], approximate=True),
        small="segments=9,shape=grid",
        extra="segments",
    ),
    "hsic": Method(
        run=hsic,
        summary="statistical dependence of the probability on each cell, of any form",
        paper="Novello, Fel, Vigouroux, NeurIPS 2022",
        queries=lambda run: Cost(1 + run["samples"]),
        small="grid=4,samples=64",
    ),
    "sobol": Method(
        run=sobol,
        summary="share of the probability's variance that involves each cell (total Sobol index)",
        paper="Fel, Cadène, Chalvidal, Cord, Vigouroux, Serre, NeurIPS 2021",
        queries=lambda run: Cost(1 + run["samples"] * (run["grid"] ** 2 + 1)),
        small="grid=4,samples=8",
    ),
    "aise": Method(
        run=aise,
        summary="Gaussian windows for which the class is probable inside and improbable outside",
        paper="Adaptive Input Sampling for Explanation, OpenVINO XAI 1.1, 2024",
        queries=cost.aise,
        signed=True,
        small="preset=speed",
    ),
    "meaningful-perturbation": Method(
        run=meaningful_perturbation,
        summary="the smallest region whose removal lowers the probability",
        paper="Fong, Vedaldi, ICCV 2017",
        access=Access.GRADIENTS,
        infill="blur",
        queries=lambda run: cost.per_target(36 + run["iterations"], run, backward=run["iterations"]),
        small="iterations=20,cells=6,sigma=1,jitter=2,lambda1=1e-5",
    ),
    "meaningful-black-box": Method(
        run=meaningful_black_box,
        summary="as meaningful-perturbation, without gradients and on a coarser grid",
        paper="after Fong, Vedaldi, ICCV 2017, and Spall, IEEE TAC 1992",
        access=Access.PROBABILITIES,
        infill="blur",
        queries=lambda run: cost.per_target(1 + 2 * run["steps"], run),
        small="steps=40,cells=4,area_weight=1e-5",
    ),
    "extremal-perturbation": Method(
        run=extremal_perturbation,
        summary="smooth regions of given areas that give the highest probability",
        paper="Fong, Patrick, Vedaldi, ICCV 2019",
        access=Access.GRADIENTS,
        infill="blur",
        queries=cost.extremal,
        small="areas=0.1+0.3,perturbation=infill,iterations=12,step=2,sigma=4",
    ),
    "minimal-region": Method(
        run=minimal_region,
        summary="the smallest region sufficient for the predicted class, and the smallest necessary for it",
        paper="after Fong, Vedaldi, ICCV 2017",
        queries=cost.minimal_region,
        predicted_only=True,
        linear=True,
    ),
    "search": Method(
        run=calling(search),
        summary="the best order of the image's regions, and the evidence that each adds to those before it, in nats",
        paper="after Chen et al., ICLR 2024, and MDA, ICLR 2025",
        infill="blur",
        queries=cost.search,
        predicted_only=True,
        calls="first",
        small="regions=9,shape=grid,first=rise:cells=3,queries=60,window=3",
    ),
    "nearest-counterfactual": Method(
        run=nearest_counterfactual,
        summary="the smallest part of a real image of another class that changes the prediction",
        paper="after Goyal, Wu, Ernst, Batra, Parikh, Lee, ICML 2019",
        queries=cost.nearest_counterfactual,
        predicted_only=True,
        contrast=True,
        random=False,
        needs="images of other classes",
        generated=("counterfactual", "reference"),
    ),
    "counterfactual": Method(
        run=counterfactual,
        summary="what a trained generator changes to turn the image into another class",
        paper="Charachon, Cournède, Hudelot, Ardon, FGCS 132, 2022",
        queries=Cost(3),
        predicted_only=True,
        contrast=True,
        rivals=trained_classes,
        random=False,
        needs="generators trained for it",
        generated=("adversarial", "stable", "cycle"),
    ),
    "counterfactual-path": Method(
        run=counterfactual_path,
        summary="the change of counterfactual, weighted by gradients on the path to the other class",
        paper="after Charachon et al., iMIMIC 2021",
        access=Access.GRADIENTS,
        queries=cost.steps("steps", once=3),
        signed=True,
        random=False,
        needs="generators trained for it or a counterfactual image",
        generated=("adversarial",),
    ),
    "random": Method(
        run=random,
        summary="control: a smooth random map",
        paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018",
        signed=True,
        control=True,
    ),
    "center": Method(
        run=center,
        summary="control: a Gaussian in the centre of the image",
        paper="Zhang, Lin, Brandt, Shen, Sclaroff, ECCV 2016",
        random=False,
        control=True,
    ),
    "edges": Method(
        run=edges,
        summary="control: local change in brightness",
        paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018",
        random=False,
        control=True,
    ),
}
