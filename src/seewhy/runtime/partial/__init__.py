"""Partial recomputation: run a network on images that differ from a base image only in a small box.

`split` cuts a network into a chain of stages. Each stage takes a crop of the base image's feature map with the changed
cells inserted, and computes the changed cells of the next map; the last one is the rest of the network, on a whole map.
`locality` says which cells a box can change, `route` chooses the cuts, `stages` runs them (decision 017).
"""

from seewhy.runtime.partial.stages import Partial as Partial
from seewhy.runtime.partial.stages import split as split
