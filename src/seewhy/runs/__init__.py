"""From a request to an answer on disk: targets, the explaining of one picture, and the folder it is kept in."""
