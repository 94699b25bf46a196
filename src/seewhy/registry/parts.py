"""The tables of in-fills and classifiers."""

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
from seewhy.registry.rows import Part

INFILLS: dict[str, Part] = {
    "patch-sampler": Part(
        patch_sampler, "a learned model draws the patch from its surroundings", "Yi et al., arXiv 2009.11150, 2020"
    ),
    "inpaint": Part(
        inpaint, "the learned model draws holes of any size, tile after tile", "Yi et al., arXiv 2009.11150, 2020"
    ),
    "exemplar": Part(
        exemplar, "a piece of the same picture whose surroundings look alike", "after Efros, Leung, ICCV 1999"
    ),
    "patchmatch": Part(
        patchmatch,
        "patches of the same picture, matched and averaged from coarse to fine",
        "Barnes et al., SIGGRAPH 2009",
        extra="patchmatch",
    ),
    "donor": Part(donor, "patches copied from elsewhere in the same picture"),
    "gray": Part(
        gray, "the mean colour of the data set", "Zeiler, Fergus, ECCV 2014", from_classifier={"color": "mean_color"}
    ),
    "mean": Part(mean, "the mean colour of the picture"),
    "constant": Part(constant, "one gray level"),
    "blur": Part(blur, "the picture through a Gaussian blur", "Fong, Vedaldi, ICCV 2017"),
    "rise-blur": Part(
        rise_blur,
        "the picture through the nearly flat blur of RISE's insertion metric",
        "Petsiuk, Das, Saenko, BMVC 2018",
        from_classifier={"color": "mean_color"},
    ),
    "noise": Part(noise, "Gaussian noise with the picture's mean and spread", "Fong, Vedaldi, ICCV 2017"),
    "telea": Part(telea, "fast marching from the border inwards", "Telea, J. Graphics Tools, 2004"),
    "navier-stokes": Part(
        navier_stokes, "lines of equal brightness flow into the hole", "Bertalmio, Bertozzi, Sapiro, CVPR 2001"
    ),
    "onnx-inpainter": Part(onnx_inpainter, "an in-painting network of yours in an ONNX file", extra="onnx"),
    "python-inpainter": Part(
        python_inpainter, "a function of yours: python-inpainter:object=module:attribute", runs_code=True
    ),
}

_LITE = "ImageNet, 1,000 classes"
_LITE_PAPER = "Tan, Le, ICML 2019"

CLASSIFIERS: dict[str, Part] = {
    "efficientnet-lite0": Part(efficientnet_lite0, f"{_LITE}, 224 pixels; the default", _LITE_PAPER, extra="demo"),
    "efficientnet-lite1": Part(efficientnet_lite1, f"{_LITE}, 240 pixels", _LITE_PAPER, extra="demo"),
    "efficientnet-lite2": Part(efficientnet_lite2, f"{_LITE}, 260 pixels", _LITE_PAPER, extra="demo"),
    "onnx": Part(onnx, "an ONNX file: onnx:path=model.onnx", extra="onnx"),
    "python": Part(python, "a function or torch module of yours: module:attribute, or python:object=…", runs_code=True),
    "trained": Part(trained, "a network that seewhy train classifier wrote: trained:folder=DIR"),
}
