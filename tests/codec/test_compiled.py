import pytest
from numba.core.caching import CacheImpl

from codec.compiled import compiled, compiled_uncounted


def test_code_is_compiled_where_no_folder_can_hold_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    def double(number: int) -> int:
        return 2 * number

    assert compiled(double)(21) == 42
    assert compiled_uncounted(double)(21) == 42
