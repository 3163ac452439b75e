"""Copy each batch to the GPU while the one before it is used."""

from collections.abc import Iterable, Iterator

import torch

from utils.training.data.batches import Batch


def prefetched(batches: Iterable[Batch | None], device: torch.device) -> Iterator[Batch | None]:
    """Yield the same batches in the same order; on a CUDA device the next one is copied meanwhile.

    The copies run on a stream of their own and so take no time from the steps; waiting in the main
    stream, they would cost a small network some hundredths of each step. None stays None.
    """
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    copies: list[Copy] = []
    for batch in batches:
        copies.append(Copy(batch, device, stream))
        if len(copies) > 1:
            yield copies.pop(0).wait()
    yield from (copy.wait() for copy in copies)


class Copy:
    """A batch on its way to a CUDA device; it keeps the memory that the device still reads.

    Args:
        batch: In main memory, or None.
        device: Where it goes.
        stream: The CUDA stream that copies it.
    """

    def __init__(
        self, batch: Batch | None, device: torch.device, stream: torch.cuda.Stream
    ) -> None:
        self._source = batch
        with torch.cuda.stream(stream):
            self._copy = batch.to(device) if batch else None
            self._done = stream.record_event()

    def wait(self) -> Batch | None:
        """Return the batch; the current stream, and the allocator, wait until it is copied."""
        if self._copy is None:
            return None
        stream = torch.cuda.current_stream(self._copy.pixels.device)
        stream.wait_event(self._done)
        for tensor in self._copy.tensors():
            tensor.record_stream(stream)
        # It began one step ago and so is done: the memory of the source may be filled again.
        self._done.synchronize()
        self._source = None
        return self._copy
