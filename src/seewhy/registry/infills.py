"""The table of in-fills, in the order of listing; a row states only what differs from the defaults of `InfillRow`."""

from seewhy.infills.classic import navier_stokes, patchmatch, telea
from seewhy.infills.donor import donor
from seewhy.infills.exemplar import exemplar
from seewhy.infills.external import python_inpainter
from seewhy.infills.inpaint import inpaint
from seewhy.infills.onnx_inpainter import onnx_inpainter
from seewhy.infills.patch_sampler import patch_sampler
from seewhy.infills.plain import blur, constant, gray, mean, noise, rise_blur
from seewhy.registry.rows import InfillRow

INFILLS: dict[str, InfillRow] = {
    "patch-sampler": InfillRow(
        patch_sampler,
        "a patch sampled from a learned model, given the ring of pixels around it",
        "Yi et al., arXiv 2009.11150, 2020",
        random=True,
        largest=16,
    ),
    "inpaint": InfillRow(
        inpaint,
        "the same learned model, tile by tile from the known pixels inwards, for holes of any size",
        "Yi et al., arXiv 2009.11150, 2020",
        random=True,
    ),
    "exemplar": InfillRow(
        exemplar,
        "a piece of the same image, from a place with similar surroundings",
        "after Efros, Leung, ICCV 1999",
        random=True,
    ),
    "patchmatch": InfillRow(
        patchmatch,
        "patches of the same image that fit each other, matched and averaged from coarse to fine",
        "Barnes et al., SIGGRAPH 2009",
        random=True,
        extra="patchmatch",
    ),
    "donor": InfillRow(donor, "a piece of the same image, from another place chosen at random", random=True),
    "gray": InfillRow(
        gray,
        "the mean colour of the classifier's training images",
        "Zeiler, Fergus, ECCV 2014",
        from_classifier={"color": "mean_color"},
    ),
    "mean": InfillRow(mean, "the mean colour of the image"),
    "constant": InfillRow(constant, "one gray level"),
    "blur": InfillRow(blur, "the image after a Gaussian blur", "Fong, Vedaldi, ICCV 2017"),
    "rise-blur": InfillRow(
        rise_blur,
        "the image after the nearly flat 11 × 11 blur of RISE's insertion metric",
        "Petsiuk, Das, Saenko, BMVC 2018",
        from_classifier={"color": "mean_color"},
    ),
    "noise": InfillRow(
        noise,
        "Gaussian noise with the mean and standard deviation of the image",
        "Fong, Vedaldi, ICCV 2017",
        random=True,
    ),
    "telea": InfillRow(
        telea,
        "the surroundings, propagated inwards by fast marching",
        "Telea, J. Graphics Tools, 2004",
    ),
    "navier-stokes": InfillRow(
        navier_stokes,
        "the surroundings, continued along lines of equal brightness",
        "Bertalmio, Bertozzi, Sapiro, CVPR 2001",
    ),
    "onnx-inpainter": InfillRow(
        onnx_inpainter, "the output of your own in-painting network in an ONNX file", extra="onnx"
    ),
    "python-inpainter": InfillRow(
        python_inpainter,
        "the output of your own function: python-inpainter:object=module:attribute",
        random=None,
        runs_code=True,
    ),
}
