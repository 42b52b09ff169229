"""What the manifest says of a run's corpus and gate."""

from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from interp.models.gate.evidence import Check
from interp.types import Corpus, HeadModel


def describe(corpus: Corpus) -> dict[str, Any]:
    """What the manifest says of a corpus."""
    return {
        "name": corpus.name,
        "sha256": corpus.digest,
        "documents": len(corpus),
        "words": sum(len(document.words) for document in corpus),
        "sources": len({document.source for document in corpus}),
        "sources_by": dict(corpus.sources_by),
        "generated": corpus.generated,
        "notes": corpus.notes,
    }


def describe_machine(model: HeadModel | None) -> dict[str, Any]:
    """What sums of floating-point numbers depend on: the number of threads, and what adds up."""
    device = torch.device("cpu") if model is None else model.device
    is_cuda = device.type == "cuda"
    return {
        "threads": torch.get_num_threads(),
        "device": device.type,
        "processor": torch.cuda.get_device_name(device) if is_cuda else torch.backends.cpu.get_cpu_capability(),
    }


def is_off(config: DictConfig) -> bool:
    """Whether the correctness gate is left out: `off`, which YAML reads as false."""
    return config.gate in ("off", False)


def describe_gate(status: str, checks: Sequence[Check], seconds: float) -> dict[str, Any]:
    """What the manifest says of the gate: the largest deviation of every check, and what could not be asked."""
    return {
        "status": status,
        "checks": {check.name: check.deviation for check in checks if check.deviation is not None},
        "not_checked": {check.name: check.detail for check in checks if check.deviation is None},
        "seconds": seconds,
    }
