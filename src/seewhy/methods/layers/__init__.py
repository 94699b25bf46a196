"""Methods that read or disturb the feature maps of a layer."""
