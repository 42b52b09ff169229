"""Memory that is written again: what it may be, and when it has to be new."""

import torch

from interp.buffers import Buffer


def test_room_is_used_again_as_long_as_it_will_do() -> None:
    like, buffer = torch.empty(1), Buffer()
    first = buffer.of((4, 3), like, torch.float32)
    assert first.shape == (4, 3) and first.is_contiguous()
    smaller = buffer.of((2, 5), like, torch.float32)
    assert smaller.data_ptr() == first.data_ptr()
    assert buffer.of((7, 3), like, torch.float32).data_ptr() != first.data_ptr()
    assert buffer.of((2,), like, torch.float64).dtype == torch.float64


def test_room_of_inference_mode_can_be_written_outside_of_it() -> None:
    buffer = Buffer()
    with torch.inference_mode():
        buffer.of((3,), torch.empty(1), torch.float32)
    room = buffer.of((3,), torch.empty(1), torch.float32)
    torch.mul(torch.ones(3), 2, out=room)
    assert room.tolist() == [2, 2, 2] and not room.is_inference()
