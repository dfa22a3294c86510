"""The only place that imports torchvision, and mends its import where its compiled operators don't fit torch.

torchvision's wheel is built for CUDA; beside a CPU build of torch its import fails with "operator torchvision::nms does
not exist". Declaring the two schemas that it looks up is enough for models and transforms; `torchvision.io` and
`torchvision.ops` stay unusable there, and nothing here needs them.
"""

from __future__ import annotations

from typing import Any

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[torch.library.Library] = []


def torchvision_models() -> Any:
    """`torchvision.models`, importable on any build of torch."""
    try:
        import torchvision.models as models
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS.values():
            library.define(schema)  # type: ignore[no-untyped-call]
        _declared.append(library)  # the schemas live as long as their library
        import torchvision.models as models
    return models
