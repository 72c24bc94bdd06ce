"""Videos share forwards, and a row is the same bits as if its video were alone, even on a device that minds places."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from strive.stages.score.ahead import ahead
from strive.stages.score.encoder import ImageSet
from strive.stages.score.slots import MAX_SETS, encode_sets

BATCH = 8


class PlaceMinding:
    """A forward whose rows depend on image and place, as on a device with other kernels at the edges of a batch."""

    def __init__(self) -> None:
        self.forwards: list[dict[int, int]] = []

    def __call__(self, prepared: dict[int, int]) -> np.ndarray:
        assert prepared and set(prepared) <= set(range(BATCH))
        self.forwards.append(dict(prepared))
        rows = np.zeros((BATCH, 2), np.float32)
        for row, value in prepared.items():
            rows[row] = (value, np.float32(1) / (1 + row))
        return rows


def images_of(values: list[int]) -> list[np.ndarray]:
    return [np.full((2, 3, 3), value, np.uint8) for value in values]


def videos_of(seed: int, count: int = 30) -> list[tuple[str, list[int]]]:
    rng = np.random.default_rng(seed)
    return [(f"video {i}", rng.integers(0, 200, rng.integers(1, 30)).tolist()) for i in range(count)]


def run(videos: list[tuple[str, list[int]]]) -> tuple[dict[str, np.ndarray], PlaceMinding]:
    encode = PlaceMinding()
    sets = (ImageSet(name, name, images_of(values)) for name, values in videos)
    return dict(encode_sets(sets, lambda image: int(image[0, 0, 0]), encode, BATCH)), encode


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_the_video_alone_in_any_company_and_order(seed: int) -> None:
    videos = videos_of(seed)
    alone = {name: run([(name, values)])[0][name] for name, values in videos}
    for order in (videos, videos[::-1], videos[7:] + videos[:7], videos[::3]):
        together, _encode = run(order)
        assert set(together) == {name for name, _values in order}
        assert all(np.array_equal(rows, alone[name]) for name, rows in together.items())


def test_each_image_has_its_own_row_and_equal_images_of_a_video_share_one() -> None:
    rows = run([("v", [5, 9, 5, 7, 9])])[0]["v"]
    assert rows[:, 0].tolist() == [5, 9, 5, 7, 9]
    assert np.array_equal(rows[0], rows[2]) and np.array_equal(rows[1], rows[4])
    assert len({row.tobytes() for row in rows}) == 3


def test_short_videos_fill_forwards_together() -> None:
    videos = [(f"v{i}", list(range(5))) for i in range(200)]
    _rows, encode = run(videos)
    filled = sum(map(len, encode.forwards)) / (BATCH * len(encode.forwards))
    assert sum(map(len, encode.forwards)) == 1000 and filled > 0.7  # alone: 0.625


def test_no_more_than_a_few_videos_are_held() -> None:
    read: list[int] = []

    def sets() -> Iterator[ImageSet]:
        for i in range(300):
            read.append(i)
            yield ImageSet(i, "the same row for all", images_of([i % 200]))

    given, most = 0, 0
    for _token, _rows in encode_sets(sets(), lambda image: int(image[0, 0, 0]), PlaceMinding(), BATCH):
        most, given = max(most, len(read) - given), given + 1
    assert given == 300 and most <= MAX_SETS + 2 * BATCH + 2


def test_a_video_without_images_has_no_rows_and_keeps_nobody_waiting() -> None:
    rows, _encode = run([("empty", []), ("v", [1])])
    assert rows["empty"].shape == (0, 0) and rows["v"].shape == (1, 2)


def test_what_goes_wrong_while_reading_or_preparing_is_raised_to_the_caller() -> None:
    def broken() -> Iterator[ImageSet]:
        yield ImageSet("a", "a", images_of([1]))
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(encode_sets(broken(), lambda image: 1, PlaceMinding(), BATCH))

    def refuse(image: np.ndarray) -> int:
        raise ValueError("odd image")

    with pytest.raises(ValueError, match="odd image"):
        list(encode_sets([ImageSet("a", "a", images_of([1]))], refuse, PlaceMinding(), BATCH))


def test_reading_ahead_stops_when_the_reader_does() -> None:
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for i in range(10**9):
            pulled.append(i)
            yield i

    elements = ahead(source(), 3)
    assert [next(elements) for _ in range(5)] == [0, 1, 2, 3, 4]
    elements.close()
    count = len(pulled)
    assert count <= 5 + 3 + 1 and not [one for one in threading.enumerate() if one.name == "ahead"]
    assert len(pulled) == count
