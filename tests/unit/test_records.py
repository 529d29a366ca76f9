import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refine2d.errors import UserError
from refine2d.stacks.records import BATCH, batches, read_records

TYPES = st.sampled_from([("<f4", (3, 3)), (">i2", (2,)), ([("a", "u1"), ("b", "<f8", 2)], ())])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=TYPES, start=st.integers(0, 40), data=st.data())
def test_records_in_any_order(tmp_path, kind, start, data):
    record = np.dtype(kind)
    raw = np.random.default_rng(start).bytes(7 * record.itemsize)
    (tmp_path / "f").write_bytes(b"x" * start + raw)
    numbers = np.array(data.draw(st.lists(st.integers(0, 6), max_size=12)), np.int64)
    found = read_records(str(tmp_path / "f"), kind, start, 7, numbers)
    assert found.tobytes() == np.frombuffer(raw, record, 7)[numbers].tobytes()


def test_a_file_that_is_shorter_or_gone(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(bytes(40))
    assert read_records(str(path), "f4", 0, 10, [9]) == 0
    with pytest.raises(UserError, match="f can no longer be read: it is shorter"):
        read_records(str(path), "f4", 0, 11, [0])
    path.unlink()
    with pytest.raises(UserError, match="f can no longer be read: No such file"):
        read_records(str(path), "f4", 0, 10, [0])


def test_batches_are_all_numbers():
    numbers = np.arange(2 * BATCH + 5)
    assert np.concatenate(batches(numbers)).tolist() == numbers.tolist()
    assert max(map(len, batches(numbers))) == BATCH
