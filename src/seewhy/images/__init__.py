"""Pictures: opened from whatever a user has, brought to what a classifier sees, and maps brought back."""
