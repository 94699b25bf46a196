"""Images: open common formats, convert to the classifier's view, and read labelled collections."""
