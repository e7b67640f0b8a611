"""CMT-DSL: hybrid CNN-transformer vision models as YAML, one graph, MindSpore Cells.

`load` reads a spec, `build` expands it, `cost` counts it, `to_cell` compiles it. Importing this
package imports no framework; each backend is imported by the function that needs it.
"""

from cmt_dsl.api import (
    Cost,
    Graph,
    Model,
    build,
    cost,
    features,
    load,
    load_text,
    pyramid,
    run,
    source,
    to_cell,
    unread,
)
from cmt_dsl.errors import CmtError, SpecError

__all__ = [
    "CmtError",
    "Cost",
    "Graph",
    "Model",
    "SpecError",
    "build",
    "cost",
    "features",
    "load",
    "load_text",
    "pyramid",
    "run",
    "source",
    "to_cell",
    "unread",
]
__version__ = "0.1.0"
