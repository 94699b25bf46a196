"""Training of counterfactual generators against one classifier (Charachon et al., FGCS 132, 2022)."""
