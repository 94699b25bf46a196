"""The tables of in-fills and classifiers, in the order of listing."""

from seewhy.classifiers.imagenet import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from seewhy.classifiers.onnx import onnx
from seewhy.classifiers.python import python
from seewhy.classifiers.trained import trained
from seewhy.infills.classic import navier_stokes, telea
from seewhy.infills.donor import donor
from seewhy.infills.exemplar import exemplar
from seewhy.infills.external import python_inpainter
from seewhy.infills.inpaint import inpaint
from seewhy.infills.onnx_inpainter import onnx_inpainter
from seewhy.infills.patch_sampler import patch_sampler
from seewhy.infills.patchmatch import patchmatch
from seewhy.infills.plain import blur, constant, gray, mean, noise, rise_blur
from seewhy.registry.rows import Component

INFILLS: dict[str, Component] = {
    "patch-sampler": Component(
        build=patch_sampler,
        summary="a patch sampled from a learned model, given the ring of pixels around it",
        paper="Yi et al., arXiv 2009.11150, 2020",
        random=True,
        largest=16,
    ),
    "inpaint": Component(
        build=inpaint,
        summary="the same learned model, tile by tile from the known pixels inwards, for holes of any size",
        paper="Yi et al., arXiv 2009.11150, 2020",
        random=True,
    ),
    "exemplar": Component(
        build=exemplar,
        summary="a piece of the same image, from a place with similar surroundings",
        paper="after Efros, Leung, ICCV 1999",
        random=True,
    ),
    "patchmatch": Component(
        build=patchmatch,
        summary="patches of the same image that fit each other, matched and averaged from coarse to fine",
        paper="Barnes et al., SIGGRAPH 2009",
        random=True,
        extra="patchmatch",
    ),
    "donor": Component(
        build=donor, summary="a piece of the same image, from another place chosen at random", random=True
    ),
    "gray": Component(
        build=gray,
        summary="the mean colour of the classifier's training images",
        paper="Zeiler, Fergus, ECCV 2014",
        from_classifier={"color": "mean_color"},
    ),
    "mean": Component(build=mean, summary="the mean colour of the image"),
    "constant": Component(build=constant, summary="one gray level"),
    "blur": Component(build=blur, summary="the image after a Gaussian blur", paper="Fong, Vedaldi, ICCV 2017"),
    "rise-blur": Component(
        build=rise_blur,
        summary="the image after the nearly flat 11 × 11 blur of RISE's insertion metric",
        paper="Petsiuk, Das, Saenko, BMVC 2018",
        from_classifier={"color": "mean_color"},
    ),
    "noise": Component(
        build=noise,
        summary="Gaussian noise with the mean and standard deviation of the image",
        paper="Fong, Vedaldi, ICCV 2017",
        random=True,
    ),
    "telea": Component(
        build=telea,
        summary="the surroundings, propagated inwards by fast marching",
        paper="Telea, J. Graphics Tools, 2004",
    ),
    "navier-stokes": Component(
        build=navier_stokes,
        summary="the surroundings, continued along lines of equal brightness",
        paper="Bertalmio, Bertozzi, Sapiro, CVPR 2001",
    ),
    "onnx-inpainter": Component(
        build=onnx_inpainter, summary="the output of your own in-painting network in an ONNX file", extra="onnx"
    ),
    "python-inpainter": Component(
        build=python_inpainter,
        summary="the output of your own function: python-inpainter:object=module:attribute",
        random=None,
        runs_code=True,
    ),
}

_LITE = "ImageNet, 1,000 classes"
_LITE_PAPER = "Tan, Le, ICML 2019"

CLASSIFIERS: dict[str, Component] = {
    "efficientnet-lite0": Component(
        build=efficientnet_lite0, summary=f"{_LITE}, 224 pixels; the default", paper=_LITE_PAPER, extra="demo"
    ),
    "efficientnet-lite1": Component(
        build=efficientnet_lite1, summary=f"{_LITE}, 240 pixels", paper=_LITE_PAPER, extra="demo"
    ),
    "efficientnet-lite2": Component(
        build=efficientnet_lite2, summary=f"{_LITE}, 260 pixels", paper=_LITE_PAPER, extra="demo"
    ),
    "onnx": Component(build=onnx, summary="an ONNX file: onnx:path=model.onnx, or the path alone", extra="onnx"),
    "python": Component(
        build=python, summary="your own function or torch module: module:attribute, or python:object=…", runs_code=True
    ),
    "trained": Component(build=trained, summary="a network trained by seewhy train classifier: trained:folder=DIR"),
}
