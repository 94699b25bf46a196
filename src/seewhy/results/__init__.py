"""The results of seewhy as typed values, and the folders that they are saved in."""
