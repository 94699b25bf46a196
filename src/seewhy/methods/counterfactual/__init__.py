"""Images that the classifier answers differently."""
