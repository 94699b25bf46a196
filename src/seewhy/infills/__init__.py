"""In-fills, which replace removed pixels (*baseline* in captum, *masker* in SHAP): one approach per file."""
