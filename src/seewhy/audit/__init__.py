"""What a classifier relies on, over many images: rules and counterfactuals."""
